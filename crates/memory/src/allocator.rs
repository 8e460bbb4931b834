//! The program's allocator, which knows how much is allocated.
//!
//! mimalloc, as it is built for speed, does not count what the program has from it. What is resident
//! beyond that is what the allocator costs: sizes rounded up to a class, and pages of a class that are
//! not full.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

use libmimalloc_sys::{
    mi_free, mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc,
    mi_zalloc_aligned,
};

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

/// What any memory of mimalloc's is aligned to that has at least this size (its `MI_MAX_ALIGN_SIZE`).
const NATURAL_ALIGNMENT: usize = 16;

/// Whether memory of this layout is aligned without being told to. Asked for an alignment, mimalloc
/// makes sizes above 1 KiB that are no power of two larger by it, and looks for their beginning when
/// they are freed.
fn is_natural(size: usize, alignment: usize) -> bool {
    alignment <= NATURAL_ALIGNMENT && alignment <= size
}

#[expect(unsafe_code, reason = "an allocator is made of nothing else")]
// SAFETY: every call goes on to mimalloc with the arguments it came with. An alignment is left out only
// where all memory has it. Whatever function memory came from, `mi_free` and both kinds of `mi_realloc`
// take it.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, alignment) = (layout.size(), layout.align());
        let pointer = if is_natural(size, alignment) {
            // SAFETY: any size may be asked for.
            unsafe { mi_malloc(size) }
        } else {
            // SAFETY: the alignment is that of a layout.
            unsafe { mi_malloc_aligned(size, alignment) }
        };
        if !pointer.is_null() {
            count(size.cast_signed());
        }
        pointer.cast()
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, alignment) = (layout.size(), layout.align());
        let pointer = if is_natural(size, alignment) {
            // SAFETY: any size may be asked for.
            unsafe { mi_zalloc(size) }
        } else {
            // SAFETY: the alignment is that of a layout.
            unsafe { mi_zalloc_aligned(size, alignment) }
        };
        if !pointer.is_null() {
            count(size.cast_signed());
        }
        pointer.cast()
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { mi_free(pointer.cast()) };
        count(-layout.size().cast_signed());
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let alignment = layout.align();
        let moved = if is_natural(new_size, alignment) {
            // SAFETY: the caller's promise.
            unsafe { mi_realloc(pointer.cast(), new_size) }
        } else {
            // SAFETY: the caller's promise.
            unsafe { mi_realloc_aligned(pointer.cast(), new_size, alignment) }
        };
        if !moved.is_null() {
            count(new_size.cast_signed() - layout.size().cast_signed());
        }
        moved.cast()
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

    /// Sizes of all classes, with every alignment, first and after growing and shrinking.
    #[test]
    fn memory_is_aligned_and_keeps_what_is_in_it() {
        for alignment in (0..=12).map(|power| 1_usize << power) {
            for size in (1..200).chain((1..80).map(|step| step * 613)) {
                check_aligned(size, alignment);
            }
        }
    }

    #[expect(unsafe_code, reason = "calls an allocator")]
    fn check_aligned(size: usize, alignment: usize) {
        let layout = Layout::from_size_align(size, alignment).expect("small");
        // SAFETY: sizes are not zero, each pointer is used with its own layout, within its size.
        unsafe {
            let zeroed = Allocator.alloc_zeroed(layout);
            assert!(zeroed.addr().is_multiple_of(alignment), "{layout:?}");
            assert!((0..size).all(|at| *zeroed.add(at) == 0), "{layout:?}");
            let mut pointer = Allocator.alloc(layout);
            pointer.write_bytes(7, size);
            let mut now = layout;
            for new_size in [size * 3, size.div_ceil(2)] {
                pointer = Allocator.realloc(pointer, now, new_size);
                assert!(pointer.addr().is_multiple_of(alignment), "{layout:?}");
                let kept = now.size().min(new_size).min(size);
                assert!((0..kept).all(|at| *pointer.add(at) == 7), "{layout:?}");
                now = Layout::from_size_align(new_size, alignment).expect("small");
            }
            Allocator.dealloc(pointer, now);
            Allocator.dealloc(zeroed, layout);
        }
    }
}
