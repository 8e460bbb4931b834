//! Limits on the labels of a sample.

use model::Labels;

use crate::error::Error;
use crate::options::JobOptions;

/// Most characters of a name or value that an error shows.
const SHOWN_CHARS_MAX: usize = 50;

/// Checks number and sizes of `labels` against the limits of `options`.
pub fn check(labels: &Labels, options: &JobOptions) -> Result<(), Error> {
    let limit = options.label_limit;
    if limit > 0 {
        let count = labels.len();
        if count > limit {
            let metric = shown(labels.metric_name());
            return Err(Error::LabelLimit(format!(
                "label_limit exceeded (metric: {metric}, number of labels: {count}, limit: {limit})"
            )));
        }
    }
    let (name_limit, value_limit) = (
        options.label_name_length_limit,
        options.label_value_length_limit,
    );
    if name_limit == 0 && value_limit == 0 {
        return Ok(());
    }
    let metric = shown(labels.metric_name());
    for (name, value) in labels {
        let size = name.len();
        if name_limit > 0 && size > name_limit {
            let name = shown(name);
            return Err(Error::LabelLimit(format!(
                "label_name_length_limit exceeded (metric: {metric}, label name: {name}, length: {size}, limit: {name_limit})"
            )));
        }
        let size = value.len();
        if value_limit > 0 && size > value_limit {
            let (name, value) = (shown(name), gocompat::quote::quote(shown(value)));
            return Err(Error::LabelLimit(format!(
                "label_value_length_limit exceeded (metric: {metric}, label name: {name}, value: {value}, length: {size}, limit: {value_limit})"
            )));
        }
    }
    Ok(())
}

fn shown(text: &str) -> &str {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_its_words() {
        fn check_error(options: &JobOptions, expected: &str) {
            let labels = Labels::from_pairs([("__name__", "m"), ("abc", "defg")]);
            assert_eq!(check(&labels, options).unwrap_err().to_string(), expected);
        }
        check_error(
            &JobOptions {
                label_limit: 1,
                ..JobOptions::default()
            },
            "label_limit exceeded (metric: m, number of labels: 2, limit: 1)",
        );
        check_error(
            &JobOptions {
                label_name_length_limit: 7,
                ..JobOptions::default()
            },
            "label_name_length_limit exceeded (metric: m, label name: __name__, length: 8, limit: 7)",
        );
        check_error(
            &JobOptions {
                label_value_length_limit: 3,
                ..JobOptions::default()
            },
            "label_value_length_limit exceeded (metric: m, label name: abc, value: \"defg\", length: 4, limit: 3)",
        );
    }
}
