//! The gating network's choice, and the sum of what the chosen experts answer.
//!
//! Keeps true: ties go to the lowest expert id; `combine` adds in router order in f32, whoever answered first.

use crate::RouterRule;
use conclave_kernels::{Buffer, Pool, softmax_in_place, top_k};
use conclave_types::ExpertIdx;

/// The experts of each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Routing {
    /// Experts per row.
    pub top_k: usize,
    /// `[rows, top_k]`, best first.
    pub experts: Vec<ExpertIdx>,
    /// `[rows, top_k]`.
    pub weights: Vec<f32>,
}

impl Routing {
    /// How many rows are routed.
    pub fn rows(&self) -> usize {
        self.experts.len() / self.top_k
    }
}

/// Router logits that cannot be ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("router logits of row {row} are not finite; the weights or an expert's answer are damaged")]
pub struct RouteError {
    /// The row of the batch.
    pub row: usize,
}

/// Chooses `k` experts for each row of `logits` `[rows, experts]`, which become probabilities.
pub fn route(rule: RouterRule, logits: &mut [f32], experts: usize, k: usize) -> Result<Routing, RouteError> {
    let rows = logits.len() / experts;
    let mut routing =
        Routing { top_k: k, experts: Vec::with_capacity(rows * k), weights: Vec::with_capacity(rows * k) };
    let RouterRule::SoftmaxTopK { renormalize } = rule;
    for (row, scores) in logits.chunks_exact_mut(experts).enumerate() {
        softmax_in_place(scores);
        let best = top_k(scores, k).ok_or(RouteError { row })?;
        let sum: f32 = best.iter().map(|(_, score)| score).sum();
        for (expert, score) in best {
            routing.experts.push(ExpertIdx(expert));
            routing.weights.push(if renormalize { score / sum } else { score });
        }
    }
    Ok(routing)
}

/// Sums the experts' answers: `answer(row, k)` is the row of width `width` for the k-th expert of `row`.
///
/// Returns `[rows, width]`.
pub fn combine<'a>(
    routing: &Routing,
    width: usize,
    answer: impl Fn(usize, usize) -> &'a [f32] + Send + Sync,
) -> Buffer<f32> {
    combine_with(&Pool::inline(), routing, width, |row, k, weight, out| {
        out.iter_mut().zip(answer(row, k)).for_each(|(out, value)| *out += weight * value);
    })
}

/// [`combine`] for answers in any form: `add(row, k, weight, out)` adds `weight` times the answer of the k-th expert
/// of `row` to `out` `[width]`. The rows are shared out to the threads of `pool`.
pub fn combine_with(
    pool: &Pool,
    routing: &Routing,
    width: usize,
    add: impl Fn(usize, usize, f32, &mut [f32]) + Send + Sync,
) -> Buffer<f32> {
    let mut rows = pool.buffer(routing.rows() * width);
    let cost = rows.len() * routing.top_k;
    pool.chunks(&mut rows, width, cost, |row, out| {
        out.fill(0.0);
        // In router order, not in order of arrival: f32 addition is not associative and goldens compare bits.
        for k in 0..routing.top_k {
            add(row, k, routing.weights[row * routing.top_k + k], out);
        }
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: RouterRule = RouterRule::SoftmaxTopK { renormalize: true };

    #[test]
    fn ties_go_to_the_lowest_expert() {
        let routing = route(RULE, &mut [1.0, 2.0, 2.0, 2.0], 4, 2).unwrap();
        assert_eq!(routing.experts, [ExpertIdx(1), ExpertIdx(2)]);
        assert_eq!(routing.weights, [0.5, 0.5]);
    }

    #[test]
    fn damaged_logits_name_their_row() {
        let error = route(RULE, &mut [1.0, 2.0, f32::NAN, 0.0], 2, 1).unwrap_err();
        assert_eq!(error.row, 1);
    }

    #[test]
    fn combine_weighs_in_router_order() {
        let routing =
            Routing { top_k: 2, experts: vec![ExpertIdx(3), ExpertIdx(0)], weights: vec![0.75, 0.25] };
        let answers = [[4.0, 8.0], [0.0, 16.0]];
        assert_eq!(*combine(&routing, 2, |_, k| &answers[k]), [3.0, 10.0]);
    }
}
