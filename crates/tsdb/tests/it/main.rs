//! A database from outside: transactions, restarts, damage.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should fail there"
)]

mod agent;
mod commit;
mod cut;
mod damage;
mod day;
mod encodings;
mod full_disk;
mod late;
mod memory_snapshot;
mod oracle;
mod support;
