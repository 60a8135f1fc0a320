//! Softmax and the choice of the k best, as a router and a sampler need them.

use crate::lanes::{LANES, exp};

/// Softmax of one row in place; the sum runs in sixteen lanes.
pub fn softmax_in_place(row: &mut [f32]) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut lanes = [0.0; LANES];
    for (at, value) in row.iter_mut().enumerate() {
        *value = exp(*value - max);
        lanes[at % LANES] += *value;
    }
    let scale = 1.0 / crate::lanes::reduce(&lanes);
    row.iter_mut().for_each(|value| *value *= scale);
}

/// The `k` largest scores with their indices, best first, ties to the lowest index; `None` if a score is NaN.
pub fn top_k(scores: &[f32], k: usize) -> Option<Vec<(u32, f32)>> {
    if scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let mut best: Vec<(u32, f32)> = Vec::with_capacity(k + 1);
    for (index, &score) in scores.iter().enumerate() {
        if best.len() == k && best.last().is_some_and(|(_, worst)| score <= *worst) {
            continue;
        }
        // Strictly greater keeps the earlier index in front on a tie.
        let at = best.partition_point(|(_, kept)| *kept >= score);
        best.insert(at, (index as u32, score));
        best.truncate(k);
    }
    Some(best)
}
