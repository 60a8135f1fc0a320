//! One forward pass: rows through every layer, with the experts wherever they live.
//!
//! Keeps true: it is the only walk over the layers that serves, so whoever measures it measures serving; a
//! row's result depends on its own sequence alone, so a step may be cut anywhere. Does not know requests, plans or
//! sampling.

use super::driver::Driver;
use super::overlap::{Cutter, Overlap};
use crate::dispatch::{DispatchError, Dispatcher, Meanwhile};
use conclave_expert::Lane;
use conclave_kernels::Buffer;
use conclave_model::{
    Compute, ComputeError, FeedForward, ModelSpec, RouteError, Routing, StepSequence, Trunk, TrunkError,
};
use conclave_types::LayerIdx;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Why a pass gave nothing. The KV of its rows holds what was computed so far; computing them again repairs it.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The backend failed: no row can go on.
    #[error(transparent)]
    Compute(#[from] ComputeError),
    /// The router's logits of one row are damaged.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// Some experts of a layer have no live home.
    #[error("{error}")]
    Unavailable {
        /// Which experts.
        error: DispatchError,
        /// Which rows need which experts in that layer.
        routing: Arc<Routing>,
        /// Where in the pass the rows of `routing` begin.
        first_row: usize,
    },
}

/// A trunk, its KV memory and the way to the experts: all that turns tokens into logits.
pub struct Forward<C: Compute> {
    trunk: Trunk<C>,
    kv: C::Kv,
    dispatcher: Arc<Dispatcher>,
    driver: Driver,
    cutter: Cutter,
}

/// The last residual streams of a pass: what logits are made from.
pub struct Passed<A> {
    /// The first row of each part, and its stream.
    parts: Vec<(usize, A)>,
}

/// Consecutive rows of a pass that go through the layers together.
struct MicroBatch<A> {
    first_row: usize,
    sequences: Vec<StepSequence>,
    stream: Stream<A>,
}

/// The residual stream of a micro-batch.
enum Stream<A> {
    Here(A),
    /// Its experts' share is being computed.
    Away {
        residual: A,
        routing: Arc<Routing>,
        call: AbortOnDropHandle<Result<Buffer<f32>, DispatchError>>,
    },
    /// Taken out, for the time of a layer.
    Taken,
}

/// Cuts `sequences` of `rows` in all into `parts` of nearly equal rows; a sequence may go on in the next part.
fn cut(sequences: &[StepSequence], rows: usize, parts: usize) -> Vec<(usize, Vec<StepSequence>)> {
    let mut cut: Vec<(usize, Vec<StepSequence>)> =
        (0..parts).map(|part| (rows * part / parts, Vec::new())).collect();
    let (mut part, mut row) = (0, 0);
    for sequence in sequences {
        let mut rest = sequence.clone();
        while rest.len > 0 {
            let end = rows * (part + 1) / parts;
            if row == end {
                part += 1;
                continue;
            }
            let len = rest.len.min(end - row);
            cut[part].1.push(StepSequence { len, ..rest.clone() });
            rest = StepSequence { start: rest.start + len, len: rest.len - len, ..rest };
            row += len;
        }
    }
    cut
}

impl<C: Compute> Forward<C> {
    /// With room for `blocks` KV blocks of `block_size` positions; calls to experts run on `driver`.
    ///
    /// - Errors: the backend has no room for the KV blocks.
    pub fn new(
        trunk: Trunk<C>,
        blocks: usize,
        block_size: usize,
        dispatcher: Arc<Dispatcher>,
        driver: Driver,
    ) -> Result<Self, ComputeError> {
        let kv = trunk.kv(blocks, block_size)?;
        Ok(Self { trunk, kv, dispatcher, driver, cutter: Cutter::default() })
    }

    /// Cuts steps into micro-batches as `overlap` says.
    pub fn with_overlap(mut self, overlap: Overlap) -> Self {
        self.cutter = Cutter::new(overlap);
        self
    }

    /// What the connections to expert nodes run on.
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// What sends rows to the experts.
    pub(super) fn dispatcher(&self) -> &Arc<Dispatcher> {
        &self.dispatcher
    }

    /// The model, described.
    pub fn spec(&self) -> &ModelSpec {
        self.trunk.spec()
    }

    /// Runs `tokens`, the rows of `sequences` in order, through every layer.
    ///
    /// - Every id is below the vocabulary's size; block tables cover every position up to the last row's.
    /// - Blocks the calling thread, which must not be one of the runtime's.
    pub fn run(
        &mut self,
        tokens: &[u32],
        sequences: &[StepSequence],
        lane: Lane,
    ) -> Result<Passed<C::Act>, ForwardError> {
        let began = Instant::now();
        let parts = self.cutter.parts(tokens.len(), self.dispatcher.is_away());
        let passed = self.run_cut(tokens, cut(sequences, tokens.len(), parts), lane)?;
        self.cutter.took(tokens.len(), parts, began.elapsed().as_secs_f64());
        metrics::counter!("conclave_micro_batches_total").increment(parts as u64);
        Ok(passed)
    }

    fn run_cut(
        &mut self,
        tokens: &[u32],
        parts: Vec<(usize, Vec<StepSequence>)>,
        lane: Lane,
    ) -> Result<Passed<C::Act>, ForwardError> {
        let alone = parts.len() == 1;
        // Calls that are under way must not wait for the trunk.
        let _helped = (!alone).then(|| self.driver.beside());
        let mut batches: Vec<MicroBatch<C::Act>> = Vec::with_capacity(parts.len());
        for (first_row, sequences) in parts {
            let rows: usize = sequences.iter().map(|sequence| sequence.len).sum();
            let x = self.trunk.embed(&tokens[first_row..first_row + rows])?;
            batches.push(MicroBatch { first_row, sequences, stream: Stream::Here(x) });
        }
        for layer in 0..self.spec().layers {
            for batch in &mut batches {
                let first_row = batch.first_row;
                let stream = std::mem::replace(&mut batch.stream, Stream::Taken);
                let x = self.back(stream, first_row)?;
                let x = self.trunk.attend(layer, x, &mut self.kv, &batch.sequences)?;
                batch.stream =
                    match self.trunk.feed_forward(layer, x).map_err(|error| at(error, first_row))? {
                        FeedForward::Dense(x) => Stream::Here(x),
                        FeedForward::Sparse { residual, rows, routing } if alone => {
                            let (layer, hidden) = (LayerIdx(layer as u32), self.spec().hidden);
                            let call = self.dispatcher.run_layer(
                                Meanwhile::TrunkWaits,
                                layer,
                                lane,
                                hidden,
                                &rows,
                                &routing,
                            );
                            let combined = self.driver.block_on(call);
                            Stream::Here(self.add(residual, combined, Arc::new(routing), first_row)?)
                        }
                        FeedForward::Sparse { residual, rows, routing } => {
                            self.send(LayerIdx(layer as u32), lane, residual, rows, routing)
                        }
                    };
            }
        }
        let mut passed = Vec::with_capacity(batches.len());
        for batch in batches {
            passed.push((batch.first_row, self.back(batch.stream, batch.first_row)?));
        }
        Ok(Passed { parts: passed })
    }

    /// Sends rows to their experts and goes on with something else.
    fn send(
        &self,
        layer: LayerIdx,
        lane: Lane,
        residual: C::Act,
        rows: Buffer<f32>,
        routing: Routing,
    ) -> Stream<C::Act> {
        let (dispatcher, hidden, routing) = (self.dispatcher.clone(), self.spec().hidden, Arc::new(routing));
        let asked = routing.clone();
        let call = async move {
            dispatcher.run_layer(Meanwhile::TrunkWorks, layer, lane, hidden, &rows, &asked).await
        };
        let call = self.driver.handle().spawn(call);
        Stream::Away { residual, routing, call: AbortOnDropHandle::new(call) }
    }

    /// The residual stream with the experts' share, waited for if need be.
    fn back(&self, stream: Stream<C::Act>, first_row: usize) -> Result<C::Act, ForwardError> {
        match stream {
            Stream::Here(x) => Ok(x),
            Stream::Away { residual, routing, call } => match self.driver.block_on(call) {
                Ok(combined) => self.add(residual, combined, routing, first_row),
                // Nobody else aborts the call, so it panicked: that goes on in the thread that needs its result.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            Stream::Taken => unreachable!("a stream is put back before the next is taken"),
        }
    }

    fn add(
        &self,
        residual: C::Act,
        combined: Result<Buffer<f32>, DispatchError>,
        routing: Arc<Routing>,
        first_row: usize,
    ) -> Result<C::Act, ForwardError> {
        match combined {
            Ok(combined) => Ok(self.trunk.add(residual, combined)?),
            Err(error) => Err(ForwardError::Unavailable { error, routing, first_row }),
        }
    }

    /// Logits `[rows.len(), vocab]` of the named rows of a pass, in ascending order.
    pub fn logits(&self, passed: &Passed<C::Act>, rows: &[usize]) -> Result<Vec<f32>, ComputeError> {
        let mut logits = Vec::new();
        let mut rest = rows;
        for (part, (first_row, x)) in passed.parts.iter().enumerate() {
            let end = passed.parts.get(part + 1).map_or(usize::MAX, |(first_row, _)| *first_row);
            let (of_part, later) = rest.split_at(rest.partition_point(|row| *row < end));
            rest = later;
            if !of_part.is_empty() {
                let rows: Vec<usize> = of_part.iter().map(|row| row - first_row).collect();
                logits.extend_from_slice(&self.trunk.logits(x, &rows)?);
            }
        }
        Ok(logits)
    }
}

/// `error` with its row counted from the beginning of the pass.
fn at(error: TrunkError, first_row: usize) -> ForwardError {
    match error {
        TrunkError::Compute(error) => error.into(),
        TrunkError::Route(error) => RouteError { row: error.row + first_row }.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_keeps_every_row_in_order() {
        let sequence = |start, len| StepSequence { start, len, block_table: vec![start as u32] };
        let sequences = [sequence(7, 1), sequence(3, 5), sequence(0, 1), sequence(9, 2)];
        for parts in 1..=9 {
            let cut = cut(&sequences, 9, parts);
            assert_eq!(cut.len(), parts);
            let rows = |list: &[StepSequence]| -> Vec<(u32, usize)> {
                let of = |s: &StepSequence| {
                    (s.start..s.start + s.len).map(|at| (s.block_table[0], at)).collect::<Vec<_>>()
                };
                list.iter().flat_map(of).collect()
            };
            let all: Vec<StepSequence> = cut.iter().flat_map(|(_, part)| part.clone()).collect();
            assert_eq!(rows(&all), rows(&sequences), "{parts} parts");
            let mut first = 0;
            for (first_row, part) in &cut {
                assert_eq!(*first_row, first);
                first += rows(part).len();
            }
        }
        assert_eq!(cut(&sequences, 9, 1), vec![(0, sequences.to_vec())]);
    }
}
