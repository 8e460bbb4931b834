//! TLS options of a client.

use yaml::{Decoder, Fatal, FilePath, NodeId, Secret, Tree, Yaml};

use super::set_count;

yaml::record! {
    /// TLS options.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct TlsConfig: "config.TLSConfig", checked "config.plain" {
        /// Certificates of trusted authorities, PEM.
        pub ca: String => omit "ca";
        /// Our certificate, PEM.
        pub cert: String => omit "cert";
        /// Our key, PEM.
        pub key: Secret => omit "key";
        /// File with the authorities.
        pub ca_file: FilePath => omit "ca_file";
        /// File with our certificate.
        pub cert_file: FilePath => omit "cert_file";
        /// File with our key.
        pub key_file: FilePath => omit "key_file";
        /// Name of the authorities in a secret manager; there is none.
        pub ca_ref: String => omit "ca_ref";
        /// Name of our certificate in a secret manager; there is none.
        pub cert_ref: String => omit "cert_ref";
        /// Name of our key in a secret manager; there is none.
        pub key_ref: String => omit "key_ref";
        /// Name sent and verified instead of the URL's host.
        pub server_name: String => omit "server_name";
        /// Whether the server's certificate goes unchecked.
        pub insecure_skip_verify: bool => keep "insecure_skip_verify";
        /// Lowest version.
        pub min_version: Option<TlsVersion> => omit "min_version";
        /// Highest version.
        pub max_version: Option<TlsVersion> => omit "max_version";
    }
}

impl TlsConfig {
    /// Options that name something in a secret manager, and whether they are set.
    pub(super) fn references(&self) -> [(bool, &'static str); 3] {
        [
            (!self.ca_ref.is_empty(), "ca_ref"),
            (!self.cert_ref.is_empty(), "cert_ref"),
            (!self.key_ref.is_empty(), "key_ref"),
        ]
    }

    fn check(&mut self) -> Result<(), String> {
        let has_cert = [
            !self.cert.is_empty(),
            !self.cert_file.is_empty(),
            !self.cert_ref.is_empty(),
        ];
        let has_key = [
            !self.key.is_empty(),
            !self.key_file.is_empty(),
            !self.key_ref.is_empty(),
        ];
        let has_ca = [
            !self.ca.is_empty(),
            !self.ca_file.is_empty(),
            !self.ca_ref.is_empty(),
        ];
        if set_count(&has_ca) > 1 {
            return Err("at most one of ca, ca_file & ca_ref must be configured".into());
        }
        if set_count(&has_cert) > 1 {
            return Err("at most one of cert, cert_file & cert_ref must be configured".into());
        }
        if set_count(&has_key) > 1 {
            return Err("at most one of key and key_file must be configured".into());
        }
        match (set_count(&has_cert), set_count(&has_key)) {
            (1, 0) => Err("exactly one of key or key_file must be configured when a client certificate is configured".into()),
            (0, 1) => Err("exactly one of cert or cert_file must be configured when a client key is configured".into()),
            _ => match (self.min_version, self.max_version) {
                (Some(min), Some(max)) if min > max => {
                    Err("tls_config.max_version must be greater than or equal to tls_config.min_version if both are specified".into())
                }
                _ => Ok(()),
            },
        }
    }
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.0
    Tls10,
    /// 1.1
    Tls11,
    /// 1.2
    #[default]
    Tls12,
    /// 1.3
    Tls13,
}

impl TlsVersion {
    const NAMES: [(&'static str, Self); 4] = [
        ("TLS10", Self::Tls10),
        ("TLS11", Self::Tls11),
        ("TLS12", Self::Tls12),
        ("TLS13", Self::Tls13),
    ];
}

impl Yaml for TlsVersion {
    fn go_type() -> String {
        "config.TLSVersion".to_owned()
    }

    fn zero() -> Self {
        Self::default()
    }

    fn decode(&mut self, decoder: &mut Decoder<'_>, id: NodeId) -> Result<(), Fatal> {
        let mut text = String::new();
        let before = decoder.issue_count();
        decoder.read(&mut text, id)?;
        if decoder.issue_count() == before {
            let found = Self::NAMES.iter().find(|(name, _)| *name == text);
            *self = found
                .map(|(_, version)| *version)
                .ok_or_else(|| Fatal::new(format!("unknown TLS version: {text}")))?;
        }
        Ok(())
    }

    fn encode(&self) -> Tree {
        let name = Self::NAMES.iter().find(|(_, version)| version == self);
        Tree::Text(name.map_or("", |(name, _)| name).to_owned())
    }

    fn is_zero(&self) -> bool {
        false
    }
}
