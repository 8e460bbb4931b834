//! The client against servers in this process.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail the test")]

mod aws;
mod http2;
mod oauth2;
mod plain;
mod proxy;
mod support;
mod tls;
