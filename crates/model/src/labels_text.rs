//! Label sets as text: `{a="b", c="d"}`, and with the metric name in front.

use std::fmt;

use gocompat::quote::push_quoted;

use crate::Labels;
use crate::label_name::{METRIC_NAME, is_legacy_label_name, is_legacy_metric_name};

impl fmt::Display for Labels {
    /// All labels in braces, the metric name as `__name__`, as error messages and logs have them.
    /// Names that need it and all values are quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::with_capacity(self.as_bytes().len() + 16);
        out.push('{');
        push_pairs(&mut out, self, |_| true);
        out.push('}');
        f.write_str(&out)
    }
}

impl Labels {
    /// As the expression browser and graph legends have it: `name{a="b"}`, `name` alone, `{a="b"}`
    /// without a name, `{"any name", a="b"}` where the name needs quoting.
    pub fn metric_text(&self) -> String {
        let name = self.metric_name();
        let bare = name.is_empty() || is_legacy_metric_name(name);
        let others = self.len() - usize::from(!name.is_empty());
        let mut out = String::with_capacity(self.as_bytes().len() + 16);
        if bare {
            out.push_str(name);
        }
        if bare && !name.is_empty() && others == 0 {
            return out;
        }
        out.push('{');
        if !bare {
            push_quoted(&mut out, name);
            if others > 0 {
                out.push_str(", ");
            }
        }
        push_pairs(&mut out, self, |label| label != METRIC_NAME);
        out.push('}');
        out
    }
}

fn push_pairs(out: &mut String, labels: &Labels, keep: impl Fn(&str) -> bool) {
    let mut first = true;
    for (name, value) in labels.iter().filter(|(name, _)| keep(name)) {
        if !std::mem::take(&mut first) {
            out.push_str(", ");
        }
        if is_legacy_label_name(name) {
            out.push_str(name);
        } else {
            push_quoted(out, name);
        }
        out.push('=');
        push_quoted(out, value);
    }
}

#[cfg(test)]
mod tests {
    use crate::Labels;

    #[test]
    fn braces_hold_all_labels() {
        let check = |pairs: &[(&str, &str)], text: &str, metric: &str| {
            let labels = Labels::from_pairs(pairs.iter().copied());
            assert_eq!(
                (labels.to_string().as_str(), labels.metric_text().as_str()),
                (text, metric)
            );
        };
        check(&[], "{}", "{}");
        check(&[("__name__", "up")], r#"{__name__="up"}"#, "up");
        check(
            &[("__name__", "up"), ("job", "a\nb"), ("a.b", "x\"y")],
            r#"{__name__="up", "a.b"="x\"y", job="a\nb"}"#,
            r#"up{"a.b"="x\"y", job="a\nb"}"#,
        );
        check(
            &[("b", "2"), ("a", "1")],
            r#"{a="1", b="2"}"#,
            r#"{a="1", b="2"}"#,
        );
        check(&[("__name__", "m.x")], r#"{__name__="m.x"}"#, r#"{"m.x"}"#);
        check(
            &[("__name__", "m.x"), ("a", "1")],
            r#"{__name__="m.x", a="1"}"#,
            r#"{"m.x", a="1"}"#,
        );
    }
}
