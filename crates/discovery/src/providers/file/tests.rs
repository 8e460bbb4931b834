//! Files, patterns and changes.

use super::*;

#[test]
fn patterns_match_names() {
    assert!(glob("*.json", "a.json"));
    assert!(!glob("*.json", "a.yml"));
    assert!(glob("a?[x-z]*", "abyc"));
    assert!(!glob("a[^b]", "ab"));
    assert!(glob("tgroup-*.yml", "tgroup-1.yml"));
}

fn discoverer(pattern: &Path) -> (FileDiscoverer, ProviderMetrics) {
    let metrics = ProviderMetrics::new(&telemetry::Registry::new());
    let files = vec![yaml::FilePath::new(pattern.to_string_lossy())];
    let config = FileSdConfig {
        files,
        ..FileSdConfig::default()
    };
    (FileDiscoverer::new(&config, metrics.clone()), metrics)
}

async fn next(reports: &mut mpsc::Receiver<Vec<TargetGroup>>) -> Vec<TargetGroup> {
    tokio::time::timeout(Duration::from_secs(20), reports.recv())
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn changes_are_reported_and_mistakes_keep_the_old_groups() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yml");
    std::fs::write(&file, "- targets: ['x:1']\n- targets: ['x:2']\n").unwrap();
    let (discoverer, metrics) = discoverer(&folder.path().join("*.yml"));
    let (updates, mut reports) = mpsc::channel(4);
    let running = tokio::spawn(Box::new(discoverer).run(updates));
    let first = next(&mut reports).await;
    assert_eq!(first.len(), 2);
    assert_eq!(first[0].labels.value(META_FILE_PATH), file.to_str());
    assert_eq!(first[1].source, format!("{}:1", file.display()));

    // A mistake reports nothing; the repair after it does.
    std::fs::write(&file, "- targets: {").unwrap();
    while metrics.file_read_errors.value() == 0.0 {
        tokio::task::yield_now().await;
    }
    std::fs::write(folder.path().join("new"), "- targets: ['x:3']\n").unwrap();
    std::fs::rename(folder.path().join("new"), &file).unwrap();
    loop {
        let report = next(&mut reports).await;
        if report.iter().any(|group| {
            group
                .targets
                .first()
                .is_some_and(|target| target.value("__address__") == Some("x:3"))
        }) {
            // The second group is gone.
            assert!(
                report
                    .iter()
                    .any(|group| group.targets.is_empty() && group.source.ends_with(":1"))
            );
            break;
        }
    }
    std::fs::remove_file(&file).unwrap();
    loop {
        let report = next(&mut reports).await;
        if report.iter().all(|group| group.targets.is_empty()) {
            break;
        }
    }
    running.abort();
}
