//! Mechanisms against servers in this process that speak the real protocols, and DNS against a real
//! server too.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail the test")]

mod api_double;
mod attached;
mod certificates;
mod consul;
mod consul_double;
mod credentials;
mod damage;
mod dns;
mod dns_double;
mod dns_server;
mod docker;
mod dockerswarm;
mod ec2;
mod examples;
mod follow;
mod hostile;
mod http;
mod http2;
mod http_double;
mod huge;
mod objects;
mod recovery;
mod reply;
mod requests;
mod roles;
mod support;
