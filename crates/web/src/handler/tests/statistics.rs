//! `stats=` of queries.

use super::*;

/// What is said of samples, without the most that were held at a time.
async fn samples(handler: &Arc<Handler>, query: &str) -> String {
    let text = get(handler, &format!("/api/v1/{query}")).await.text();
    let (_, samples) = text.split_once("\"samples\":{").unwrap_or_default();
    let (samples, _) = samples.split_once(",\"peakSamples\":").unwrap_or_default();
    samples.to_owned()
}

#[tokio::test]
async fn statistics_count_what_was_looked_at_and_what_was_read() {
    let backend = Backend {
        per_step_stats: true,
        ..backend()
    };
    let by_step = handler_of(options("/", false), backend);
    // Two samples, which the windows of all four steps have.
    let query = "query_range?query=count_over_time(m[5s])&start=1&end=4&step=1&stats";
    let sums = "\"totalQueryableSamples\":8,\"samplesRead\":2";
    let steps = "\"totalQueryableSamplesPerStep\":[[1,2],[2,2],[3,2],[4,2]],\
                 \"samplesReadPerStep\":[[1,2],[2,0],[3,0],[4,0]],";
    for (handler, value, expected) in [
        (&by_step, "all", format!("{steps}{sums}")),
        (&by_step, "true", sums.to_owned()),
        (&handler(), "all", sums.to_owned()),
    ] {
        let seen = samples(handler, &format!("{query}={value}")).await;
        assert_eq!(seen, expected, "stats={value}");
    }
    let instant = samples(&by_step, "query?query=m&time=1&stats=true").await;
    assert_eq!(instant, "\"totalQueryableSamples\":2,\"samplesRead\":2");
}

#[tokio::test]
async fn values_of_stats_that_will_go_warn() {
    let handler = handler();
    let answer = async |value: &str| {
        let path = format!("/api/v1/query?query=1&time=1&stats={value}");
        get(&handler, &path).await.text()
    };
    let warned = answer("nope").await;
    assert!(warned.contains("\"stats\":{"), "{warned}");
    assert!(
        warned.contains(
            "\"warnings\":[\"value \\\"nope\\\" for parameter \\\"stats\\\" is deprecated"
        ),
        "{warned}"
    );
    assert!(!answer("true").await.contains("warnings"));
    assert!(!answer("").await.contains("stats"));
}
