//! Target groups read from files: at changes of their folders, and at each refresh interval.
//!
//! Folders are watched rather than files, because editors and Kubernetes replace files by renames.
//! A file that cannot be read keeps its old groups; one that vanished loses them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::{group_text, with_label};
use crate::config::FileSdConfig;
use crate::discoverer::{Discoverer, Running, Updates};
use crate::error::Error;
use crate::metrics::ProviderMetrics;
use crate::target_group::TargetGroup;

/// Label with the file a target came from.
const META_FILE_PATH: &str = "__meta_filepath";
/// Changes within this time are read once: writers often need several steps.
const SETTLE: Duration = Duration::from_millis(50);
/// Most bytes of a file.
const FILE_BYTES_MAX: u64 = 1 << 28;

/// Reads the files that some patterns match.
#[derive(Debug)]
pub struct FileDiscoverer {
    patterns: Vec<PathBuf>,
    interval: Duration,
    metrics: ProviderMetrics,
}

impl FileDiscoverer {
    /// A provider as configured.
    pub fn new(config: &FileSdConfig, metrics: ProviderMetrics) -> Self {
        Self {
            patterns: config
                .files
                .iter()
                .map(|path| PathBuf::from(&**path))
                .collect(),
            interval: config.refresh_interval.as_std(),
            metrics,
        }
    }

    async fn run(self, updates: Updates) {
        let (changes, mut changed) = mpsc::channel(1);
        // Dropping the watcher ends the watch.
        let watcher = watch(&self.patterns, &self.metrics, changes);
        let mut beat = tokio::time::interval(self.interval.max(Duration::from_millis(1)));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut known: BTreeMap<PathBuf, usize> = BTreeMap::new();
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                Some(()) = changed.recv(), if watcher.is_some() => {
                    tokio::time::sleep(SETTLE).await;
                    while changed.try_recv().is_ok() {}
                }
            }
            let (patterns, metrics) = (self.patterns.clone(), self.metrics.clone());
            let read = tokio::task::spawn_blocking(move || read_all(&patterns, &metrics)).await;
            let Ok(files) = read else { continue };
            let groups = report(files, &mut known, &self.metrics);
            if !groups.is_empty() && updates.send(groups).await.is_err() {
                return;
            }
        }
    }
}

impl Discoverer for FileDiscoverer {
    fn run(self: Box<Self>, updates: Updates) -> Running {
        Box::pin((*self).run(updates))
    }
}

/// What reading a file came to: its groups, or `None` if it could not be read this time.
type Read = Option<Vec<TargetGroup>>;

/// The groups to report: those read, and empty ones for files and positions that are gone. `known`
/// has the number of groups of each file.
fn report(
    files: BTreeMap<PathBuf, Read>,
    known: &mut BTreeMap<PathBuf, usize>,
    metrics: &ProviderMetrics,
) -> Vec<TargetGroup> {
    let mut report = Vec::new();
    known.retain(|path, count| {
        if files.contains_key(path) {
            return true;
        }
        report.extend((0..*count).map(|index| TargetGroup::gone(&source(path, index))));
        metrics.file_mtime.remove(&[&path.to_string_lossy()]);
        false
    });
    for (path, read) in files {
        let Some(groups) = read else { continue };
        let before = known.insert(path.clone(), groups.len()).unwrap_or(0);
        report.extend((groups.len()..before).map(|index| TargetGroup::gone(&source(&path, index))));
        report.extend(groups);
    }
    report
}

fn source(path: &Path, index: usize) -> String {
    format!("{}:{index}", path.display())
}

fn read_all(patterns: &[PathBuf], metrics: &ProviderMetrics) -> BTreeMap<PathBuf, Read> {
    let started = Instant::now();
    let mut files = BTreeMap::new();
    for path in patterns.iter().flat_map(|pattern| matching(pattern)) {
        let read = match read_file(&path) {
            Ok((groups, modified)) => {
                let since = modified
                    .duration_since(SystemTime::UNIX_EPOCH)
                    .unwrap_or_default();
                let name = path.to_string_lossy();
                metrics.file_mtime.with(&[&name]).set(since.as_secs_f64());
                Some(groups)
            }
            Err(err) => {
                metrics.file_read_errors.inc();
                tracing::error!(
                    component = "discovery manager",
                    discovery = "file",
                    path = %path.display(),
                    err = %err,
                    "Error reading file"
                );
                None
            }
        };
        files.insert(path, read);
    }
    metrics
        .file_scan_duration
        .observe(started.elapsed().as_secs_f64());
    files
}

fn read_file(path: &Path) -> Result<(Vec<TargetGroup>, SystemTime), Error> {
    use std::io::Read as _;
    let failed = |source| Error::File {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let modified = file
        .metadata()
        .and_then(|meta| meta.modified())
        .map_err(failed)?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    let mut groups = if extension == "json" {
        group_text::from_json(text.as_bytes())?
    } else {
        group_text::from_yaml(&text)?
    };
    for (index, group) in groups.iter_mut().enumerate() {
        group.source = source(path, index);
        group.labels = with_label(&group.labels, META_FILE_PATH, &path.to_string_lossy());
    }
    Ok((groups, modified))
}

/// The files that `pattern` matches: `*` stands for anything in the last part of the path.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let Some(name) = pattern.file_name().and_then(|name| name.to_str()) else {
        return Vec::new();
    };
    if !name.contains(['*', '?', '[']) {
        return if pattern.exists() {
            vec![pattern.to_owned()]
        } else {
            Vec::new()
        };
    }
    let folder = folder(pattern);
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let shown = pattern.parent().unwrap_or(Path::new(""));
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|found| glob(name, found))
        })
        .map(|entry| shown.join(entry.file_name()))
        .collect();
    paths.sort();
    paths
}

fn folder(pattern: &Path) -> &Path {
    match pattern.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether `name` matches `pattern`: `*` any text, `?` any character, `[…]` one of several.
fn glob(pattern: &str, name: &str) -> bool {
    let mut chars = pattern.chars();
    match chars.next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = chars.as_str();
            name.char_indices()
                .map(|(at, _)| at)
                .chain([name.len()])
                .any(|at| name.get(at..).is_some_and(|tail| glob(rest, tail)))
        }
        Some('[') => {
            let rest = chars.as_str();
            let (Some(end), Some(first)) = (rest.find(']'), name.chars().next()) else {
                return false;
            };
            let (set, after) = (
                rest.get(..end).unwrap_or(""),
                rest.get(end + 1..).unwrap_or(""),
            );
            in_set(set, first)
                && name
                    .get(first.len_utf8()..)
                    .is_some_and(|tail| glob(after, tail))
        }
        Some(wanted) => {
            let mut found = name.chars();
            let matches = found
                .next()
                .is_some_and(|first| wanted == '?' || first == wanted);
            matches && glob(chars.as_str(), found.as_str())
        }
    }
}

fn in_set(set: &str, wanted: char) -> bool {
    let (negated, set) = match set.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, set),
    };
    let members: Vec<char> = set.chars().collect();
    let mut found = false;
    let mut at = 0;
    while let Some(&low) = members.get(at) {
        if members.get(at + 1) == Some(&'-')
            && let Some(&high) = members.get(at + 2)
        {
            found |= (low..=high).contains(&wanted);
            at += 3;
        } else {
            found |= low == wanted;
            at += 1;
        }
    }
    found != negated
}

/// Watches the folders of `patterns`; `None` if that is impossible here, then only polls find
/// changes.
fn watch(
    patterns: &[PathBuf],
    metrics: &ProviderMetrics,
    changes: mpsc::Sender<()>,
) -> Option<RecommendedWatcher> {
    let failed = |err: notify::Error| {
        metrics.file_watcher_errors.inc();
        tracing::error!(
            component = "discovery manager",
            discovery = "file",
            err = %err,
            "Error adding file watcher"
        );
    };
    let errors = metrics.file_watcher_errors.clone();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        match event {
            // Reading a file is no change: it would wake us for ever.
            Ok(event) if event.kind.is_access() => {}
            // A full channel already says that there is something to read.
            Ok(_) => {
                let _ = changes.try_send(());
            }
            Err(_) => errors.inc(),
        }
    });
    let mut watcher = watcher.map_err(failed).ok()?;
    let mut folders: Vec<&Path> = patterns.iter().map(|pattern| folder(pattern)).collect();
    folders.sort();
    folders.dedup();
    for folder in folders {
        if let Err(err) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            failed(err);
        }
    }
    Some(watcher)
}

#[cfg(test)]
mod tests;
