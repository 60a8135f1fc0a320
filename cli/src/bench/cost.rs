//! What a forward pass costs at least: bytes that must be read and operations that must be done.
//!
//! Keeps true: follows from the model's description and from which experts were asked for; weights count
//! once a step, as for an engine that reads none twice.

use super::figure::Work;
use crate::whole::Asked;
use conclave_kernels::attention::KvDtype;
use conclave_model::{ModelError, ModelFolder, NumericDtype};

/// The parts of a model by what a step reads of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    /// Weights of all routers.
    routers: f64,
    /// Weights of all layers but routers and routed experts.
    layers: f64,
    /// The share of `routers` that rows go through which do not reach the head: all but that of a last layer.
    routers_before: f64,
    /// The same of `layers`: the last one only stores their keys and values.
    layers_before: f64,
    /// Weights of the output head.
    head: f64,
    /// Weights of one expert.
    expert: f64,
    /// Elements of keys and values of one position in one layer.
    kv: f64,
    /// Elements of the queries of one row in one layer.
    queries: f64,
    /// Layers.
    depth: f64,
    /// Positions that a row sees at most.
    window: usize,
    /// What a weight of a router is.
    plain: Weight,
    /// What a weight of layers and head is.
    trunk: Weight,
    /// What a weight of an expert is.
    experts: Weight,
    /// Bytes of an element of keys and values.
    kv_bytes: f64,
}

/// One weight of a matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Weight {
    bytes: f64,
    /// Whether it is multiplied in int8.
    int8: bool,
}

impl Weight {
    /// Of so many bytes; below two it is quantised, with a share of its block's scale.
    fn of(bytes: f64) -> Self {
        Self { bytes, int8: bytes < 2.0 }
    }

    /// The work of `operations` on such weights.
    fn operations(self, operations: f64) -> Work {
        let [f32_operations, int8_operations] = if self.int8 { [0.0, operations] } else { [operations, 0.0] };
        Work { f32_operations, int8_operations, ..Work::default() }
    }
}

impl Cost {
    /// `expert_bytes`: of one expert, as it lies in memory. The first query projection stands for all of the trunk: files
    /// that mix forms are told roughly.
    pub(crate) fn of(folder: &ModelFolder, kv: KvDtype, expert_bytes: f64) -> Result<Self, ModelError> {
        let spec = &folder.spec;
        let (q_width, kv_width) = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim);
        let attention = 2 * spec.hidden * (q_width + kv_width);
        let dense = spec.dense_layers.iter().filter(|dense| **dense).count();
        let sparse = spec.layers - dense;
        let weights = spec.layers * attention + dense * 3 * spec.dense_width * spec.hidden;
        let (name, shape) = ("model.layers.0.self_attn.q_proj.weight", [q_width, spec.hidden]);
        let trunk_bytes = folder.matrix(name, shape, folder.weights.trunk)?.bytes() as f64;
        let expert = (3 * spec.expert_width * spec.hidden) as f64;
        let router = (spec.experts * spec.hidden) as f64;
        let last_is_dense = spec.dense_layers.last().is_some_and(|dense| *dense);
        let (last_router, last_dense) =
            if last_is_dense { (0.0, 3 * spec.dense_width * spec.hidden) } else { (router, 0) };
        Ok(Self {
            routers: sparse as f64 * router,
            layers: weights as f64,
            routers_before: sparse as f64 * router - last_router,
            layers_before: (weights - last_dense - 2 * spec.hidden * q_width) as f64,
            head: (spec.vocab * spec.hidden) as f64,
            expert,
            kv: (2 * kv_width) as f64,
            queries: q_width as f64,
            depth: spec.layers as f64,
            window: spec.sliding_window.unwrap_or(usize::MAX),
            plain: Weight::of(match folder.dtype {
                NumericDtype::F32 => 4.0,
                NumericDtype::Bf16 => 2.0,
            }),
            trunk: Weight::of(trunk_bytes / (q_width * spec.hidden) as f64),
            experts: Weight::of(expert_bytes / expert),
            kv_bytes: match kv {
                KvDtype::F32 => 4.0,
                KvDtype::Bf16 => 2.0,
                KvDtype::Q8 => 1.0 + 4.0 / spec.head_dim as f64,
            },
        })
    }

    /// One step: for each sequence the position of its first row, its rows, and whether the last of them reaches the head.
    pub(crate) fn step(&self, sequences: impl Iterator<Item = (usize, usize, bool)>) -> Work {
        let seen = |at: usize| (at + 1).min(self.window) as f64;
        let (mut rows, mut logits, mut read, mut pairs) = (0.0, 0.0, 0.0, 0.0);
        for (start, len, reaches_head) in sequences {
            rows += len as f64;
            let keys = (start + len).min(self.window.saturating_add(len - 1)) as f64;
            read += (self.depth - 1.0) * keys;
            pairs += (self.depth - 1.0) * (start..start + len).map(seen).sum::<f64>();
            if reaches_head {
                logits += 1.0;
                read += seen(start + len - 1);
                pairs += seen(start + len - 1);
            }
        }
        // A row times a key and a weight times a value: two multiply-adds for each element of the query.
        let attention = 4.0 * self.queries * pairs;
        let [layers, routers, head] = match logits > 0.0 {
            true => [self.layers, self.routers, self.head],
            false => [self.layers_before, self.routers_before, 0.0],
        };
        let weights = (layers + head) * self.trunk.bytes + routers * self.plain.bytes;
        let bytes = weights + read * self.kv * self.kv_bytes;
        // What all rows go through, and what only those do that reach the head.
        let through = |before: f64, all: f64| 2.0 * (before * rows + (all - before) * logits);
        let mut work = Work { steps: 1.0, tokens: rows, bytes, ..Work::default() };
        work += self.plain.operations(through(self.routers_before, self.routers) + attention);
        work += self.trunk.operations(through(self.layers_before, self.layers) + 2.0 * self.head * logits);
        work
    }

    /// What the experts did.
    pub(crate) fn experts(&self, asked: Asked) -> Work {
        let bytes = asked.experts as f64 * self.expert * self.experts.bytes;
        Work { bytes, ..self.experts.operations(2.0 * self.expert * asked.rows as f64) }
    }
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.tokens += other.tokens;
        self.bytes += other.bytes;
        self.f32_operations += other.f32_operations;
        self.int8_operations += other.int8_operations;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost() -> Cost {
        Cost {
            routers: 100.0,
            layers: 900.0,
            routers_before: 50.0,
            layers_before: 600.0,
            head: 500.0,
            expert: 30.0,
            kv: 5.0,
            queries: 10.0,
            depth: 2.0,
            window: 4,
            plain: Weight::of(2.0),
            trunk: Weight::of(2.0),
            experts: Weight::of(2.0),
            kv_bytes: 4.0,
        }
    }

    #[test]
    fn weights_count_once_a_step_and_operations_once_a_row() {
        let work = cost().step([(0, 1, true), (1, 1, true)].into_iter());
        assert_eq!(work.bytes, 1500.0 * 2.0 + (1.0 + 2.0) * 10.0 * 4.0);
        assert_eq!(work.f32_operations, 2.0 * (2.0 * 1000.0 + 2.0 * 500.0) + 4.0 * 20.0 * 3.0);
    }

    #[test]
    fn rows_that_do_not_reach_the_head_only_leave_keys_and_values_in_the_last_layer() {
        let work = cost().step([(0, 3, false)].into_iter());
        assert_eq!(work.bytes, 650.0 * 2.0 + 3.0 * 20.0);
        assert_eq!(work.f32_operations, 2.0 * 3.0 * 650.0 + 4.0 * 10.0 * 6.0);
        let work = cost().step([(0, 3, true)].into_iter());
        assert_eq!(work.bytes, 1500.0 * 2.0 + 2.0 * 3.0 * 20.0);
        assert_eq!(work.f32_operations, 2.0 * (3.0 * 650.0 + 350.0 + 500.0) + 4.0 * 10.0 * (6.0 + 3.0));
    }

    #[test]
    fn a_window_bounds_what_is_read() {
        let one = cost().step([(100, 1, true)].into_iter());
        assert_eq!(one.bytes, 3000.0 + 4.0 * 40.0);
        assert_eq!(one.f32_operations, 3000.0 + 80.0 * 4.0);
    }

    #[test]
    fn products_with_quantised_weights_are_int8_and_the_router_is_not() {
        let quantised = Cost { trunk: Weight::of(1.0625), experts: Weight::of(0.5625), ..cost() };
        let work = quantised.step([(0, 1, true)].into_iter());
        assert_eq!(work.bytes, 100.0 * 2.0 + 1400.0 * 1.0625 + 40.0);
        assert_eq!((work.f32_operations, work.int8_operations), (200.0 + 80.0, 2800.0));
        let experts = quantised.experts(Asked { experts: 2, rows: 7 });
        assert_eq!((experts.bytes, experts.f32_operations, experts.int8_operations), (33.75, 0.0, 420.0));
    }

    #[test]
    fn an_expert_that_many_rows_ask_for_is_read_once() {
        let work = cost().experts(Asked { experts: 2, rows: 7 });
        assert_eq!((work.bytes, work.f32_operations), (120.0, 420.0));
    }
}
