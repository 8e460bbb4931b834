//! Which blocks to compact next.
//!
//! Ranges grow by three: 2 h, 6 h, 18 h, … Blocks that overlap come first. Then the smallest range
//! for which several blocks lie in one aligned stretch, if they fill it or something newer exists.
//! Then single blocks of which much is deleted. The newest block stays as it is for a while, so that
//! there is time to copy it. A stretch with a block whose compaction failed is left alone.

use std::sync::Arc;

use model::Timestamp;

use crate::block::meta::Meta;

/// Share of deleted series from which a block is written anew.
const TOMBSTONE_RATIO: f64 = 0.05;
/// How much larger a range is than the one before.
const RANGE_FACTOR: i64 = 3;
/// Most ranges; the tenth is over four years with blocks of two hours.
const RANGES_MAX: usize = 10;

/// Ranges of blocks in milliseconds: the smallest, then each three times the one before, up to
/// `max_ms`. Only the smallest if that is as large.
pub(crate) fn block_ranges(min_ms: i64, max_ms: i64) -> Vec<i64> {
    let mut ranges = vec![min_ms];
    let mut next = min_ms.saturating_mul(RANGE_FACTOR);
    while ranges.len() < RANGES_MAX && next <= max_ms {
        ranges.push(next);
        next = next.saturating_mul(RANGE_FACTOR);
    }
    ranges
}

/// The blocks to compact into one, by first time; none if all is well. With `merge_overlapping`
/// blocks that share times are merged before anything else.
pub(crate) fn plan(
    blocks: &[Arc<Meta>],
    ranges: &[i64],
    merge_overlapping: bool,
) -> Vec<Arc<Meta>> {
    let mut blocks = blocks.to_vec();
    blocks.sort_by_key(|meta| meta.min_time);
    if merge_overlapping {
        let overlapping = overlapping(&blocks);
        if !overlapping.is_empty() {
            return overlapping;
        }
    }
    let Some((_, older)) = blocks.split_last() else {
        return Vec::new();
    };
    let filled = fills_a_range(older, ranges);
    if !filled.is_empty() {
        return filled.to_vec();
    }
    much_deleted(older, ranges).into_iter().collect()
}

/// The first row of blocks that overlap with one before.
fn overlapping(blocks: &[Arc<Meta>]) -> Vec<Arc<Meta>> {
    let mut found: Vec<Arc<Meta>> = Vec::new();
    let mut before: Option<&Arc<Meta>> = None;
    let mut end = Timestamp::MIN;
    for block in blocks {
        if let Some(before) = before
            && block.min_time < end
        {
            if found.is_empty() {
                found.push(before.clone());
            }
            found.push(block.clone());
        } else if !found.is_empty() {
            break;
        }
        end = end.max(block.max_time);
        before = Some(block);
    }
    found
}

fn fills_a_range<'a>(blocks: &'a [Arc<Meta>], ranges: &[i64]) -> &'a [Arc<Meta>] {
    let Some(newest) = blocks.last() else {
        return &[];
    };
    for range in ranges.iter().skip(1) {
        for part in split_by_range(blocks, *range) {
            let (Some(first), Some(last)) = (part.first(), part.last()) else {
                continue;
            };
            let has_failed = part.iter().any(|meta| meta.compaction.failed);
            let is_full = last.max_time.wrapping_sub(first.min_time) == *range;
            let is_past = last.max_time <= newest.min_time;
            if part.len() > 1 && !has_failed && (is_full || is_past) {
                return part;
            }
        }
    }
    &[]
}

/// Rows of neighbours that lie in one stretch of `range`, counted from time 0. Blocks that lie in
/// none are left out.
fn split_by_range(blocks: &[Arc<Meta>], range: i64) -> Vec<&[Arc<Meta>]> {
    let mut parts = Vec::new();
    let mut rest = blocks;
    while let Some(first) = rest.first() {
        let end = stretch_start(first.min_time, range).saturating_add(range);
        let inside = rest
            .iter()
            .take_while(|block| block.max_time <= end)
            .count();
        let (part, behind) = rest.split_at(inside.max(1));
        if inside > 0 {
            parts.push(part);
        }
        rest = behind;
    }
    parts
}

fn stretch_start(time: Timestamp, range: i64) -> Timestamp {
    time.div_euclid(range.max(1)).saturating_mul(range)
}

/// The newest block that is large and has many deletions, or whose series all have some.
fn much_deleted(blocks: &[Arc<Meta>], ranges: &[i64]) -> Option<Arc<Meta>> {
    let large = ranges.get(ranges.len() / 2)?;
    for block in blocks.iter().rev() {
        let (deleted, series) = (block.stats.num_tombstones, block.stats.num_series);
        if block.max_time.wrapping_sub(block.min_time) < *large {
            // Older blocks are looked at only behind large ones, as in the reference.
            return (deleted > 0 && deleted >= series).then(|| block.clone());
        }
        if deleted as f64 / (series as f64 + 1.0) > TOMBSTONE_RATIO {
            return Some(block.clone());
        }
    }
    None
}

#[cfg(test)]
mod tests;
