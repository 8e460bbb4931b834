//! Discovery of Kubernetes against an API server of our own that speaks the real protocol.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail the test")]

mod api_double;
mod attached;
mod credentials;
mod damage;
mod follow;
mod huge;
mod objects;
mod recovery;
mod requests;
mod roles;
