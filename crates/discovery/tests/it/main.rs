//! Discovery of Kubernetes against an API server of our own that speaks the real protocol.

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
