//! The API server as real ones are reached: by TLS, with HTTP/2.

use std::time::Duration;

use crate::api_double::ApiDouble;
use crate::certificates::certificates;
use crate::follow::Follow;
use crate::objects;

/// A server with two pods that speaks HTTP/2 alone, and the section that reaches it.
struct Server {
    double: ApiDouble,
    folder: tempfile::TempDir,
}

impl Server {
    async fn start() -> Self {
        let made = certificates();
        let double = ApiDouble::start_with(Some(made.acceptor(false, &["h2"]))).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.crt"), &made.ca).unwrap();
        let server = Self { double, folder };
        server.put_pod("a");
        server.put_pod("b");
        server
    }

    fn put_pod(&self, name: &str) {
        let pod = objects::pod(name, "default", "n1", "10.0.0.1");
        self.double.put("pods", pod);
    }

    fn follow(&self, role: &str) -> Follow {
        Follow::start_section(&format!(
            "role: {role}\napi_server: https://127.0.0.1:{}\ntls_config: {{ca_file: {}}}\n",
            self.double.port(),
            self.folder.path().join("ca.crt").display()
        ))
    }

    /// Follows the pods; both are known and the watch has begun.
    async fn follow_pods(&self) -> Follow {
        let mut follow = self.follow("pod");
        follow.until(|follow| follow.groups.len() == 2).await;
        self.until_asked("watch=true", 1).await;
        follow
    }

    /// How many requests had this.
    fn asked(&self, part: &str) -> usize {
        let requests = self.double.requests().into_iter();
        requests.filter(|request| request.contains(part)).count()
    }

    async fn until_asked(&self, part: &str, count: usize) {
        while self.asked(part) < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn what_happens_after_a_long_silence_is_seen() {
    let server = Server::start().await;
    let mut follow = server.follow_pods().await;
    // Longer than a connection may be silent before it is probed, if there is time.
    let slow = std::env::var_os("RUN_SLOW_TESTS").is_some();
    let silence = if slow { 70_000 } else { 300 };
    tokio::time::sleep(Duration::from_millis(silence)).await;
    server.put_pod("c");
    follow.until_there("pod/default/c").await;
    // List and watch went over one connection.
    assert_eq!(server.double.connections(), (1, 1));
    assert_eq!(server.asked("watch=true"), 1);
    assert_eq!(server.asked("limit="), 1);
}

#[tokio::test]
async fn a_connection_that_dies_is_replaced_and_nothing_is_missed() {
    let server = Server::start().await;
    let mut follow = server.follow_pods().await;
    for round in 0..3 {
        server.double.cut();
        let gone = ["a", "b", "new0"][round];
        server.double.delete("pods", &format!("default/{gone}"));
        server.put_pod(&format!("new{round}"));
        follow.until_there(&format!("pod/default/new{round}")).await;
        follow.until_gone(&format!("pod/default/{gone}")).await;
    }
    assert_eq!(server.double.connections(), (4, 4));
    assert_eq!(server.asked("limit="), 1);
}

#[tokio::test]
async fn a_watch_whose_stream_is_reset_goes_on_where_it_was() {
    let server = Server::start().await;
    let mut follow = server.follow_pods().await;
    for round in 0..3 {
        server.double.reset_streams();
        server.put_pod(&format!("new{round}"));
        follow.until_there(&format!("pod/default/new{round}")).await;
    }
    assert_eq!(server.asked("limit="), 1);
    assert!(
        follow
            .metrics()
            .contains("prometheus_sd_kubernetes_failures_total 0\n")
    );
}

#[tokio::test]
async fn a_server_that_says_goodbye_ends_its_watches_in_peace() {
    let server = Server::start().await;
    let mut follow = server.follow_pods().await;
    server.double.go_away();
    // What is under way goes on.
    server.put_pod("c");
    follow.until_there("pod/default/c").await;
    assert_eq!(server.asked("watch=true"), 1);
    // Then it ends, and the next watch finds another connection.
    server.double.reset_streams();
    server.put_pod("d");
    follow.until_there("pod/default/d").await;
    assert_eq!(server.double.connections(), (2, 2));
    assert_eq!(server.asked("limit="), 1);
}

#[tokio::test]
async fn a_list_on_a_connection_that_was_said_goodbye_to_finds_another_one() {
    let server = Server::start().await;
    // Pages of one pod, slowly: the goodbye comes between two of them.
    server.double.behave(|manners| {
        manners.page_max = Some(1);
        manners.pause = Duration::from_millis(20);
    });
    let mut follow = server.follow("pod");
    server.until_asked("limit=", 1).await;
    server.double.go_away();
    follow.until(|follow| follow.groups.len() == 2).await;
    server.put_pod("c");
    follow.until_there("pod/default/c").await;
}

#[tokio::test]
async fn a_forgotten_version_leads_to_a_list() {
    for by_status in [true, false] {
        let server = Server::start().await;
        server
            .double
            .behave(|manners| manners.gone_by_status = by_status);
        let mut follow = server.follow_pods().await;
        server
            .double
            .behave(|manners| manners.refusals = vec![503, 503]);
        server.double.cut();
        server.double.delete("pods", "default/a");
        server.put_pod("c");
        server.double.compact();
        follow.until_gone("pod/default/a").await;
        follow.until_there("pod/default/c").await;
        assert_eq!(server.asked("limit="), 2);
        server.put_pod("d");
        follow.until_there("pod/default/d").await;
    }
}

#[tokio::test]
async fn a_list_that_breaks_off_is_begun_anew() {
    let server = Server::start().await;
    server
        .double
        .behave(|manners| manners.break_list_after = Some(1));
    let mut follow = server.follow("pod");
    follow.until(|follow| follow.groups.len() == 2).await;
    assert_eq!(server.asked("limit="), 2);
    assert!(
        follow
            .metrics()
            .contains("prometheus_sd_kubernetes_failures_total 1\n")
    );
}

#[tokio::test]
async fn slow_watches_of_several_resources_hold_up_none() {
    let server = Server::start().await;
    let double = &server.double;
    double.put("services", objects::service("web", "default"));
    let endpoints = |pod: &str| objects::endpoints("web", "default", pod, "10.0.0.1");
    double.put("endpoints", endpoints("a"));
    double.behave(|manners| manners.pause = Duration::from_millis(3));
    let mut follow = server.follow("endpoints");
    follow.until_label("__meta_kubernetes_pod_name", "a").await;
    server.until_asked("watch=true", 3).await;
    // All three at once, a few bytes at a time.
    let mut service = objects::service("web", "default");
    service["metadata"]["labels"]["changed"] = serde_json::json!("yes");
    double.put("services", service);
    double.put("endpoints", endpoints("b"));
    let mut pod = objects::pod("b", "default", "n2", "10.0.0.1");
    pod["metadata"]["annotations"]["long"] = serde_json::json!("x".repeat(5000));
    double.put("pods", pod);
    follow
        .until(|follow| {
            follow.has_label("__meta_kubernetes_service_label_changed", "yes")
                && follow.has_label("__meta_kubernetes_endpoint_address_target_name", "b")
                && follow.has_label("__meta_kubernetes_pod_node_name", "n2")
        })
        .await;
    // Each resource has a connection of its own.
    assert_eq!(double.connections(), (3, 3));
}

#[tokio::test]
async fn many_events_are_read_as_they_come() {
    let server = Server::start().await;
    let mut follow = server.follow_pods().await;
    // More than the windows of a stream and of a connection hold.
    let filling = "x".repeat(64 << 10);
    for index in 0..100 {
        let name = format!("big{index}");
        let mut pod = objects::pod(&name, "default", "n1", "10.0.0.1");
        pod["spec"]["filling"] = serde_json::json!(filling);
        server.double.put("pods", pod);
    }
    follow.until(|follow| follow.groups.len() == 102).await;
    assert_eq!(server.double.connections(), (1, 1));
}
