//! Any bytes as YAML, in both dialects: refused or decoded, never a panic or a hang.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    for dialect in [yaml::Dialect::V2, yaml::Dialect::V3] {
        let mut tree = yaml::Tree::Null;
        if yaml::decode(&text, dialect, true, &mut tree).is_ok() {
            let _ = yaml::to_text(&tree);
        }
    }
});
