//! A store that opens after those who append to it have begun.

use std::sync::{Arc, OnceLock};

use storage::{Appendable, Appender};

/// Stands for a store until that is open, and passes everything on to it then.
#[derive(Default)]
pub(crate) struct LateStore(OnceLock<Arc<dyn Appendable>>);

impl LateStore {
    /// From now on transactions are those of `store`; a second store is not taken.
    pub(crate) fn open(&self, store: Arc<dyn Appendable>) {
        let _ = self.0.set(store);
    }
}

impl Appendable for LateStore {
    /// Waits for the store. Scrapes are kept elsewhere until it is there, so nobody does.
    fn appender(&self) -> Box<dyn Appender> {
        self.0.wait().appender()
    }
}
