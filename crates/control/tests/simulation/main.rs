//! The control plane under simulated faults: real state, rules and planner; simulated nodes, network, clocks, leaders.
//!
//! Keeps true: a seed is the whole run. `CONCLAVE_SEEDS=from..to` chooses seeds; a failure prints how to replay it.

mod faults;
mod invariants;
mod node;
mod rng;
mod world;

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use world::{Outcome, World};

const SEEDS: Range<u64> = 0..1_000;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("CONCLAVE_SEEDS") else { return SEEDS };
    let parsed = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    parsed.unwrap_or_else(|| panic!("CONCLAVE_SEEDS is `{text}`; it must be from..to, such as 0..1000"))
}

/// Past libtest's capture: how much was simulated belongs to the result.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("stderr takes lines");
}

#[test]
fn no_seed_breaks_an_invariant() {
    let (seeds, started) = (seeds(), Instant::now());
    let next = AtomicU64::new(seeds.start);
    let sum = Mutex::new(Outcome::default());
    let broken: Mutex<Vec<(u64, String)>> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            match World::new(seed).run() {
                Ok(outcome) => sum.lock().expect("no panic holds it").add(&outcome),
                Err(violation) => broken.lock().expect("no panic holds it").push((seed, violation)),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let (sum, mut broken) = (sum.into_inner().unwrap(), broken.into_inner().unwrap());
    broken.sort();
    say(&format!(
        "seeds {}..{}: {:.1} simulated hours, {} events, {} commands, {} epochs, {} leaders, {} violations, {:.1} s",
        seeds.start,
        seeds.end,
        sum.millis as f64 / 3_600_000.0,
        sum.events,
        sum.commands,
        sum.epochs,
        sum.leaders,
        broken.len(),
        started.elapsed().as_secs_f64(),
    ));
    if let Some((seed, violation)) = broken.first() {
        let kinds = broken.iter().fold(BTreeMap::<&str, Vec<u64>>::new(), |mut kinds, (seed, violation)| {
            kinds.entry(violation.split(':').next().unwrap_or_default()).or_default().push(*seed);
            kinds
        });
        for (kind, seeds) in kinds {
            say(&format!("{kind}: {} seeds, such as {:?}", seeds.len(), &seeds[..seeds.len().min(8)]));
        }
        panic!(
            "seed {seed}: {violation}\nreplay: CONCLAVE_SEEDS={seed}..{} cargo test --release -p conclave-control \
             --test simulation no_seed",
            seed + 1
        );
    }
}

#[test]
fn equal_seeds_give_equal_traces() {
    let run = |seed| World::new(seed).run().map(|outcome| (outcome.trace, outcome.events));
    for seed in seeds().take(10) {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(0), run(1));
}
