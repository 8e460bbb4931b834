//! Any bytes as EC2's page of instances.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| discovery::providers::ec2::check_instances(data));
