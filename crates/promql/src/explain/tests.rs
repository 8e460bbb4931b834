//! Explanations against what really happens.

use stdx::cancel::CancelToken;

use crate::engine::tests::store;
use crate::{Engine, EngineOptions, Explanation, QueryOptions};

fn explained(text: &str, analyze: bool) -> Explanation {
    let engine = Engine::new(EngineOptions::default());
    let store = store(50);
    let options = QueryOptions {
        analyze,
        ..QueryOptions::default()
    };
    let query = engine
        .range_query(&store, &options, text, (30_000, 99_000, 1000))
        .expect("prepared");
    let cancel = CancelToken::new();
    if analyze {
        let result = query.exec(&cancel);
        assert!(result.value.is_ok());
        return result.analysis.expect("analyzed");
    }
    query.explain(&cancel).expect("explained")
}

fn names(node: &Explanation, depth: usize, out: &mut Vec<String>) {
    out.push(format!("{depth} {} {}", node.name, node.expr));
    for child in &node.children {
        names(child, depth + 1, out);
    }
}

#[test]
fn a_plan_is_told_as_a_tree() {
    let mut found = Vec::new();
    let text = "topk(2, sum by (n) (rate(m[20s]))) / on () group_left () sum(m) + 1";
    names(&explained(text, false), 0, &mut found);
    assert_eq!(
        found,
        [
            "0 vector and scalar + topk(2, sum by (n) (rate(m[20s]))) / on () group_left () sum(m) + 1",
            "1 join / topk(2, sum by (n) (rate(m[20s]))) / on () group_left () sum(m)",
            "2 aggregate topk topk(2, sum by (n) (rate(m[20s])))",
            "3 aggregate sum sum by (n) (rate(m[20s]))",
            "4 range function rate(m[20s])",
            "5 series of the store {__name__=\"m\"}",
            "3 number 2",
            "2 aggregate sum sum(m)",
            "3 instant selector m",
            "4 series of the store {__name__=\"m\"}",
            "1 number 1",
        ]
    );
}

#[test]
fn what_is_expected_is_near_to_what_happens() {
    // 50 series of 100 samples at 70 steps.
    for (text, series, points, samples) in [
        ("m", 50, 3500, 5000),
        ("sum(rate(m[20s]))", 1, 70, 4500),
        ("sum by (n) (m)", 50, 3500, 5000),
        ("topk(3, m)", 3, 210, 5000),
        ("m * on (n) m", 50, 3500, 10_000),
        ("max_over_time(sum(m)[10s:5s])", 1, 70, 5000),
        ("nothing", 0, 0, 0),
        ("vector(1)", 1, 70, 0),
    ] {
        let explained = explained(text, true);
        let total = explained.total();
        assert_eq!((total.series, total.points), (series, points), "{text}");
        assert!(
            total.samples.abs_diff(samples) <= samples / 8,
            "{text}: {} samples",
            total.samples
        );
        let actual = explained.actual.expect("it ran");
        // A few more come out of `topk`, which has others at other steps.
        assert!(actual.points == points, "{text}: {actual:?}");
    }
}

#[test]
fn what_did_not_run_has_no_cost() {
    let planned = explained("sum(m)", false);
    assert_eq!(planned.actual, None);
    assert!(planned.total().nanoseconds > 0 && planned.total().bytes > 0);
    let ran = explained("sum(m)", true);
    let child = &ran.children[0];
    let (outer, inner) = (ran.actual.expect("ran"), child.actual.expect("ran"));
    assert_eq!((outer.series, inner.series), (1, 50));
    assert_eq!((outer.samples, inner.samples), (3500, 3500));
    assert!(outer.time >= inner.time);
}
