//! Limits of queries.

use memory::budget::Budget;
use model::Labels;
use stdx::cancel::CancelToken;
use storage::memory_store::MemoryStore;
use storage::{Appendable, Batch, BatchTimes};

use super::*;

/// `series` series of metric `m` with a sample a second for 100 seconds.
pub(crate) fn store(series: usize) -> MemoryStore {
    let store = MemoryStore::new();
    let mut appender = store.appender();
    for index in 0..series {
        let number = index.to_string();
        let labels = Labels::from_pairs([("__name__", "m"), ("n", number.as_str())]);
        let series = appender.series(&labels).expect("series");
        for second in 0..100 {
            let batch = Batch {
                series: &[series],
                times: BatchTimes::Same(second * 1000),
                values: &[second as f64],
                histograms: &[],
                start_timestamps: &[],
                exemplars: &[],
                reject_out_of_order: false,
            };
            appender
                .append(&batch, &mut Vec::new(), &mut Vec::new())
                .expect("appended");
        }
    }
    appender.commit().expect("committed");
    store
}

fn run(options: EngineOptions, text: &str) -> Result<Value, QueryError> {
    let engine = Engine::new(options);
    let store = store(50);
    let query = engine
        .range_query(&store, &QueryOptions::default(), text, (0, 99_000, 1000))
        .expect("prepared");
    query.exec(&CancelToken::new()).value
}

#[test]
fn a_query_that_would_hold_too_much_memory_is_refused_with_its_place() {
    let all = Budget::new("queries", 1 << 30);
    let options = |query_bytes_max| EngineOptions {
        memory: all.clone(),
        query_bytes_max,
        ..EngineOptions::default()
    };
    let error = run(options(20_000), "1 + sort(m)").expect_err("refused");
    let text = error.to_string();
    assert!(
        text.starts_with("query memory limit exceeded: used ")
            && text.contains(" of 20000 bytes")
            && text.ends_with(" at 1:10"),
        "{text}"
    );
    // What is added up as it comes is not held.
    assert!(run(options(50_000), "sum(m)").is_ok());
    assert_eq!(all.used_bytes(), 0);
}

#[test]
fn what_cannot_be_held_is_refused_before_it_is_made() {
    let all = Budget::new("queries", 1 << 30);
    for text in [
        "sum_over_time(vector(1)[200y:1ms])",
        "sum_over_time(vector(time() + time())[200y:1ms])",
        "sum_over_time(absent(m)[200y:1ms])",
        "sum_over_time(quantile(0.5, m)[200y:1ms])",
        "sum_over_time(sum by (n) (m)[200y:1ms])",
    ] {
        let options = EngineOptions {
            memory: all.clone(),
            ..EngineOptions::default()
        };
        let error = run(options, text).expect_err("refused").to_string();
        assert!(error.contains("memory limit"), "{text}: {error}");
        assert_eq!(all.used_bytes(), 0);
    }
}

#[test]
fn all_queries_share_one_limit() {
    let options = EngineOptions {
        memory: Budget::new("queries", 20_000),
        ..EngineOptions::default()
    };
    let text = run(options, "m").expect_err("refused").to_string();
    let start = "memory limit of all queries together exceeded: used ";
    assert!(text.starts_with(start), "{text}");
}

#[test]
fn a_query_that_would_hold_too_many_samples_is_refused() {
    let options = EngineOptions {
        max_samples: 100,
        ..EngineOptions::default()
    };
    let error = run(options, "m").expect_err("refused");
    assert_eq!(
        error.to_string(),
        "query processing would load too many samples into memory in query execution"
    );
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let store = store(1000);
    let answer = |helper_threads, text: &str, per_step_stats| {
        let engine = Engine::new(EngineOptions {
            helper_threads,
            ..EngineOptions::default()
        });
        let options = QueryOptions {
            per_step_stats,
            ..QueryOptions::default()
        };
        let query = engine
            .range_query(&store, &options, text, (5000, 99_000, 3000))
            .expect("prepared");
        let result = query.exec(&CancelToken::new());
        let stats = QueryStats {
            queue_seconds: 0.0,
            prepare_seconds: 0.0,
            eval_seconds: 0.0,
            sort_seconds: 0.0,
            ..result.stats
        };
        let value = result.value.expect("answered");
        (
            format!("{value:?} {stats:?}"),
            result.warnings,
            result.infos,
        )
    };
    for text in [
        "m",
        "sum(m)",
        "sum by (n) (rate(m[30s]))",
        "stddev(m * 0.1)",
        "topk(3, avg_over_time(m[20s]))",
        "quantile_over_time(1.5, m[20s])",
        "m + on (n) rate(m[1m])",
        "sum(max_over_time(m[20s:5s]))",
    ] {
        for per_step_stats in [false, true] {
            let alone = answer(0, text, per_step_stats);
            assert_eq!(answer(3, text, per_step_stats), alone, "{text}");
        }
    }
}

#[test]
fn a_query_that_has_to_wait_tells_what_it_will_take() {
    let store = store(50);
    let expected = |query_bytes_max, text: &str| {
        let engine = Engine::new(EngineOptions {
            query_bytes_max,
            ..EngineOptions::default()
        });
        let times = (0, 99_000, 1000);
        let query = engine
            .range_query(&store, &QueryOptions::default(), text, times)
            .expect("prepared");
        query.expected(&CancelToken::new())
    };
    let cheap = expected(u64::MAX, "sum(m)").expect("an expectation");
    let dear = expected(u64::MAX, "sum(m) + sum(rate(m[50s]))").expect("an expectation");
    assert!(Duration::ZERO < cheap && cheap < dear);
    // 50 series of 100 points need 80,000 bytes and more.
    assert!(expected(40_000, "m").is_ok());
    let refused = expected(10_000, "m").expect_err("hopeless").to_string();
    let start = "query refused before it ran: it is expected to need about ";
    assert!(refused.starts_with(start), "{refused}");
    assert!(refused.ends_with(" for 50 series and 5000 samples read, and may use 10000"));
}
