//! Samples held and read by an evaluation.

use std::cell::{Cell, RefCell};

/// What an evaluation counts; a histogram counts as several samples.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    held: Cell<u64>,
    peak: Cell<u64>,
    total: Cell<u64>,
    fresh: Cell<u64>,
    /// By step of the query; empty unless asked for.
    per_step: RefCell<Vec<Read>>,
    /// Subqueries around the node that is being evaluated.
    depth: Cell<u32>,
}

/// Samples read at one step.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Read {
    /// All that windows held.
    pub(crate) total: u64,
    /// Without those that the step before held too.
    pub(crate) fresh: u64,
}

impl Counters {
    /// Counts by step too.
    pub(crate) fn with_steps(steps: usize) -> Self {
        Self {
            per_step: RefCell::new(vec![Read::default(); steps]),
            ..Self::default()
        }
    }

    /// Counts samples that were read for a step of the query itself: what is read inside of
    /// subqueries is left out, as in the reference.
    pub(crate) fn read(&self, step: usize, total: u64, fresh: u64) {
        if self.depth.get() > 0 {
            return;
        }
        self.total.set(self.total.get() + total);
        self.fresh.set(self.fresh.get() + fresh);
        if let Some(read) = self.per_step.borrow_mut().get_mut(step) {
            read.total += total;
            read.fresh += fresh;
        }
    }

    /// Whether samples are counted by step: else a loop over steps may count at its end.
    pub(crate) fn by_step(&self) -> bool {
        !self.per_step.borrow().is_empty()
    }

    /// Counts what was read since `before` for the first step at all the others too: an expression
    /// that does not change is evaluated once and counts at every step.
    pub(crate) fn repeat_read(&self, before: u64, steps: usize) {
        let once = self.total.get() - before;
        for step in 1..steps {
            self.read(step, once, 0);
        }
    }

    pub(crate) fn enter_subquery(&self) {
        self.depth.set(self.depth.get() + 1);
    }

    pub(crate) fn leave_subquery(&self) {
        self.depth.set(self.depth.get().saturating_sub(1));
    }

    /// Holds more samples; gives how many are held now.
    pub(crate) fn hold(&self, samples: u64) -> u64 {
        let held = self.held.get() + samples;
        self.held.set(held);
        self.peak.set(self.peak.get().max(held));
        held
    }

    pub(crate) fn release_to(&self, held: u64) {
        self.held.set(held);
    }

    pub(crate) fn held(&self) -> u64 {
        self.held.get()
    }

    pub(crate) fn peak(&self) -> u64 {
        self.peak.get()
    }

    pub(crate) fn total(&self) -> u64 {
        self.total.get()
    }

    pub(crate) fn fresh(&self) -> u64 {
        self.fresh.get()
    }

    pub(crate) fn into_steps(self) -> Vec<Read> {
        self.per_step.into_inner()
    }
}
