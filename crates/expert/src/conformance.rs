//! What every `ExpertBackend` must do, as one suite that each of them runs in its tests.
//!
//! Panics with what was expected, as tests do.

use crate::{ExpertBackend, ExpertBatch, ExpertError, ExpertRows, Lane, LocalExperts, RowDtype, Rows};
use conclave_types::{Digest, ExpertIdx, LayerIdx, ModelDigest, PlacementEpoch};
use futures::future::join_all;

/// A backend under test and the same experts in this process.
pub struct Subject<'a> {
    /// What is tested. It holds experts 0 to 3 of layers 0 and 1, and expert 7 of none.
    pub backend: &'a dyn ExpertBackend,
    /// The same experts, without anything in between.
    pub reference: &'a LocalExperts,
    /// Their model.
    pub model: ModelDigest,
    /// Width of its rows.
    pub hidden: usize,
}

impl Subject<'_> {
    /// A call that differs with `seed` in layer, lane, dtype, experts, number and values of rows.
    pub fn call(&self, seed: u32) -> ExpertBatch {
        let rows = 1 + seed % 5;
        let value = |i: u32| ((i as f32 + seed as f32) * 0.37).sin();
        let values: Vec<f32> = (0..rows * self.hidden as u32).map(value).collect();
        // Every expert gets some of the rows, and some experts none.
        let of = |expert: u32| {
            (0..rows).filter(|row| !(seed + row + expert).is_multiple_of(3)).collect::<Vec<u32>>()
        };
        let experts = (0..4).map(|expert| ExpertRows { expert: ExpertIdx(expert), rows: of(expert) });
        ExpertBatch {
            model: self.model,
            epoch: PlacementEpoch(3),
            layer: LayerIdx(seed % 2),
            lane: if seed.is_multiple_of(4) { Lane::Prefill } else { Lane::Decode },
            deadline: None,
            rows: Rows::from_f32(
                [RowDtype::F32, RowDtype::Bf16, RowDtype::Q8][seed as usize % 3],
                self.hidden,
                &values,
            ),
            experts: experts.filter(|expert| !expert.rows.is_empty()).collect(),
            traceparent: String::new(),
        }
    }

    /// Runs the suite.
    pub async fn check(&self) {
        self.answers_have_the_reference_bits().await;
        self.a_row_gets_the_same_bits_alone().await;
        self.calls_at_once_do_not_mix().await;
        self.refusals_are_values_and_leave_nothing_behind().await;
    }

    async fn expected(&self, call: &ExpertBatch) -> Rows {
        self.reference.run(call.clone()).await.expect("the reference answers").rows
    }

    async fn answers_have_the_reference_bits(&self) {
        for seed in 0..24 {
            let call = self.call(seed);
            let answer = self.backend.run(call.clone()).await.expect("a good call is answered");
            assert_eq!(answer.rows.count, call.output_rows(), "one output row per (row, expert)");
            assert_eq!(answer.rows, self.expected(&call).await, "call {seed}");
            let again = self.backend.run(call).await.expect("a call may be repeated");
            assert_eq!(again.rows, answer.rows, "call {seed} again");
        }
    }

    async fn a_row_gets_the_same_bits_alone(&self) {
        let call = self.call(8);
        let row_bytes = call.rows.dtype.row_bytes(self.hidden);
        let together = self.backend.run(call.clone()).await.expect("a good call is answered").rows;
        let mut at = 0;
        for expert in &call.experts {
            for row in &expert.rows {
                let from = *row as usize * row_bytes;
                let data = call.rows.data.slice(from..from + row_bytes);
                let alone = ExpertBatch {
                    rows: Rows { count: 1, data, ..call.rows.clone() },
                    experts: vec![ExpertRows { expert: expert.expert, rows: vec![0] }],
                    ..call.clone()
                };
                let alone = self.backend.run(alone).await.expect("a good call is answered").rows;
                assert_eq!(
                    alone.data,
                    together.data.slice(at..at + row_bytes),
                    "{} row {row}",
                    expert.expert
                );
                at += row_bytes;
            }
        }
    }

    async fn calls_at_once_do_not_mix(&self) {
        let calls: Vec<ExpertBatch> = (0..48).map(|seed| self.call(seed)).collect();
        let answers = join_all(calls.iter().map(|call| self.backend.run(call.clone()))).await;
        for (seed, (call, answer)) in calls.iter().zip(answers).enumerate() {
            let answer = answer.expect("a good call is answered");
            assert_eq!(answer.rows, self.expected(call).await, "call {seed} among others");
        }
    }

    async fn refusals_are_values_and_leave_nothing_behind(&self) {
        let good = self.call(5);
        let mut not_held = good.clone();
        not_held.experts.push(ExpertRows { expert: ExpertIdx(7), rows: vec![0] });
        let other = Digest([9; 32]);
        let wrong_model = ExpertBatch { model: other, ..good.clone() };
        let mut no_such_row = good.clone();
        no_such_row.experts[0].rows = vec![99];
        let mut short = good.clone();
        short.rows.data = short.rows.data.slice(..short.rows.data.len() - 1);
        let refused =
            join_all([not_held, wrong_model, no_such_row, short].map(|call| self.backend.run(call))).await;
        let layer = good.layer;
        assert!(
            matches!(&refused[0], Err(ExpertError::NotHeld { layer: l, experts }) if *l == layer && *experts == [ExpertIdx(7)])
                || matches!(&refused[0], Err(ExpertError::Stale { want, .. }) if *want == good.epoch),
            "an expert that is not held: {:?}",
            refused[0]
        );
        assert_eq!(refused[1], Err(ExpertError::WrongModel { have: self.model, want: other }));
        assert!(
            matches!(refused[2], Err(ExpertError::Protocol(_))),
            "a row that was not sent: {:?}",
            refused[2]
        );
        assert!(matches!(refused[3], Err(ExpertError::Protocol(_))), "half a row: {:?}", refused[3]);
        let after = self.backend.run(good.clone()).await.expect("a good call after bad ones");
        assert_eq!(after.rows, self.expected(&good).await);
    }
}
