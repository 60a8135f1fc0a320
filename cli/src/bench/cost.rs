//! What a forward pass costs at least: bytes that must be read and operations that must be done.
//!
//! Keeps true: follows from the model's description and from which experts were asked for; weights count
//! once a step, as for an engine that reads none twice.

use super::figure::Work;
use crate::whole::Asked;
use conclave_model::{ModelSpec, NumericDtype};

/// The parts of a model by what a step reads of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    /// Weights of all layers but the routed experts.
    layers: f64,
    /// Weights of the output head.
    head: f64,
    /// Weights of one expert.
    expert: f64,
    /// Elements of keys and values of one position in all layers.
    kv: f64,
    /// Elements of the queries of one row in all layers.
    queries: f64,
    /// Positions that a row sees at most.
    window: usize,
    /// Bytes of one weight of the trunk.
    trunk_bytes: f64,
    /// Bytes of one expert.
    expert_bytes: f64,
}

/// Bytes of one element of keys and values.
const KV_BYTES: f64 = 4.0;

impl Cost {
    pub(crate) fn of(spec: &ModelSpec, dtype: NumericDtype, expert_bytes: f64) -> Self {
        let (q_width, kv_width) = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim);
        let attention = 2 * spec.hidden * (q_width + kv_width);
        let dense = spec.dense_layers.iter().filter(|dense| **dense).count();
        let sparse = spec.layers - dense;
        let weights = spec.layers * attention
            + sparse * spec.experts * spec.hidden
            + dense * 3 * spec.dense_width * spec.hidden;
        Self {
            layers: weights as f64,
            head: (spec.vocab * spec.hidden) as f64,
            expert: (3 * spec.expert_width * spec.hidden) as f64,
            kv: (spec.layers * 2 * kv_width) as f64,
            queries: (spec.layers * q_width) as f64,
            window: spec.sliding_window.unwrap_or(usize::MAX),
            trunk_bytes: match dtype {
                NumericDtype::F32 => 4.0,
                NumericDtype::Bf16 => 2.0,
            },
            expert_bytes,
        }
    }

    /// One step: for each sequence the position of its first row and its rows; `logits` rows reach the head.
    pub(crate) fn step(&self, sequences: impl Iterator<Item = (usize, usize)>, logits: usize) -> Work {
        let (mut rows, mut read, mut pairs) = (0.0, 0.0, 0.0);
        for (start, len) in sequences {
            rows += len as f64;
            read += (start + len).min(self.window.saturating_add(len - 1)) as f64;
            pairs += (start..start + len).map(|at| (at + 1).min(self.window) as f64).sum::<f64>();
        }
        // A row times a key and a weight times a value: two multiply-adds for each element of the query.
        let attention = 4.0 * self.queries * pairs;
        let head = if logits > 0 { self.head } else { 0.0 };
        Work {
            steps: 1.0,
            tokens: rows,
            bytes: (self.layers + head) * self.trunk_bytes + read * self.kv * KV_BYTES,
            operations: 2.0 * (self.layers * rows + self.head * logits as f64) + attention,
        }
    }

    /// What the experts did.
    pub(crate) fn experts(&self, asked: Asked) -> Work {
        Work {
            bytes: asked.experts as f64 * self.expert_bytes,
            operations: 2.0 * self.expert * asked.rows as f64,
            ..Work::default()
        }
    }
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.tokens += other.tokens;
        self.bytes += other.bytes;
        self.operations += other.operations;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost() -> Cost {
        Cost {
            layers: 1000.0,
            head: 500.0,
            expert: 30.0,
            kv: 10.0,
            queries: 20.0,
            window: 4,
            trunk_bytes: 2.0,
            expert_bytes: 60.0,
        }
    }

    #[test]
    fn weights_count_once_a_step_and_operations_once_a_row() {
        let work = cost().step([(0, 1), (1, 1)].into_iter(), 2);
        assert_eq!(work.bytes, 1500.0 * 2.0 + (1.0 + 2.0) * 10.0 * 4.0);
        assert_eq!(work.operations, 2.0 * (2.0 * 1000.0 + 2.0 * 500.0) + 4.0 * 20.0 * 3.0);
        assert_eq!(cost().step([(0, 3)].into_iter(), 0).bytes, 2000.0 + 3.0 * 40.0);
    }

    #[test]
    fn a_window_bounds_what_is_read() {
        let one = cost().step([(100, 1)].into_iter(), 0);
        assert_eq!(one.bytes, 2000.0 + 4.0 * 40.0);
        assert_eq!(one.operations, 2000.0 + 80.0 * 4.0);
    }

    #[test]
    fn an_expert_that_many_rows_ask_for_is_read_once() {
        let work = cost().experts(Asked { experts: 2, rows: 7 });
        assert_eq!((work.bytes, work.operations), (120.0, 420.0));
    }
}
