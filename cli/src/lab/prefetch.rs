//! Memory that is asked for before it is read.
//!
//! Examples are met in a drawn order and rows of tables as examples name them, so no cache foresees
//! either: without this `fm` in batches of 4,096 waits for memory where it could compute.

/// How many examples or rows ahead of the one at hand memory is asked for.
pub const AHEAD: usize = 8;

/// Asks for `list[from..from + count]`, as far as there is such a place. Nothing is read, and nothing changes but the time that reading takes.
#[inline(always)]
pub fn prefetch<T>(list: &[T], from: usize, count: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = list.as_ptr().wrapping_add(from).cast::<i8>();
        for line in (0..count * size_of::<T>()).step_by(64) {
            // SAFETY: a prefetch is a hint about an address: whatever it is, no memory is accessed.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (list, from, count);
}
