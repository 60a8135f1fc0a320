//! What benches of kernels share: how a case is timed, and how its figure is printed beside the machine's limits, which are
//! measured in the same run because machines differ and move. `THREADS=2` changes the threads.

// Not every bench uses all of it; figures go to the standard output.
#![allow(dead_code, clippy::print_stdout)]

use conclave_kernels::Pool;
use conclave_kernels::limits::Limits;
use criterion::Criterion;
use std::time::{Duration, Instant};

/// Bytes that are read to measure the memory; many times the caches.
const LIMIT_BYTES: usize = 256 << 20;

/// What a case's operations are compared with.
#[derive(Clone, Copy)]
pub(crate) enum Against {
    /// f32 multiply-adds, two operations each.
    F32,
    /// int8 multiply-adds, two operations each; f32's where there is no loop for the machine.
    Int8,
}

/// What a case does at each call.
pub(crate) struct Case {
    pub(crate) name: String,
    /// Bytes that are read and written, each once.
    pub(crate) bytes: usize,
    /// Additions, multiplications, comparisons; a multiply-add is two.
    pub(crate) operations: usize,
    pub(crate) against: Against,
}

/// Timed cases of one run.
pub(crate) struct Bench<'a> {
    criterion: &'a mut Criterion,
    threads: usize,
    /// What the cases run on.
    pub(crate) pool: Pool,
    figures: Vec<(Case, f64)>,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(criterion: &'a mut Criterion) -> Self {
        let threads = std::env::var("THREADS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
        Self { criterion, threads, pool: Pool::new(threads), figures: Vec::new() }
    }

    /// Times `work`; what counts is the median of criterion's samples. A case that was filtered out has no figure.
    pub(crate) fn case(&mut self, case: Case, mut work: impl FnMut(&Pool)) {
        let mut times = Vec::new();
        let pool = &self.pool;
        self.criterion.bench_function(&case.name, |bencher| {
            bencher.iter_custom(|rounds| {
                let start = Instant::now();
                (0..rounds).for_each(|_| work(pool));
                let elapsed = start.elapsed();
                times.push(elapsed.as_secs_f64() / rounds as f64);
                elapsed
            });
        });
        times.sort_by(f64::total_cmp);
        if let Some(median) = times.get(times.len() / 2) {
            self.figures.push((case, *median));
        }
    }

    /// Measures the machine and prints every figure beside it.
    pub(crate) fn print(self) {
        if self.figures.is_empty() {
            return;
        }
        let limits = Limits::measure(&self.pool, LIMIT_BYTES);
        println!("{} thread(s); limits of this run: {limits:?}", self.threads);
        let width = self.figures.iter().map(|(case, _)| case.name.len()).max().unwrap_or(0);
        for (Case { name, bytes, operations, against }, time) in &self.figures {
            let (limit, of) = match (against, limits.int8_operations) {
                (Against::Int8, Some(int8)) => (int8, "int8"),
                _ => (limits.f32_operations, "f32"),
            };
            let (bytes_a_second, operations_a_second) = (*bytes as f64 / time, *operations as f64 / time);
            println!(
                "{name:width$} {:10.2} us {bytes:11} bytes  {:6.1} GB/s, {:3.0} % of memory's {operations:12} \
                 operations  {:6.1} GOP/s, {:3.0} % of {of}'s",
                time * 1e6,
                bytes_a_second / 1e9,
                100.0 * bytes_a_second / limits.memory_bytes,
                operations_a_second / 1e9,
                100.0 * operations_a_second / limit,
            );
        }
    }
}

/// A short run: ten samples within half a second.
pub(crate) fn quick() -> Criterion {
    let (warm_up, measurement) = (Duration::from_millis(100), Duration::from_millis(500));
    Criterion::default().sample_size(10).warm_up_time(warm_up).measurement_time(measurement)
}

/// Some number between -0.5 and 0.5, always the same for `i`.
pub(crate) fn number(i: usize) -> f32 {
    (i * 7919 % 1013) as f32 / 1013.0 - 0.5
}

/// So many of them.
pub(crate) fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(number).collect()
}
