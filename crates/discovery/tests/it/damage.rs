//! Bytes that are not what they should be.

use discovery::providers::check_kubernetes_stream;
use serde_json::{Value, json};

use crate::api_double::ApiDouble;
use crate::follow::Follow;
use crate::objects;

/// Numbers that look random, the same ones in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).unwrap()
    }
}

fn all_objects() -> Vec<Value> {
    vec![
        objects::pod("p", "n", "x", "10.0.0.1"),
        objects::node("x"),
        objects::service("s", "n"),
        objects::endpoints("s", "n", "p", "10.0.0.1"),
        objects::slice("s-1", "n", "p", "10.0.0.1"),
        objects::ingress("i", "n"),
        objects::namespace("n", "t"),
        objects::owned("r", "n", "Deployment", "d"),
    ]
}

fn streams() -> [Vec<u8>; 2] {
    let list =
        json!({"kind": "List", "metadata": {"resourceVersion": "1"}, "items": all_objects()});
    let events = all_objects().into_iter();
    let lines: Vec<String> = events
        .map(|object| format!("{}\n", json!({"type": "ADDED", "object": object})))
        .chain([
            json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "7"}}})
                .to_string(),
            json!({"type": "ERROR", "object": {"code": 410}}).to_string(),
        ])
        .collect();
    [list.to_string().into_bytes(), lines.concat().into_bytes()]
}

#[test]
fn what_is_read_does_not_depend_on_the_chunks() {
    for stream in streams() {
        let whole = check_kubernetes_stream(&stream, usize::MAX);
        // Every kind reads its own objects at least.
        assert!(whole > 40, "{whole}");
        for chunk_len in [1, 2, 3, 7, 64, 1000] {
            assert_eq!(check_kubernetes_stream(&stream, chunk_len), whole);
        }
    }
}

#[test]
fn damaged_streams_return() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for stream in streams() {
        for _ in 0..400 {
            let mut damaged = stream.clone();
            for _ in 0..=numbers.below(4) {
                let at = numbers.below(damaged.len());
                match numbers.below(4) {
                    0 => damaged[at] ^= 1 << numbers.below(8),
                    1 => damaged.truncate(at.max(1)),
                    2 => damaged[at] = b"{}[]\",:\\0n"[numbers.below(10)],
                    _ => {
                        let piece = damaged[at..damaged.len().min(at + 40)].to_vec();
                        let to = numbers.below(damaged.len());
                        damaged.splice(to..to, piece);
                    }
                }
            }
            let whole = check_kubernetes_stream(&damaged, usize::MAX);
            let chunk_len = 1 + numbers.below(300);
            assert_eq!(check_kubernetes_stream(&damaged, chunk_len), whole);
        }
    }
}

#[tokio::test]
async fn an_object_that_cannot_be_read_hides_no_other_one() {
    let double = ApiDouble::start().await;
    let pod = |name: &str| objects::pod(name, "default", "n1", "10.0.0.1");
    double.put("pods", pod("a"));
    let mut follow = Follow::start(&double, "pod", "");
    follow.until_there("pod/default/a").await;
    let mut bad = pod("a");
    bad["spec"]["containers"] = json!("none");
    double.put("pods", bad);
    double.put("pods", pod("b"));
    follow.until_there("pod/default/b").await;
    // What was known of it stays, by a list too.
    assert!(follow.groups.contains_key("pod/default/a"));
    assert!(
        follow
            .metrics()
            .contains("prometheus_sd_kubernetes_failures_total 1\n")
    );
    double.compact();
    double.put("pods", pod("c"));
    double.compact();
    double.cut();
    follow.until_there("pod/default/c").await;
    assert_eq!(follow.groups.len(), 3);
}

#[tokio::test]
async fn garbage_in_a_watch_leads_to_a_list_in_the_end() {
    let double = ApiDouble::start().await;
    let pod = |name: &str| objects::pod(name, "default", "n1", "10.0.0.1");
    double.put("pods", pod("a"));
    let mut follow = Follow::start(&double, "pod", "");
    follow.until_there("pod/default/a").await;
    double.put("pods", pod("b"));
    follow.until_there("pod/default/b").await;
    double.send_raw("pods", "<html>\n");
    double.put("pods", pod("c"));
    // The server sends it at every watch from before it: only a list leads past it.
    follow.until_there("pod/default/c").await;
    assert_eq!(follow.groups.len(), 3);
    double.put("pods", pod("d"));
    follow.until_there("pod/default/d").await;
}
