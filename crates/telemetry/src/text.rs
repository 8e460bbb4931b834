//! Writes families in the Prometheus text format 0.0.4, as the reference's client library does.
//!
//! Only our own metrics pass here; other people's metrics are `exposition`'s business.

use crate::metrics::{ExposedFamily, Kind};

/// The families as one text, in the order given.
pub fn write(families: &[ExposedFamily]) -> String {
    let mut out = String::new();
    for family in families {
        write_family(&mut out, family);
    }
    out
}

fn write_family(out: &mut String, family: &ExposedFamily) {
    let kind = match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
    };
    out.push_str("# HELP ");
    out.push_str(&family.name);
    out.push(' ');
    escape(out, &family.help, false);
    out.push_str("\n# TYPE ");
    out.push_str(&family.name);
    out.push(' ');
    out.push_str(kind);
    out.push('\n');
    for sample in &family.samples {
        out.push_str(&family.name);
        out.push_str(sample.suffix);
        for (index, (name, value)) in sample.labels.iter().enumerate() {
            out.push(if index == 0 { '{' } else { ',' });
            out.push_str(name);
            out.push_str("=\"");
            escape(out, value, true);
            out.push('"');
        }
        if !sample.labels.is_empty() {
            out.push('}');
        }
        out.push(' ');
        out.push_str(&gocompat::float::format_g(sample.value));
        out.push('\n');
    }
}

/// Help texts escape backslash and line feed, label values the double quote too.
fn escape(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::ExposedSample;

    use super::*;

    #[test]
    fn escapes_help_and_label_values() {
        let family = ExposedFamily {
            name: "x".into(),
            help: "a \"b\" \\ \n".into(),
            kind: Kind::Gauge,
            samples: vec![ExposedSample {
                suffix: "",
                labels: vec![("l".into(), "a\"\\\n".into())],
                value: f64::NAN,
            }],
        };
        assert_eq!(
            write(&[family]),
            "# HELP x a \"b\" \\\\ \\n\n# TYPE x gauge\nx{l=\"a\\\"\\\\\\n\"} NaN\n"
        );
    }
}
