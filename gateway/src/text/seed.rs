//! How random tests of this module are seeded: by chance, but told.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;
use std::hash::{BuildHasher, RandomState};

/// A configuration whose seed is printed with the command that replays it.
pub(super) fn seeded() -> ProptestConfig {
    let given = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let seed = match given.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one("seed"),
    };
    eprintln!("replay: PROPTEST_RNG_SEED={seed} cargo test -p conclave-gateway --lib text");
    ProptestConfig { rng_seed: RngSeed::Fixed(seed), ..given }
}
