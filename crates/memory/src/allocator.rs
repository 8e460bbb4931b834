//! The program's allocator, which knows how much is allocated.
//!
//! mimalloc, as it is built for speed, does not count what the program has from it. What is resident
//! beyond that is what the allocator costs: sizes rounded up to a class, and pages of a class that are
//! not full.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

use mimalloc::MiMalloc;

/// Counters, so many that threads seldom share one.
const SHARDS: usize = 32;

/// Alone on its cache line, and on the one that is fetched with it.
#[repr(align(128))]
struct Shard(AtomicIsize);

static ALLOCATED: [Shard; SHARDS] = [const { Shard(AtomicIsize::new(0)) }; SHARDS];

thread_local! {
    /// The thread's counter; `SHARDS` until it has one.
    static SHARD: Cell<usize> = const { Cell::new(SHARDS) };
}

fn count(bytes: isize) {
    // Threads have no locals any more while they end.
    let shard = SHARD.try_with(|mine| {
        if mine.get() == SHARDS {
            static NEXT: AtomicUsize = AtomicUsize::new(0);
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        mine.get()
    });
    if let Some(Shard(counter)) = ALLOCATED.get(shard.unwrap_or(0)) {
        counter.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Bytes that the program has allocated now, as it asked for them; 0 if [`Allocator`] is not the
/// program's.
pub fn allocated_bytes() -> usize {
    let counters = ALLOCATED.iter();
    let sum: isize = counters
        .map(|Shard(counter)| counter.load(Ordering::Relaxed))
        .sum();
    // Looked at one after the other while others go on, the sum may be a little off.
    usize::try_from(sum).unwrap_or(0)
}

/// mimalloc, counted.
#[derive(Debug)]
pub struct Allocator;

#[expect(unsafe_code, reason = "an allocator is made of nothing else")]
// SAFETY: every call goes on to mimalloc with the arguments it came with.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let pointer = unsafe { MiMalloc.alloc(layout) };
        if !pointer.is_null() {
            count(layout.size().cast_signed());
        }
        pointer
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let pointer = unsafe { MiMalloc.alloc_zeroed(layout) };
        if !pointer.is_null() {
            count(layout.size().cast_signed());
        }
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { MiMalloc.dealloc(pointer, layout) };
        count(-layout.size().cast_signed());
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        let moved = unsafe { MiMalloc.realloc(pointer, layout, new_size) };
        if !moved.is_null() {
            count(new_size.cast_signed() - layout.size().cast_signed());
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: Allocator = Allocator;

    /// Other tests of this process may allocate too, but not so much.
    const SIZE: usize = 64 << 20;
    const TOLERANCE: usize = 16 << 20;

    #[track_caller]
    fn assert_near(found: usize, expected: usize) {
        assert!(found.abs_diff(expected) < TOLERANCE, "{found} {expected}");
    }

    #[test]
    fn what_is_allocated_is_counted_wherever_it_is_freed() {
        let before = allocated_bytes();
        let mut bytes = vec![1_u8; SIZE];
        assert_near(allocated_bytes(), before + SIZE);
        bytes.reserve_exact(SIZE);
        assert_near(allocated_bytes(), before + 2 * SIZE);
        let freed = std::thread::spawn(move || drop(bytes)).join();
        assert!(freed.is_ok());
        assert_near(allocated_bytes(), before);
        let zeroed = vec![0_u8; SIZE];
        assert_near(allocated_bytes(), before + SIZE);
        drop(zeroed);
        assert_near(allocated_bytes(), before);
    }
}
