//! What the registry exposes.

use super::*;

fn lines(registry: &Registry) -> Vec<String> {
    crate::text::write(&registry.gather())
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn families_come_sorted_and_members_by_labels() {
    let registry = Registry::new();
    let family = registry.counter_family("b_total", "Bs.", &["z", "a"]);
    family.with(&["1", "2"]).add(3.0);
    family.with(&["0", "9"]).inc();
    registry.gauge("a", "An a.").set(-1.5);
    assert_eq!(
        lines(&registry),
        [
            "# HELP a An a.",
            "# TYPE a gauge",
            "a -1.5",
            "# HELP b_total Bs.",
            "# TYPE b_total counter",
            "b_total{a=\"9\",z=\"0\"} 1",
            "b_total{a=\"2\",z=\"1\"} 3",
        ]
    );
}

#[test]
fn families_without_members_are_silent() {
    let registry = Registry::new();
    let family = registry.gauge_family("g", "G.", &["x"]);
    assert!(lines(&registry).is_empty());
    family.with(&["1"]).set(1.0);
    family.remove(&["1"]);
    assert!(lines(&registry).is_empty());
}

#[test]
fn histograms_are_cumulative() {
    let registry = Registry::new();
    let histogram = registry.histogram("h", "H.", &[0.1, 1e6]);
    for value in [0.1, 0.2, 2e6] {
        histogram.observe(value);
    }
    assert_eq!(histogram.count(), 3);
    assert_eq!(
        lines(&registry)[2..],
        [
            "h_bucket{le=\"0.1\"} 1",
            "h_bucket{le=\"1e+06\"} 2",
            "h_bucket{le=\"+Inf\"} 3",
            "h_sum 2.0000003e+06",
            "h_count 3",
        ]
    );
}

#[test]
fn summaries_name_their_quantiles_last() {
    let registry = Registry::new();
    registry
        .summary_family("s", "S.", &["zz"], &[0.5])
        .with(&["x"])
        .observe(2.0);
    registry.summary("t", "T.", &[0.9]);
    assert_eq!(
        lines(&registry),
        [
            "# HELP s S.",
            "# TYPE s summary",
            "s{zz=\"x\",quantile=\"0.5\"} 2",
            "s_sum{zz=\"x\"} 2",
            "s_count{zz=\"x\"} 1",
            "# HELP t T.",
            "# TYPE t summary",
            "t{quantile=\"0.9\"} NaN",
            "t_sum 0",
            "t_count 0",
        ]
    );
}
