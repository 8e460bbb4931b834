//! Logs of failed scrapes: a line of JSON each, as the reference writes them (its `source` is a
//! place in its own code and is left out).

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp as UtcTime;
use parking_lot::Mutex;

use crate::error::Error;

/// One file.
#[derive(Debug)]
pub(crate) struct FailureLog {
    file: Mutex<File>,
}

impl FailureLog {
    /// Adds a line. That it cannot be written (a full disk) hurts no scrape and is logged.
    pub(crate) fn write(&self, job: &str, target: &str, failure: &Error) {
        let line = line(UtcTime::now(), job, target, &failure.to_string());
        // One call a line: lines of several pools do not mix.
        if let Err(err) = self.file.lock().write_all(line.as_bytes()) {
            tracing::warn!(
                component = "scrape manager",
                scrape_pool = %job,
                target = %target,
                err = %err,
                "Cannot write to the log of failed scrapes"
            );
        }
    }
}

fn line(now: UtcTime, job: &str, target: &str, failure: &str) -> String {
    let mut line = format!("{{\"time\":\"{now}\",\"level\":\"ERROR\"");
    for (key, text) in [("msg", failure), ("job_name", job), ("target", target)] {
        line.push_str(&format!(",\"{key}\":{}", serde_json::Value::from(text)));
    }
    line.push_str("}\n");
    line
}

/// The files of all jobs, by path: jobs that name the same one share it.
#[derive(Debug, Default)]
pub(crate) struct FailureLogs {
    open: BTreeMap<PathBuf, Arc<FailureLog>>,
}

impl FailureLogs {
    /// Makes exactly these files open. Those that were are opened anew, so that they can be moved
    /// away before a reload. After an error all is as before.
    pub(crate) fn open<'a>(&mut self, paths: impl Iterator<Item = &'a Path>) -> Result<(), Error> {
        let mut files = BTreeMap::new();
        for path in paths {
            if !files.contains_key(path) {
                files.insert(path.to_owned(), append_to(path)?);
            }
        }
        self.open.retain(|path, _| files.contains_key(path));
        for (path, file) in files {
            match self.open.get(&path) {
                Some(log) => *log.file.lock() = file,
                None => {
                    let file = Mutex::new(file);
                    self.open.insert(path, Arc::new(FailureLog { file }));
                }
            }
        }
        Ok(())
    }

    /// The log in the file at `path`, if it is open.
    pub(crate) fn get(&self, path: &Path) -> Option<Arc<FailureLog>> {
        self.open.get(path).cloned()
    }
}

fn append_to(path: &Path) -> Result<File, Error> {
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map_err(|err| {
        let reason = match err.kind() {
            io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            io::ErrorKind::IsADirectory => "is a directory".to_owned(),
            _ => err.to_string(),
        };
        let path = path.display();
        Error::FailureLog(format!("can't create json log file: open {path}: {reason}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_when_what_and_of_whom() {
        let now = UtcTime::from_nanosecond(1_796_000_000_242_318_990).expect("time");
        let expected = "{\"time\":\"2026-11-30T00:53:20.24231899Z\",\"level\":\"ERROR\",\
            \"msg\":\"Get \\\"http://x\\\"\",\"job_name\":\"j\",\"target\":\"http://x/metrics\"}\n";
        assert_eq!(
            line(now, "j", "http://x/metrics", "Get \"http://x\""),
            expected
        );
    }
}
