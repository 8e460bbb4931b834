//! What happens while a watch is down is seen afterwards.

use std::time::Duration;

use crate::api_double::ApiDouble;
use crate::follow::Follow;
use crate::objects;

fn put_pod(double: &ApiDouble, name: &str) {
    double.put("pods", objects::pod(name, "default", "n1", "10.0.0.1"));
}

fn lists(double: &ApiDouble) -> usize {
    let requests = double.requests();
    requests
        .iter()
        .filter(|request| request.contains("limit="))
        .count()
}

fn watches(double: &ApiDouble) -> usize {
    let requests = double.requests();
    requests
        .iter()
        .filter(|request| request.contains("watch=true"))
        .count()
}

async fn follow_two(double: &ApiDouble) -> Follow {
    put_pod(double, "a");
    put_pod(double, "b");
    let mut follow = Follow::start(double, "pod", "");
    follow.until(|follow| follow.groups.len() == 2).await;
    follow
}

/// Until the double has had so many watches.
async fn until_watched(double: &ApiDouble, count: usize) {
    while watches(double) < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_broken_watch_goes_on_where_it_was() {
    let double = ApiDouble::start().await;
    let mut follow = follow_two(&double).await;
    put_pod(&double, "c");
    follow.until_there("pod/default/c").await;
    for round in 0..3 {
        double.cut();
        double.delete("pods", &format!("default/{}", ["a", "b", "c"][round]));
        put_pod(&double, &format!("new{round}"));
        follow.until_there(&format!("pod/default/new{round}")).await;
        let gone = ["a", "b", "c"][round];
        follow.until_gone(&format!("pod/default/{gone}")).await;
    }
    // Without another list: the log of the server had it all.
    assert_eq!(lists(&double), 1);
}

#[tokio::test]
async fn a_forgotten_version_leads_to_a_list_that_tells_what_is_gone() {
    for by_status in [true, false] {
        let double = ApiDouble::start().await;
        double.behave(|manners| manners.gone_by_status = by_status);
        let mut follow = follow_two(&double).await;
        until_watched(&double, 1).await;
        double.behave(|manners| manners.refusals = vec![503, 503]);
        double.cut();
        double.delete("pods", "default/a");
        put_pod(&double, "c");
        double.compact();
        follow.until_gone("pod/default/a").await;
        follow.until_there("pod/default/c").await;
        assert_eq!(follow.groups.len(), 2);
        assert_eq!(lists(&double), 2);
        // The newest state is asked for, not what a server may have at hand.
        let requests = double.requests();
        let last_list = requests.iter().rfind(|request| request.contains("limit="));
        assert!(!last_list.unwrap().contains("resourceVersion"));
        // And it goes on from there.
        put_pod(&double, "d");
        follow.until_there("pod/default/d").await;
    }
}

#[tokio::test]
async fn bookmarks_move_the_version_to_go_on_from() {
    let double = ApiDouble::start().await;
    let mut follow = follow_two(&double).await;
    until_watched(&double, 1).await;
    // Much happens elsewhere; the bookmark says that the watch has missed nothing.
    for _ in 0..10 {
        double.put("nodes", objects::node("n1"));
    }
    double.bookmark("pods");
    double.until_sent().await;
    let before = double.requests().len();
    double.compact();
    double.cut();
    put_pod(&double, "c");
    follow.until_there("pod/default/c").await;
    let requests = double.requests();
    assert!(
        requests[before..]
            .iter()
            .all(|request| request.contains("watch=true"))
    );
    assert_eq!(lists(&double), 1);
}

#[tokio::test]
async fn a_list_that_breaks_off_takes_nothing_away() {
    let double = ApiDouble::start().await;
    let mut follow = follow_two(&double).await;
    until_watched(&double, 1).await;
    double.behave(|manners| manners.break_list_after = Some(1));
    double.cut();
    put_pod(&double, "c");
    double.compact();
    follow.until_there("pod/default/c").await;
    assert_eq!(follow.groups.len(), 3);
    assert!(!follow.reported[2..].contains(&"pod/default/a".to_owned()));
    assert!(lists(&double) >= 3);
    assert!(
        follow
            .metrics()
            .contains("prometheus_sd_kubernetes_failures_total 1\n")
    );
}

#[tokio::test]
async fn a_page_whose_token_is_too_old_begins_the_list_anew() {
    let double = ApiDouble::start().await;
    for index in 0..10 {
        put_pod(&double, &format!("p{index}"));
    }
    double.behave(|manners| {
        manners.page_max = Some(3);
        manners.pause = Duration::from_millis(10);
    });
    let mut follow = Follow::start(&double, "pod", "");
    while lists(&double) < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    put_pod(&double, "late");
    double.delete("pods", "default/p0");
    double.compact();
    follow.until(|follow| follow.groups.len() == 10).await;
    assert!(follow.groups.contains_key("pod/default/late"));
}

#[tokio::test]
async fn a_server_that_refuses_is_asked_again_and_counted() {
    let double = ApiDouble::start().await;
    put_pod(&double, "a");
    double.behave(|manners| manners.refusals = vec![500, 429, 403]);
    let mut follow = Follow::start(&double, "pod", "");
    follow.until_there("pod/default/a").await;
    let page = follow.metrics();
    assert!(page.contains("prometheus_sd_kubernetes_failures_total 3\n"));
    let requests = "prometheus_sd_kubernetes_http_request_total{status_code";
    for code in ["500", "429", "403"] {
        assert!(
            page.contains(&format!("{requests}=\"{code}\"}} 1\n")),
            "{page}"
        );
    }
    let durations = "prometheus_sd_kubernetes_http_request_duration_seconds_count";
    assert!(page.contains(&format!("{durations}{{endpoint=\"/api/v1/pods\"}} ")));
}

#[tokio::test]
async fn groups_come_when_everything_they_need_is_known() {
    let double = ApiDouble::start().await;
    double.put(
        "endpoints",
        objects::endpoints("web", "default", "a", "10.0.0.1"),
    );
    put_pod(&double, "a");
    double.put("services", objects::service("web", "default"));
    double.behave(|manners| manners.pause = Duration::from_millis(20));
    let mut follow = Follow::start(&double, "endpoints", "");
    follow.until(|follow| !follow.reported.is_empty()).await;
    assert!(follow.has_label("__meta_kubernetes_pod_name", "a"));
    assert!(follow.has_label("__meta_kubernetes_service_name", "web"));
    assert_eq!(follow.reported.len(), 1);
}

#[tokio::test]
async fn a_namespace_that_may_not_be_seen_holds_up_no_other_one() {
    let double = ApiDouble::start().await;
    put_pod(&double, "a");
    double.behave(|manners| manners.forbidden = vec!["/secret/".to_owned()]);
    let mut follow = Follow::start(&double, "pod", "namespaces: {names: [default, secret]}");
    follow.until_there("pod/default/a").await;
}

#[tokio::test]
async fn an_unchanged_list_reports_nothing() {
    let double = ApiDouble::start().await;
    let mut follow = follow_two(&double).await;
    until_watched(&double, 1).await;
    let before = follow.reported.len();
    double.bookmark("nodes");
    double.compact();
    double.cut();
    while lists(&double) < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    put_pod(&double, "c");
    follow.until_there("pod/default/c").await;
    assert_eq!(follow.reported[before..], ["pod/default/c"]);
}
