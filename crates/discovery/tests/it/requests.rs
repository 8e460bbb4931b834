//! What is asked of the API server: resources, namespaces, selectors, pages; and what is counted.

use crate::api_double::ApiDouble;
use crate::follow::Follow;
use crate::objects;

async fn double() -> ApiDouble {
    let double = ApiDouble::start().await;
    double.put("pods", objects::pod("p1", "default", "n1", "10.0.0.1"));
    double.put("pods", objects::pod("p2", "other", "n1", "10.0.0.2"));
    double.put("pods", objects::pod("p3", "third", "n1", "10.0.0.3"));
    double.put("nodes", objects::node("n1"));
    double
}

#[tokio::test]
async fn selectors_go_with_lists_and_watches_of_their_role() {
    let double = double().await;
    let more = "attach_metadata: {node: true}\n\
                selectors:\n\
                - {role: pod, label: 'app in (a, b),!c', field: 'status.phase=Running'}\n\
                - {role: node, label: zone=z1}";
    let mut follow = Follow::start(&double, "pod", more);
    follow.until(|follow| follow.groups.len() == 3).await;
    double.put("pods", objects::pod("p4", "default", "n1", "10.0.0.4"));
    follow.until_there("pod/default/p4").await;
    let pod = "labelSelector=app+in+%28a%2C+b%29%2C%21c&fieldSelector=status.phase%3DRunning";
    let node = "labelSelector=zone%3Dz1";
    for (resource, selector) in [("pods", pod), ("nodes", node)] {
        let requests = double.requests().into_iter();
        let asked: Vec<String> = requests
            .filter(|request| request.starts_with(&format!("/api/v1/{resource}?")))
            .collect();
        assert!(asked.len() >= 2, "{asked:?}");
        assert!(
            asked.iter().all(|request| request.contains(selector)),
            "{asked:?}"
        );
    }
}

#[tokio::test]
async fn a_list_is_in_pages_and_a_watch_says_how_it_wants_to_be_told() {
    let double = double().await;
    double.behave(|manners| manners.page_max = Some(2));
    let mut follow = Follow::start(&double, "pod", "");
    follow.until(|follow| follow.groups.len() == 3).await;
    double.put("pods", objects::pod("p4", "default", "n1", "10.0.0.4"));
    follow.until_there("pod/default/p4").await;
    let requests = double.requests();
    assert_eq!(requests[0], "/api/v1/pods?limit=500&resourceVersion=0");
    assert_eq!(requests[1], "/api/v1/pods?limit=500&continue=1004%3A2");
    let watch =
        "/api/v1/pods?watch=true&resourceVersion=1004&allowWatchBookmarks=true&timeoutSeconds=";
    let seconds = requests[2].strip_prefix(watch).expect("a watch");
    assert!((240..=360).contains(&seconds.parse().unwrap()), "{seconds}");
    assert_eq!(requests.len(), 3);
}

#[tokio::test]
async fn namespaces_are_looked_at_one_by_one() {
    let double = double().await;
    let mut follow = Follow::start(
        &double,
        "pod",
        "namespaces: {names: [default, third, default]}",
    );
    follow.until(|follow| follow.groups.len() == 2).await;
    assert!(follow.groups.contains_key("pod/third/p3"));
    let mut lists: Vec<String> = double.requests();
    lists.retain(|request| request.contains("limit="));
    lists.sort();
    let expected = ["default", "third"]
        .map(|name| format!("/api/v1/namespaces/{name}/pods?limit=500&resourceVersion=0"));
    assert_eq!(lists, expected);
    double.put("pods", objects::pod("p9", "third", "n1", "10.0.0.9"));
    double.put("pods", objects::pod("p9", "other", "n1", "10.0.0.9"));
    follow.until_there("pod/third/p9").await;
    // A list of one namespace takes nothing away from another one.
    double.compact();
    double.delete("pods", "third/p9");
    double.compact();
    double.cut();
    follow.until_gone("pod/third/p9").await;
    assert_eq!(follow.groups.len(), 2);
}

#[tokio::test]
async fn each_role_asks_for_what_it_needs() {
    let double = double().await;
    let attach = "attach_metadata: {node: true, namespace: true, deployment: true, job: true, \
                  cronjob: true}";
    let expected: [(&str, &[&str]); 6] = [
        ("node", &["/api/v1/nodes"]),
        (
            "pod",
            &[
                "/api/v1/namespaces",
                "/api/v1/nodes",
                "/api/v1/pods",
                "/apis/apps/v1/replicasets",
                "/apis/batch/v1/jobs",
            ],
        ),
        ("service", &["/api/v1/namespaces", "/api/v1/services"]),
        (
            "ingress",
            &["/api/v1/namespaces", "/apis/networking.k8s.io/v1/ingresses"],
        ),
        (
            "endpoints",
            &[
                "/api/v1/endpoints",
                "/api/v1/namespaces",
                "/api/v1/nodes",
                "/api/v1/pods",
                "/api/v1/services",
                "/apis/apps/v1/replicasets",
                "/apis/batch/v1/jobs",
            ],
        ),
        (
            "endpointslice",
            &[
                "/api/v1/namespaces",
                "/api/v1/nodes",
                "/api/v1/pods",
                "/api/v1/services",
                "/apis/apps/v1/replicasets",
                "/apis/batch/v1/jobs",
                "/apis/discovery.k8s.io/v1/endpointslices",
            ],
        ),
    ];
    for (role, paths) in expected {
        let before = double.requests().len();
        let follow = Follow::start(&double, role, attach);
        let asked = || {
            let requests = double.requests().split_off(before);
            let mut asked: Vec<String> = requests
                .iter()
                .filter_map(|request| Some(request.split_once("?limit=")?.0.to_owned()))
                .collect();
            asked.sort();
            asked
        };
        while asked().len() < paths.len() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(asked(), paths, "{role}");
        drop(follow);
    }
}

#[tokio::test]
async fn events_are_counted_by_role() {
    let double = double().await;
    let mut follow = Follow::start(&double, "pod", "");
    follow.until(|follow| follow.groups.len() == 3).await;
    let mut pod = objects::pod("p1", "default", "n1", "10.0.0.1");
    pod["status"]["phase"] = serde_json::json!("Failed");
    double.put("pods", pod);
    double.delete("pods", "third/p3");
    follow.until_gone("pod/third/p3").await;
    let page = follow.metrics();
    for (event, count) in [("add", 3), ("update", 1), ("delete", 1)] {
        let name = "prometheus_sd_kubernetes_events_total";
        let line = format!("{name}{{role=\"pod\",event=\"{event}\"}} {count}\n");
        let other = format!("{name}{{event=\"{event}\",role=\"pod\"}} {count}\n");
        assert!(page.contains(&line) || page.contains(&other), "{page}");
        assert!(page.contains("role=\"endpointslice\""));
    }
    assert!(page.contains("prometheus_sd_kubernetes_failures_total 0\n"));
}
