//! The log's container: exact bytes, round trips, failed writes, damage.

use std::fs::{self, File, OpenOptions};
use std::path::Path;

use proptest::prelude::*;
use telemetry::Registry;

use super::*;
use crate::Error;

fn writer(dir: &Path, segment: u32, compression: Compression) -> Writer {
    let metrics = WriterMetrics::new(&Registry::new(), "test_wal");
    Writer::create(dir, segment, 4 * PAGE_BYTES as u64, compression, metrics).unwrap()
}

fn read(dir: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let mut records = Vec::new();
    LogReader::open(dir, 0)?.for_each(|_, record| {
        records.push(record.to_vec());
        Ok(())
    })?;
    Ok(records)
}

#[test]
fn a_fragment_is_type_length_checksum_data() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = writer(dir.path(), 0, Compression::None);
    log.log(&[b"abc".to_vec(), Vec::new()]).unwrap();
    let bytes = fs::read(dir.path().join("00000000")).unwrap();
    let mut expected = vec![1, 0, 3];
    expected.extend(crc32c::crc32c(b"abc").to_be_bytes());
    expected.extend(b"abc");
    expected.extend([1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes, expected);
    log.close().unwrap();
    let bytes = fs::read(dir.path().join("00000000")).unwrap();
    assert_eq!(bytes.len(), PAGE_BYTES, "closing pads the page");
}

#[test]
fn a_batch_is_never_split_between_segments() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = writer(dir.path(), 0, Compression::None);
    let batch = |byte: u8| vec![vec![byte; 30_000], vec![byte; 30_000]];
    for byte in 0..5 {
        log.log(&batch(byte)).unwrap();
    }
    // Two batches of two pages fill a segment of four.
    assert_eq!(log.segment(), 2);
    let huge = vec![vec![9; 300_000]];
    log.log(&huge).unwrap();
    assert_eq!(
        log.segment(),
        3,
        "a record larger than a segment gets one alone"
    );
    let expected: Vec<_> = (0..5).flat_map(batch).chain(huge).collect();
    assert_eq!(read(dir.path()).unwrap(), expected);
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = writer(dir.path(), 0, Compression::Snappy);
    log.log(&[b"before".to_vec()]).unwrap();
    let path = dir.path().join("00000000");
    let good = fs::read(&path).unwrap();
    // A handle that takes no writes stands for a full disk.
    let usable = std::mem::replace(&mut log.file, File::open(&path).unwrap());
    assert!(log.log(&[b"lost".to_vec()]).is_err());
    assert!(log.log(&[b"lost".to_vec()]).is_err());
    // What a torn write may have put there.
    fs::write(&path, [good.as_slice(), &[9, 0, 200, 1, 2, 3]].concat()).unwrap();
    log.file = usable;
    log.log(&[b"after".to_vec()]).unwrap();
    log.close().unwrap();
    assert_eq!(
        read(dir.path()).unwrap(),
        [b"before".to_vec(), b"after".to_vec()]
    );
}

#[test]
fn a_gap_between_segments_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    for segment in [0, 1, 3] {
        writer(dir.path(), segment, Compression::None);
    }
    File::create(dir.path().join("checkpoint.tmp")).unwrap();
    File::create(dir.path().join("notes")).unwrap();
    assert!(matches!(
        segments(dir.path()),
        Err(Error::SegmentGap {
            before: 1,
            after: 3,
            ..
        })
    ));
}

#[test]
fn the_newest_checkpoint_is_found() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(last_checkpoint(dir.path()).unwrap(), None);
    for name in [
        "checkpoint.000009",
        "checkpoint.00000010",
        "checkpoint.00000011.tmp",
    ] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    let found = last_checkpoint(dir.path()).unwrap().unwrap();
    assert_eq!(found.last_segment, 10);
    remove_temporary(dir.path()).unwrap();
    assert!(!dir.path().join("checkpoint.00000011.tmp").exists());
}

#[test]
fn repair_keeps_what_lies_before_the_damage() {
    let dir = tempfile::tempdir().unwrap();
    let records: Vec<Vec<u8>> = (0..40_u8).map(|byte| vec![byte; 9_000]).collect();
    let mut log = writer(dir.path(), 0, Compression::None);
    for record in &records {
        log.log(std::slice::from_ref(record)).unwrap();
    }
    assert_eq!(log.segment(), 2);
    let path = dir.path().join("00000001");
    let mut bytes = fs::read(&path).unwrap();
    bytes[50_000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let Err(Error::Corrupt(corruption)) = read(dir.path()) else {
        panic!("damage is found")
    };
    assert_eq!(corruption.segment, 1);
    let metrics = WriterMetrics::new(&Registry::new(), "test_wal");
    repair(
        dir.path(),
        &corruption,
        4 * PAGE_BYTES as u64,
        Compression::None,
        &metrics,
    )
    .unwrap();
    let left = read(dir.path()).unwrap();
    // Fourteen records fit segment 0; five of segment 1 begin before the damaged byte.
    assert_eq!(left, records[..19]);
    assert!(!dir.path().join("00000002").exists());
    assert!(!dir.path().join("00000001.repair").exists());
}

#[test]
fn damage_in_a_segment_is_reported_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = writer(dir.path(), 0, Compression::None);
    log.log(&[b"abc".to_vec(), b"def".to_vec()]).unwrap();
    let file = OpenOptions::new()
        .write(true)
        .open(dir.path().join("00000000"))
        .unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"x", 18).unwrap();
    let err = read(dir.path()).unwrap_err().to_string();
    assert!(err.contains("00000000 at 10: unexpected checksum"), "{err}");
}

fn compression() -> impl Strategy<Value = Compression> {
    prop_oneof![
        Just(Compression::None),
        Just(Compression::Snappy),
        Just(Compression::Zstd)
    ]
}

fn record() -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![0..40_usize, 32_740..32_790_usize, 0..100_000_usize];
    (size, any::<u64>(), any::<bool>()).prop_map(|(size, seed, noise)| {
        let mut state = seed | 1;
        (0..size)
            .map(|at| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                if noise {
                    (state >> 56) as u8
                } else {
                    (at / 50) as u8
                }
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn records_come_back(
        batches in prop::collection::vec((compression(), prop::collection::vec(record(), 1..4)), 1..8),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut next = 0;
        let mut expected = Vec::new();
        for (compression, batch) in batches {
            let mut log = writer(dir.path(), next, compression);
            log.log(&batch).unwrap();
            log.log(&batch).unwrap();
            next = log.segment() + 1;
            expected.extend(batch.iter().cloned());
            expected.extend(batch);
        }
        prop_assert_eq!(read(dir.path()).unwrap(), expected);
    }
}

proptest! {
    #[test]
    fn arbitrary_segments_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let mut records = Records::new(bytes.as_slice());
        while let Ok(Some(record)) = records.next_record() {
            let _ = record::decode(record);
        }
    }
}
