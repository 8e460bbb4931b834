//! The file that names DNS servers and search domains (resolv.conf(5)), as far as it matters here.

/// Whom to ask, and for which names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ResolvConf {
    /// Addresses of servers.
    pub(super) servers: Vec<String>,
    /// Domains to try names in.
    search: Vec<String>,
    /// Dots from which on a name is tried as it is first.
    ndots: usize,
}

/// Most dots that `ndots` can ask for.
const NDOTS_MAX: usize = 15;

impl ResolvConf {
    /// Reads a file's text; lines that say nothing to us are passed over.
    pub(super) fn parse(text: &str) -> Self {
        let mut conf = Self {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
        };
        for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
            let mut fields = line.split_whitespace();
            match fields.next() {
                Some("nameserver") => conf.servers.extend(fields.next().map(str::to_owned)),
                Some("domain") => conf.search = fields.take(1).map(str::to_owned).collect(),
                Some("search") => conf.search = fields.map(str::to_owned).collect(),
                Some("options") => {
                    let mut dots = fields.filter_map(|option| option.strip_prefix("ndots:"));
                    if let Some(dots) = dots.next_back() {
                        // What is no number counts as none, as a negative one does.
                        conf.ndots = dots.parse().unwrap_or(0).min(NDOTS_MAX);
                    }
                }
                _ => {}
            }
        }
        conf
    }

    /// The complete names to ask for, in their order, when `name` is looked for.
    pub(super) fn names(&self, name: &str) -> Vec<String> {
        if is_complete(name) {
            return vec![name.to_owned()];
        }
        let complete = format!("{name}.");
        let in_domains = self.search.iter().map(|domain| {
            let joined = format!("{complete}{domain}");
            if is_complete(&joined) {
                joined
            } else {
                format!("{joined}.")
            }
        });
        if labels_len(name) > self.ndots {
            return std::iter::once(complete.clone())
                .chain(in_domains)
                .collect();
        }
        in_domains.chain([complete.clone()]).collect()
    }
}

/// Whether the name ends with a dot that is none of its last label.
fn is_complete(name: &str) -> bool {
    let Some(rest) = name.strip_suffix('.') else {
        return false;
    };
    let escapes = rest.bytes().rev().take_while(|byte| *byte == b'\\').count();
    escapes % 2 == 0
}

fn labels_len(name: &str) -> usize {
    let mut labels = usize::from(!name.is_empty());
    let mut escaped = false;
    for byte in name.bytes() {
        labels += usize::from(byte == b'.' && !escaped);
        escaped = byte == b'\\' && !escaped;
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_servers_domains_and_dots() {
        let text = "# c\n;c\nnameserver 10.0.0.1 # x\n nameserver ::1\nnameserver\ndomain old.org\n\
                    search a.org  b.org.\noptions timeout:1 ndots:2 rotate\nsortlist x\n";
        let conf = ResolvConf::parse(text);
        assert_eq!(conf.servers, ["10.0.0.1", "::1"]);
        assert_eq!(conf.search, ["a.org", "b.org."]);
        assert_eq!(conf.ndots, 2);
        assert_eq!(
            conf.names("x.y"),
            ["x.y.a.org.", "x.y.b.org.", "x.y."],
            "two labels are not more than two dots"
        );
        assert_eq!(
            conf.names("x.y.z"),
            ["x.y.z.", "x.y.z.a.org.", "x.y.z.b.org."]
        );
        assert_eq!(conf.names("x.y."), ["x.y."]);
        assert_eq!(conf.names("x\\."), ["x\\..a.org.", "x\\..b.org.", "x\\.."]);
    }

    #[test]
    fn any_text_is_read() {
        assert_eq!(ResolvConf::parse("").names("x"), ["x."]);
        let odd =
            ResolvConf::parse("options ndots:-3 ndots:99999999999999999999\nsearch\ndomain\n");
        assert_eq!((odd.ndots, odd.search.len()), (0, 0));
        assert_eq!(ResolvConf::parse("options ndots:40").ndots, 15);
        assert_eq!(odd.names(""), ["."]);
    }
}
