//! Values to text in the reference's layout: block style, two blanks, sequences flush with their
//! key, a string quoted only when it would be read back as something else.

use std::cmp::Ordering;

use libyaml_safer::{Emitter, Encoding, Event, MappingStyle, ScalarStyle, SequenceStyle};

use crate::resolve::is_plain_text;

/// A value ready for printing.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Tree {
    /// `null`
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number without sign.
    Uint(u64),
    /// A number.
    Float(f64),
    /// A string.
    Text(String),
    /// A list.
    Sequence(Vec<Tree>),
    /// A list printed on one line, as `[a, b]`.
    FlowSequence(Vec<Tree>),
    /// A record: pairs in the order of its fields.
    Record(Vec<(String, Tree)>),
    /// A map: printed in the natural order of its keys.
    Map(Vec<(String, Tree)>),
}

/// Prints `tree` as one document.
pub fn to_text(tree: &Tree) -> String {
    let mut bytes = Vec::new();
    let mut emitter = Emitter::new();
    emitter.set_output_string(&mut bytes);
    emitter.set_unicode(true);
    let mut events = vec![
        Event::stream_start(Encoding::Utf8),
        Event::document_start(None, &[], true),
    ];
    push_events(tree, &mut events);
    events.push(Event::document_end(true));
    events.push(Event::stream_end());
    for event in events {
        if emitter.emit(event).is_err() {
            // Only a malformed event sequence fails, and the one above is well formed.
            break;
        }
    }
    let flushed = emitter.flush();
    drop(emitter);
    debug_assert!(flushed.is_ok(), "writing to memory cannot fail");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn push_events(tree: &Tree, events: &mut Vec<Event>) {
    match tree {
        Tree::Null => events.push(plain("null")),
        Tree::Bool(value) => events.push(plain(if *value { "true" } else { "false" })),
        Tree::Int(value) => events.push(plain(&value.to_string())),
        Tree::Uint(value) => events.push(plain(&value.to_string())),
        Tree::Float(value) => events.push(plain(&float_text(*value))),
        Tree::Text(text) => events.push(text_event(text)),
        Tree::Sequence(items) => push_items(items, items.is_empty(), events),
        Tree::FlowSequence(items) => push_items(items, true, events),
        Tree::Record(pairs) => push_pairs(pairs.iter(), pairs.is_empty(), events),
        Tree::Map(pairs) => {
            let mut sorted: Vec<_> = pairs.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| natural_cmp(a, b));
            push_pairs(sorted.into_iter(), pairs.is_empty(), events);
        }
    }
}

fn push_items(items: &[Tree], flow: bool, events: &mut Vec<Event>) {
    let style = if flow {
        SequenceStyle::Flow
    } else {
        SequenceStyle::Block
    };
    events.push(Event::sequence_start(None, None, true, style));
    for item in items {
        push_events(item, events);
    }
    events.push(Event::sequence_end());
}

fn push_pairs<'a>(
    pairs: impl Iterator<Item = &'a (String, Tree)>,
    is_empty: bool,
    events: &mut Vec<Event>,
) {
    let style = if is_empty {
        MappingStyle::Flow
    } else {
        MappingStyle::Block
    };
    events.push(Event::mapping_start(None, None, true, style));
    for (key, value) in pairs {
        events.push(text_event(key));
        push_events(value, events);
    }
    events.push(Event::mapping_end());
}

fn plain(text: &str) -> Event {
    Event::scalar(None, None, text, true, true, ScalarStyle::Plain)
}

fn text_event(text: &str) -> Event {
    let style = if text.contains('\n') {
        ScalarStyle::Literal
    } else if is_plain_text(text) {
        ScalarStyle::Plain
    } else {
        ScalarStyle::DoubleQuoted
    };
    Event::scalar(None, None, text, true, true, style)
}

/// Shortest text that reads back as `value`; exponent form below 1e-4 and from 1e21.
fn float_text(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..21).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Order of map keys: letters after other signs, runs of digits by their number.
fn natural_cmp(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut after_digit = false;
    for (at, (&left, &right)) in a.iter().zip(&b).enumerate() {
        if left == right {
            after_digit = left.is_ascii_digit();
            continue;
        }
        return match (left.is_alphabetic(), right.is_alphabetic()) {
            (true, true) => left.cmp(&right),
            // A number that ends here is smaller than one that goes on.
            (left_is_letter, right_is_letter) if left_is_letter != right_is_letter => {
                if left_is_letter == after_digit {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            _ => {
                let significant = a[..at]
                    .iter()
                    .rev()
                    .take_while(|sign| sign.is_ascii_digit())
                    .any(|sign| *sign != '0');
                let start = u128::from(significant && (left == '0' || right == '0'));
                number_at(&a, at, start)
                    .cmp(&number_at(&b, at, start))
                    .then_with(|| left.cmp(&right))
            }
        };
    }
    a.len().cmp(&b.len())
}

/// The number whose digits begin at `at`, after the digits worth `start`, and where it ends.
fn number_at(text: &[char], at: usize, start: u128) -> (u128, usize) {
    let digits = text
        .get(at..)
        .unwrap_or(&[])
        .iter()
        .map_while(|sign| sign.to_digit(10));
    digits.fold((start, at), |(number, end), digit| {
        (
            number.saturating_mul(10).saturating_add(u128::from(digit)),
            end + 1,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Tree {
        Tree::Text(value.to_owned())
    }

    #[test]
    fn sequences_are_flush_with_their_key() {
        let tree = Tree::Record(vec![
            (
                "a".to_owned(),
                Tree::Sequence(vec![
                    text("x"),
                    Tree::Record(vec![
                        ("b".to_owned(), Tree::Int(1)),
                        ("c".to_owned(), Tree::Sequence(vec![])),
                    ]),
                ]),
            ),
            ("m".to_owned(), Tree::Map(vec![])),
        ]);
        assert_eq!(to_text(&tree), "a:\n- x\n- b: 1\n  c: []\nm: {}\n");
    }

    #[test]
    fn strings_are_quoted_only_when_needed() {
        let check = |value: &str, expected: &str| {
            assert_eq!(
                to_text(&Tree::Sequence(vec![text(value)])),
                format!("- {expected}\n")
            );
        };
        check("15s", "15s");
        check("yes", "\"yes\"");
        check("123", "\"123\"");
        check("1:20", "\"1:20\"");
        check("", "\"\"");
        check("(.*)", "(.*)");
        check("a: b", "'a: b'");
        check("$1", "$1");
        check("<secret>", "<secret>");
        check("a\nb", "|-\n  a\n  b");
        check("2001-12-14", "\"2001-12-14\"");
    }

    #[test]
    fn map_keys_sort_naturally() {
        let keys = ["a10", "a2", "b", "Z", "_x", "a"];
        let tree = Tree::Map(
            keys.iter()
                .map(|k| ((*k).to_owned(), Tree::Int(1)))
                .collect(),
        );
        let printed = to_text(&tree);
        let order: Vec<&str> = printed
            .lines()
            .filter_map(|line| line.strip_suffix(": 1"))
            .collect();
        assert_eq!(order, ["_x", "Z", "a", "a2", "a10", "b"]);
    }

    #[test]
    fn floats_print_as_the_reference_prints_them() {
        assert_eq!(float_text(0.5), "0.5");
        assert_eq!(float_text(1e21), "1e+21");
        assert_eq!(float_text(0.00001), "1e-05");
        assert_eq!(float_text(f64::INFINITY), ".inf");
    }
}
