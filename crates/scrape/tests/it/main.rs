//! Scraping against targets in this process: well-behaved and hostile ones.

mod before_open;
mod clients;
mod conversion;
mod failure_log;
mod hostile;
mod protobuf;
mod samples;
mod store;
mod target_double;
