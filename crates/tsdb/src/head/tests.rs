//! Creating and finding series.

use telemetry::Registry;

use super::*;
use model::{Labels, Matcher};
use stdx::cancel::CancelToken;

fn head() -> Head {
    let dir = tempfile::tempdir().unwrap();
    let rules = ChunkRules {
        range_ms: 7_200_000,
        samples: 120,
        encodings: ChunkEncodings::default(),
    };
    Head::new(
        rules,
        0,
        Compression::None,
        HeadChunks::open(dir.path(), 1 << 20).unwrap(),
        HeadMetrics::new(&Registry::new()),
    )
}

#[test]
fn equal_labels_are_one_series() {
    let head = head();
    let labels = Labels::from_pairs([("a", "1"), ("b", "2")]);
    let first = head.get_or_create(&labels).unwrap();
    let again = head.get_or_create(&labels).unwrap();
    assert!(first.created && !again.created);
    assert_eq!(first.series_ref, again.series_ref);
    let other = head
        .get_or_create(&Labels::from_pairs([("a", "1")]))
        .unwrap();
    assert_ne!(first.slot, other.slot);
}

#[test]
fn replayed_references_are_kept_and_not_given_out_again() {
    let head = head();
    let labels = |name: &str| Labels::from_pairs([("n", name)]);
    for series_ref in [900, 3, 1 << 40] {
        let set = label_sets::pack(&labels(&series_ref.to_string()), &head.symbols);
        head.find_or_place(&set, Some(series_ref), |_| {}).unwrap();
    }
    let new = head.get_or_create(&labels("new")).unwrap();
    assert_eq!(new.series_ref, (1 << 40) + 1);
    assert_eq!(head.series.refs.slot_of(900), Some(0));
    assert_eq!(head.series.refs.slot_of(3), Some(1));
    assert_eq!(head.series.refs.slot_of(1 << 40), Some(2));
    assert_eq!(
        head.series.refs.slot_of(1),
        None,
        "a slot's number is no reference"
    );
    assert_eq!(head.series.refs.slot_of(0), None);
}

#[test]
fn postings_survive_folding_into_the_base() {
    let head = head();
    for i in 0..5000 {
        let labels = Labels::from_pairs([
            ("i", i.to_string()),
            ("parity", (i % 2).to_string()),
            ("thousand", (i / 1000).to_string()),
        ]);
        head.get_or_create(&labels).unwrap();
    }
    let check = |matchers: &[Matcher], expected: Vec<u32>| {
        let found: Vec<u32> = head
            .slots(matchers, &CancelToken::new())
            .unwrap()
            .iter()
            .collect();
        assert_eq!(found, expected);
    };
    let equal = Matcher::equal;
    check(&[equal("i", "4321")], vec![4321]);
    check(&[equal("i", "5")], vec![5]);
    check(
        &[equal("thousand", "3"), equal("parity", "1")],
        (3000..4000).filter(|i| i % 2 == 1).collect(),
    );
    let regex = |name: &str, text: &str| Matcher::new(model::MatchOp::Regex, name, text).unwrap();
    check(&[regex("i", "12.")], (120..130).collect());
    check(
        &[equal("thousand", "1"), regex("i", "1.*5")],
        (1005..2000).step_by(10).collect(),
    );
    let not = Matcher::new(model::MatchOp::NotRegex, "i", "[0-9]+[1-9]").unwrap();
    check(&[not, equal("thousand", "0")], {
        (0..1000).filter(|i| i % 10 == 0 || *i < 10).collect()
    });
}

#[test]
fn large_selections_are_in_label_order() {
    let head = head();
    // Names that not all have, values that are beginnings of others, in no order.
    let labels = |number: usize| {
        let mut pairs = vec![("m", (number * 7 % 5000).to_string())];
        if number.is_multiple_of(3) {
            pairs.push(("a", "x".repeat(number % 11)));
        }
        if number.is_multiple_of(5) {
            pairs.push(("z", format!("é{}", number % 13)));
        }
        Labels::from_pairs(pairs)
    };
    let mut all = Vec::new();
    for number in 0..5000 {
        let found = head.get_or_create(&labels(number)).unwrap();
        all.push((labels(number), found.slot));
    }
    for len in [10, 1023, 1024, 5000] {
        let mut expected = all[..len].to_vec();
        let mut slots: Vec<u32> = expected.iter().map(|(_, slot)| *slot).collect();
        expected.sort();
        let made = label_order::sort(&head, &mut slots, &CancelToken::new()).unwrap();
        let (labels, order): (Vec<_>, Vec<_>) = expected.into_iter().unzip();
        assert_eq!(slots, order, "{len}");
        assert!(made.is_none_or(|made| made == labels), "{len}");
    }
}
