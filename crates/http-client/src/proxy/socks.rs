//! SOCKS version 5 (RFC 1928), with user and password (RFC 1929). Names are resolved by the proxy.
//!
//! ```text
//! -> 5, count, methods            <- 5, method
//! -> 1, size, user, size, password    <- 1, status          if the method asks for it
//! -> 5, 1 (connect), 0, kind, address, port    <- 5, status, 0, kind, address, port
//! ```

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Proxy, User};
use crate::dial::{Origin, authority};
use crate::error::Failure;

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const LOGIN: u8 = 2;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Asks the proxy for a connection to `origin`.
pub(crate) async fn connect(
    stream: &mut TcpStream,
    proxy: &Proxy,
    origin: &Origin,
) -> Result<(), Failure> {
    let from = stream.peer_addr().map(|address| address.to_string());
    talk(stream, proxy.user.as_ref(), origin)
        .await
        .map_err(|err| {
            let reason = match err.kind() {
                io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
                _ => err.to_string(),
            };
            let from = from.unwrap_or_else(|_| authority(&proxy.host, proxy.port));
            let to = authority(&origin.host, origin.port);
            Failure::Transport(format!("socks connect tcp {from}->{to}: {reason}"))
        })
}

async fn talk(stream: &mut TcpStream, user: Option<&User>, origin: &Origin) -> io::Result<()> {
    let greeting: &[u8] = match user {
        None => &[VERSION, 1, NO_LOGIN],
        Some(_) => &[VERSION, 2, NO_LOGIN, LOGIN],
    };
    stream.write_all(greeting).await?;
    check_version(stream.read_u8().await?)?;
    match (stream.read_u8().await?, user) {
        (NO_LOGIN, _) => {}
        (LOGIN, Some(user)) => log_in(stream, user).await?,
        _ => return Err(io::Error::other("no acceptable authentication methods")),
    }
    stream.write_all(&request(origin)?).await?;
    check_version(stream.read_u8().await?)?;
    let status = stream.read_u8().await?;
    if status != 0 {
        let text = format!("unknown error {}", status_text(status));
        return Err(io::Error::other(text));
    }
    // The address the proxy connects from: of no use, but on the way.
    let _reserved = stream.read_u8().await?;
    let size = match stream.read_u8().await? {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(stream.read_u8().await?),
        kind => return Err(io::Error::other(format!("unknown address type {kind}"))),
    };
    let mut address = vec![0; size + 2];
    stream.read_exact(&mut address).await.map(drop)
}

fn check_version(version: u8) -> io::Result<()> {
    if version == VERSION {
        return Ok(());
    }
    let text = format!("unexpected protocol version {version}");
    Err(io::Error::other(text))
}

async fn log_in(stream: &mut TcpStream, user: &User) -> io::Result<()> {
    let password = user.password.expose();
    let invalid = |_| io::Error::other("invalid username/password");
    let mut message = vec![1, u8::try_from(user.name.len()).map_err(invalid)?];
    message.extend_from_slice(user.name.as_bytes());
    message.push(u8::try_from(password.len()).map_err(invalid)?);
    message.extend_from_slice(password.as_bytes());
    stream.write_all(&message).await?;
    let _version = stream.read_u8().await?;
    match stream.read_u8().await? {
        0 => Ok(()),
        _ => Err(io::Error::other("username/password authentication failed")),
    }
}

fn request(origin: &Origin) -> io::Result<Vec<u8>> {
    let mut message = vec![VERSION, CONNECT, 0];
    match origin.host.parse() {
        Ok(IpAddr::V4(address)) => {
            message.push(IPV4);
            message.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            message.push(IPV6);
            message.extend_from_slice(&address.octets());
        }
        Err(_) => {
            let size = u8::try_from(origin.host.len());
            message
                .extend_from_slice(&[NAME, size.map_err(|_| io::Error::other("FQDN too long"))?]);
            message.extend_from_slice(origin.host.as_bytes());
        }
    }
    message.extend_from_slice(&origin.port.to_be_bytes());
    Ok(message)
}

fn status_text(status: u8) -> String {
    let text = match status {
        1 => "general SOCKS server failure",
        2 => "connection not allowed by ruleset",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        other => return format!("unknown code: {other}"),
    };
    text.to_owned()
}
