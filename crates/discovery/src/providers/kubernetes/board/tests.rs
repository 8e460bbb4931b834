//! When groups are reported.

use super::*;
use crate::providers::kubernetes::objects::Parsed;

fn board(namespaces: &[&str]) -> Board {
    let registry = telemetry::Registry::new();
    let counts = EventCounts {
        role: Role::Pod,
        events: registry.counter_family("events", "Events.", &["role", "event"]),
    };
    let namespaces: Vec<Arc<str>> = namespaces.iter().map(|name| (*name).into()).collect();
    let feeds = match namespaces.as_slice() {
        [] => vec![FeedState::new(Kind::PodGroup, None)],
        names => {
            let feed = |name: &Arc<str>| FeedState::new(Kind::PodGroup, Some(name.clone()));
            names.iter().map(feed).collect()
        }
    };
    Board::new(
        Role::Pod,
        AttachMetadata::default(),
        feeds,
        namespaces,
        counts,
    )
}

fn listed(feed: usize, keys: &[&str]) -> Message {
    let group = || OwnGroup {
        labels: model::Labels::empty(),
        targets: vec![model::Labels::empty()].into(),
    };
    let parsed = |key: &&str| Parsed {
        key: (*key).into(),
        version: "1".into(),
        item: Item::Group(group()),
    };
    let change = Change::Listed(keys.iter().map(parsed).collect());
    Message { feed, change }
}

fn end(feed: usize) -> Message {
    let change = Change::ListEnd { is_whole: true };
    Message { feed, change }
}

#[test]
fn groups_wait_for_the_lists_of_their_namespace() {
    let mut board = board(&["a", "b", "c"]);
    // A namespace that was not asked for, and none at all, must not hold anything up.
    board.take(listed(0, &["a/1", "a/2", "alone", "a0/x"]));
    board.take(listed(1, &["b/1", "b/2"]));
    assert!(!board.has_groups());
    board.take(end(1));
    let sources = |groups: Vec<TargetGroup>| -> Vec<String> {
        groups.into_iter().map(|group| group.source).collect()
    };
    assert_eq!(sources(board.next_groups(1, 10)), ["pod/b/1"]);
    assert_eq!(sources(board.next_groups(10, 10)), ["pod/b/2"]);
    assert!(!board.has_groups());
    board.take(end(0));
    assert_eq!(sources(board.next_groups(10, 1)), ["pod/a/1"]);
    assert_eq!(sources(board.next_groups(10, 10)), ["pod/a/2"]);
    assert!(!board.has_groups());
}

#[test]
fn without_namespaces_everything_waits_for_every_list() {
    let mut board = board(&[]);
    board.take(listed(0, &["n/1", "node"]));
    assert!(!board.has_groups());
    board.take(end(0));
    assert_eq!(board.next_groups(10, 10).len(), 2);
}
