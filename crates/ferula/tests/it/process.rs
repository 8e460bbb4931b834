//! A server process under test, and plain HTTP/1.1 to talk to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longest wait for something that happens at once on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A configuration with these jobs.
pub(crate) fn config(jobs: &str) -> String {
    format!("global: {{scrape_interval: 1m}}\nscrape_configs:\n{jobs}")
}

fn command(dir: &Path, config: &str, flags: &[&str]) -> Command {
    let file = dir.join("prometheus.yml");
    std::fs::write(&file, config).expect("configuration written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferula"));
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            dir.join("data").display()
        ))
        .args(flags)
        .stdin(Stdio::null());
    command
}

/// Runs a server that is expected to end by itself.
pub(crate) fn run(dir: &Path, config: &str, flags: &[&str]) -> Output {
    command(dir, config, flags)
        .output()
        .expect("the binary starts")
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: String,
    file: PathBuf,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server on a free port and waits until it is ready.
    pub(crate) fn start(dir: &Path, config: &str, flags: &[&str]) -> Self {
        let mut command = command(dir, config, flags);
        command
            .arg("--web.listen-address=127.0.0.1:0")
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped"));
        let mut address = None;
        let mut text = String::new();
        loop {
            let mut line = String::new();
            let read = lines.read_line(&mut line).expect("log line");
            assert!(read > 0, "the server ended: {text}");
            text.push_str(&line);
            if line.contains("msg=\"Listening on\"") {
                address = line
                    .trim_end()
                    .rsplit_once("address=")
                    .map(|(_, a)| a.to_owned());
            }
            if line.contains("msg=\"Server is ready to receive web requests.\"") {
                break;
            }
        }
        let log = Arc::new(Mutex::new(text));
        let shared = log.clone();
        let reader = std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                shared.lock().expect("log").push_str(&format!("{line}\n"));
            }
        });
        Self {
            child,
            address: address.expect("the address is logged"),
            file: dir.join("prometheus.yml"),
            log,
            reader: Some(reader),
        }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Everything logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("log").clone()
    }

    /// Replaces the configuration file.
    pub(crate) fn configure(&self, text: &str) {
        std::fs::write(&self.file, text).expect("configuration written");
    }

    /// Status and body of a GET.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.request("GET", path)
    }

    /// Status and body.
    pub(crate) fn request(&self, method: &str, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("answered");
        let answer = String::from_utf8(answer).expect("UTF-8");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
        (status.expect("a status"), body.to_owned())
    }

    /// Asks again until the answer contains `expected`.
    pub(crate) fn until(&self, path: &str, expected: &str) {
        let start = Instant::now();
        loop {
            let (_, body) = self.get(path);
            if body.contains(expected) {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{path} never said {expected}: {body}"
            );
            std::thread::yield_now();
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process id");
        kill_process(pid, signal).expect("signal sent");
    }

    /// Waits for the end; the exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let code = self.child.wait().expect("a child").code();
        if let Some(reader) = self.reader.take() {
            reader.join().expect("log reader");
        }
        code
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
