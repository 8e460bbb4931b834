//! Any bytes as a configuration file: loaded and printed, or refused; never a panic or a hang.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Ok(config) = config::load_text(&text, &config::LoadOptions::default()) {
        let _ = config.to_yaml();
    }
});
