//! Endpoints that write, delete and copy, and exemplars.

use std::sync::Mutex;

use memory::budget::Budget;
use model::Exemplar;
use remote::receive::Message;
use remote::{Receiver, ReceiverOptions};

use super::*;

fn bad(text: &str) -> String {
    format!("{{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"{text}\"}}")
}

#[tokio::test]
async fn exemplars_of_what_an_expression_selects() {
    let backend = Backend {
        exemplars: Box::new(|start, end, selectors| {
            let text = format!("{start} {end} {selectors:?}");
            let names: Vec<_> = selectors
                .iter()
                .map(|set| set[0].value.to_string())
                .collect();
            assert_eq!(names, ["a", "b"], "{text}");
            let exemplar = |value, timestamp| Exemplar {
                labels: labels(&[("trace_id", "t")]),
                value,
                timestamp: Some(timestamp),
            };
            let exemplars = vec![exemplar(1.0, 1000), exemplar(f64::NAN, 1002)];
            Ok(vec![(labels(&[("__name__", "a")]), exemplars)])
        }),
        ..backend()
    };
    let handler = handler_of(options("/", false), backend);
    check(
        &get(
            &handler,
            "/api/v1/query_exemplars?query=rate(a[5m])%2Bsum(max_over_time(b[5m:1m]))",
        )
        .await,
        200,
        "{\"status\":\"success\",\"data\":[{\"seriesLabels\":{\"__name__\":\"a\"},\"exemplars\":[{\"labels\":{\"trace_id\":\"t\"},\"value\":\"1\",\"timestamp\":1},{\"labels\":{\"trace_id\":\"t\"},\"value\":\"NaN\",\"timestamp\":1.002}]}]}",
    );
    let check_bad = async |query: &str, text: &str| {
        let seen = get(&handler, &format!("/api/v1/query_exemplars?{query}")).await;
        check(&seen, 400, &bad(text));
    };
    check_bad(
        "query=a&start=10&end=5",
        "end timestamp must not be before start timestamp",
    )
    .await;
    check_bad("query=sum(", "1:5: parse error: unclosed left parenthesis").await;
    check_bad(
        "",
        "unknown position: parse error: no expression found in input",
    )
    .await;
    check_bad(
        "query=a&end=x",
        "invalid parameter \\\"end\\\": invalid time value for 'end': cannot parse \\\"x\\\" to a valid timestamp",
    )
    .await;
}

#[tokio::test]
async fn an_expression_without_selectors_has_no_exemplars_to_tell() {
    let seen = get(&handler(), "/api/v1/query_exemplars?query=1").await;
    check(&seen, 204, "");
    assert_eq!(seen.header("content-type"), "");
    assert_eq!(seen.header("vary"), "Origin");
}

#[tokio::test]
async fn administration_is_off_by_default() {
    let handler = handler();
    let off =
        "{\"status\":\"error\",\"errorType\":\"unavailable\",\"error\":\"admin APIs disabled\"}";
    for path in ["delete_series", "clean_tombstones", "snapshot"] {
        let path = format!("/api/v1/admin/tsdb/{path}");
        let seen = send(&handler, request("POST", &path, &[], "")).await;
        check(&seen, 500, off);
        assert_eq!(get(&handler, &path).await.status, 405);
    }
}

#[tokio::test]
async fn administration() {
    let deleted = Arc::new(Mutex::new(Vec::new()));
    let admin = Admin {
        delete: {
            let deleted = deleted.clone();
            Box::new(move |start, end, matchers| {
                let name = matchers[0].value.to_string();
                deleted
                    .lock()
                    .expect("held by nobody")
                    .push((start, end, name));
                Ok(())
            })
        },
        clean_tombstones: Box::new(|| Err("disk full".to_owned())),
        snapshot: Box::new(|with_head| Ok(format!("with head: {with_head}"))),
    };
    let backend = Backend {
        admin: Some(admin),
        ..backend()
    };
    let handler = handler_of(options("/", false), backend);
    let call = async |path: &str, body: &str| {
        let path = format!("/api/v1/admin/tsdb/{path}");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        send(&handler, request("PUT", &path, &form, body)).await
    };
    let seen = call("delete_series?match[]=a&start=1", "match[]=b&end=2.5").await;
    check(&seen, 204, "");
    assert_eq!(seen.header("content-type"), "");
    let expected = [(1000, 2500, "b".to_owned()), (1000, 2500, "a".to_owned())];
    assert_eq!(*deleted.lock().expect("held by nobody"), expected);
    let seen = call("delete_series", "").await;
    check(&seen, 400, &bad("no match[] parameter provided"));
    let seen = call("delete_series", "match[]={").await;
    check(
        &seen,
        400,
        &bad(
            "invalid parameter \\\"match[]\\\": 1:2: parse error: unexpected end of input inside braces",
        ),
    );
    let seen = call("clean_tombstones", "").await;
    check(
        &seen,
        500,
        "{\"status\":\"error\",\"errorType\":\"internal\",\"error\":\"disk full\"}",
    );
    let named = |with_head: bool| {
        format!("{{\"status\":\"success\",\"data\":{{\"name\":\"with head: {with_head}\"}}}}")
    };
    check(&call("snapshot", "").await, 200, &named(true));
    check(
        &call("snapshot?skip_head=true", "").await,
        200,
        &named(false),
    );
    let seen = call("snapshot?skip_head=x", "").await;
    check(
        &seen,
        400,
        &bad(
            "invalid parameter \\\"skip_head\\\": unable to parse boolean: strconv.ParseBool: parsing \\\"x\\\": invalid syntax",
        ),
    );
}

fn writing(budget_bytes: u64) -> Arc<Handler> {
    let receiver_options = ReceiverOptions {
        accepted: vec![Message::V1, Message::V2],
        keep_metadata: false,
    };
    let store = Arc::new(MemoryStore::new());
    let receiver = Receiver::new(store, receiver_options, &Registry::new());
    let backend = Backend {
        write_receiver: Some(WriteReceiver {
            receiver: Arc::new(receiver),
            pool: Pool::new("append", 1, 8).expect("threads"),
            budget: Budget::new("writes", budget_bytes),
            places: Arc::new(tokio::sync::Semaphore::new(1)),
        }),
        ..backend()
    };
    handler_of(options("/", false), backend)
}

async fn write(handler: &Arc<Handler>, content_type: &str, body: &[u8]) -> Seen {
    let request = Request::builder()
        .method("POST")
        .uri("/api/v1/write")
        .header("content-type", content_type)
        .body(Full::new(Bytes::copy_from_slice(body)))
        .expect("a request");
    send(handler, request).await
}

const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
const COUNTS: [&str; 3] = [
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
];

#[tokio::test]
async fn remote_write_is_off_by_default() {
    let seen = write(&handler(), "application/x-protobuf", b"").await;
    check(
        &seen,
        404,
        "remote write receiver needs to be enabled with --web.enable-remote-write-receiver\n",
    );
    assert_eq!(get(&handler(), "/api/v1/write").await.status, 405);
}

#[tokio::test]
async fn remote_write_answers_with_counts_in_version_2_only() {
    let handler = writing(1 << 30);
    let nothing = remote::receive::pack(b"");
    let seen = write(&handler, "application/x-protobuf", &nothing).await;
    check(&seen, 204, "");
    assert_eq!(COUNTS.map(|name| seen.header(name)), ["", "", ""]);
    assert_eq!((seen.header("vary"), seen.header("content-type")), ("", ""));
    let seen = write(&handler, V2, &nothing).await;
    check(&seen, 204, "");
    assert_eq!(COUNTS.map(|name| seen.header(name)), ["0", "0", "0"]);
    // One series without labels, with a sample.
    let request = remote::receive::pack(b"\x2a\x04\x12\x02\x10\x01");
    let seen = write(&handler, V2, &request).await;
    check(&seen, 400, "invalid metric name or labels, got {}\n");
    assert_eq!(seen.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(seen.header("x-content-type-options"), "nosniff");
    assert_eq!(COUNTS.map(|name| seen.header(name)), ["0", "0", "0"]);
    let seen = write(&handler, "text/plain", &nothing).await;
    check(
        &seen,
        415,
        "expected application/x-protobuf as the first (media) part, got text/plain content-type\n",
    );
}

#[tokio::test]
async fn remote_write_refuses_for_now_what_memory_has_no_room_for() {
    let handler = writing(1000);
    let small = remote::receive::pack(b"");
    assert_eq!(write(&handler, "", &small).await.status, 204);
    let zeros = remote::receive::pack(&[0; 2000]);
    assert!(zeros.len() < 500);
    for body in [&zeros[..], &[0xff; 2000]] {
        let seen = write(&handler, "", body).await;
        check(&seen, 503, "too many remote write requests in work\n");
    }
    // Neither memory nor the one place is held any more.
    assert_eq!(write(&handler, "", &small).await.status, 204);
}

/// A read request for `{l=value}` at all times, with the response types accepted.
fn read_request(value: &str, types: &[u8]) -> Vec<u8> {
    let matcher = [b"\x12\x01l\x1a", &[value.len() as u8][..], value.as_bytes()].concat();
    let mut query = b"\x10\xff\xff\xff\xff\x07\x1a".to_vec();
    query.push(matcher.len() as u8);
    query.extend_from_slice(&matcher);
    let mut message = vec![0x0a, query.len() as u8];
    message.extend_from_slice(&query);
    for kind in types {
        message.extend_from_slice(&[0x10, *kind]);
    }
    remote::receive::pack(&message)
}

async fn read(handler: &Arc<Handler>, body: &[u8]) -> Seen {
    let request = Request::builder()
        .method("POST")
        .uri("/api/v1/read")
        .body(Full::new(Bytes::copy_from_slice(body)))
        .expect("a request");
    send(handler, request).await
}

#[tokio::test]
async fn remote_reads_are_answered_whole_or_as_a_stream() {
    let handler = handler();
    let seen = read(&handler, &read_request("b", &[])).await;
    assert_eq!(seen.status, 200);
    assert_eq!(seen.header("content-type"), "application/x-protobuf");
    assert_eq!(seen.header("content-encoding"), "snappy");
    let text = String::from_utf8_lossy(&seen.body).into_owned();
    assert!(text.contains("region"), "{text:?}");
    let seen = read(&handler, &read_request("b", &[1, 0])).await;
    assert_eq!(seen.status, 200);
    assert_eq!(
        seen.header("content-type"),
        "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
    );
    assert!(seen.body.len() > 40, "{:?}", seen.body);
    let seen = read(&handler, &read_request("none", &[1])).await;
    assert_eq!((seen.status, seen.body.len()), (200, 0));
    assert_eq!(get(&handler, "/api/v1/read").await.status, 405);
}

#[tokio::test]
async fn remote_reads_that_cannot_be_answered_say_why() {
    let handler = handler();
    let seen = read(&handler, b"").await;
    check(&seen, 400, "snappy: corrupt input\n");
    let seen = read(&handler, &read_request("b", &[7])).await;
    check(
        &seen,
        400,
        "server does not support any of the requested response types: [7]; supported: map[SAMPLES:{} STREAMED_XOR_CHUNKS:{}]\n",
    );
    // Places are given back.
    for _ in 0..3 {
        let seen = read(&handler, &read_request("b", &[0])).await;
        assert_eq!(seen.status, 200);
    }
}
