//! The whole process, as users meet it.
#![expect(
    clippy::print_stdout,
    reason = "what a test measured is part of its result"
)]

mod bad_input;
mod before_open;
mod first_run;
mod full_disk;
mod hostile_queries;
mod hostile_targets;
mod kill;
mod reload;
mod side_by_side;
mod swap;
mod targets;
