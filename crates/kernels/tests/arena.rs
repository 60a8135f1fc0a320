//! What an arena takes of the machine's memory: a test of its own, because it looks at the whole process.

#![cfg(target_os = "linux")]

use conclave_kernels::Arena;
use std::sync::Arc;

const MIB: usize = 1 << 20;

fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn only_pieces_that_are_held_take_memory() {
    let before = resident();
    let arena = Arc::new(Arena::reserve(64 << 30).unwrap());
    assert!(resident() < before + 8 * MIB, "64 GiB that are reserved take nothing");
    let fill = |bytes: &mut [u8]| {
        bytes.fill(1);
        Ok::<(), std::io::Error>(())
    };
    let piece = arena.piece(100 * MIB + 3..164 * MIB, fill).unwrap().expect("free");
    assert!(resident() > before + 60 * MIB, "64 MiB are held");
    drop(piece);
    assert!(resident() < before + 8 * MIB, "and were given back");
}
