//! Threads for the loops. Keeps true: how work is split never changes a bit; small work runs inline.

use rayon::prelude::*;

/// Work below this many multiply-adds runs on the caller's thread: waking a thread costs about 12 us, in
/// which one core does about half a million.
const INLINE_MAX: usize = 500_000;

/// A set of threads, or none.
pub struct Pool {
    threads: Option<rayon::ThreadPool>,
}

impl Pool {
    /// A pool of `threads` threads (at least 1); with one, everything runs on the caller's.
    pub fn new(threads: usize) -> Self {
        if threads <= 1 {
            return Self::inline();
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("compute-{index}"))
            .build()
            .expect("the operating system gives threads at start");
        Self { threads: Some(pool) }
    }

    /// Everything runs on the caller's thread.
    pub fn inline() -> Self {
        Self { threads: None }
    }

    /// Runs `task(i)` for `0..tasks`, which together cost about `multiply_adds`.
    pub fn each(&self, tasks: usize, multiply_adds: usize, task: impl Fn(usize) + Send + Sync) {
        match &self.threads {
            Some(pool) if tasks > 1 && multiply_adds > INLINE_MAX => {
                pool.install(|| (0..tasks).into_par_iter().for_each(task));
            }
            _ => (0..tasks).for_each(task),
        }
    }
}

/// A slice that threads write at disjoint places.
pub(crate) struct Disjoint<'a, T> {
    start: *mut T,
    len: usize,
    slice: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: access goes through `slice`, whose caller promises disjoint ranges.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: std::marker::PhantomData }
    }

    /// The elements `at..at + len`.
    ///
    /// # Safety
    /// No two live results overlap.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn slice(&self, at: usize, len: usize) -> &mut [T] {
        assert!(at + len <= self.len, "disjoint slice {at}+{len} of {}", self.len);
        // SAFETY: in range by the assertion, disjoint by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }
}
