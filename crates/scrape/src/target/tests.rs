//! Target relabelling and URLs.

use model::relabel::{RelabelAction, RelabelConfig, RelabelRegex};

use super::*;

fn discovered(pairs: &[(&str, &str)]) -> Discovered {
    Discovered {
        target: Labels::from_pairs(pairs.iter().copied()),
        group: Labels::empty(),
    }
}

fn options() -> JobOptions {
    JobOptions {
        job_name: "j".to_owned(),
        ..JobOptions::default()
    }
}

fn kept(pairs: &[(&str, &str)], options: &JobOptions) -> Target {
    match Target::populate(discovered(pairs), options) {
        Populated::Kept(target) => target,
        other => panic!("{other:?}"),
    }
}

#[test]
fn defaults_fill_what_discovery_left_out() {
    let found = Discovered {
        target: Labels::from_pairs([("__address__", "h:1"), ("a", "own")]),
        group: Labels::from_pairs([("a", "group"), ("b", "group"), ("__meta_x", "y")]),
    };
    let Populated::Kept(target) = Target::populate(found, &options()) else {
        panic!()
    };
    let expected = [
        ("a", "own"),
        ("b", "group"),
        ("instance", "h:1"),
        ("job", "j"),
    ];
    assert_eq!(*target.labels(), Labels::from_pairs(expected));
    assert_eq!(target.url(), "http://h:1/metrics");
    assert_eq!(target.interval_text(), "1m");
    assert!(target.discovered_labels(&options()).has("__meta_x"));
    assert!(!target.all_labels().has("__meta_x"));
}

#[test]
fn labels_make_the_url() {
    let mut options = options();
    options.params = BTreeMap::from([("m".to_owned(), vec!["a b".to_owned(), "c&d".to_owned()])]);
    let labels = [
        ("__address__", "h"),
        ("__scheme__", "https"),
        ("__metrics_path__", "x y?z"),
        ("__param_n", "é"),
        ("__param_m", "first"),
    ];
    let target = kept(&labels, &options);
    assert_eq!(target.url(), "https://h/x%20y%3Fz?m=first&m=c%26d&n=%C3%A9");
}

#[test]
fn bad_targets_say_why() {
    fn check(pairs: &[(&str, &str)], expected: &str) {
        match Target::populate(discovered(pairs), &options()) {
            Populated::Failed(reason) => assert_eq!(reason, expected),
            other => panic!("{other:?}"),
        }
    }
    check(&[("a", "b")], "no address");
    check(&[("__address__", "a/b")], "\"a/b\" is not a valid hostname");
    check(
        &[("__address__", "a"), ("__scrape_interval__", "0s")],
        "scrape interval cannot be 0",
    );
    check(
        &[
            ("__address__", "a"),
            ("__scrape_interval__", "1s"),
            ("__scrape_timeout__", "2s"),
        ],
        "scrape timeout cannot be greater than scrape interval (\"2s\" > \"1s\")",
    );
}

#[test]
fn rules_drop_targets() {
    let mut options = options();
    options.relabel_configs = vec![RelabelConfig {
        source_labels: Some(vec!["__address__".to_owned()]),
        regex: RelabelRegex::new("a.*").unwrap(),
        action: RelabelAction::Drop,
        ..RelabelConfig::default()
    }];
    let dropped = Target::populate(discovered(&[("__address__", "abc")]), &options);
    assert!(matches!(dropped, Populated::Dropped));
    kept(&[("__address__", "b")], &options);
}

#[test]
fn labels_switch_the_forms_of_histograms() {
    use crate::histograms::HistogramSwitches;

    let mut options = options();
    options.histograms = HistogramSwitches {
        scrape_native: true,
        keep_classic: false,
        convert_classic: false,
    };
    let address = ("__address__", "h:1");
    let target = kept(&[address], &options);
    assert_eq!(target.histograms(&options), options.histograms);
    // They are there for relabelling to look at.
    let shown = target.discovered_labels(&options);
    assert_eq!(shown.value("__scrape_native_histograms__"), Some("true"));
    assert_eq!(
        shown.value("__always_scrape_classic_histograms__"),
        Some("false")
    );
    assert_eq!(
        shown.value("__convert_classic_histograms_to_nhcb__"),
        Some("false")
    );
    let switched = kept(
        &[
            address,
            ("__scrape_native_histograms__", "F"),
            ("__always_scrape_classic_histograms__", "1"),
            ("__convert_classic_histograms_to_nhcb__", "True"),
        ],
        &options,
    );
    let expected = HistogramSwitches {
        scrape_native: false,
        keep_classic: true,
        convert_classic: true,
    };
    assert_eq!(switched.histograms(&options), expected);
    assert!(!switched.labels().has("__scrape_native_histograms__"));
    assert_ne!(switched.hash(), target.hash());

    for (label, what) in [
        (
            "__convert_classic_histograms_to_nhcb__",
            "convert classic histograms to nhcb",
        ),
        (
            "__always_scrape_classic_histograms__",
            "always scrape classic histograms",
        ),
        ("__scrape_native_histograms__", "scrape native histograms"),
    ] {
        match Target::populate(discovered(&[address, (label, "yes")]), &options) {
            Populated::Failed(reason) => assert_eq!(
                reason,
                format!("error parsing {what}: strconv.ParseBool: parsing \"yes\": invalid syntax")
            ),
            other => panic!("{other:?}"),
        }
    }
}
