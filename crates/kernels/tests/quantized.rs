//! Quantised weights: what a code stands for, how close the products are, and that no bit depends on batch, threads
//! or instruction set. Random cases come from a fixed generator, so a failure repeats.

mod common;

use common::{numbers, product};
use conclave_kernels::ffn::{ExpertGroup, grouped_swiglu_on};
use conclave_kernels::quant::{PackedMatrix, QuantBlocks, QuantKind};
use conclave_kernels::{Isa, Matrix, Pool};
use half::f16;
use proptest::prelude::*;

const KINDS: [QuantKind; 3] = [QuantKind::Q8, QuantKind::Q4, QuantKind::Q4Min];

/// Blocks as a file could hold them, the extreme codes included.
fn any_blocks(kind: QuantKind, rows: usize, cols: usize, seed: u64) -> QuantBlocks {
    let cols = cols.div_ceil(32) * 32;
    let codes = numbers(seed, rows * cols).into_iter().map(|x| match kind {
        QuantKind::Q8 => (x * 127.49).round() as i8 as u8,
        _ => ((x + 1.0) * 7.99) as u8,
    });
    let halves = |seed| numbers(seed, rows * cols / 32).into_iter().map(|x| f16::from_f32(0.1 * x)).collect();
    let mins = if kind == QuantKind::Q4Min { halves(seed + 2) } else { Vec::new() };
    QuantBlocks { kind, rows, cols, codes: codes.collect(), scales: halves(seed + 1), mins }
}

/// Zeroes what lies beyond `k`, as a quantised matrix of `k` columns has it.
fn cut(mut blocks: QuantBlocks, k: usize) -> QuantBlocks {
    let zero = if blocks.kind == QuantKind::Q4 { 8 } else { 0 };
    let cols = blocks.cols;
    for row in blocks.codes.chunks_exact_mut(cols) {
        row[k..].fill(zero);
    }
    blocks
}

fn matrix(blocks: &QuantBlocks, k: usize) -> Matrix {
    Matrix::quantized(PackedMatrix::pack(blocks, k))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_packed_row_holds_the_values_of_its_codes(n in 1_usize..40, k in 1_usize..100, kind in 0_usize..3, seed in 0_u64..1000) {
        let blocks = any_blocks(KINDS[kind], n, k, seed);
        let (w, values) = (matrix(&blocks, k), blocks.to_f32());
        let mut row = vec![0.0; k];
        for at in 0..n {
            w.row_f32(at, &mut row);
            prop_assert_eq!(&row[..], &values[at * blocks.cols..][..k]);
        }
    }

    #[test]
    fn a_product_is_near_f64_and_equal_on_every_instruction_set(
        m in 1_usize..11, n in 1_usize..50, k in 1_usize..400, kind in 0_usize..3, seed in 0_u64..1000,
    ) {
        let x = numbers(seed, m * k);
        let blocks = cut(any_blocks(KINDS[kind], n, k, seed + 1), k);
        let w = matrix(&blocks, k);
        let y = product(Isa::Portable, &x, &w, &Pool::inline());
        let values = blocks.to_f32();
        for at in 0..m * n {
            let (row, weights) = (&x[at / n * k..][..k], &values[at % n * blocks.cols..][..k]);
            let truth: f64 = row.iter().zip(weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            // Rounding an activation to int8 errs by half of 1/127 of its block's peak, at most 1 here.
            let bound: f64 = weights.iter().map(|w| f64::from(w.abs()) / 254.0).sum::<f64>() + 1e-4;
            prop_assert!((f64::from(y[at]) - truth).abs() < bound, "{} and {truth}, bound {bound}", y[at]);
        }
        for isa in Isa::available() {
            prop_assert!(product(isa, &x, &w, &Pool::inline()) == y, "{isa:?} differs");
        }
    }

    #[test]
    fn a_row_of_a_product_does_not_depend_on_its_batch(m in 1_usize..90, n in 1_usize..40, k in 1_usize..80, kind in 0_usize..3, seed in 0_u64..1000) {
        let x = numbers(seed, m * k);
        let w = matrix(&any_blocks(KINDS[kind], n, k, seed + 1), k);
        let all = product(Isa::best(), &x, &w, &Pool::inline());
        for row in 0..m {
            let alone = product(Isa::best(), &x[row * k..(row + 1) * k], &w, &Pool::inline());
            prop_assert!(alone == all[row * n..(row + 1) * n]);
        }
    }

    #[test]
    fn experts_together_give_what_each_gives_alone(
        rows in prop::collection::vec(0_usize..70, 1..5), width in 1_usize..80, hidden in 1_usize..70,
        kinds in prop::array::uniform3(0_usize..4), threads in 1_usize..5, seed in 0_u64..1000,
    ) {
        let x = numbers(seed, 8 * hidden);
        let make = |kind: usize, n, k, seed| match KINDS.get(kind) {
            Some(kind) => matrix(&any_blocks(*kind, n, k, seed), k),
            None => common::bf16_matrix(seed, n, k),
        };
        let experts: Vec<[Matrix; 3]> = (0..rows.len() as u64)
            .map(|e| [
                make(kinds[0], width, hidden, seed + 7 * e),
                make(kinds[1], width, hidden, seed + 7 * e + 1),
                make(kinds[2], hidden, width, seed + 7 * e + 2),
            ])
            .collect();
        let picks: Vec<Vec<u32>> = rows.iter().map(|count| (0..*count as u32).map(|at| at * 5 % 8).collect()).collect();
        let groups: Vec<ExpertGroup<'_>> = experts
            .iter()
            .zip(&picks)
            .map(|([gate, up, down], rows)| ExpertGroup { gate, up, down, rows })
            .collect();
        let run = |isa, groups: &[ExpertGroup<'_>], pool: &Pool| {
            let total: usize = groups.iter().map(|group| group.rows.len()).sum();
            let mut out = vec![0.0; total * hidden];
            grouped_swiglu_on(isa, &x, hidden, groups, &mut out, pool);
            out
        };
        let together = run(Isa::best(), &groups, &Pool::new(threads));
        let mut alone = Vec::new();
        for group in &groups {
            for row in group.rows {
                alone.extend(run(Isa::best(), &[ExpertGroup { rows: &[*row], ..*group }], &Pool::inline()));
            }
        }
        prop_assert!(together == alone);
        for isa in Isa::available() {
            prop_assert!(run(isa, &groups, &Pool::inline()) == together, "{isa:?} differs");
        }
    }
}

#[test]
fn the_extreme_codes_do_not_saturate() {
    for kind in KINDS {
        let code = if kind == QuantKind::Q8 { 127 } else { 15 };
        let blocks = QuantBlocks {
            kind,
            rows: 1,
            cols: 32,
            codes: vec![code; 32],
            scales: vec![f16::ONE],
            mins: vec![f16::ZERO; usize::from(kind == QuantKind::Q4Min)],
        };
        let value = if kind == QuantKind::Q4 { 7.0 } else { f32::from(code) };
        for (isa, x) in Isa::available().into_iter().flat_map(|isa| [(isa, 127.0), (isa, -127.0)]) {
            let y = product(isa, &[x; 32], &matrix(&blocks, 32), &Pool::inline());
            assert_eq!(y, [x * value * 32.0], "{kind:?} on {isa:?}");
        }
    }
}

#[test]
fn damage_in_an_activation_reaches_the_output() {
    let w = matrix(&any_blocks(QuantKind::Q8, 3, 64, 1), 64);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = numbers(2, 2 * 64);
        x[64 + 40] = bad;
        for isa in Isa::available() {
            let y = product(isa, &x, &w, &Pool::inline());
            assert!(y[..3].iter().all(|y| y.is_finite()), "the other row is not touched");
            assert!(y[3..].iter().all(|y| y.is_nan()), "{bad} on {isa:?} gives {:?}", &y[3..]);
        }
    }
}

#[test]
fn quantising_loses_little_and_is_the_same_everywhere() {
    let (rows, cols) = (64, 256);
    // Sums of uniform numbers, close to what weights look like.
    let parts: Vec<Vec<f32>> = (0..6).map(|part| numbers(part, rows * cols)).collect();
    let values: Vec<f32> =
        (0..rows * cols).map(|at| 0.02 * parts.iter().map(|part| part[at]).sum::<f32>()).collect();
    let square = |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
    for (kind, bound) in [(QuantKind::Q8, 0.006), (QuantKind::Q4, 0.082)] {
        let restored = QuantBlocks::quantize(kind, &values, rows, cols).to_f32();
        let error: Vec<f32> = values.iter().zip(&restored).map(|(a, b)| a - b).collect();
        let relative = (square(&error) / square(&values)).sqrt();
        assert!(relative < bound, "{kind:?} errs by {relative}");
    }
    for zero in [0.0, 1e-30] {
        let blocks = QuantBlocks::quantize(QuantKind::Q4, &[zero; 40], 1, 40);
        assert!(blocks.to_f32()[..40].iter().all(|value| *value == 0.0));
    }
}
