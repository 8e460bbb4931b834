//! How mechanisms write labels: names cleaned, lists joined, hosts and ports put together.

use model::{Labels, LabelsBuilder};

/// `name` with each character that label names cannot have replaced by `_`.
pub(crate) fn clean(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    name.chars().map(keep).collect()
}

/// `host:port`, with brackets around what has colons.
pub(crate) fn host_port(host: &str, port: impl std::fmt::Display) -> String {
    if host.contains([':', '%']) {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// The values joined and wrapped in `separator`: expressions need not care for positions then.
pub(crate) fn wrapped<T: AsRef<str>>(values: &[T], separator: &str) -> String {
    let mut text = separator.to_owned();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push_str(separator);
        }
        text.push_str(value.as_ref());
    }
    text.push_str(separator);
    text
}

/// Sets `prefix` + the cleaned key for each pair.
pub(crate) fn set_each<'a>(
    labels: &mut LabelsBuilder,
    prefix: &str,
    pairs: impl IntoIterator<Item = (&'a String, &'a String)>,
) {
    for (key, value) in pairs {
        labels.set(&format!("{prefix}{}", clean(key)), value);
    }
}

/// Adds all of `more`.
pub(crate) fn set_all(labels: &mut LabelsBuilder, more: &Labels) {
    for (name, value) in more {
        labels.set(name, value);
    }
}

/// Reads `null` as the default, as the reference's decoder does.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de> + Default,
{
    let value: Option<T> = serde::Deserialize::deserialize(deserializer)?;
    Ok(value.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lists_and_addresses_are_written_as_the_reference_does() {
        assert_eq!(clean("a-b.c/Ü_9"), "a_b_c___9");
        assert_eq!(host_port("h", 80), "h:80");
        assert_eq!(host_port("fe80::1", "80"), "[fe80::1]:80");
        assert_eq!(host_port("", 1), ":1");
        assert_eq!(wrapped(&["a", "b"], ","), ",a,b,");
        assert_eq!(wrapped::<String>(&[], "--"), "----");
        assert_eq!(wrapped(&["", "x"], ","), ",,x,");
    }
}
