//! NSD, a real DNS server: fetched from Debian's suite `sid` with the package client, unpacked, not
//! installed, and run with the libraries of its suite.
//!
//! It is kept in the build folder. `FERULA_PEERS` names a folder that is looked at first
//! (`unpacked/nsd-root`). Where there is no package client or no mirror, the test says so and
//! is left out.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail the test")]
#![expect(clippy::print_stdout, reason = "a test says what it leaves out")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use discovery::providers::dns::Resolver;
use tempfile::TempDir;

use crate::support::PATIENCE;

const PROGRAM: &str = "usr/sbin/nsd";

/// What the package client does, in a folder of its own: lists, cache and status are there.
const FETCH: &str = r#"
set -eu
mkdir -p "$1/apt/none" "$1/apt/lists/partial" "$1/apt/cache/archives/partial" "$1/root"
cd "$1"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | head -n 1)
[ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
[ -n "$mirror" ]
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" > apt/sources.list
: > apt/status
own_apt() {
    apt-get -q -o Dir::Etc::SourceList="$1/apt/sources.list" -o Dir::Etc::SourceParts="$1/apt/none" \
        -o Dir::Etc::PreferencesParts="$1/apt/none" -o Dir::State::Lists="$1/apt/lists" \
        -o Dir::State::Status="$1/apt/status" -o Dir::Cache="$1/apt/cache" \
        -o APT::Sandbox::User=root -o Debug::NoLocking=1 \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false "$2" $3
}
own_apt "$1" update ""
own_apt "$1" install "-y --download-only --no-install-recommends nsd systemd-standalone-sysusers"
for package in apt/cache/archives/*.deb; do
    dpkg -x "$package" root
done
rm -rf apt
"#;

/// A server that runs.
pub(crate) struct Server {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// A resolver that asks this server and looks in its zone.
    pub(crate) fn resolver(&self) -> Resolver {
        let resolv_conf = self.folder.path().join("resolv.conf");
        std::fs::write(
            &resolv_conf,
            "nameserver 127.0.0.1\nsearch zone.test\noptions ndots:2\n",
        )
        .unwrap();
        Resolver {
            resolv_conf,
            port: self.port,
            timeout: Duration::from_secs(30),
        }
    }
}

/// A server of the zone `zone.test`; `None`, with a notice, where there cannot be one.
pub(crate) async fn start(zone: &str) -> Option<Server> {
    let root = match tokio::task::spawn_blocking(root).await.unwrap() {
        Ok(root) => root,
        Err(why) => {
            println!("left out: no real DNS server here: {why}");
            return None;
        }
    };
    let mut folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("zone"), zone).unwrap();
    // A port that was free a moment ago may be taken now.
    for _ in 0..10 {
        let port = free_port();
        let conf = folder.path().join("nsd.conf");
        std::fs::write(&conf, configuration(folder.path(), port)).unwrap();
        let process = command(&root)
            .arg("-d")
            .arg("-c")
            .arg(&conf)
            .spawn()
            .unwrap();
        let mut server = Server {
            process,
            port,
            folder,
        };
        if server.is_up().await {
            return Some(server);
        }
        folder = std::mem::replace(&mut server.folder, tempfile::tempdir().unwrap());
    }
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    panic!("nsd does not start:\n{log}");
}

impl Server {
    /// Waits until the server has read its zone; `false` if it ended. It listens before.
    async fn is_up(&mut self) -> bool {
        let log = self.folder.path().join("log");
        let up = async {
            while !std::fs::read_to_string(&log).is_ok_and(|log| log.contains("nsd started")) {
                if self.process.try_wait().unwrap().is_some() {
                    return false;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            true
        };
        tokio::time::timeout(PATIENCE, up).await.unwrap_or(false)
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn configuration(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "server:\n  ip-address: 127.0.0.1@{port}\n  username: \"\"\n  zonesdir: \"{folder}\"\n  \
         pidfile: \"\"\n  xfrdfile: \"\"\n  zonelistfile: \"{folder}/zone.list\"\n  \
         logfile: \"{folder}/log\"\n  server-count: 1\nremote-control:\n  control-enable: no\n\
         zone:\n  name: zone.test\n  zonefile: zone\n"
    )
}

/// The program, run by the loader and with the libraries that were unpacked beside it.
fn command(root: &Path) -> Command {
    let libraries = root
        .join("usr/lib")
        .join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let loader = std::fs::read_dir(&libraries)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("ld-linux")
        });
    let mut command = Command::new(loader.expect("a loader is unpacked"));
    command
        .arg("--library-path")
        .arg(&libraries)
        .arg(root.join(PROGRAM))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// The folder with the unpacked packages, or why there is none.
fn root() -> Result<PathBuf, String> {
    if let Some(peers) = std::env::var_os("FERULA_PEERS") {
        let root = PathBuf::from(peers).join("unpacked/nsd-root");
        if root.join(PROGRAM).exists() {
            return Ok(root);
        }
    }
    let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("nsd");
    if kept.join("root").join(PROGRAM).exists() {
        return Ok(kept.join("root"));
    }
    let has = |program: &str| {
        let asked = Command::new(program).arg("--version").output();
        asked.is_ok_and(|output| output.status.success())
    };
    if !has("apt-get") || !has("dpkg") {
        return Err("no package client".to_owned());
    }
    // Made under another name: what is there under the right one is complete.
    let parent = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&parent).map_err(|err| err.to_string())?;
    let making = tempfile::tempdir_in(&parent).map_err(|err| err.to_string())?;
    let fetched = Command::new("sh")
        .args(["-c", FETCH, "fetch"])
        .arg(making.path())
        .output()
        .map_err(|err| err.to_string())?;
    if !fetched.status.success() {
        let told = String::from_utf8_lossy(&fetched.stderr).trim().to_owned();
        return Err(format!("nsd cannot be fetched: {told}"));
    }
    let _ = std::fs::rename(making.path(), &kept);
    if kept.join("root").join(PROGRAM).exists() {
        return Ok(kept.join("root"));
    }
    Err("the package of nsd has no program".to_owned())
}
