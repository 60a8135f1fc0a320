//! What clients see of the coordinators' settings and of the placement is what one copy of them would show, whatever happens to the
//! coordinators: three real processes are killed, frozen and cut off while clients write and read; every answer that
//! anybody got is then checked for linearizability. `CONCLAVE_SEED` and `CONCLAVE_ROUNDS` change what happens and how long.

#![allow(clippy::print_stdout, reason = "the seed, for whoever repeats it")]

mod checker;
#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod cuts;
mod placements;
mod random;

#[cfg(target_os = "linux")]
mod cluster;
