//! Outbound HTTP for scrapes, discovery, remote storage and notifications.
//!
//! - [`options`]: what a client does, resolved from the configuration.
//! - [`client`]: a [`Client`] holds options; [`Client::connection`] gives a [`Connection`], one
//!   kept-alive connection that its owner (a scrape loop, say) uses for one request at a time.
//! - `auth`: credentials, read anew from their files for each request; `oauth2`: tokens, shared by
//!   the connections of a client.
//! - [`tls`]: certificates, read anew when their files change; the verifier's leniencies.
//! - `proxy`: which proxy a request goes through, and what is said to it.
//! - `dial`: from a URL to a stream; `link`: HTTP/1.1 on it, or HTTP/2 where a server with TLS
//!   chooses it; `redirect`: where a 3xx answer leads and what goes along.
//! - [`body`]: reading an answer's body up to a limit.
//! - [`sigv4`]: signing requests for AWS; [`aws`]: the credentials to do it with.
//!
//! Flow: [`Connection::send`] → credentials → reuse or dial → request → redirects → [`Response`],
//! whose body the caller reads. One deadline bounds it all; a request whose reused connection
//! turns out dead before any answer is tried once more on a new one.
//!
//! Errors speak as the reference's do, since they are shown as `lastError`.
#![deny(missing_docs)]

mod auth;
pub mod aws;
pub mod body;
pub mod client;
pub mod config;
mod dial;
mod error;
mod link;
mod oauth2;
pub mod options;
mod proxy;
mod redirect;
pub mod sigv4;
pub mod tls;
mod variables;

pub use body::BodyError;
pub use client::{Client, Connection, Request, Response};
pub use error::{Error, Failure};
pub use options::ClientOptions;
pub use proxy::ProxyOptions;
pub use variables::Variables;
