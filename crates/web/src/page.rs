//! The one page served until there is a UI: health, targets, links.

use crate::handler::{Handler, Readiness};

/// The page as HTML.
pub(crate) fn render(handler: &Handler) -> String {
    let options = handler.options();
    let health = match handler.readiness() {
        Readiness::NotReady => "starting: the write-ahead log is being read",
        Readiness::Ready => "ready",
        Readiness::Stopping => "stopping",
    };
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{}</title>\n\
         <style>body{{font-family:sans-serif;margin:2em;max-width:70em}}table{{border-collapse:collapse}}\
         td,th{{border:1px solid #bbb;padding:.3em .6em;text-align:left;vertical-align:top}}\
         .up{{color:#070}}.down{{color:#a00}}</style>\n</head>\n<body>\n\
         <h1>Ferula</h1>\n<p>Version {}, compatible with Prometheus {}. The server is <b>{health}</b>.</p>\n",
        escape(&options.page_title),
        escape(&options.build.own_version),
        escape(&options.build.version),
    );
    out.push_str("<h2>Targets</h2>\n");
    targets(handler, &mut out);
    out.push_str("<h2>Links</h2>\n<ul>\n");
    for (path, text) in LINKS {
        out.push_str(&format!(
            "<li><a href=\"{path}\">{}</a></li>\n",
            escape(text)
        ));
    }
    out.push_str("</ul>\n</body>\n</html>\n");
    out
}

/// Relative to the page, which lies directly below the prefix that the reader sees.
const LINKS: &[(&str, &str)] = &[
    ("api/v1/query?query=up", "Query: up"),
    ("api/v1/targets", "Targets"),
    ("api/v1/labels", "Label names"),
    ("api/v1/label/__name__/values", "Metric names"),
    ("api/v1/metadata", "Metric metadata"),
    ("api/v1/status/config", "Configuration"),
    ("api/v1/status/flags", "Flags"),
    ("api/v1/status/runtimeinfo", "Runtime information"),
    ("api/v1/status/buildinfo", "Build information"),
    ("metrics", "Own metrics"),
    ("-/healthy", "Health"),
    ("-/ready", "Readiness"),
];

fn targets(handler: &Handler, out: &mut String) {
    let Some(backend) = handler.backend() else {
        out.push_str("<p>Not known yet.</p>\n");
        return;
    };
    let pools = backend.targets.active();
    if pools.values().all(Vec::is_empty) {
        out.push_str("<p>None.</p>\n");
        return;
    }
    out.push_str(
        "<table>\n<tr><th>Pool</th><th>Endpoint</th><th>State</th><th>Labels</th><th>Error</th></tr>\n",
    );
    for target in pools.values().flatten() {
        let labels: Vec<String> = target
            .labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        let health = target.health.as_str();
        out.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td class=\"{health}\">{health}</td><td>{}</td><td>{}</td></tr>\n",
            escape(&target.pool),
            escape(&target.url),
            escape(&labels.join(" ")),
            escape(&target.last_error),
        ));
    }
    out.push_str("</table>\n");
}

/// Text that may stand in HTML, between quotes too.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
