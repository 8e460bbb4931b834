//! Credentials and configured headers of one request. Files are read anew each time: that is how
//! rotation works without a reload.

use std::path::Path;

use base64::Engine as _;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use tokio::time::Instant;

use crate::error::Failure;
use crate::oauth2::TokenSource;
use crate::options::{Auth, ClientOptions, Text};

/// Most bytes a file with a credential may have.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The headers of the configuration, secrets marked as such.
pub(crate) async fn configured(options: &ClientOptions) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (name, text) in &options.headers {
        let value = match text {
            Text::Inline(secret) => secret.expose().to_owned(),
            Text::File(path) => read_trimmed(path)
                .await
                .map_err(|err| failure(&format!("headers file {}: {err}", path.display())))?,
        };
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|err| Failure::Credentials(format!("http_headers: {err}")))?;
        headers.append(name, header_value(&value)?);
    }
    Ok(headers)
}

/// The value of `Authorization`; `tokens` gives that of OAuth 2.0.
pub(crate) async fn authorization(
    options: &ClientOptions,
    tokens: Option<&TokenSource>,
    deadline: Instant,
) -> Result<Option<HeaderValue>, Failure> {
    let text = match &options.auth {
        Auth::None => return Ok(None),
        Auth::Basic { username, password } => {
            let username = read(username, "basic auth username").await?;
            let password = read(password, "basic auth password").await?;
            let pair = format!("{username}:{password}");
            let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
            format!("Basic {encoded}")
        }
        Auth::Header { kind, credentials } => {
            let credentials = read(credentials, "authorization credentials").await?;
            format!("{kind} {credentials}")
        }
        Auth::OAuth2(_) => match tokens {
            Some(tokens) => tokens.authorization(deadline).await?,
            None => return Ok(None),
        },
    };
    header_value(&text).map(Some)
}

pub(crate) fn header_value(text: &str) -> Result<HeaderValue, Failure> {
    // The message must not repeat the value.
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Failure::Credentials("net/http: invalid header field value".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A text, read from its file if it has one; errors are the reference's.
pub(crate) async fn read(text: &Text, what: &str) -> Result<String, Failure> {
    match text {
        Text::Inline(secret) => Ok(secret.expose().to_owned()),
        Text::File(path) => read_trimmed(path).await.map_err(|err| {
            failure(&format!(
                "{what}: unable to read file {}: {err}",
                path.display()
            ))
        }),
    }
}

fn failure(what: &str) -> Failure {
    Failure::Credentials(format!("unable to read {what}"))
}

async fn read_trimmed(path: &Path) -> std::io::Result<String> {
    let path = path.to_owned();
    // Small and mostly cached, but perhaps on a network file system.
    let read = tokio::task::spawn_blocking(move || read_file(&path)).await;
    let text = read.map_err(std::io::Error::other)??;
    Ok(text.trim().to_owned())
}

/// The text of a small file; errors name it.
pub(crate) fn read_file(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let named = |err: std::io::Error| {
        let reason = match err.kind() {
            std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            _ => err.to_string(),
        };
        std::io::Error::new(err.kind(), format!("open {}: {reason}", path.display()))
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(named)?;
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(named)?;
    Ok(text)
}
