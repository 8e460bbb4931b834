//! URLs as Go's `net/url` reads and prints them, and addresses as its `net` splits them.
//!
//! A URL library in the browsers' tradition makes text canonical (letter case, default ports, dots in
//! paths); here text stays what it was. Only the parts that somebody asks for are kept: user,
//! query and fragment are checked or passed over.

use std::borrow::Cow;

use crate::quote::quote;

/// The parts of a URL, without escapes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Url {
    /// In lower case; empty if there is none.
    pub scheme: String,
    /// With port and brackets; empty if there is none, or if the rest is no path (`mailto:x`).
    pub host: String,
    /// The path; bytes that are no UTF-8 are replaced.
    pub path: String,
}

/// Why a text is no URL, in `net/url`'s words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parse {}: {reason}", quote(url))]
pub struct ParseUrlError {
    url: String,
    reason: String,
}

/// What an escaped text is part of; each part lets other characters stand plainly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Host and port.
    Host,
    /// The zone of an IPv6 address, with the percent sign before it.
    Zone,
    /// User or password.
    User,
    /// The path.
    Path,
    /// A name or value of the query, where a space is a plus sign.
    Query,
}

impl Part {
    fn leaves(self, byte: u8) -> bool {
        let others: &[u8] = match self {
            Self::Host | Self::Zone => b"!$&'()*+,;=:[]<>\"",
            Self::User => b"$&+,;=",
            Self::Path => b"$&+,/:;=@",
            Self::Query => b"",
        };
        byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || others.contains(&byte)
    }
}

/// Appends `text` with what may not stand plainly in that part as `%XX`.
pub fn push_escaped(out: &mut String, text: impl AsRef<[u8]>, part: Part) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text.as_ref() {
        if part.leaves(byte) {
            out.push(char::from(byte));
        } else if part == Part::Query && byte == b' ' {
            out.push('+');
        } else {
            let digits = [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]);
            out.push('%');
            out.extend(digits.map(char::from));
        }
    }
}

/// Undoes escapes. The error names the first one that is broken, or that the part does not allow.
pub fn unescape(text: &str, part: Part) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let is_host = matches!(part, Part::Host | Part::Zone);
        match byte {
            b'%' => {
                let escape = bytes.get(at..bytes.len().min(at + 3)).unwrap_or_default();
                let value = hex_pair(escape.get(1..).unwrap_or_default());
                let allowed = |value: u8| match part {
                    // Escapes are for bytes beyond ASCII, and for the percent sign of a zone.
                    Part::Host => value >= 0x80 || escape == b"%25",
                    Part::Zone => escape == b"%25" || value == b' ' || part.leaves(value),
                    Part::User | Part::Path | Part::Query => true,
                };
                let Some(value) = value.filter(|value| allowed(*value)) else {
                    let escape = String::from_utf8_lossy(escape);
                    return Err(format!("invalid URL escape {}", quote(&escape)));
                };
                out.push(value);
                at += 2;
            }
            b'+' if part == Part::Query => out.push(b' '),
            byte if is_host && byte.is_ascii() && !part.leaves(byte) => {
                let character = char::from(byte).to_string();
                return Err(format!(
                    "invalid character {} in host name",
                    quote(&character)
                ));
            }
            byte => out.push(byte),
        }
        at += 1;
    }
    Ok(out)
}

/// The byte that two hexadecimal digits write.
fn hex_pair(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

/// Reads a URL, absolute or relative.
pub fn parse(text: &str) -> Result<Url, ParseUrlError> {
    let (url, fragment) = text.split_once('#').unwrap_or((text, ""));
    let refuse = |url: &str, reason: String| ParseUrlError {
        url: url.to_owned(),
        reason,
    };
    let parsed = parse_parts(url).map_err(|reason| refuse(url, reason))?;
    unescape(fragment, Part::Path).map_err(|reason| refuse(text, reason))?;
    Ok(parsed)
}

fn parse_parts(text: &str) -> Result<Url, String> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let (scheme, rest) = split_scheme(text)?;
    let scheme = scheme.to_ascii_lowercase();
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            // What follows is opaque.
            return Ok(Url {
                scheme,
                ..Url::default()
            });
        }
        let first_segment = rest.split('/').next().unwrap_or_default();
        if first_segment.contains(':') {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let after_slashes = rest
        .strip_prefix("//")
        .filter(|after| !scheme.is_empty() || !after.starts_with('/'));
    let (host, path) = match after_slashes {
        Some(after) => {
            let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
            (parse_authority(authority)?, path)
        }
        None => (String::new(), rest),
    };
    let path = unescape(path, Part::Path)?;
    Ok(Url {
        scheme,
        host,
        path: String::from_utf8_lossy(&path).into_owned(),
    })
}

/// Scheme and what is behind its colon.
fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let (scheme, rest) = text.split_at(end);
    match rest.strip_prefix(':') {
        Some(_) if scheme.is_empty() => Err("missing protocol scheme".to_owned()),
        Some(rest) if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) => Ok((scheme, rest)),
        _ => Ok(("", text)),
    }
}

/// The host of `user:password@host:port`, port included.
fn parse_authority(text: &str) -> Result<String, String> {
    let Some((user, host)) = text.rsplit_once('@') else {
        return parse_host(text);
    };
    let host = parse_host(host)?;
    let is_legal = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(is_legal) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    unescape(name, Part::User)?;
    unescape(password, Part::User)?;
    Ok(host)
}

fn parse_host(text: &str) -> Result<String, String> {
    let host = match text.rfind('[') {
        Some(0) => bracketed_host(text)?,
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {
            if let Some(colon) = text.rfind(':') {
                check_port(text.get(colon..).unwrap_or_default())?;
            }
            unescape(text, Part::Host)?
        }
    };
    Ok(String::from_utf8_lossy(&host).into_owned())
}

/// An IPv6 address between brackets, perhaps with a zone, and what is behind it.
fn bracketed_host(text: &str) -> Result<Vec<u8>, String> {
    let missing = || "missing ']' in host".to_owned();
    let (inside, port) = text
        .strip_prefix('[')
        .and_then(|rest| rest.rsplit_once(']'))
        .ok_or_else(missing)?;
    check_port(port)?;
    let (address, zone) = inside.split_at(inside.find("%25").unwrap_or(inside.len()));
    let address = unescape(address, Part::Host)?;
    let zone = unescape(zone, Part::Zone)?;
    let address = String::from_utf8_lossy(&address);
    match address.parse() {
        Ok(std::net::IpAddr::V6(_)) => {}
        Ok(std::net::IpAddr::V4(_)) => return Err("invalid IP-literal".to_owned()),
        Err(_) => {
            let address = quote(&address);
            return Err(format!(
                "invalid host: ParseAddr({address}): unable to parse IP"
            ));
        }
    }
    Ok([b"[", address.as_bytes(), &zone, b"]", port.as_bytes()].concat())
}

/// Refuses what is neither empty nor a colon and digits.
fn check_port(text: &str) -> Result<(), String> {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if text.is_empty() || text.strip_prefix(':').is_some_and(is_port) {
        return Ok(());
    }
    Err(format!("invalid port {} after host", quote(text)))
}

/// Appends scheme and host as they stand before a URL's path.
pub fn push_origin(out: &mut String, scheme: &str, host: &str) {
    if !scheme.is_empty() {
        out.push_str(scheme);
        out.push(':');
    }
    if !scheme.is_empty() || !host.is_empty() {
        out.push_str("//");
        push_escaped(out, host, Part::Host);
    }
}

/// Host and port of `host:port`, without brackets, as `net.SplitHostPort` has them; so is the error.
pub fn split_host_port(address: &str) -> Result<(&str, &str), String> {
    let refuse = |reason: &str| Err(format!("address {address}: {reason}"));
    const NO_PORT: &str = "missing port in address";
    const MANY_COLONS: &str = "too many colons in address";
    let Some((before, port)) = address.rsplit_once(':') else {
        return refuse(NO_PORT);
    };
    let (host, rest) = if let Some(inside) = address.strip_prefix('[') {
        let Some((host, behind)) = inside.split_once(']') else {
            return refuse("missing ']' in address");
        };
        // The colon found must be the one behind the bracket.
        if behind.len() != port.len() + 1 {
            let colon_follows = behind.starts_with(':');
            return refuse(if colon_follows { MANY_COLONS } else { NO_PORT });
        }
        (host, Cow::Owned([host, behind].concat()))
    } else {
        if before.contains(':') {
            return refuse(MANY_COLONS);
        }
        (before, Cow::Borrowed(address))
    };
    if rest.contains('[') {
        return refuse("unexpected '[' in address");
    }
    // Behind the bracket only: what is before it ends at the first one.
    if rest.contains(']') {
        return refuse("unexpected ']' in address");
    }
    Ok((host, port))
}

/// `host:port`, with brackets around a host with colons: `net.JoinHostPort`.
pub fn join_host_port(host: &str, port: &str) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests;
