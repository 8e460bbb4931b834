//! Targets under the test's control.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Result;

/// What a target does with a connection on which a request has arrived.
pub type Answer = Arc<dyn Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync>;

/// A listening target; it stops accepting when dropped.
pub struct Exporter {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Exporter {
    /// Serves text 0.0.4; `page` is asked for each scrape.
    pub fn text(page: impl Fn() -> String + Send + Sync + 'static) -> Result<Self> {
        Self::raw(Arc::new(move |stream| {
            let body = page();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }))
    }

    /// Answers each request by calling `answer`; the connection is closed if it fails.
    pub fn raw(answer: Answer) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = stopped.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(stream), answer) = (stream, answer.clone()) else {
                    continue;
                };
                thread::spawn(move || serve(stream, &answer));
            }
        });
        Ok(Self { address, stopped })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
    }
}

/// Reads requests (their headers; scrapes have no body) and answers them one after the other.
fn serve(stream: TcpStream, answer: &Answer) {
    let Ok(mut writer) = stream.try_clone() else {
        return;
    };
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        loop {
            line.clear();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line == "\r\n" => break,
                Ok(_) => {}
            }
        }
        if answer(&mut writer).is_err() {
            return;
        }
    }
}
