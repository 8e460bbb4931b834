//! A DNS server over UDP and TCP whose answers a test computes.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail the test")]

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use discovery::providers::dns::Resolver;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::{Name, RData, Record};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// A question as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// The address it was sent to.
    pub(crate) server: IpAddr,
    /// `UDP` or `TCP`.
    pub(crate) over: &'static str,
    pub(crate) name: String,
    pub(crate) record_type: String,
    /// Bytes that an answer over UDP may have, if the question has EDNS0.
    pub(crate) edns: Option<u16>,
    pub(crate) recursion: bool,
}

/// What the server does.
pub(crate) enum Reply {
    /// Sends this, with the question's id.
    Message(Box<Message>),
    /// Sends these bytes as they are, one message each.
    Raw(Vec<Vec<u8>>),
    Silence,
}

pub(crate) struct Dns {
    pub(crate) port: u16,
    questions: Arc<Mutex<Vec<Question>>>,
    folder: TempDir,
}

type Handle = dyn Fn(&Question, u16) -> Reply + Send + Sync;

/// Listens on one port of all `servers`, which are loopback addresses.
pub(crate) async fn serve(
    servers: &[&str],
    handle: impl Fn(&Question, u16) -> Reply + Send + Sync + 'static,
) -> Dns {
    let servers: Vec<IpAddr> = servers
        .iter()
        .map(|server| server.parse().unwrap())
        .collect();
    let handle: Arc<Handle> = Arc::new(handle);
    let questions = Arc::new(Mutex::new(Vec::new()));
    let (port, sockets) = bind(&servers).await;
    for (server, (udp, tcp)) in servers.into_iter().zip(sockets) {
        let (handle_udp, asked_udp) = (handle.clone(), questions.clone());
        tokio::spawn(async move {
            let mut buffer = vec![0; 65536];
            while let Ok((len, from)) = udp.recv_from(&mut buffer).await {
                let reply = reply_to(&buffer[..len], server, "UDP", &*handle_udp, &asked_udp);
                for message in reply {
                    udp.send_to(&message, from).await.unwrap();
                }
            }
        });
        let (handle, questions) = (handle.clone(), questions.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = tcp.accept().await {
                let (handle, questions) = (handle.clone(), questions.clone());
                tokio::spawn(async move { speak_tcp(stream, server, &*handle, &questions).await });
            }
        });
    }
    Dns {
        port,
        questions,
        folder: tempfile::tempdir().unwrap(),
    }
}

impl Dns {
    /// A resolver that asks this server, by a file with `text`.
    pub(crate) fn resolver(&self, text: &str) -> Resolver {
        let resolv_conf = self.conf_path();
        std::fs::write(&resolv_conf, text).unwrap();
        Resolver {
            resolv_conf,
            port: self.port,
            timeout: Duration::from_secs(30),
        }
    }

    pub(crate) fn conf_path(&self) -> PathBuf {
        self.folder.path().join("resolv.conf")
    }

    /// What was asked since the last call.
    pub(crate) fn take_questions(&self) -> Vec<Question> {
        std::mem::take(&mut *self.questions.lock())
    }
}

/// A port that is free at all addresses, for both protocols.
async fn bind(servers: &[IpAddr]) -> (u16, Vec<(UdpSocket, TcpListener)>) {
    'port: for _ in 0..100 {
        let first = TcpListener::bind((servers[0], 0)).await.unwrap();
        let port = first.local_addr().unwrap().port();
        drop(first);
        let mut sockets = Vec::new();
        for server in servers {
            let Ok(udp) = UdpSocket::bind((*server, port)).await else {
                continue 'port;
            };
            let Ok(tcp) = TcpListener::bind((*server, port)).await else {
                continue 'port;
            };
            sockets.push((udp, tcp));
        }
        return (port, sockets);
    }
    panic!("no port that is free everywhere");
}

async fn speak_tcp(
    mut stream: TcpStream,
    server: IpAddr,
    handle: &Handle,
    questions: &Mutex<Vec<Question>>,
) {
    while let Ok(len) = stream.read_u16().await {
        let mut question = vec![0; usize::from(len)];
        stream.read_exact(&mut question).await.unwrap();
        for message in reply_to(&question, server, "TCP", handle, questions) {
            let len = u16::try_from(message.len()).unwrap();
            stream.write_u16(len).await.unwrap();
            stream.write_all(&message).await.unwrap();
        }
    }
}

fn reply_to(
    bytes: &[u8],
    server: IpAddr,
    over: &'static str,
    handle: &Handle,
    questions: &Mutex<Vec<Question>>,
) -> Vec<Vec<u8>> {
    let asked = Message::from_vec(bytes).unwrap();
    let query = &asked.queries[0];
    let question = Question {
        server,
        over,
        name: query.name().to_ascii(),
        record_type: query.query_type().to_string(),
        edns: asked.edns.as_ref().map(Edns::max_payload),
        recursion: asked.metadata.recursion_desired,
    };
    questions.lock().push(question.clone());
    let id = asked.metadata.id;
    match handle(&question, id) {
        Reply::Message(mut message) => {
            message.metadata.id = id;
            message.add_query(query.clone());
            vec![message.to_vec().unwrap()]
        }
        Reply::Raw(messages) => messages,
        Reply::Silence => Vec::new(),
    }
}

/// An answer with `records`: each its owner and its data.
pub(crate) fn answer(code: ResponseCode, records: Vec<(&str, RData)>) -> Reply {
    Reply::Message(Box::new(message(code, records)))
}

/// As [`answer`], cut: it says that there is more than fits.
pub(crate) fn cut(records: Vec<(&str, RData)>) -> Reply {
    let mut message = message(ResponseCode::NoError, records);
    message.metadata.truncation = true;
    Reply::Message(Box::new(message))
}

fn message(code: ResponseCode, records: Vec<(&str, RData)>) -> Message {
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.metadata.response_code = code;
    for (owner, data) in records {
        message.add_answer(Record::from_rdata(name(owner), 60, data));
    }
    message
}

pub(crate) fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}
