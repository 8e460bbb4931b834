//! The index of a block, opened and walked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{MatchOp, Matcher};

fuzz_target!(|data: &[u8]| {
    let Ok(reader) = tsdb::index::Reader::new(data.to_vec().into()) else { return };
    let names: Vec<String> = reader.label_names().map(str::to_owned).collect();
    for name in names {
        let _ = reader.label_values(&name);
    }
    let Ok(all) = Matcher::new(MatchOp::Regex, "__name__", ".*") else { return };
    for series in reader.select(&[all]).unwrap_or_default() {
        let _ = reader.series(series);
    }
});
