//! The HTTP side of the server: API, health, own metrics, a plain page.
//!
//! Map: [`listener`] accepts connections within the bounds given → [`handler`] finds the endpoint
//! ([`router`]), applies readiness, CORS, compression and counts → `api` answers `/api/v1`, `page`
//! and the handler itself the rest. What the endpoints need of the rest of the server comes as the
//! values and functions of [`Options`] and [`Backend`]; nothing here knows configuration or the
//! storage's inside.
//!
//! Reads of storage run on the query pool under a token that is cancelled when the client leaves.

mod api;
mod encoding;
mod error;
mod form;
pub mod handler;
mod json;
pub mod listener;
mod metrics;
mod page;
mod params;
mod redirect;
mod remote_read;
mod remote_write;
pub mod request_line;
mod router;
pub mod targets;

pub use error::Error;
pub use handler::{Admin, Backend, BuildInfo, Handler, Options, Readiness, RuntimeInfo, TsdbInfo};
pub use listener::{Limits, bind, serve};
pub use remote_read::{ReadEndpoint, ResponseBody};
pub use remote_write::WriteReceiver;
pub use router::canonical_prefix;
