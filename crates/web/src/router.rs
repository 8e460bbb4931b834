//! Which endpoint answers a path, and the redirects and refusals around it.
//!
//! The reference puts two trees of routes behind a path-cleaning multiplexer, one for the API and
//! one for the rest. Clients see how they treat a stray slash, another letter case or a wrong
//! method, so that is reproduced here; note that redirects inside the API lose its prefix.

use std::borrow::Cow;

use http::Method;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Endpoint {
    /// `/` where everything else lies below a prefix.
    OutsidePrefix,
    Root,
    Graph,
    Page,
    Healthy,
    Ready,
    Reload,
    Quit,
    LifecycleWrongMethod,
    Metrics,
    Version,
    ApiOptions,
    Query,
    QueryExplain,
    QueryRange,
    QueryRangeExplain,
    FormatQuery,
    ParseQuery,
    Labels,
    LabelValues,
    Series,
    DropSeries,
    Metadata,
    Targets,
    TargetsMetadata,
    RelabelSteps,
    TargetHistory,
    ScrapePools,
    ScrapePoolConfig,
    Config,
    RuntimeInfo,
    BuildInfo,
    Flags,
    TsdbStatus,
    WalReplay,
    QueryExemplars,
    RemoteRead,
    RemoteWrite,
    DeleteSeries,
    CleanTombstones,
    Snapshot,
}

/// A path pattern (`:name` is any one segment, a last `*name` any rest) and who answers which
/// methods there.
pub(crate) struct Route {
    pub(crate) pattern: &'static str,
    pub(crate) methods: &'static [Method],
    pub(crate) endpoint: Endpoint,
}

const fn route(pattern: &'static str, methods: &'static [Method], endpoint: Endpoint) -> Route {
    Route {
        pattern,
        methods,
        endpoint,
    }
}

const GET: &[Method] = &[Method::GET];
const GET_HEAD: &[Method] = &[Method::GET, Method::HEAD];
const GET_POST: &[Method] = &[Method::GET, Method::POST];
const POST_PUT: &[Method] = &[Method::POST, Method::PUT];

/// Routes below the route prefix.
pub(crate) const MAIN: &[Route] = &[
    route("/", GET, Endpoint::Root),
    route("/graph", GET, Endpoint::Graph),
    route("/query", GET, Endpoint::Page),
    route("/alerts", GET, Endpoint::Page),
    route("/rules", GET, Endpoint::Page),
    route("/targets", GET, Endpoint::Page),
    route("/service-discovery", GET, Endpoint::Page),
    route("/status", GET, Endpoint::Page),
    route("/flags", GET, Endpoint::Page),
    route("/config", GET, Endpoint::Page),
    route("/alertmanager-discovery", GET, Endpoint::Page),
    route("/tsdb-status", GET, Endpoint::Page),
    route("/version", GET, Endpoint::Version),
    route("/metrics", GET, Endpoint::Metrics),
    route("/-/healthy", GET_HEAD, Endpoint::Healthy),
    route("/-/ready", GET_HEAD, Endpoint::Ready),
    route("/-/reload", POST_PUT, Endpoint::Reload),
    route("/-/reload", GET, Endpoint::LifecycleWrongMethod),
    route("/-/quit", POST_PUT, Endpoint::Quit),
    route("/-/quit", GET, Endpoint::LifecycleWrongMethod),
];

/// What lies outside a route prefix.
const OUTSIDE: Route = route("/", GET, Endpoint::OutsidePrefix);

/// Routes below `/api/v1`.
pub(crate) const API: &[Route] = &[
    route("/query", GET_POST, Endpoint::Query),
    route("/query_range", GET_POST, Endpoint::QueryRange),
    route("/query_explain", GET_POST, Endpoint::QueryExplain),
    route(
        "/query_range_explain",
        GET_POST,
        Endpoint::QueryRangeExplain,
    ),
    route("/query_exemplars", GET_POST, Endpoint::QueryExemplars),
    route("/format_query", GET_POST, Endpoint::FormatQuery),
    route("/parse_query", GET_POST, Endpoint::ParseQuery),
    route("/labels", GET_POST, Endpoint::Labels),
    route("/label/:name/values", GET, Endpoint::LabelValues),
    route("/series", GET_POST, Endpoint::Series),
    route("/series", &[Method::DELETE], Endpoint::DropSeries),
    route("/metadata", GET, Endpoint::Metadata),
    route("/targets", GET, Endpoint::Targets),
    route("/targets/metadata", GET, Endpoint::TargetsMetadata),
    route("/targets/relabel_steps", GET, Endpoint::RelabelSteps),
    route("/ferula/target_history", GET, Endpoint::TargetHistory),
    route("/scrape_pools", GET, Endpoint::ScrapePools),
    route("/scrape_pools/config", GET, Endpoint::ScrapePoolConfig),
    route("/status/config", GET, Endpoint::Config),
    route("/status/runtimeinfo", GET, Endpoint::RuntimeInfo),
    route("/status/buildinfo", GET, Endpoint::BuildInfo),
    route("/status/flags", GET, Endpoint::Flags),
    route("/status/tsdb", GET, Endpoint::TsdbStatus),
    route("/status/walreplay", GET, Endpoint::WalReplay),
    route("/read", &[Method::POST], Endpoint::RemoteRead),
    route("/write", &[Method::POST], Endpoint::RemoteWrite),
    route(
        "/admin/tsdb/delete_series",
        POST_PUT,
        Endpoint::DeleteSeries,
    ),
    route(
        "/admin/tsdb/clean_tombstones",
        POST_PUT,
        Endpoint::CleanTombstones,
    ),
    route("/admin/tsdb/snapshot", POST_PUT, Endpoint::Snapshot),
    route("/*path", &[Method::OPTIONS], Endpoint::ApiOptions),
];

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Routed {
    /// An endpoint, its pattern with the API's prefix (the `handler` label of our metrics), and
    /// the segment its `:name` stands for.
    Endpoint(Endpoint, String, Vec<u8>),
    /// Elsewhere, permanently or for methods that must not change, temporarily.
    Redirect { path: Vec<u8>, permanent: bool },
    /// `OPTIONS` of a path that has other methods: their names.
    Allowed(String),
    /// The path has only these methods.
    MethodNotAllowed(String),
    /// Nothing there.
    NotFound,
}

/// `prefix` with one slash in front and none behind; just the slash for none.
pub fn canonical_prefix(prefix: &str) -> String {
    format!("/{}", prefix.trim_matches('/'))
}

/// Finds what answers `method` at the unescaped `path`, with routes below `prefix`
/// (see [`canonical_prefix`]).
pub(crate) fn find(prefix: &str, method: &Method, path: &[u8]) -> Routed {
    let cleaned = clean(path);
    if *cleaned != *path && *method != Method::CONNECT {
        return Routed::Redirect {
            path: cleaned.into_owned(),
            permanent: true,
        };
    }
    let prefix = prefix.trim_end_matches('/').as_bytes();
    let in_api = path
        .strip_prefix(prefix)
        .and_then(|below| below.strip_prefix(b"/api/v1"));
    match in_api {
        Some(b"") => Routed::Redirect {
            path: [path, b"/"].concat(),
            permanent: true,
        },
        Some(rest) if rest.first() == Some(&b'/') => {
            let tree = Tree {
                routes: API,
                prefix: b"",
                label_prefix: "/api/v1",
            };
            tree.lookup(method, rest)
        }
        _ => {
            let tree = Tree {
                routes: MAIN,
                prefix,
                label_prefix: "",
            };
            tree.lookup(method, path)
        }
    }
}

/// Routes that know of each other.
struct Tree<'a> {
    routes: &'static [Route],
    /// Before all patterns; empty for none.
    prefix: &'a [u8],
    /// Before patterns in the `handler` label of our metrics.
    label_prefix: &'static str,
}

impl Tree<'_> {
    /// All routes with what comes before their patterns.
    fn routes(&self) -> impl Iterator<Item = (&[u8], &'static Route)> {
        let outside = Some((&b""[..], &OUTSIDE)).filter(|_| !self.prefix.is_empty());
        let inside = self.routes.iter().map(|route| (self.prefix, route));
        inside.chain(outside)
    }

    fn lookup(&self, method: &Method, path: &[u8]) -> Routed {
        let of_method = || {
            self.routes()
                .filter(|(_, route)| route.methods.contains(method))
        };
        for (prefix, route) in of_method() {
            if let Some(parameter) = matches(prefix, route.pattern, path, false) {
                let label = format!("{}{}", self.label_prefix, route.pattern);
                return Routed::Endpoint(route.endpoint, label, parameter.to_vec());
            }
        }
        if path != b"/" {
            let other = toggle_slash(path);
            for (candidate, fold) in [(&other[..], false), (path, true), (&other[..], true)] {
                let found = of_method().find(|(prefix, route)| {
                    matches(prefix, route.pattern, candidate, fold).is_some()
                });
                if let Some((prefix, route)) = found {
                    let below = candidate.get(prefix.len()..).unwrap_or_default();
                    let mut target = prefix.to_vec();
                    target.extend(spelled_as(route.pattern, below));
                    return Routed::Redirect {
                        path: target,
                        permanent: *method == Method::GET,
                    };
                }
            }
        }
        self.refusal(method, path)
    }

    /// What a path without a route of this method gets.
    fn refusal(&self, method: &Method, path: &[u8]) -> Routed {
        let mut allowed: Vec<&str> = self
            .routes()
            .filter(|(prefix, route)| matches(prefix, route.pattern, path, false).is_some())
            .flat_map(|(_, route)| route.methods.iter().map(Method::as_str))
            .filter(|name| *name != "OPTIONS")
            .collect();
        if allowed.is_empty() {
            return Routed::NotFound;
        }
        allowed.push("OPTIONS");
        allowed.sort_unstable();
        allowed.dedup();
        let allowed = allowed.join(", ");
        if *method == Method::OPTIONS {
            Routed::Allowed(allowed)
        } else {
            Routed::MethodNotAllowed(allowed)
        }
    }
}

/// What `:name` stands for (empty if the pattern has none) if the path is `prefix` and then fits the
/// pattern; with `fold`, letter case of the fixed segments does not matter.
fn matches<'p>(prefix: &[u8], pattern: &str, path: &'p [u8], fold: bool) -> Option<&'p [u8]> {
    let (start, below) = path.split_at_checked(prefix.len())?;
    if start != prefix && !(fold && start.eq_ignore_ascii_case(prefix)) {
        return None;
    }
    let mut parameter: &[u8] = b"";
    let mut segments = below.strip_prefix(b"/")?.split(|byte| *byte == b'/');
    for expected in pattern.strip_prefix('/')?.split('/') {
        if expected.starts_with('*') {
            return Some(parameter);
        }
        let found = segments.next()?;
        if expected.starts_with(':') {
            if found.is_empty() {
                return None;
            }
            parameter = found;
        } else {
            let same = if fold {
                found.eq_ignore_ascii_case(expected.as_bytes())
            } else {
                found == expected.as_bytes()
            };
            if !same {
                return None;
            }
        }
    }
    segments.next().is_none().then_some(parameter)
}

/// The path with the pattern's letter case.
fn spelled_as(pattern: &str, path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let segments = path.split(|byte| *byte == b'/');
    for (expected, found) in pattern.split('/').zip(segments) {
        let is_parameter = expected.starts_with([':', '*']);
        out.extend_from_slice(if is_parameter {
            found
        } else {
            expected.as_bytes()
        });
        out.push(b'/');
    }
    out.pop();
    out
}

fn toggle_slash(path: &[u8]) -> Vec<u8> {
    match path.strip_suffix(b"/") {
        Some(shorter) => shorter.to_vec(),
        None => [path, b"/"].concat(),
    }
}

/// The path without empty, `.` and `..` segments; a slash at its end stays.
pub(crate) fn clean(path: &[u8]) -> Cow<'_, [u8]> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    for segment in &kept {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if kept.is_empty() || path.ends_with(b"/") {
        out.push(b'/');
    }
    if out == path {
        Cow::Borrowed(path)
    } else {
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod document;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prefix: &str, method: Method, path: &str, expected: Routed) {
        assert_eq!(
            find(prefix, &method, path.as_bytes()),
            expected,
            "{method} {path}"
        );
    }

    fn moved(path: &str) -> Routed {
        Routed::Redirect {
            path: path.into(),
            permanent: true,
        }
    }

    fn answers(endpoint: Endpoint, label: &str, parameter: &str) -> Routed {
        Routed::Endpoint(endpoint, label.into(), parameter.into())
    }

    #[test]
    fn paths_lead_to_endpoints() {
        let query = || answers(Endpoint::Query, "/api/v1/query", "");
        check("/", Method::GET, "/api/v1/query", query());
        check("/", Method::POST, "/api/v1/query", query());
        check(
            "/",
            Method::GET,
            "/api/v1/label/job/values",
            answers(Endpoint::LabelValues, "/api/v1/label/:name/values", "job"),
        );
        check("/", Method::GET, "/", answers(Endpoint::Root, "/", ""));
        check(
            "/",
            Method::HEAD,
            "/-/ready",
            answers(Endpoint::Ready, "/-/ready", ""),
        );
        check(
            "/",
            Method::OPTIONS,
            "/api/v1/any/thing",
            answers(Endpoint::ApiOptions, "/api/v1/*path", ""),
        );
    }

    #[test]
    fn a_prefix_moves_everything() {
        check(
            "/p",
            Method::GET,
            "/p/api/v1/query",
            answers(Endpoint::Query, "/api/v1/query", ""),
        );
        check(
            "/p",
            Method::GET,
            "/p/metrics",
            answers(Endpoint::Metrics, "/metrics", ""),
        );
        check("/p", Method::GET, "/metrics", Routed::NotFound);
        check("/p", Method::GET, "/px/metrics", Routed::NotFound);
        let outside = answers(Endpoint::OutsidePrefix, "/", "");
        check("/p", Method::GET, "/", outside);
        let get_only = || Routed::MethodNotAllowed("GET, OPTIONS".to_owned());
        check("/p", Method::HEAD, "/", get_only());
        check("/p", Method::POST, "/p/", get_only());
        check("/p", Method::GET, "/p/", answers(Endpoint::Root, "/", ""));
        check("/p", Method::GET, "/p", moved("/p/"));
        check("/p", Method::GET, "/P", moved("/p/"));
        check("/p", Method::GET, "/P/Graph", moved("/p/graph"));
        check("/p", Method::HEAD, "/p", Routed::NotFound);
        check("/p", Method::GET, "/p/api/v1", moved("/p/api/v1/"));
        check("/p", Method::GET, "/p/metrics/", moved("/p/metrics"));
    }

    #[test]
    fn odd_paths_are_redirected_as_in_the_reference() {
        check("/", Method::GET, "//api/v1/query", moved("/api/v1/query"));
        check("/", Method::GET, "/api/v1/../query", moved("/api/query"));
        check("/", Method::GET, "/api/v1/query/", moved("/query"));
        check("/", Method::GET, "/api/v1/Query", moved("/query"));
        check("/", Method::GET, "/api/v1", moved("/api/v1/"));
        check("/", Method::GET, "/metrics/", moved("/metrics"));
        check(
            "/",
            Method::GET,
            "/api/v1/label//values",
            moved("/api/v1/label/values"),
        );
        check(
            "/",
            Method::GET,
            "/api/v1/LABEL/Job/values",
            moved("/label/Job/values"),
        );
        check(
            "/",
            Method::POST,
            "/api/v1/query/",
            Routed::Redirect {
                path: b"/query".to_vec(),
                permanent: false,
            },
        );
    }

    #[test]
    fn wrong_methods_learn_the_right_ones() {
        let not_allowed = |names: &str| Routed::MethodNotAllowed(names.to_owned());
        check(
            "/",
            Method::DELETE,
            "/api/v1/query",
            not_allowed("GET, OPTIONS, POST"),
        );
        check(
            "/",
            Method::HEAD,
            "/api/v1/query",
            not_allowed("GET, OPTIONS, POST"),
        );
        check(
            "/",
            Method::POST,
            "/-/healthy",
            not_allowed("GET, HEAD, OPTIONS"),
        );
        check(
            "/",
            Method::OPTIONS,
            "/-/healthy",
            Routed::Allowed("GET, HEAD, OPTIONS".to_owned()),
        );
    }

    #[test]
    fn unknown_paths_are_not_found() {
        for path in [
            "/nope",
            "/api",
            "/api/v1/",
            "/api/v1/nope",
            "/api/v2/query",
            "/federate/x",
        ] {
            check("/", Method::GET, path, Routed::NotFound);
        }
        check("/", Method::POST, "/api/v1/nope", Routed::NotFound);
        check("/", Method::GET, "/api/v1/label/a", Routed::NotFound);
        check("/", Method::GET, "/API/v1/query", Routed::NotFound);
    }

    #[test]
    fn prefixes_are_made_canonical() {
        assert_eq!(canonical_prefix(""), "/");
        assert_eq!(canonical_prefix("/"), "/");
        assert_eq!(canonical_prefix("a/b/"), "/a/b");
    }
}
