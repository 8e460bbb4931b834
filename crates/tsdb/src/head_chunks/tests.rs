//! Files of head chunks: what was written is read, damage is found.

use proptest::prelude::*;

use super::*;

fn new(series_ref: u64, mint: i64, data: &[u8]) -> NewHeadChunk<'_> {
    NewHeadChunk {
        series_ref,
        mint,
        maxt: mint + 10,
        encoding: Encoding::Xor,
        is_out_of_order: series_ref.is_multiple_of(2),
        data,
    }
}

fn write(chunks: &HeadChunks, new: &[NewHeadChunk<'_>]) -> Vec<ChunkRef> {
    let mut refs = Vec::new();
    chunks.write(new, &mut refs).unwrap();
    refs
}

fn all(chunks: &HeadChunks) -> Vec<(u64, i64, ChunkRef)> {
    let mut found = Vec::new();
    chunks
        .for_each(|chunk| {
            assert_eq!(chunk.is_out_of_order, chunk.series_ref.is_multiple_of(2));
            found.push((chunk.series_ref, chunk.mint, chunk.chunk_ref));
            Ok(())
        })
        .unwrap();
    found
}

#[test]
fn chunks_are_read_while_the_file_grows_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let chunks = HeadChunks::open(dir.path(), 100).unwrap();
    let mut refs = Vec::new();
    for number in 1..=7_u8 {
        let data = [0, number, 7, number];
        refs.extend(write(
            &chunks,
            &[new(u64::from(number), i64::from(number), &data)],
        ));
        for (index, chunk_ref) in refs.iter().enumerate() {
            let file = chunks.file(chunk_ref.file).unwrap();
            let (encoding, data) = file.chunk(chunk_ref.offset).unwrap();
            assert_eq!(encoding, Encoding::Xor);
            assert_eq!(data[1], index as u8 + 1);
            assert_eq!(file.mint(chunk_ref.offset), Some(index as i64 + 1));
        }
    }
    assert!(chunks.last_file() > 2, "files end at their limit");
    let before = all(&chunks);
    assert_eq!(before.len(), 7);
    let bytes = chunks.bytes();
    drop(chunks);
    let chunks = HeadChunks::open(dir.path(), 100).unwrap();
    assert_eq!(all(&chunks), before);
    assert_eq!(chunks.bytes(), bytes);
    let last = chunks.last_file();
    let refs = write(&chunks, &[new(9, 9, &[0, 1, 2])]);
    assert_eq!(refs[0].file, last + 1, "a restart begins a new file");
}

#[test]
fn truncation_keeps_what_readers_hold() {
    let dir = tempfile::tempdir().unwrap();
    let chunks = HeadChunks::open(dir.path(), 1 << 20).unwrap();
    let old = write(&chunks, &[new(1, 1, &[0, 1, 2])])[0];
    let held = chunks.file(old.file).unwrap();
    chunks.cut().unwrap();
    let young = write(&chunks, &[new(1, 20, &[0, 1, 3])])[0];
    chunks.truncate(young.file).unwrap();
    assert_eq!(chunks.file(old.file).map(|_| ()), None);
    assert_eq!(held.chunk(old.offset).unwrap().1, [0, 1, 2]);
    assert_eq!(all(&chunks).len(), 1);
    chunks.truncate(99).unwrap();
    assert_eq!(all(&chunks).len(), 1, "the file being written stays");
}

#[test]
fn every_cut_and_every_flipped_byte_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let chunks = HeadChunks::open(dir.path(), 1 << 20).unwrap();
    // No byte of a reference is 0: zeros at an entry's begin are the file's end.
    let number = |low: u64| 0x0101_0101_0101_0100 + low;
    let all = [
        new(number(1), 1, &[0, 1, 2]),
        new(number(2), 5, &[0, 1, 2, 3]),
        new(number(3), 9, &[0, 1]),
    ];
    write(&chunks, &all);
    let path = dir.path().join("000001");
    let whole = std::fs::read(&path).unwrap();
    let ends = [8, 8 + 33, 8 + 33 + 34, whole.len()];
    let count = |bytes: &[u8]| {
        let mut count = 0;
        let result = scan_file(1, bytes, |_| {
            count += 1;
            Ok(())
        });
        (count, result)
    };
    for at in 0..=whole.len() {
        let (found, result) = count(&whole[..at]);
        let complete = ends.iter().filter(|end| at >= **end).count();
        assert_eq!(found, complete.saturating_sub(1), "cut at {at}");
        assert_eq!(
            result.is_ok(),
            ends.contains(&at),
            "cut at {at}: {result:?}"
        );
    }
    for at in 0..whole.len() {
        // Version padding is not looked at.
        if (5..8).contains(&at) {
            continue;
        }
        let mut damaged = whole.clone();
        damaged[at] ^= 0x04;
        let (found, result) = count(&damaged);
        let intact = ends
            .iter()
            .filter(|end| at >= **end)
            .count()
            .saturating_sub(1);
        assert!(result.is_err(), "flipped at {at}");
        assert_eq!(found, intact, "flipped at {at}");
    }
    let mut zeros = whole.clone();
    zeros.resize(whole.len() + 5000, 0);
    assert_eq!(count(&zeros).0, 3, "preallocated zeros end the file");
    assert!(count(&zeros).1.is_ok());
}

#[test]
fn a_file_without_a_header_is_removed_and_a_gap_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("000003"), [0; 100]).unwrap();
    let chunks = HeadChunks::open(dir.path(), 1 << 20).unwrap();
    assert_eq!(chunks.last_file(), 0);
    let header = [1, 0x30, 0xbc, 0x91, 1, 0, 0, 0];
    for name in ["000001", "000003"] {
        std::fs::write(dir.path().join(name), header).unwrap();
    }
    let chunks = HeadChunks::open(dir.path(), 1 << 20).unwrap();
    let damage = chunks.for_each(|_| Ok(())).unwrap_err();
    assert_eq!(damage.file, 2);
    chunks.remove_from(damage.file).unwrap();
    assert_eq!(chunks.last_file(), 1);
    assert!(!dir.path().join("000003").exists());
}

proptest! {
    #[test]
    fn any_bytes_give_chunks_and_an_end_or_damage(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        good in any::<bool>(),
    ) {
        let mut file = vec![1, 0x30, 0xbc, 0x91, 1, 0, 0, 0];
        file.truncate(if good { 8 } else { 3 });
        file.extend(bytes);
        let len = file.len() as u64;
        if let Err(damage) = scan_file(1, &file, |_| Ok(())) {
            prop_assert!(damage.offset <= len + 8);
        }
    }
}
