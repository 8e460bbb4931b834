//! Asking DNS servers: UDP with EDNS0, TCP once an answer was cut.
//!
//! A server's answer counts when it says that it knows the name (with or without records) or that
//! there is no such name. Anything else, and the next server is asked. Messages: RFC 1035, RFC 6891.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::Resolver;
use super::resolv_conf::ResolvConf;
use crate::error::Error;

/// Bytes that we say a UDP answer may have.
const UDP_BYTES_MAX: u16 = 4096;
/// Most bytes of the file that names the servers.
const RESOLV_CONF_BYTES_MAX: u64 = 1 << 20;

/// The records of `name`, tried in all search domains; none if all say that there is no such name.
pub(super) async fn lookup(
    name: &str,
    record_type: RecordType,
    resolver: &Resolver,
) -> Result<Vec<Record>, Error> {
    let path = resolver.resolv_conf.clone();
    let read = tokio::task::spawn_blocking(move || read_conf(&path)).await;
    let conf = read.unwrap_or_else(|err| Err(std::io::Error::other(err)));
    let conf = conf.map_err(|err| bad(format!("could not load resolv.conf: {err}")))?;
    let mut all_answered = true;
    for complete in conf.names(name) {
        match ask_any(&complete, record_type, &conf.servers, resolver).await {
            Ok(answer) if answer.metadata.response_code == ResponseCode::NoError => {
                return Ok(answer.answers);
            }
            Ok(_) => {}
            // Another name may still be known, but that there is none can no longer be said.
            Err(err) => {
                all_answered = false;
                tracing::debug!(component = "discovery manager", discovery = "dns", err = %err);
            }
        }
    }
    if all_answered {
        return Ok(Vec::new());
    }
    Err(bad(format!(
        "could not resolve {name:?}: all servers responded with errors to at least one search domain"
    )))
}

fn read_conf(path: &std::path::Path) -> std::io::Result<ResolvConf> {
    use std::io::Read as _;
    let mut text = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(RESOLV_CONF_BYTES_MAX).read_to_end(&mut text)?;
    Ok(ResolvConf::parse(&String::from_utf8_lossy(&text)))
}

/// The first answer that counts.
async fn ask_any(
    name: &str,
    record_type: RecordType,
    servers: &[String],
    resolver: &Resolver,
) -> Result<Message, Error> {
    let mut asking = Asking {
        name: parse_name(name)?,
        record_type,
        timeout: resolver.timeout,
        over_tcp: false,
    };
    for server in servers {
        let failure = match asking.ask(server, resolver.port).await {
            Ok(answer) => match answer.metadata.response_code {
                ResponseCode::NoError | ResponseCode::NXDomain => return Ok(answer),
                refusal => bad(refusal.to_string()),
            },
            Err(err) => err,
        };
        tracing::warn!(
            component = "discovery manager",
            discovery = "dns",
            server = %server,
            name = %name,
            err = %failure,
            "DNS resolution failed"
        );
    }
    Err(bad(format!(
        "could not resolve {name}: no servers returned a viable answer"
    )))
}

/// A question on its way from server to server.
struct Asking {
    name: Name,
    record_type: RecordType,
    timeout: Duration,
    /// Stays for the servers to come once an answer was cut.
    over_tcp: bool,
}

impl Asking {
    async fn ask(&mut self, server: &str, port: u16) -> Result<Message, Error> {
        // The address may have a zone: the system's resolver knows those.
        let mut addresses = tokio::net::lookup_host((server, port)).await.map_err(io)?;
        let address = addresses.next();
        let address = address.ok_or_else(|| bad(format!("no address of {server}")))?;
        if !self.over_tcp {
            let (id, question) = self.question(true)?;
            let answer = over_udp(address, id, &question, self.timeout).await?;
            if !is_cut(&answer) {
                return read_answer(&answer);
            }
            self.over_tcp = true;
        }
        let (id, question) = self.question(false)?;
        let answer = over_tcp(address, &question, self.timeout).await?;
        if message_id(&answer) != Some(id) {
            return Err(bad("dns: id mismatch".to_owned()));
        }
        if is_cut(&answer) {
            return Err(bad(
                "got truncated message on TCP (64kiB limit exceeded?)".to_owned()
            ));
        }
        read_answer(&answer)
    }

    fn question(&self, edns: bool) -> Result<(u16, Vec<u8>), Error> {
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(self.name.clone(), self.record_type));
        if edns {
            let mut options = Edns::new();
            options.set_max_payload(UDP_BYTES_MAX).set_version(0);
            message.set_edns(options);
        }
        let bytes = message.to_vec().map_err(|err| bad(err.to_string()))?;
        Ok((message.metadata.id, bytes))
    }
}

async fn over_udp(
    server: SocketAddr,
    id: u16,
    question: &[u8],
    timeout: Duration,
) -> Result<Vec<u8>, Error> {
    let deadline = Instant::now() + timeout;
    let own = if server.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(own).await.map_err(io)?;
    socket.connect(server).await.map_err(io)?;
    socket.send(question).await.map_err(io)?;
    let mut answer = vec![0; usize::from(UDP_BYTES_MAX)];
    loop {
        let received = timeout_at(deadline, socket.recv(&mut answer)).await;
        let len = received.map_err(|_| timed_out())?.map_err(io)?;
        // Others may answer what somebody else asked before.
        if message_id(&answer[..len]) == Some(id) {
            answer.truncate(len);
            return Ok(answer);
        }
    }
}

/// Messages over TCP begin with their length (RFC 1035, 4.2.2).
async fn over_tcp(
    server: SocketAddr,
    question: &[u8],
    timeout: Duration,
) -> Result<Vec<u8>, Error> {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        let len = u16::try_from(question.len()).map_err(std::io::Error::other)?;
        let mut message = len.to_be_bytes().to_vec();
        message.extend_from_slice(question);
        stream.write_all(&message).await?;
        let mut answer = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let exchanged = timeout_at(Instant::now() + timeout, exchange).await;
    exchanged.map_err(|_| timed_out())?.map_err(io)
}

fn message_id(message: &[u8]) -> Option<u16> {
    let bytes = message.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*bytes))
}

/// Whether the header says so; what follows may then be incomplete.
fn is_cut(message: &[u8]) -> bool {
    message.get(2).is_some_and(|flags| flags & 0b10 != 0)
}

fn read_answer(message: &[u8]) -> Result<Message, Error> {
    Message::from_vec(message).map_err(|err| bad(format!("dns: bad answer: {err}")))
}

/// Reads an answer and the labels of its records and forgets them; a fuzz target's body. Must
/// return whatever the bytes are.
pub fn check_answer(message: &[u8]) {
    let (_, _) = (message_id(message), is_cut(message));
    if let Ok(answer) = read_answer(message) {
        for record in &answer.answers {
            let _ = super::target("name", record, 80);
        }
    }
}

/// A complete name; without escapes any bytes may be in it.
fn parse_name(name: &str) -> Result<Name, Error> {
    let parsed = if name == "." {
        return Ok(Name::root());
    } else if name.contains('\\') {
        Name::from_ascii(name)
    } else {
        let labels = name.strip_suffix('.').unwrap_or(name).split('.');
        Name::from_labels(labels.map(str::as_bytes))
    };
    parsed.map_err(|err| bad(format!("{name:?} is no domain name: {err}")))
}

fn io(err: std::io::Error) -> Error {
    bad(err.to_string())
}

fn timed_out() -> Error {
    bad("i/o timeout".to_owned())
}

fn bad(text: String) -> Error {
    Error::BadContent(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::{MessageType, OpCode};
    use hickory_proto::rr::RData;
    use hickory_proto::rr::rdata::SRV;

    #[test]
    fn damaged_answers_return() {
        let name = parse_name("_x._tcp.example.org.").unwrap();
        let mut message = Message::new(7, MessageType::Response, OpCode::Query);
        message.add_query(Query::query(name.clone(), RecordType::SRV));
        message.add_answer(Record::from_rdata(
            name.clone(),
            60,
            RData::SRV(SRV::new(1, 2, 3, name)),
        ));
        let seed = message.to_vec().unwrap();
        assert_eq!(read_answer(&seed).unwrap().answers.len(), 1);
        for cut in 0..seed.len() {
            check_answer(&seed[..cut]);
            for bit in 0..8 {
                let mut damaged = seed.clone();
                damaged[cut] ^= 1 << bit;
                check_answer(&damaged);
            }
        }
    }

    #[test]
    fn names_with_empty_labels_are_refused() {
        assert!(parse_name("a..").is_err());
        assert_eq!(parse_name(".").unwrap(), Name::root());
        assert_eq!(parse_name("a\\.b.c.").unwrap().iter().count(), 2);
        assert!(parse_name(&format!("{}.", "x".repeat(64))).is_err());
    }
}
