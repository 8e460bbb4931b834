//! Any bytes as a swarm's lists of services, tasks and nodes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| discovery::providers::dockerswarm::check_lists(data));
