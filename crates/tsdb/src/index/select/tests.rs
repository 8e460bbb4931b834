//! Selections against the definition: every matcher tested on every series.

use std::collections::BTreeSet;

use model::{Labels, MatchOp, Matcher};
use proptest::prelude::*;

use crate::index::{ChunkMeta, Reader, Writer};

fn index(series: &BTreeSet<Labels>) -> Reader {
    let pairs = series.iter().flat_map(|labels| labels.iter());
    let symbols: BTreeSet<String> = pairs
        .flat_map(|(name, value)| [name.to_owned(), value.to_owned()])
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let mut writer = Writer::create(&path, symbols.into_iter().collect()).unwrap();
    for (number, labels) in series.iter().enumerate() {
        let chunk = ChunkMeta {
            mint: number as i64,
            maxt: number as i64,
            chunk_ref: number as u64,
        };
        writer.add(labels, &[chunk]).unwrap();
    }
    writer.finish().unwrap();
    Reader::open(&path).unwrap().unwrap()
}

fn check(reader: &Reader, series: &BTreeSet<Labels>, matchers: &[Matcher]) {
    let satisfies = |labels: &&Labels| {
        let mut all = matchers.iter();
        all.all(|matcher| matcher.matches(labels.value_or_empty(&matcher.name)))
    };
    let expected: Vec<&Labels> = series.iter().filter(satisfies).collect();
    let selected = reader.select(matchers).unwrap();
    let found: Vec<Labels> = selected
        .iter()
        .map(|series| reader.labels(*series).unwrap())
        .collect();
    assert!(found.iter().eq(expected.iter().copied()), "{matchers:?}");
    assert_eq!(reader.select(matchers).unwrap(), selected, "{matchers:?}");
    for name in ["job", "pod", "nope"] {
        let values: BTreeSet<&str> = expected
            .iter()
            .filter_map(|labels| labels.value(name))
            .collect();
        let found = reader.label_values_of(name, matchers).unwrap();
        assert!(found.into_iter().eq(values), "{name} {matchers:?}");
    }
    let pairs = expected.iter().flat_map(|labels| labels.iter());
    let names: BTreeSet<&str> = pairs.map(|(name, _)| name).collect();
    assert!(
        reader
            .label_names_of(matchers)
            .unwrap()
            .into_iter()
            .eq(names)
    );
}

fn any_matcher() -> impl Strategy<Value = Matcher> {
    let op = prop_oneof![
        Just(MatchOp::Equal),
        Just(MatchOp::NotEqual),
        Just(MatchOp::Regex),
        Just(MatchOp::NotRegex),
    ];
    let name = prop_oneof![Just("__name__"), Just("job"), Just("pod"), Just("nope")];
    let value = prop_oneof![
        Just(""),
        Just("1"),
        Just("p1"),
        Just("p1|p2"),
        Just("p1|"),
        Just("p1.*"),
        Just("p.+"),
        Just(".*"),
        Just(".+"),
        Just(".*1"),
        Just(".*1.*"),
        Just("(?i)P1.?"),
        Just("[p0-9]+"),
    ];
    (op, name, value).prop_map(|(op, name, value)| Matcher::new(op, name, value).unwrap())
}

fn any_series() -> impl Strategy<Value = BTreeSet<Labels>> {
    let series = (0..3_u8, 0..4_u8, 0..60_u8).prop_map(|(name, job, pod)| {
        let text = |prefix: &str, number: u8| match number {
            0 => String::new(),
            number => format!("{prefix}{number}"),
        };
        Labels::from_pairs([
            ("__name__", format!("metric_{name}")),
            ("job", text("", job)),
            ("pod", text("p", pod)),
        ])
    });
    prop::collection::btree_set(series, 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn selections_are_what_the_matchers_say(
        series in any_series(),
        all in prop::collection::vec(prop::collection::vec(any_matcher(), 0..4), 1..6),
    ) {
        let reader = index(&series);
        // The second time what expressions match is known.
        for matchers in all.iter().chain(&all) {
            check(&reader, &series, matchers);
        }
    }
}

#[test]
fn label_values_of_many_series_come_from_few_lists() {
    let numbers = 0..1000_u32;
    let series: BTreeSet<Labels> = numbers
        .map(|number| {
            Labels::from_pairs([
                ("__name__", "m".to_owned()),
                ("job", format!("{}", number % 3)),
                ("pod", format!("p{number}")),
            ])
        })
        .collect();
    let reader = index(&series);
    check(&reader, &series, &[Matcher::equal("__name__", "m")]);
    check(
        &reader,
        &series,
        &[Matcher::new(MatchOp::Regex, "pod", "p.*[02468]").unwrap()],
    );
}
