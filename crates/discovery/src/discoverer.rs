//! The seam between the manager and the mechanisms.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::mpsc;

use crate::TargetGroup;

/// Where a provider reports groups that are new, changed or gone. The channel is bounded: a
/// provider waits when the manager is behind.
pub type Updates = mpsc::Sender<Vec<TargetGroup>>;

/// What a provider runs.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A mechanism, configured.
pub trait Discoverer: Send {
    /// Reports groups until there will be no more, or until the future is dropped, which may
    /// happen at any await point. All groups first, then only what changed. A failure keeps the
    /// old groups: it is logged and counted, not reported.
    fn run(self: Box<Self>, updates: Updates) -> Running;
}
