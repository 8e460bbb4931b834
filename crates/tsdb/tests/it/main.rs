//! A database from outside: transactions, restarts, damage.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should fail there"
)]

mod commit;
mod cut;
mod damage;
mod day;
mod late;
mod memory_snapshot;
mod oracle;
mod support;
