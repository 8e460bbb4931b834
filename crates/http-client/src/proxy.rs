//! Which proxy a request goes through, and what is said to it.

mod bypass;
pub(crate) mod connect;
pub(crate) mod socks;

use base64::Engine as _;
use http::header::HeaderValue;
use percent_encoding::percent_decode_str;
use url::{Host, Url};
use yaml::Secret;

use self::bypass::Bypass;
use crate::Variables;
use crate::config::{EndpointUrl, ProxyConfig};
use crate::dial::Origin;
use crate::error::Failure;

/// Which proxies a client uses, and what it says to them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxyOptions {
    /// The proxy for targets without TLS, a URL that may hold a password.
    pub http: Option<Secret>,
    /// The proxy for targets with TLS.
    pub https: Option<Secret>,
    /// Which targets are reached without a proxy; `None` for none. `Some`, even if empty, lets
    /// loopback addresses and `localhost` be reached directly too.
    pub no_proxy: Option<String>,
    /// Headers of CONNECT requests.
    pub connect_headers: Vec<(String, Secret)>,
}

impl ProxyOptions {
    /// What the environment says: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`, or the same in lower
    /// case.
    pub fn from_variables(variables: &Variables) -> Self {
        let get = |name: &str| {
            let lower = || variables.get(&name.to_ascii_lowercase());
            variables.get(name).or_else(lower)
        };
        Self {
            http: get("HTTP_PROXY").map(Secret::new),
            https: get("HTTPS_PROXY").map(Secret::new),
            no_proxy: Some(get("NO_PROXY").unwrap_or_default()),
            connect_headers: Vec::new(),
        }
    }
}

impl From<&ProxyConfig> for ProxyOptions {
    /// From a validated configuration, and the environment of the process if it says so.
    fn from(config: &ProxyConfig) -> Self {
        let headers = config.proxy_connect_header.iter();
        let connect_headers = headers
            .flat_map(|(name, values)| values.iter().map(|value| (name.clone(), value.clone())))
            .collect();
        if config.proxy_from_environment {
            return Self {
                connect_headers,
                ..Self::from_variables(&Variables::of_process())
            };
        }
        let url = config.proxy_url.as_ref().map(EndpointUrl::as_str);
        let url = url.filter(|url| !url.is_empty()).map(Secret::new);
        Self {
            http: url.clone(),
            https: url,
            no_proxy: Some(config.no_proxy.clone()).filter(|list| !list.is_empty()),
            connect_headers,
        }
    }
}

/// The proxies of a client, ready to be asked.
#[derive(Debug)]
pub(crate) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    bypass: Option<Bypass>,
    /// Of CONNECT requests, secrets marked as such.
    pub(crate) connect_headers: http::HeaderMap,
}

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub(crate) kind: Kind,
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What its URL says of who we are.
    pub(crate) user: Option<User>,
}

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    Https,
    Socks5,
}

/// User and password for a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: Secret,
}

impl Proxies {
    pub(crate) fn new(options: &ProxyOptions) -> Result<Self, String> {
        let parse = |url: &Option<Secret>| url.as_ref().map(Proxy::parse).transpose();
        let mut connect_headers = http::HeaderMap::new();
        for (name, value) in &options.connect_headers {
            let name = http::HeaderName::from_bytes(name.as_bytes())
                .map_err(|err| format!("proxy_connect_header: {err}"))?;
            // The message must not repeat the value.
            let mut value = HeaderValue::from_str(value.expose())
                .map_err(|_| "proxy_connect_header: invalid header field value".to_owned())?;
            value.set_sensitive(true);
            connect_headers.append(name, value);
        }
        Ok(Self {
            http: parse(&options.http)?,
            https: parse(&options.https)?,
            bypass: options.no_proxy.as_deref().map(Bypass::parse),
            connect_headers,
        })
    }

    /// The proxy for requests to `origin`.
    pub(crate) fn proxy_for(&self, origin: &Origin) -> Option<&Proxy> {
        let proxy = if origin.https {
            &self.https
        } else {
            &self.http
        }
        .as_ref()?;
        let direct = |bypass: &Bypass| bypass.matches(&origin.host, origin.port);
        (!self.bypass.as_ref().is_some_and(direct)).then_some(proxy)
    }
}

impl Proxy {
    /// From a URL; one without scheme is taken for `http`. Errors do not repeat it.
    fn parse(text: &Secret) -> Result<Self, String> {
        let with_host = |text: &str| Url::parse(text).ok().filter(Url::has_host);
        let text = text.expose();
        let url = with_host(text).or_else(|| with_host(&format!("http://{text}")));
        let url = url.ok_or("invalid proxy address")?;
        let (kind, default_port) = match url.scheme() {
            "https" => (Kind::Https, 443),
            "socks5" | "socks5h" => (Kind::Socks5, 1080),
            // As in the reference, whatever else is written.
            _ => (Kind::Http, 80),
        };
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err("invalid proxy address".to_owned()),
        };
        let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let has_user = !url.username().is_empty() || url.password().is_some();
        let user = has_user.then(|| User {
            name: decode(url.username()),
            password: Secret::new(decode(url.password().unwrap_or(""))),
        });
        Ok(Self {
            kind,
            host,
            port: url.port().unwrap_or(default_port),
            user,
        })
    }

    /// Whether requests to `origin` are handed to the proxy whole, with the target's URL.
    pub(crate) fn forwards(&self, origin: &Origin) -> bool {
        !origin.https && self.kind != Kind::Socks5
    }

    /// Whether the proxy itself is reached by TLS.
    pub(crate) fn wants_tls(&self) -> bool {
        self.kind == Kind::Https
    }

    /// The value of `Proxy-Authorization`.
    pub(crate) fn authorization(&self) -> Result<Option<HeaderValue>, Failure> {
        let Some(User { name, password }) = &self.user else {
            return Ok(None);
        };
        let pair = format!("{name}:{}", password.expose());
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        let mut value = HeaderValue::from_str(&format!("Basic {encoded}"))
            .map_err(|err| Failure::Credentials(err.to_string()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Proxy, String> {
        Proxy::parse(&Secret::new(text))
    }

    #[test]
    fn proxies_are_read_from_urls() {
        let check = |text: &str, kind, host: &str, port| {
            let proxy = parse(text).unwrap();
            assert_eq!(
                (proxy.kind, proxy.host.as_str(), proxy.port),
                (kind, host, port)
            );
        };
        check("http://p", Kind::Http, "p", 80);
        check("https://p:8443/", Kind::Https, "p", 8443);
        check("p:3128", Kind::Http, "p", 3128);
        check("127.0.0.1:3128", Kind::Http, "127.0.0.1", 3128);
        check("socks5://[::1]", Kind::Socks5, "::1", 1080);
        check("ftp://p:1", Kind::Http, "p", 1);
        assert_eq!(parse("").unwrap_err(), "invalid proxy address");
    }

    #[test]
    fn passwords_of_proxies_are_used_and_not_shown() {
        let proxy = parse("http://u%40x:p%3Aq@p").unwrap();
        let value = proxy.authorization().unwrap().unwrap();
        assert_eq!(value, "Basic dUB4OnA6cQ==");
        assert!(!format!("{proxy:?} {value:?}").contains("p:q"));
        let options = ProxyOptions {
            http: Some(Secret::new("http://u:hidden@p")),
            connect_headers: vec![("x".to_owned(), Secret::new("hidden"))],
            ..ProxyOptions::default()
        };
        let proxies = Proxies::new(&options).unwrap();
        assert!(!format!("{options:?} {proxies:?}").contains("hidden"));
    }

    #[test]
    fn the_environment_names_proxies() {
        let variables = Variables::of([
            ("http_proxy", "a:1"),
            ("HTTPS_PROXY", "b:2"),
            ("NO_PROXY", "c"),
        ]);
        let proxies = Proxies::new(&ProxyOptions::from_variables(&variables)).unwrap();
        let host = |url: &str| {
            let origin = Origin::of(&Url::parse(url).unwrap()).unwrap();
            proxies.proxy_for(&origin).map(|proxy| proxy.host.clone())
        };
        assert_eq!(host("http://x/").as_deref(), Some("a"));
        assert_eq!(host("https://x/").as_deref(), Some("b"));
        assert_eq!(host("https://c/"), None);
        assert_eq!(host("http://localhost/"), None);
    }

    #[test]
    fn a_configured_proxy_is_for_loopback_too_unless_hosts_are_excluded() {
        let options = |no_proxy: &str| {
            ProxyOptions::from(&ProxyConfig {
                proxy_url: Some(EndpointUrl::parse("http://p").unwrap()),
                no_proxy: no_proxy.to_owned(),
                ..ProxyConfig::default()
            })
        };
        let origin = Origin::of(&Url::parse("http://127.0.0.1/").unwrap()).unwrap();
        let uses = |no_proxy| {
            let proxies = Proxies::new(&options(no_proxy)).unwrap();
            proxies.proxy_for(&origin).is_some()
        };
        assert!(uses(""));
        assert!(!uses("elsewhere"));
    }
}
