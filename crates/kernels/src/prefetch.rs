//! Asking memory for what a loop will need. Keeps true: changes no bit, and any address will do.

use std::sync::OnceLock;

/// A level of cache to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CacheLevel {
    First,
    Second,
}

/// How weights are asked for while others are multiplied: the hardware's own look-ahead ends at every page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LookAhead {
    bytes: usize,
    into: CacheLevel,
}

impl LookAhead {
    /// What was fastest on processors of this maker (docs/performance.md): on AMD's, what waits for the first level takes
    /// the few slots that the loop's own misses need; on Intel's, the first level was the faster.
    pub(crate) fn here() -> Self {
        static HERE: OnceLock<LookAhead> = OnceLock::new();
        *HERE.get_or_init(|| match made_by_intel() {
            true => Self { bytes: 2048, into: CacheLevel::First },
            false => Self { bytes: 4096, into: CacheLevel::Second },
        })
    }

    /// Asks for the `bytes` that lie so far ahead of `at`.
    #[inline(always)]
    pub(crate) fn ask(self, at: *const u8, bytes: usize) {
        let ahead = at.wrapping_add(self.bytes);
        match self.into {
            CacheLevel::First => {
                (0..bytes).step_by(64).for_each(|line| line_to_first(ahead.wrapping_add(line)))
            }
            CacheLevel::Second => (0..bytes).step_by(64).for_each(|line| prefetch(ahead.wrapping_add(line))),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn made_by_intel() -> bool {
    let id = std::arch::x86_64::__cpuid(0);
    [id.ebx, id.edx, id.ecx].map(u32::to_le_bytes).as_flattened() == b"GenuineIntel"
}

#[cfg(not(target_arch = "x86_64"))]
fn made_by_intel() -> bool {
    false
}

/// Asks for the cache line of `at`, into the second level.
#[inline(always)]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and every x86-64 has it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Asks for the cache line of `at`, into the first level.
#[inline(always)]
pub(crate) fn line_to_first(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as above.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
