//! A running `ferula`.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::http::{self, Response};

/// Longest wait for a server to become ready or to stop; generous, for busy machines.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server process with its directory; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// Writes `config` to `dir/prometheus.yml` and starts a server with its data in `dir/data`.
    /// Returns once it is ready.
    pub fn start(dir: &Path, config: &str, flags: &[&str]) -> Result<Self> {
        let mut server = Self::spawn(dir, config, flags)?;
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Waits until the server says that it is ready; an end of the process is an error.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        wait_for("the server to be ready", || {
            self.ensure_running()?;
            Ok(self
                .get("/-/ready")
                .is_ok_and(|answer| answer.status == 200)
                .then_some(()))
        })
    }

    /// An end of the process is an error.
    pub fn ensure_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the server ended with {status}:\n{}", self.log_text()),
            None => Ok(()),
        }
    }

    /// Like [`start`](Self::start), without waiting for anything.
    pub fn spawn(dir: &Path, config: &str, flags: &[&str]) -> Result<Self> {
        fs::write(dir.join("prometheus.yml"), config)?;
        let address = free_address()?;
        Self::spawn_at(dir, address, flags)
    }

    /// Starts a server on `dir/prometheus.yml` as it is, listening at `address`.
    pub fn spawn_at(dir: &Path, address: SocketAddr, flags: &[&str]) -> Result<Self> {
        Self::spawn_program(&binary()?, dir, address, flags)
    }

    /// Starts any program that takes the reference's flags.
    pub fn spawn_program(
        program: &Path,
        dir: &Path,
        address: SocketAddr,
        flags: &[&str],
    ) -> Result<Self> {
        let log = dir.join("server.log");
        let output = File::options().create(true).append(true).open(&log)?;
        let child = Command::new(program)
            .arg(format!(
                "--config.file={}",
                dir.join("prometheus.yml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--web.enable-lifecycle")
            .arg("--scrape.discovery-reload-interval=1s")
            .args(flags)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot start the server")?;
        Ok(Self {
            child,
            address,
            log,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> Result<Response> {
        http::get(self.address, path)
    }

    /// Answer of an instant query, `data.result`.
    pub fn query(&self, expression: &str) -> Result<Value> {
        let answer = self.get(&format!("/api/v1/query?query={}", http::encode(expression)))?;
        let json = answer.json()?;
        if json["status"] != "success" {
            bail!("query {expression}: {json}");
        }
        Ok(json["data"]["result"].clone())
    }

    /// SIGKILL, and wait.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and wait.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(rustix::process::Signal::TERM)?;
        self.wait()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id())?;
        let pid = rustix::process::Pid::from_raw(pid).context("no process id")?;
        Ok(rustix::process::kill_process(pid, signal)?)
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        wait_for("the server to stop", || Ok(self.child.try_wait()?))
            .with_context(|| self.log_text())
    }

    /// Everything it printed so far.
    pub fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks `condition` every few milliseconds until it gives something; an error ends the wait.
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if Instant::now() > deadline {
            bail!("waited {} s for {what}", PATIENCE.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// (time in seconds, value as text) of every sample of one series in a query's result.
pub fn samples_of(series: &Value) -> Vec<(f64, String)> {
    let values = series["values"].as_array().cloned().unwrap_or_default();
    values
        .iter()
        .filter_map(|pair| Some((pair[0].as_f64()?, pair[1].as_str()?.to_owned())))
        .collect()
}

/// An address that was free a moment ago.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// The binary, built once per test process (at once where it is up to date).
pub fn binary() -> Result<PathBuf> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BINARY
        .get_or_init(|| build().map_err(|err| format!("{err:#}")))
        .clone()
        .map_err(|text| anyhow::anyhow!("cannot build the server: {text}"))
}

fn build() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("no workspace")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--package", "ferula"])
        .current_dir(root)
        .status()?;
    if !status.success() {
        bail!("cargo build ended with {status}");
    }
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("debug/ferula"))
}
