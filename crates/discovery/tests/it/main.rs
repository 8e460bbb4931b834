//! Mechanisms against servers in this process that speak the real protocols, and DNS against a real
//! server too.

mod consul;
mod consul_double;
mod dns;
mod dns_double;
mod dns_server;
mod docker;
mod dockerswarm;
mod ec2;
mod hostile;
mod http;
mod http_double;
mod support;
