//! Credentials from a command that a kubeconfig file names (`client.authentication.k8s.io`).

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use http_client::ClientOptions;
use http_client::options::{Auth, Text};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use yaml::Secret;

use crate::error::Error;

/// How long a command may take.
const RUN_MAX: Duration = Duration::from_secs(60);
/// Most bytes of what it writes.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;
/// What was issued is renewed so long before it ends.
const MARGIN: Duration = Duration::from_secs(10);

/// A command that issues credentials.
#[derive(Clone, PartialEq)]
pub(super) struct ExecPlugin {
    pub(super) command: PathBuf,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, Secret)>,
    pub(super) api_version: String,
    /// What to do if there is no such command.
    pub(super) install_hint: String,
    /// The cluster, if the command wants to know it.
    pub(super) cluster: Option<ClusterInfo>,
}

/// A cluster as a command is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ClusterInfo {
    pub(super) server: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) tls_server_name: String,
    pub(super) insecure_skip_tls_verify: bool,
    /// Base64.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) certificate_authority_data: String,
}

impl std::fmt::Debug for ExecPlugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Arguments may hold secrets.
        f.debug_struct("ExecPlugin")
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

/// What a command issued.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Issued {
    token: Option<Secret>,
    identity: Option<(Secret, Secret)>,
    expires: Option<SystemTime>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecInfo<'a> {
    api_version: &'a str,
    kind: &'static str,
    spec: ExecSpec<'a>,
}

#[derive(Serialize)]
struct ExecSpec<'a> {
    interactive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a ClusterInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    api_version: Option<String>,
    kind: Option<String>,
    status: Option<ExecStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecStatus {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

impl ExecPlugin {
    /// Runs the command. What it writes to its error output goes into errors, what it issues never.
    pub(super) async fn run(&self) -> Result<Issued, Error> {
        let name = self.command.display();
        let failed = |reason: String| Error::BadContent(format!("getting credentials: {reason}"));
        let started = self.spawn();
        let mut child = started.map_err(|err| {
            let hint = match self.install_hint.is_empty() {
                true => String::new(),
                false => format!("; {}", self.install_hint),
            };
            failed(format!("exec: cannot run {name}: {err}{hint}"))
        })?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let finished = tokio::time::timeout(RUN_MAX, async {
            let (out, err) = tokio::join!(read_bounded(out), read_bounded(err));
            // With its outputs no longer read the command cannot hang on them.
            (out, err, child.wait().await)
        });
        let Ok((out, said, status)) = finished.await else {
            // Dropping the child ends it.
            return Err(failed(format!("exec: {name} took longer than {RUN_MAX:?}")));
        };
        let status = status.map_err(|err| failed(format!("exec: {name}: {err}")))?;
        if !status.success() {
            let said = String::from_utf8_lossy(&said);
            let said: String = said.trim().chars().take(1024).collect();
            return Err(failed(format!("exec: {name} failed ({status}): {said}")));
        }
        self.read(&out)
            .map_err(|reason| failed(format!("exec: {name}: {reason}")))
    }

    fn spawn(&self) -> std::io::Result<tokio::process::Child> {
        let info = ExecInfo {
            api_version: &self.api_version,
            kind: "ExecCredential",
            spec: ExecSpec {
                interactive: false,
                cluster: self.cluster.as_ref(),
            },
        };
        let info = serde_json::to_string(&info).map_err(std::io::Error::other)?;
        let mut command = tokio::process::Command::new(&self.command);
        command
            .args(&self.args)
            .env("KUBERNETES_EXEC_INFO", info)
            .envs(self.env.iter().map(|(name, value)| (name, value.expose())))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command.spawn()
    }

    fn read(&self, output: &[u8]) -> Result<Issued, String> {
        // An error of the reader may show a piece of what it read.
        let credential: ExecCredential = serde_json::from_slice(output)
            .map_err(|err| format!("no ExecCredential in line {}", err.line()))?;
        if credential.kind.as_deref() != Some("ExecCredential")
            || credential.api_version.as_deref() != Some(&*self.api_version)
        {
            return Err(format!("no ExecCredential of {}", self.api_version));
        }
        let status = credential
            .status
            .ok_or("an ExecCredential without status")?;
        let set = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Secret::new);
        let identity = match (
            set(status.client_certificate_data),
            set(status.client_key_data),
        ) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err("a certificate or a key alone".to_owned()),
        };
        let token = set(status.token);
        if token.is_none() && identity.is_none() {
            return Err("neither a token nor a certificate".to_owned());
        }
        let expires = match status.expiration_timestamp {
            None => None,
            Some(text) => {
                let time: jiff::Timestamp = text
                    .parse()
                    .map_err(|_| "a bad expirationTimestamp".to_owned())?;
                Some(SystemTime::from(time))
            }
        };
        Ok(Issued {
            token,
            identity,
            expires,
        })
    }
}

impl Issued {
    /// Whether it can still be used.
    pub(super) fn is_good(&self) -> bool {
        let until = self.expires.and_then(|time| time.checked_sub(MARGIN));
        until.is_none_or(|until| SystemTime::now() < until)
    }

    /// Sets it as the credentials of a client.
    pub(super) fn add_to(&self, options: &mut ClientOptions) {
        if let Some(token) = &self.token {
            options.auth = Auth::Header {
                kind: "Bearer".to_owned(),
                credentials: Text::Inline(token.clone()),
            };
        }
        if let Some((cert, key)) = &self.identity {
            options.tls.identity = Some((Text::Inline(cert.clone()), Text::Inline(key.clone())));
        }
    }
}

/// What comes from `output`, up to a bound; more is left unread.
async fn read_bounded(output: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(output) = output {
        // What cannot be read is missed when the credential is.
        let _ = output.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes).await;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(script: &str) -> ExecPlugin {
        ExecPlugin {
            command: "/bin/sh".into(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: vec![("TOKEN".to_owned(), Secret::new("s3cret"))],
            api_version: "client.authentication.k8s.io/v1".to_owned(),
            install_hint: "install it".to_owned(),
            cluster: None,
        }
    }

    const HEAD: &str = r#""apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential""#;

    #[tokio::test]
    async fn a_command_issues_a_token_until_it_expires() {
        let script = format!(
            r#"echo "{{{}, \"status\": {{\"token\": \"$TOKEN\", \"expirationTimestamp\": \"2001-01-01T00:00:00Z\"}}}}""#,
            HEAD.replace('"', "\\\"")
        );
        let issued = plugin(&script).run().await.unwrap();
        assert!(!issued.is_good());
        let mut options = ClientOptions::default();
        issued.add_to(&mut options);
        let Auth::Header { credentials, .. } = options.auth else {
            panic!("a token")
        };
        assert_eq!(credentials, Text::inline("s3cret"));
        assert!(!format!("{issued:?}").contains("s3cret"));
    }

    #[tokio::test]
    async fn what_is_no_credential_is_refused_without_showing_it() {
        let bad = [
            "echo not-json s3cret",
            "echo '{}'",
            "echo s3cret; echo went wrong >&2; exit 3",
            "exit 0",
        ];
        for script in bad {
            let err = plugin(script).run().await.unwrap_err().to_string();
            assert!(!err.contains("s3cret"), "{err}");
        }
        let err = plugin("echo went wrong >&2; exit 3").run().await;
        assert!(err.unwrap_err().to_string().contains("went wrong"));
        let mut missing = plugin("");
        missing.command = "/no/such/command".into();
        let err = missing.run().await.unwrap_err().to_string();
        assert!(err.contains("install it"), "{err}");
        let half = format!(r#"{{{HEAD},"status":{{"clientKeyData":"k"}}}}"#);
        assert!(plugin("").read(half.as_bytes()).is_err());
    }
}
