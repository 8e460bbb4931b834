//! Exposition formats by their configuration names.

use yaml::{Decoder, Fatal, NodeId, Tree, Yaml};

/// A format that a target can be asked for. What a file says is kept until it is checked together
/// with the job it belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ScrapeProtocol {
    /// None named.
    #[default]
    None,
    /// Delimited protobuf messages.
    PrometheusProto,
    /// Text 0.0.4.
    PrometheusText0_0_4,
    /// Text 1.0.0.
    PrometheusText1_0_0,
    /// OpenMetrics 0.0.1.
    OpenMetricsText0_0_1,
    /// OpenMetrics 1.0.0.
    OpenMetricsText1_0_0,
    /// A name that no format has; refused by [`check`](Self::check).
    Unknown(String),
}

/// Names in the order error texts list them.
const NAMES: [(&str, ScrapeProtocol); 5] = [
    ("OpenMetricsText0.0.1", ScrapeProtocol::OpenMetricsText0_0_1),
    ("OpenMetricsText1.0.0", ScrapeProtocol::OpenMetricsText1_0_0),
    ("PrometheusProto", ScrapeProtocol::PrometheusProto),
    ("PrometheusText0.0.4", ScrapeProtocol::PrometheusText0_0_4),
    ("PrometheusText1.0.0", ScrapeProtocol::PrometheusText1_0_0),
];

impl ScrapeProtocol {
    /// What is asked for where no file says otherwise.
    pub fn defaults(protobuf_first: bool) -> Vec<Self> {
        let first = protobuf_first.then_some(Self::PrometheusProto);
        let text = [
            Self::OpenMetricsText1_0_0,
            Self::OpenMetricsText0_0_1,
            Self::PrometheusText1_0_0,
            Self::PrometheusText0_0_4,
        ];
        first.into_iter().chain(text).collect()
    }

    /// The configuration name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unknown(name) => name,
            known => NAMES
                .iter()
                .find(|(_, it)| it == known)
                .map_or("", |(name, _)| name),
        }
    }

    /// Whether none is named.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Refuses unknown names.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Unknown(_) | Self::None => {
                let supported = NAMES.map(|(name, _)| name).join(" ");
                Err(format!(
                    "unknown scrape protocol {}, supported: [{supported}]",
                    self.as_str()
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses an empty list, unknown names and repetitions.
pub fn check_protocols(protocols: &[ScrapeProtocol]) -> Result<(), String> {
    if protocols.is_empty() {
        return Err("scrape_protocols cannot be empty".into());
    }
    for (index, protocol) in protocols.iter().enumerate() {
        let same =
            |before: &ScrapeProtocol| before.as_str().eq_ignore_ascii_case(protocol.as_str());
        if protocols[..index].iter().any(same) {
            let names: Vec<&str> = protocols.iter().map(ScrapeProtocol::as_str).collect();
            return Err(format!(
                "duplicated protocol in scrape_protocols, got [{}]",
                names.join(" ")
            ));
        }
        protocol
            .check()
            .map_err(|err| format!("scrape_protocols: {err}"))?;
    }
    Ok(())
}

impl Yaml for ScrapeProtocol {
    fn go_type() -> String {
        "config.ScrapeProtocol".to_owned()
    }

    fn zero() -> Self {
        Self::None
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        if let Some((text, _)) = decoder.scalar(id, "config.ScrapeProtocol")? {
            let found = NAMES.iter().find(|(name, _)| *name == text);
            *self = match found {
                Some((_, protocol)) => protocol.clone(),
                None if text.is_empty() => Self::None,
                None => Self::Unknown(text.to_owned()),
            };
        }
        Ok(())
    }

    fn encode(&self) -> Tree {
        Tree::Text(self.as_str().to_owned())
    }

    fn is_zero(&self) -> bool {
        self.is_none()
    }
}
