//! Head chunk files: any bytes give chunks that lie in them, and an end or damage behind them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tsdb::head_chunks::scan_file;

fuzz_target!(|data: &[u8]| {
    let mut end = 0;
    let scanned = scan_file(1, data, |chunk| {
        assert!(chunk.chunk_ref.offset as usize >= end);
        end = chunk.chunk_ref.offset as usize + 1;
        Ok(())
    });
    if let Err(damage) = scanned {
        assert!(damage.offset <= data.len() as u64 + 8);
    }
});
