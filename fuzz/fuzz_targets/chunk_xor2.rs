//! XOR2 chunks: any bytes decode or fail; what decodes comes back when encoded again.
#![no_main]

use chunk::xor2;
use libfuzzer_sys::fuzz_target;
use model::sample::SampleColumns;

fuzz_target!(|data: &[u8]| {
    let mut columns = SampleColumns::default();
    if xor2::decode(data, i64::MIN, i64::MAX, &mut columns).is_err() || columns.is_empty() {
        return;
    }
    let Ok((_, bytes)) = xor2::reopen(data) else { return };
    let mut again = SampleColumns::default();
    xor2::decode(&bytes, i64::MIN, i64::MAX, &mut again).expect("own bytes decode");
    assert_eq!(columns.timestamps, again.timestamps);
    assert_eq!(columns.start_timestamps, again.start_timestamps);
    assert!(columns.values.iter().zip(&again.values).all(|(a, b)| a.to_bits() == b.to_bits()));
});
