//! Target groups from an HTTP server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::http_double::{answer, json, serve};
use crate::support::{addresses, assert_labels, start};

#[tokio::test]
async fn groups_come_and_go_and_failures_keep_them() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let server = serve(move |request| {
        let turn = counter.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_eq!(request.header("user-agent"), "ferula-test/1");
            match turn {
                0 => json(r#"[{"targets":["a:1"],"labels":{"x":"y"}},{"targets":["b:2"]}]"#),
                1 => answer("500 Internal Server Error", &[], "no"),
                2 => answer("200 OK", &[("Content-Type", "text/html")], "[]"),
                _ => json(r#"[{"targets":["c:3"]}]"#),
            }
        }
    })
    .await;
    let mut running = start(&format!(
        "http_sd_configs: [{{url: 'http://{server}/sd', refresh_interval: 10ms}}]"
    ));
    let first = running.next().await;
    let url = format!("http://{server}/sd");
    assert_eq!(first[0].source, format!("{url}:0"));
    assert_labels(&first[0].labels, &format!("x=y\n__meta_url={url}"));
    assert_eq!(addresses(&first[1]), ["b:2"]);
    let second = running.next().await;
    assert_eq!(addresses(&second[0]), ["c:3"]);
    assert_eq!(second[1].source, format!("{url}:1"));
    assert!(second[1].targets.is_empty(), "the second group is gone");
    let failures = r#"prometheus_sd_refresh_failures_total{config="job",mechanism="http"}"#;
    assert_eq!(running.metric(failures), 2.0);
    assert_eq!(running.metric("prometheus_sd_http_failures_total"), 2.0);
}
