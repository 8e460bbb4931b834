//! Any bytes as lists and watches of an API server, cut anywhere.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (&first, stream) = data.split_first().unwrap_or((&0, &[]));
    let whole = discovery::providers::check_kubernetes_stream(stream, usize::MAX);
    let chunk_len = usize::from(first) + 1;
    let in_chunks = discovery::providers::check_kubernetes_stream(stream, chunk_len);
    assert_eq!(whole, in_chunks);
});
