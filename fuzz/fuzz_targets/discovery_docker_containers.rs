//! Any bytes as a Docker daemon's list of containers.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| discovery::providers::docker::check_containers(data));
