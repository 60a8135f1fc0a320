//! The kernels against f64 references, and the promise that no bit depends on batch, threads, instruction set,
//! chunking or blocks. Random cases come from a fixed generator, so a failure repeats.

mod common;

use common::{bf16_matrix, numbers, product};
use conclave_kernels::{Isa, Matrix, Pool, RopeTable, Storage, matmul, rms_norm, softmax_in_place, top_k};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn matmul_is_near_f64_and_equal_on_every_instruction_set(
        m in 1_usize..11, n in 1_usize..80, k in 1_usize..70, seed in 0_u64..1000, narrow: bool,
    ) {
        let x = numbers(seed, m * k);
        let w = if narrow { bf16_matrix(seed + 1, n, k) } else { Matrix::f32(n, k, Storage::owned(numbers(seed + 1, n * k))) };
        let y = product(Isa::Portable, &x, &w, &Pool::inline());
        let mut row = vec![0.0; k];
        for at in 0..m * n {
            w.row_f32(at % n, &mut row);
            let truth: f64 = (0..k).map(|i| f64::from(x[at / n * k + i]) * f64::from(row[i])).sum();
            prop_assert!((f64::from(y[at]) - truth).abs() < 1e-5 * (k as f64).sqrt() + 1e-6);
        }
        for isa in Isa::available() {
            prop_assert!(product(isa, &x, &w, &Pool::inline()) == y, "{isa:?} differs");
        }
    }

    #[test]
    fn a_row_of_a_product_does_not_depend_on_its_batch(m in 1_usize..20, n in 1_usize..70, k in 1_usize..50, seed in 0_u64..1000) {
        let x = numbers(seed, m * k);
        let w = bf16_matrix(seed + 1, n, k);
        let all = product(Isa::best(), &x, &w, &Pool::inline());
        for row in 0..m {
            let alone = product(Isa::best(), &x[row * k..(row + 1) * k], &w, &Pool::inline());
            prop_assert!(alone == all[row * n..(row + 1) * n]);
        }
    }
}

#[test]
fn threads_do_not_change_a_product() {
    let x = numbers(3, 24 * 300);
    let w = bf16_matrix(4, 500, 300);
    let one = product(Isa::best(), &x, &w, &Pool::inline());
    for threads in 2..=8 {
        assert!(product(Isa::best(), &x, &w, &Pool::new(threads)) == one, "{threads} threads");
    }
}

#[test]
fn a_bias_is_added_to_every_row() {
    let w = Matrix::f32(2, 1, Storage::owned(vec![1.0, 2.0]));
    let mut y = vec![0.0; 4];
    matmul(&[1.0, 10.0], &w, Some(&[0.5, -0.5]), &mut y, &Pool::inline());
    assert_eq!(y, [1.5, 1.5, 10.5, 19.5]);
}

#[test]
fn a_norm_makes_the_mean_square_one() {
    let mut x = vec![0.0; 37];
    rms_norm(&numbers(5, 37), &[1.0; 37], 0.0, &mut x, &Pool::inline());
    let mean: f32 = x.iter().map(|v| v * v).sum::<f32>() / 37.0;
    assert!((mean - 1.0).abs() < 1e-5, "{mean}");
}

#[test]
fn rotation_keeps_lengths_and_depends_on_the_distance_only() {
    let rope = RopeTable::new(8, 10_000.0, 64);
    let (q, k) = (numbers(6, 8), numbers(7, 8));
    let dot_at = |p: u32, s: u32| {
        let (mut q, mut k) = (q.clone(), k.clone());
        rope.apply(&mut q, &[p], &Pool::inline());
        rope.apply(&mut k, &[s], &Pool::inline());
        q.iter().zip(&k).map(|(a, b)| a * b).sum::<f32>()
    };
    assert!((dot_at(9, 4) - dot_at(41, 36)).abs() < 1e-5);
}

#[test]
fn softmax_sums_to_one_and_the_best_come_first() {
    let mut row = numbers(8, 33);
    softmax_in_place(&mut row);
    assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    let best = top_k(&row, 5).unwrap();
    assert!(best.windows(2).all(|pair| pair[0].1 >= pair[1].1));
    assert_eq!(top_k(&[1.0, 3.0, 3.0, 3.0], 2), Some(vec![(1, 3.0), (2, 3.0)]));
    assert_eq!(top_k(&[1.0, f32::NAN], 1), None);
}
