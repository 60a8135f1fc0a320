//! Threads for the loops: they spin briefly for the next region of work, then sleep.
//!
//! Where several processes share cores, a thread that spins offers its core to whoever else wants it, and every thread can be
//! kept to a core of its own: the system otherwise leaves two threads of a pool on one core for milliseconds while another core
//! is idle.
//!
//! Keeps true: how work is split never changes a bit; small work runs inline; the caller never waits for a thread
//! that has not begun, so a core that another process took costs speed in proportion and no more. Each task is
//! claimed by one atomic add, whoever comes first.

use crate::{Buffer, Keeper, Recycled};
use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, Thread};

/// Work below this many multiply-adds runs on the caller's thread: one core does it in about the time in which
/// another notices that there is work.
const INLINE_MAX: usize = 40_000;

/// Rounds of the spin loop before a thread sleeps, at first and at most. A round is a few to twenty nanoseconds,
/// as the processor has it, so this is some tens of microseconds to 150: longer than the pause between two regions of a
/// step, shorter than a time slice.
const SPINS_MAX: u32 = 8_000;
/// Where spinning never pays, such as when all cores are taken by others, threads come down to this.
const SPINS_MIN: u32 = 64;

/// Rounds of spinning after which a thread offers its core: a microsecond or so at most.
const OFFER_EVERY: u32 = 64;

/// The region is open for threads to join.
const OPEN: u64 = 1 << 31;
/// One joined thread.
const JOINED: u64 = 1;
/// One region; the low half of the state counts joined threads and holds `OPEN`.
const REGION: u64 = 1 << 32;

/// A region of work: `run(data, task)` for `0..tasks`.
#[derive(Clone, Copy)]
struct Region {
    run: unsafe fn(*const (), usize),
    data: *const (),
    tasks: usize,
}

unsafe fn nothing(_: *const (), _: usize) {}

struct Shared {
    /// Number of the region, `OPEN`, and how many threads are in it.
    state: AtomicU64,
    region: UnsafeCell<Region>,
    next: AtomicUsize,
    sleepers: AtomicU32,
    stop: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `region` is written only while no region is open and no thread has joined, and read only by threads that
// have joined an open one; `state` orders the two. What `data` points to is `Sync` and outlives the region.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    /// Claims and runs tasks until none is left. A panic is kept for the caller, and the remaining tasks dropped.
    fn work(&self) {
        // SAFETY: the caller of `work` has joined the open region, or opened it.
        let region = unsafe { *self.region.get() };
        let run = AssertUnwindSafe(|| {
            loop {
                let task = self.next.fetch_add(1, Ordering::Relaxed);
                if task >= region.tasks {
                    return;
                }
                // SAFETY: `run` and `data` belong together, see `each`.
                unsafe { (region.run)(region.data, task) };
            }
        });
        if let Err(panic) = catch_unwind(run) {
            self.next.store(region.tasks, Ordering::Relaxed);
            self.panic.lock().expect("no panic holds this lock").get_or_insert(panic);
        }
    }
}

/// A set of threads, or none.
pub struct Pool {
    shared: Arc<Shared>,
    /// Held while a region is open: one region at a time. The threads, to wake them.
    turn: Mutex<Vec<Thread>>,
    handles: Vec<JoinHandle<()>>,
    cores: Vec<usize>,
    buffers: Keeper,
}

impl Pool {
    /// A pool of `threads` threads (at least 1), the caller's included; with one, everything runs on the caller's.
    pub fn new(threads: usize) -> Self {
        Self::on(threads, Vec::new())
    }

    /// [`Self::new`], whose threads keep to `cores`, each to one in turn; with none, to those that the system chooses. The
    /// caller's is the first one, once it says that it [stays](Self::stay).
    pub fn on(threads: usize, cores: Vec<usize>) -> Self {
        let region = Region { run: nothing, data: std::ptr::null(), tasks: 0 };
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            region: UnsafeCell::new(region),
            next: AtomicUsize::new(0),
            sleepers: AtomicU32::new(0),
            stop: AtomicBool::new(false),
            panic: Mutex::new(None),
        });
        let start = |index: usize| {
            let shared = shared.clone();
            let core = (!cores.is_empty()).then(|| cores[index % cores.len()]);
            let thread = std::thread::Builder::new().name(format!("compute-{index}"));
            let run = move || {
                keep_to(core);
                serve(&shared);
            };
            thread.spawn(run).expect("the operating system gives threads at start")
        };
        let handles: Vec<JoinHandle<()>> = (1..threads.max(1)).map(start).collect();
        let turn = Mutex::new(handles.iter().map(|handle| handle.thread().clone()).collect());
        Self { shared, turn, handles, cores, buffers: Keeper::default() }
    }

    /// The calling thread is the one that computes with the pool from now on: it keeps to the first of its cores.
    pub fn stay(&self) {
        keep_to(self.cores.first().copied());
    }

    /// Everything runs on the caller's thread.
    pub fn inline() -> Self {
        Self::new(1)
    }

    /// How many threads compute, the caller's included.
    pub fn threads(&self) -> usize {
        self.handles.len() + 1
    }

    /// `len` elements of any value, to be overwritten, in memory that was used before if there is some.
    pub fn buffer<T: Recycled>(&self, len: usize) -> Buffer<T> {
        self.buffers.take(len)
    }

    /// Runs `task(i)` for `0..tasks`, which together cost about `multiply_adds`. A panic of a task reaches the
    /// caller after all threads have left.
    pub fn each(&self, tasks: usize, multiply_adds: usize, task: impl Fn(usize) + Send + Sync) {
        if tasks <= 1 || multiply_adds <= INLINE_MAX || self.handles.is_empty() {
            return (0..tasks).for_each(task);
        }
        // Two callers at once would want more cores than there are: the second one works alone.
        let Ok(threads) = self.turn.try_lock() else { return (0..tasks).for_each(task) };
        let panic = self.region(&threads, tasks, &task);
        // A panic that unwound through the guard would poison the turn.
        drop(threads);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Runs `task(i, chunk)` for every `len` elements of `data`, fewer in the last chunk, which together cost about
    /// `multiply_adds`; as [`Self::each`] does.
    pub fn chunks<T: Send>(
        &self,
        data: &mut [T],
        len: usize,
        multiply_adds: usize,
        task: impl Fn(usize, &mut [T]) + Send + Sync,
    ) {
        let all = data.len();
        let data = Disjoint::new(data);
        self.each(all.div_ceil(len), multiply_adds, |at| {
            let from = at * len;
            // SAFETY: chunks do not overlap, and each is one task's.
            task(at, unsafe { data.slice(from, len.min(all - from)) });
        });
    }

    /// Opens a region, works in it, closes it; what a task panicked with, if one did.
    fn region<F: Fn(usize) + Sync>(
        &self,
        threads: &[Thread],
        tasks: usize,
        task: &F,
    ) -> Option<Box<dyn Any + Send>> {
        unsafe fn run<F: Fn(usize) + Sync>(data: *const (), task: usize) {
            // SAFETY: `data` is the `F` of the open region, which outlives it.
            unsafe { (*data.cast::<F>())(task) }
        }
        let shared = &*self.shared;
        // SAFETY: this thread has the turn, the last region is closed and everybody has left it.
        unsafe {
            *shared.region.get() = Region { run: run::<F>, data: std::ptr::from_ref(task).cast(), tasks };
        }
        shared.next.store(0, Ordering::Relaxed);
        let number = (shared.state.load(Ordering::Relaxed) / REGION).wrapping_add(1);
        // Sequentially consistent with the sleepers' own count and check: one of the two sees the other.
        shared.state.store(number.wrapping_mul(REGION) | OPEN, Ordering::SeqCst);
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            threads.iter().take(tasks - 1).for_each(Thread::unpark);
        }
        shared.work();
        let mut left = shared.state.fetch_and(!OPEN, Ordering::AcqRel) & !OPEN;
        let mut spins = 0_u32;
        while !left.is_multiple_of(REGION) {
            // Whoever is inside has a task, and may wait for this very core.
            spins += 1;
            round(spins);
            left = shared.state.load(Ordering::Acquire);
        }
        shared.panic.lock().expect("no panic holds this lock").take()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for handle in self.handles.drain(..) {
            handle.thread().unpark();
            // A thread of the pool catches every panic of a task.
            let _ = handle.join();
        }
    }
}

/// A thread's life: join each region once, spin, sleep.
fn serve(shared: &Shared) {
    let mut done = 0;
    let mut spins_max = SPINS_MAX;
    while !shared.stop.load(Ordering::Relaxed) {
        let state = shared.state.load(Ordering::Acquire);
        if state & OPEN != 0 && state / REGION != done {
            if shared
                .state
                .compare_exchange(state, state + JOINED, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                shared.work();
                done = state / REGION;
                shared.state.fetch_sub(JOINED, Ordering::Release);
                spins_max = (spins_max * 2).min(SPINS_MAX);
            }
            continue;
        }
        if !spin(shared, done, spins_max) {
            spins_max = (spins_max / 2).max(SPINS_MIN);
            sleep(shared, done);
        }
    }
}

/// Whether a region that this thread has not seen is open.
fn wanted(shared: &Shared, done: u64, order: Ordering) -> bool {
    let state = shared.state.load(order);
    (state & OPEN != 0 && state / REGION != done) || shared.stop.load(order)
}

fn spin(shared: &Shared, done: u64, rounds: u32) -> bool {
    (0..rounds).any(|spins| {
        round(spins);
        wanted(shared, done, Ordering::Relaxed)
    })
}

/// A round of spinning.
fn round(spins: u32) {
    if spins % OFFER_EVERY == OFFER_EVERY - 1 {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

/// The calling thread runs on no other core. Elsewhere than on Linux, or where the core is gone, it runs wherever it may.
fn keep_to(core: Option<usize>) {
    #[cfg(target_os = "linux")]
    if let Some(core) = core {
        let mut set = rustix::thread::CpuSet::new();
        set.set(core);
        let _ = rustix::thread::sched_setaffinity(None, &set);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = core;
}

/// The cores that this thread may use, ascending, where the system says so: on Linux.
pub fn cores_allowed() -> Vec<usize> {
    #[cfg(target_os = "linux")]
    {
        let set = rustix::thread::sched_getaffinity(None).ok();
        let may_use = |core: &usize| set.as_ref().is_some_and(|set| set.is_set(*core));
        (0..rustix::thread::CpuSet::MAX_CPU).filter(may_use).collect()
    }
    #[cfg(not(target_os = "linux"))]
    Vec::new()
}

fn sleep(shared: &Shared, done: u64) {
    shared.sleepers.fetch_add(1, Ordering::SeqCst);
    if !wanted(shared, done, Ordering::SeqCst) {
        std::thread::park();
    }
    shared.sleepers.fetch_sub(1, Ordering::SeqCst);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_exactly_once_whatever_the_threads() {
        for threads in 1..=8 {
            let pool = Pool::new(threads);
            for round in 0..200 {
                let tasks = 1 + round % 37;
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.each(tasks, usize::MAX, |task| {
                    counts[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn every_chunk_is_written_in_its_place() {
        let pool = Pool::new(3);
        for len in [1, 5, 7, 100, 101, 999] {
            let mut data = vec![0; 100];
            pool.chunks(&mut data, len, usize::MAX, |at, chunk| {
                chunk.iter_mut().enumerate().for_each(|(place, value)| *value += at * len + place);
            });
            assert_eq!(data, (0..100).collect::<Vec<_>>(), "in chunks of {len}");
        }
        pool.chunks(&mut [0_u8; 0], 4, usize::MAX, |_, _| panic!("there is nothing"));
    }

    #[test]
    fn sleeping_threads_are_woken() {
        let pool = Pool::new(3);
        for _ in 0..3 {
            // Longer than any spinning; nothing depends on how long exactly.
            std::thread::sleep(std::time::Duration::from_millis(5));
            let sum = AtomicUsize::new(0);
            pool.each(100, usize::MAX, |task| {
                sum.fetch_add(task, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 4950);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn threads_keep_to_their_cores() {
        let allowed = cores_allowed();
        assert!(!allowed.is_empty());
        // In a thread of its own, which the test's may not be kept like.
        let kept = std::thread::spawn(move || {
            let pool = Pool::on(3, allowed.iter().rev().copied().collect());
            let free = cores_allowed();
            pool.stay();
            let all_in = std::sync::Barrier::new(3);
            let seen = Mutex::new(std::collections::BTreeMap::new());
            // Each thread takes one task, since all wait for all.
            pool.each(3, usize::MAX, |_| {
                let name = std::thread::current().name().unwrap_or("caller").to_owned();
                seen.lock().unwrap().insert(name, cores_allowed());
                all_in.wait();
            });
            assert_eq!(free, allowed);
            (allowed, seen.into_inner().unwrap())
        });
        let (allowed, seen) = kept.join().unwrap();
        let core = |at: usize| vec![allowed[allowed.len() - 1 - at % allowed.len()]];
        assert_eq!(seen["caller"], core(0));
        assert_eq!((&seen["compute-1"], &seen["compute-2"]), (&core(1), &core(2)));
    }

    #[test]
    fn callers_that_come_at_once_all_get_their_work_done() {
        let pool = Pool::new(2);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let sum = AtomicUsize::new(0);
                        pool.each(10, usize::MAX, |task| {
                            sum.fetch_add(task, Ordering::Relaxed);
                        });
                        assert_eq!(sum.into_inner(), 45);
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::new(4);
        for _ in 0..20 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                pool.each(50, usize::MAX, |task| assert!(task != 20, "task 20"));
            }));
            assert!(caught.is_err());
            let sum = AtomicUsize::new(0);
            pool.each(10, usize::MAX, |task| {
                sum.fetch_add(task, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 45);
        }
    }
}
