//! How fast choosing is, of experts and of tokens: `cargo bench -p conclave-model --bench choose`. On one thread, as it is used.

#[path = "../../kernels/benches/support/mod.rs"]
mod support;

use conclave_model::{RouterRule, SamplingParams, argmax, route, sample};
use conclave_types::TokenId;
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use support::{Against, Bench, Case, numbers, quick};

/// Vocabulary, experts and experts of a row, as of Qwen3-30B-A3B.
const VOCAB: usize = 151_936;
const EXPERTS: usize = 128;
const TOP_K: usize = 8;
const F32: usize = size_of::<f32>();
/// Of one exponential, as in the bench `small`.
const EXP_OPERATIONS: usize = 24;

fn params(temperature: f32, top_p: f32, top_k: u32, repetition_penalty: f32) -> SamplingParams {
    SamplingParams {
        temperature,
        top_p,
        top_k,
        min_p: 0.0,
        frequency_penalty: 0.0,
        presence_penalty: 0.0,
        repetition_penalty,
        logit_bias: Default::default(),
        seed: 1,
    }
}

fn run(criterion: &mut Criterion) {
    let mut bench = Bench::new(criterion);
    let case = |name: String, values: usize, each: usize| {
        // What is read once; what the work keeps on the way lies in the caches.
        Case { name, bytes: values * F32, operations: values * each, against: Against::F32 }
    };
    for rows in [8, 512] {
        let logits = numbers(rows * EXPERTS);
        let rule = RouterRule::SoftmaxTopK { renormalize: true };
        let name = format!("route, {rows} rows, {TOP_K} of {EXPERTS}");
        bench.case(case(name, logits.len(), EXP_OPERATIONS + 6), |_| {
            black_box(route(rule, &mut logits.clone(), EXPERTS, TOP_K).expect("finite logits"));
        });
    }
    // As sharp as a model's: the best is some twelve above the middle.
    let logits: Vec<f32> = numbers(VOCAB).into_iter().map(|x| 12.0 * x * x.abs() * 4.0).collect();
    bench.case(case("greedy token".to_owned(), VOCAB, 2), |_| {
        black_box(argmax(&logits));
    });
    let seen: Vec<TokenId> = (0..500).map(|at| TokenId(at * 97 % VOCAB as u32)).collect();
    for (name, params, logprobs) in [
        ("temperature 0.8", params(0.8, 1.0, 0, 1.0), None),
        ("temperature 0.8, top_p 0.9", params(0.8, 0.9, 0, 1.0), None),
        ("temperature 0.8, top_k 40, repetition 1.1", params(0.8, 1.0, 40, 1.1), None),
        ("greedy with 5 logprobs", params(0.0, 1.0, 0, 1.0), Some(5)),
    ] {
        bench.case(case(format!("sample, {name}"), VOCAB, EXP_OPERATIONS + 4), |_| {
            black_box(sample(&logits, &params, &seen, &seen, 1000, logprobs));
        });
    }
    bench.print();
}

criterion_group!(name = benches; config = quick(); targets = run);
criterion_main!(benches);
