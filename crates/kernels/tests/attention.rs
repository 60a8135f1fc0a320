//! Attention against an f64 textbook on the stored numbers, and the promise that no bit of a row depends on chunks,
//! blocks, batch mates, threads or instruction set. Random cases come from a fixed generator, so a failure
//! repeats.

mod common;

use common::numbers;
use conclave_kernels::attention::{KvDtype, KvLayer, SequenceRows, attend_on};
use conclave_kernels::{Isa, Pool};
use half::bf16;
use proptest::prelude::*;

const DTYPES: [KvDtype; 3] = [KvDtype::F32, KvDtype::Bf16, KvDtype::Q8];
const SCALE: f32 = 0.4;

/// One sequence's queries, keys and values.
#[derive(Clone)]
struct Text {
    len: usize,
    heads: usize,
    kv_heads: usize,
    dim: usize,
    window: Option<usize>,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// How a text is computed.
#[derive(Clone, Copy, Debug)]
struct Way {
    isa: Isa,
    dtype: KvDtype,
    block_size: usize,
    chunk: usize,
    threads: usize,
    mates: usize,
}

impl Text {
    fn new(
        seed: u64,
        len: usize,
        (heads, kv_heads): (usize, usize),
        dim: usize,
        window: Option<usize>,
    ) -> Self {
        let (queries, keys, values) = (
            numbers(seed, len * heads * dim),
            numbers(seed + 1, len * kv_heads * dim),
            numbers(seed + 2, len * kv_heads * dim),
        );
        Self { len, heads, kv_heads, dim, window, queries, keys, values }
    }

    /// The outputs; `mates` other sequences, which compute the first rows of the same text, share every call.
    fn run(&self, way: Way) -> Vec<f32> {
        let pool = Pool::new(way.threads);
        let each = self.len.div_ceil(way.block_size);
        // Scattered and backwards, so that nothing relies on blocks lying side by side.
        let tables: Vec<Vec<u32>> = (0..=way.mates)
            .map(|s| (0..each).rev().map(|b| (b * (way.mates + 1) + s) as u32).collect())
            .collect();
        let mut kv = KvLayer::new(each * (way.mates + 1), way.block_size, self.kv_heads, self.dim, way.dtype);
        let mut out = Vec::new();
        for start in (0..self.len).step_by(way.chunk) {
            let len = way.chunk.min(self.len - start);
            let mut sequences: Vec<SequenceRows<'_>> = tables[1..]
                .iter()
                .enumerate()
                .map(|(mate, table)| SequenceRows {
                    start: 0,
                    len: (mate + 1).min(self.len),
                    block_table: table,
                })
                .collect();
            sequences.insert(way.mates / 2, SequenceRows { start, len, block_table: &tables[0] });
            let gather = |from: &[f32], width: usize| -> Vec<f32> {
                sequences
                    .iter()
                    .flat_map(|s| &from[s.start * width..(s.start + s.len) * width])
                    .copied()
                    .collect()
            };
            let (width, kv_width) = (self.heads * self.dim, self.kv_heads * self.dim);
            kv.write(&gather(&self.keys, kv_width), &gather(&self.values, kv_width), &sequences, &pool);
            let queries = gather(&self.queries, width);
            let mut all = vec![f32::NAN; queries.len()];
            attend_on(way.isa, &queries, self.heads, &kv, &sequences, self.window, SCALE, &mut all, &pool);
            let before: usize = sequences[..way.mates / 2].iter().map(|s| s.len).sum();
            out.extend_from_slice(&all[before * width..(before + len) * width]);
        }
        out
    }

    fn first(&self, position: usize) -> usize {
        self.window.map_or(0, |window| (position + 1).saturating_sub(window))
    }

    /// One output by the textbook, from keys and values as they are stored.
    fn truth(&self, keys: &[f32], values: &[f32], row: usize, head: usize, d: usize) -> f64 {
        let kv_head = head * self.kv_heads / self.heads;
        let at = |p: usize, i: usize| (p * self.kv_heads + kv_head) * self.dim + i;
        let query = &self.queries[(row * self.heads + head) * self.dim..][..self.dim];
        let score = |p: usize| -> f64 {
            let products = query.iter().enumerate().map(|(i, q)| f64::from(*q) * f64::from(keys[at(p, i)]));
            products.sum::<f64>() * f64::from(SCALE)
        };
        let weights: Vec<f64> = (self.first(row)..=row).map(|p| score(p).exp()).collect();
        let sum: f64 =
            weights.iter().zip(self.first(row)..).map(|(w, p)| w * f64::from(values[at(p, d)])).sum();
        sum / weights.iter().sum::<f64>()
    }
}

/// The numbers as `dtype` stores them, head by head of `dim`.
fn stored(values: &[f32], dim: usize, dtype: KvDtype) -> Vec<f32> {
    let round = |head: &[f32]| -> Vec<f32> {
        let scale = head.iter().fold(0.0_f32, |most, value| most.max(value.abs())) / 127.0;
        let value = |x: f32| match dtype {
            KvDtype::F32 => x,
            KvDtype::Bf16 => bf16::from_f32(x).to_f32(),
            KvDtype::Q8 => (x / scale).round_ties_even() * scale,
        };
        head.iter().map(|x| value(*x)).collect()
    };
    values.chunks_exact(dim).flat_map(round).collect()
}

const PLAIN: Way =
    Way { isa: Isa::Portable, dtype: KvDtype::F32, block_size: 16, chunk: 1, threads: 1, mates: 0 };

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn attention_is_near_the_textbook_and_depends_on_nothing_else(
        len in 1_usize..150,
        heads in prop::sample::select(vec![(1, 1), (4, 2), (4, 4), (3, 1), (8, 1), (10, 2)]),
        dim in prop::sample::select(vec![6, 38, 64, 128]),
        window in prop::option::of(1_usize..100),
        dtype in prop::sample::select(DTYPES.to_vec()),
        block_size in 1_usize..=256,
        chunk in 1_usize..150,
        threads in 1_usize..4,
        mates in 0_usize..4,
        seed in 0_u64..1000,
    ) {
        let text = Text::new(seed, len, heads, dim, window);
        let best = Way { isa: Isa::best(), dtype, ..PLAIN };
        let one_by_one = text.run(best);
        for isa in Isa::available() {
            // Emulated fused multiply-adds are slow, so portable code checks the short cases.
            if isa == Isa::Portable && len * dim > 4000 {
                continue;
            }
            let way = Way { isa, dtype, block_size, chunk, threads, mates };
            prop_assert!(text.run(way) == one_by_one, "{way:?} differs");
        }
        let (keys, values) = (stored(&text.keys, dim, dtype), stored(&text.values, dim, dtype));
        for row in 0..len {
            let (head, d) = (row % text.heads, (row * 7) % dim);
            let truth = text.truth(&keys, &values, row, head, d);
            let found = f64::from(one_by_one[(row * text.heads + head) * dim + d]);
            prop_assert!((found - truth).abs() < 1e-5, "row {row}: {found}, in truth {truth}");
        }
    }
}

#[test]
fn chunks_and_blocks_of_every_size_give_one_result() {
    let text = Text::new(1, 600, (4, 2), 38, None);
    for (dtype, window) in DTYPES.into_iter().zip([None, Some(100), Some(64)]) {
        let text = Text { window, ..text.clone() };
        let whole = text.run(Way { isa: Isa::best(), dtype, chunk: 600, ..PLAIN });
        let sizes = [(1, 16), (2, 1), (7, 3), (16, 8), (48, 31), (64, 32), (100, 48), (128, 100), (512, 256)];
        for (chunk, block_size) in sizes {
            let way = Way { isa: Isa::best(), dtype, block_size, chunk, ..PLAIN };
            assert!(text.run(way) == whole, "{way:?} with window {window:?} differs");
        }
    }
}

#[test]
fn a_row_reads_nothing_that_it_does_not_see() {
    for (dtype, window) in DTYPES.into_iter().flat_map(|dtype| [(dtype, None), (dtype, Some(5))]) {
        let text = Text::new(2, 90, (2, 1), 64, window);
        let way = Way { isa: Isa::best(), dtype, chunk: 90, ..PLAIN };
        let whole = text.run(way);
        let mut damaged = text.clone();
        damaged.keys[70 * 64 + 3] = f32::NAN;
        damaged.values[70 * 64] = f32::INFINITY;
        let width = text.heads * text.dim;
        for (row, (out, whole)) in damaged.run(way).chunks(width).zip(whole.chunks(width)).enumerate() {
            let sees = (text.first(row)..=row).contains(&70);
            assert_eq!(out != whole, sees, "{dtype:?}, window {window:?}, row {row}");
            assert_eq!(out.iter().any(|value| value.is_nan()), sees, "{dtype:?}, damage shows in row {row}");
        }
    }
}

#[test]
fn narrower_types_take_less_memory() {
    let bytes = DTYPES.map(|dtype| KvLayer::new(3, 16, 2, 128, dtype).bytes());
    assert_eq!(bytes, DTYPES.map(|dtype| dtype.layer_bytes(3, 16, 2, 128)));
    let positions_and_heads = 3 * 16 * 2;
    assert_eq!(bytes, [1024, 512, 264].map(|bytes| bytes * positions_and_heads));
}
