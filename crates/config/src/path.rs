//! File names in configuration files: patterns, and which directory relative ones belong to.

use std::path::{Component, Path, PathBuf};

/// Whether wildcards stand in the last part only: `^[^*]*(\*[^/]*)?$`.
pub fn is_rule_pattern(path: &str) -> bool {
    path.split_once('*')
        .is_none_or(|(_, after)| !after.contains('/'))
}

/// `path` seen from `dir`, without `.` and `..` where they can be removed.
pub fn join(dir: &Path, path: &str) -> String {
    if path.is_empty() || path.starts_with('/') {
        return path.to_owned();
    }
    clean(&dir.join(path)).to_string_lossy().into_owned()
}

/// Removes `.` and resolves `..` without looking at the disk.
pub fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(clean.components().next_back(), Some(Component::Normal(_))) =>
            {
                clean.pop();
            }
            Component::ParentDir if clean.has_root() => {}
            _ => clean.push(part),
        }
    }
    if clean.as_os_str().is_empty() {
        clean.push(".");
    }
    clean
}

/// Files that match `pattern`, sorted. Wildcards `*`, `?` and `[a-z]` never match a slash.
pub fn glob(pattern: &str) -> Vec<String> {
    let has_wildcard = |text: &str| text.contains(['*', '?', '[', '\\']);
    if !has_wildcard(pattern) {
        let exists = std::fs::symlink_metadata(pattern).is_ok();
        return if exists {
            vec![pattern.to_owned()]
        } else {
            Vec::new()
        };
    }
    let (dir, last) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let dirs = match dir {
        "" if pattern.starts_with('/') => vec!["/".to_owned()],
        "" => vec![String::new()],
        dir => glob(dir),
    };
    let mut found = Vec::new();
    for dir in dirs {
        let shown = if dir.is_empty() { "." } else { &dir };
        let Ok(entries) = std::fs::read_dir(shown) else {
            continue;
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| matches(last, name)).collect();
        names.sort();
        let prefix = match dir.as_str() {
            "" => String::new(),
            "/" => "/".to_owned(),
            dir => format!("{dir}/"),
        };
        found.extend(names.iter().map(|name| format!("{prefix}{name}")));
    }
    found
}

/// Whether file name `name` matches `pattern`.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // Position in both, and where to start again after the last star.
    let (mut p, mut n, mut retry) = (0, 0, None);
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, n + 1));
                p += 1;
                continue;
            }
            Some(_) => match_one(&pattern[p..], name[n]),
            None => None,
        };
        match (step, retry) {
            (Some(size), _) => (p, n) = (p + size, n + 1),
            (None, Some((after_star, next))) => {
                (p, n) = (after_star, next);
                retry = Some((after_star, next + 1));
            }
            (None, None) => return false,
        }
    }
    pattern[p.min(pattern.len())..]
        .iter()
        .all(|sign| *sign == '*')
}

/// Size of the pattern's first item if it matches `letter`.
fn match_one(pattern: &[char], letter: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '\\' => (pattern.get(1) == Some(&letter)).then_some(2),
        '[' => {
            let end = pattern.iter().skip(2).position(|sign| *sign == ']')? + 2;
            let negated = pattern.get(1) == Some(&'^');
            let class = pattern.get(if negated { 2 } else { 1 }..end)?;
            let mut hit = false;
            let mut at = 0;
            while let Some(&low) = class.get(at) {
                let range = class.get(at + 1) == Some(&'-');
                let high = if range {
                    class.get(at + 2).copied().unwrap_or(low)
                } else {
                    low
                };
                hit |= (low..=high).contains(&letter);
                at += if range { 3 } else { 1 };
            }
            (hit != negated).then_some(end + 1)
        }
        sign => (*sign == letter).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_the_shell_does() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        };
        check("*.yml", "a.yml", true);
        check("*.yml", "a.yaml", false);
        check("a*b*c", "aXbbc", true);
        check("a?c", "abc", true);
        check("[a-c]x", "bx", true);
        check("[^a-c]x", "bx", false);
        check("*", "", true);
        check("[", "[", false);
    }

    #[test]
    fn relative_paths_belong_to_the_file() {
        let dir = Path::new("/etc/prometheus");
        assert_eq!(join(dir, "rules/*.yml"), "/etc/prometheus/rules/*.yml");
        assert_eq!(join(dir, "../x"), "/etc/x");
        assert_eq!(join(dir, "/abs"), "/abs");
        assert_eq!(join(Path::new("."), "a"), "a");
        assert!(is_rule_pattern("a/*.yml") && !is_rule_pattern("a/*/b"));
    }
}
