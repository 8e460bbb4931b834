//! Jobs, providers and snapshots.

use model::Labels;

use super::*;
use crate::providers::static_config::StaticDiscoverer;

fn group(address: &str) -> TargetGroup {
    TargetGroup {
        targets: vec![Labels::from_pairs([("__address__", address)])],
        ..TargetGroup::default()
    }
}

fn fixed(key: &str, addresses: &[&str]) -> ProviderSpec {
    let groups = addresses.iter().map(|address| group(address)).collect();
    ProviderSpec {
        key: key.to_owned(),
        make: Box::new(move || Ok(Box::new(StaticDiscoverer::new(groups)))),
    }
}

fn addresses(sets: &TargetSets, job: &str) -> Vec<String> {
    sets.get(job)
        .into_iter()
        .flatten()
        .flat_map(|group| &group.targets)
        .map(|target| target.value_or_empty("__address__").to_owned())
        .collect()
}

async fn until(
    sets: &mut mpsc::Receiver<TargetSets>,
    done: impl Fn(&TargetSets) -> bool,
) -> TargetSets {
    loop {
        let found = sets.recv().await.unwrap();
        if done(&found) {
            return found;
        }
    }
}

fn manager() -> (Manager, mpsc::Receiver<TargetSets>) {
    let metrics = ManagerMetrics::new(&telemetry::Registry::new());
    Manager::with_interval("scrape", metrics, Duration::from_millis(1))
}

#[tokio::test]
async fn jobs_get_the_groups_of_their_providers() {
    let (manager, mut sets) = manager();
    manager.apply_config(BTreeMap::from([
        (
            "a".to_owned(),
            vec![fixed("1", &["x:1", "x:2"]), fixed("2", &["y:1"])],
        ),
        ("b".to_owned(), vec![fixed("2", &["y:1"])]),
        ("c".to_owned(), vec![]),
    ]));
    let found = until(&mut sets, |sets| {
        addresses(sets, "a").len() == 3 && addresses(sets, "b").len() == 1
    })
    .await;
    assert_eq!(addresses(&found, "a"), ["x:1", "x:2", "y:1"]);
    assert_eq!(found.get("c").map(Vec::len), Some(0));
}

#[tokio::test]
async fn a_reload_keeps_groups_and_drops_jobs() {
    let (manager, mut sets) = manager();
    manager.apply_config(BTreeMap::from([
        ("a".to_owned(), vec![fixed("1", &["x:1"])]),
        ("b".to_owned(), vec![fixed("2", &["y:1"])]),
    ]));
    until(&mut sets, |sets| {
        addresses(sets, "a").len() == 1 && addresses(sets, "b").len() == 1
    })
    .await;
    manager.apply_config(BTreeMap::from([(
        "a".to_owned(),
        vec![fixed("1", &["ignored:1"])],
    )]));
    let found = until(&mut sets, |sets| !sets.contains_key("b")).await;
    assert_eq!(addresses(&found, "a"), ["x:1"]);
}
