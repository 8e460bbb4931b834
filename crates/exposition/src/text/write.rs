//! Writes our own metrics as text 0.0.4.

use telemetry::metrics::{ExposedFamily, ExposedSample, Kind};

/// The Content-Type of [`families`]' output, as the reference gives it to whoever does not ask for
/// other escaping.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// Appends `families`, in their order, to `out`.
pub fn families(families: &[ExposedFamily], out: &mut String) {
    for family in families {
        header(&family.name, &family.help, family.kind, out);
        for sample in &family.samples {
            write_sample(&family.name, sample, out);
        }
    }
}

fn header(name: &str, help: &str, kind: Kind, out: &mut String) {
    out.push_str("# HELP ");
    out.push_str(name);
    out.push(' ');
    escape(help, false, out);
    out.push_str("\n# TYPE ");
    out.push_str(name);
    out.push_str(match kind {
        Kind::Counter => " counter\n",
        Kind::Gauge => " gauge\n",
        Kind::Histogram => " histogram\n",
        Kind::Summary => " summary\n",
    });
}

fn write_sample(family: &str, sample: &ExposedSample, out: &mut String) {
    out.push_str(family);
    out.push_str(sample.suffix);
    let mut separator = '{';
    for (name, value) in &sample.labels {
        out.push(separator);
        separator = ',';
        out.push_str(name);
        out.push_str("=\"");
        escape(value, true, out);
        out.push('"');
    }
    if separator == ',' {
        out.push('}');
    }
    out.push(' ');
    out.push_str(&gocompat::float::format_g(sample.value));
    out.push('\n');
}

/// Appends `text` with backslashes, line breaks and, if `quotes`, quotation marks escaped.
pub fn escape(text: &str, quotes: bool, out: &mut String) {
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_with_help_type_and_escapes() {
        let registry = telemetry::Registry::new();
        registry
            .counter_family("b_total", "Line\nbreak \"quoted\" \\", &["path"])
            .with(&["a\"\\\n"])
            .add(3.0);
        registry.gauge("a", "First.").set(1.5e9);
        let mut out = String::new();
        families(&registry.gather(), &mut out);
        let expected = "# HELP a First.\n# TYPE a gauge\na 1.5e+09\n\
            # HELP b_total Line\\nbreak \"quoted\" \\\\\n# TYPE b_total counter\n\
            b_total{path=\"a\\\"\\\\\\n\"} 3\n";
        assert_eq!(out, expected);
    }
}
