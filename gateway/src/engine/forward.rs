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
        /// Which rows of the pass the rows of `routing` are.
        rows: Vec<usize>,
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

/// Consecutive rows of a pass that go through the layers together.
struct MicroBatch<A> {
    sequences: Vec<StepSequence>,
    /// Which rows of the pass those of the stream are: all that `sequences` have, or in the end those that are wanted.
    rows: Vec<usize>,
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
    /// Taken out, for the time of a layer, or no row of it is wanted.
    Taken,
}

impl<A> Stream<A> {
    /// Whether asking for it would mean waiting.
    fn is_away(&self) -> bool {
        matches!(self, Self::Away { call, .. } if !call.is_finished())
    }
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

    /// Runs `tokens`, the rows of `sequences` in order, through every layer; logits `[wanted.len(), vocab]` of the rows
    /// `wanted`, which are ascending.
    ///
    /// - Every id is below the vocabulary's size; block tables cover every position up to the last row's.
    /// - Blocks the calling thread, which must not be one of the runtime's.
    pub fn run(
        &mut self,
        tokens: &[u32],
        sequences: &[StepSequence],
        lane: Lane,
        wanted: &[usize],
    ) -> Result<Vec<f32>, ForwardError> {
        let began = Instant::now();
        let parts = self.cutter.parts(tokens.len(), self.dispatcher.is_away());
        let logits = self.run_cut(tokens, cut(sequences, tokens.len(), parts), lane, wanted)?;
        self.cutter.took(tokens.len(), parts, began.elapsed().as_secs_f64());
        metrics::counter!("conclave_micro_batches_total").increment(parts as u64);
        Ok(logits)
    }

    fn run_cut(
        &mut self,
        tokens: &[u32],
        parts: Vec<(usize, Vec<StepSequence>)>,
        lane: Lane,
        wanted: &[usize],
    ) -> Result<Vec<f32>, ForwardError> {
        let alone = parts.len() == 1;
        // Calls that are under way must not wait for the trunk.
        let _helped = (!alone).then(|| self.driver.beside());
        let mut batches: Vec<MicroBatch<C::Act>> = Vec::with_capacity(parts.len());
        for (first_row, sequences) in parts {
            let rows: usize = sequences.iter().map(|sequence| sequence.len).sum();
            let rows = first_row..first_row + rows;
            let x = self.trunk.embed(&tokens[rows.clone()])?;
            batches.push(MicroBatch { sequences, rows: rows.collect(), stream: Stream::Here(x) });
        }
        let layers = self.spec().layers;
        for layer in 0..layers {
            for batch in &mut batches {
                let stream = std::mem::replace(&mut batch.stream, Stream::Taken);
                let x = self.back(stream, &batch.rows)?;
                let x = if layer + 1 < layers {
                    self.trunk.attend(layer, x, &mut self.kv, &batch.sequences)?
                } else {
                    let first_row = batch.rows[0];
                    batch.rows.retain(|row| wanted.binary_search(row).is_ok());
                    let wanted: Vec<usize> = batch.rows.iter().map(|row| row - first_row).collect();
                    match self.trunk.attend_last(x, &mut self.kv, &batch.sequences, &wanted)? {
                        Some(x) => x,
                        None => continue,
                    }
                };
                batch.stream =
                    match self.trunk.feed_forward(layer, x).map_err(|error| at(error, &batch.rows))? {
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
                            Stream::Here(self.add(residual, combined, Arc::new(routing), &batch.rows)?)
                        }
                        FeedForward::Sparse { residual, rows, routing } => {
                            self.send(LayerIdx(layer as u32), lane, residual, rows, routing)
                        }
                    };
            }
        }
        batches.retain(|batch| !batch.rows.is_empty());
        self.logits(batches)
    }

    /// Logits of all rows of `batches`. While the last of them is away those of the others are made, which takes reading
    /// the output head twice.
    fn logits(&self, batches: Vec<MicroBatch<C::Act>>) -> Result<Vec<f32>, ForwardError> {
        let mut logits = Vec::new();
        let (count, mut here) = (batches.len(), Vec::with_capacity(batches.len()));
        for (at, batch) in batches.into_iter().enumerate() {
            if at + 1 == count && batch.stream.is_away() && !here.is_empty() {
                logits.extend_from_slice(&self.trunk.logits(std::mem::take(&mut here))?);
            }
            here.push(self.back(batch.stream, &batch.rows)?);
        }
        if !here.is_empty() {
            logits.extend_from_slice(&self.trunk.logits(here)?);
        }
        Ok(logits)
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
    fn back(&self, stream: Stream<C::Act>, rows: &[usize]) -> Result<C::Act, ForwardError> {
        match stream {
            Stream::Here(x) => Ok(x),
            Stream::Away { residual, routing, call } => match self.driver.block_on(call) {
                Ok(combined) => self.add(residual, combined, routing, rows),
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
        rows: &[usize],
    ) -> Result<C::Act, ForwardError> {
        match combined {
            Ok(combined) => Ok(self.trunk.add(residual, combined)?),
            Err(error) => Err(ForwardError::Unavailable { error, routing, rows: rows.to_vec() }),
        }
    }
}

/// `error` of a stream whose rows are those `rows` of the pass, told by the pass's row.
fn at(error: TrunkError, rows: &[usize]) -> ForwardError {
    match error {
        TrunkError::Compute(error) => error.into(),
        TrunkError::Route(error) => RouteError { row: rows[error.row] }.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::Homes;
    use conclave_expert::{LocalExperts, RowDtype};
    use conclave_kernels::Pool;
    use conclave_model::{CpuCompute, DtypeChoice, Manifest, ModelFolder};
    use conclave_types::{NodeId, PlacementEpoch};
    use std::path::Path;

    /// Logits of two passes over two prompts: some rows of the first pass, all of the second.
    fn passes(overlap: Overlap, wanted: &[usize]) -> [Vec<f32>; 2] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen3_moe/tied");
        let folder = ModelFolder::open(&path, DtypeChoice::Auto).unwrap();
        let (manifest, pool) = (Manifest::compute(&folder).unwrap(), Arc::new(Pool::inline()));
        let keys = || folder.spec.expert_keys();
        let experts = LocalExperts::load(&folder, &manifest, keys(), pool.clone()).unwrap();
        let node = NodeId(1);
        let homes = Homes {
            epoch: PlacementEpoch(1),
            map: keys().map(|key| (key, vec![node])).collect(),
            backends: [(node, Arc::new(experts) as _)].into(),
        };
        let digest = manifest.model_digest(&folder);
        let dispatcher = Dispatcher::new(digest, keys(), RowDtype::Bf16, homes, pool.clone());
        let trunk = Trunk::load(CpuCompute::new(&folder.spec, pool), &folder).unwrap();
        let driver = Driver::start().unwrap();
        let forward = Forward::new(trunk, 8, 16, Arc::new(dispatcher), driver).unwrap();
        let mut forward = forward.with_overlap(overlap);
        let sequences = |starts: [usize; 2], lens: [usize; 2]| {
            [0, 1].map(|at| StepSequence {
                start: starts[at],
                len: lens[at],
                block_table: vec![3 + at as u32],
            })
        };
        let tokens: Vec<u32> = (0..24).map(|at| (at * 7 + 3) % 50).collect();
        let first = forward.run(&tokens[..20], &sequences([0, 0], [9, 11]), Lane::Prefill, wanted).unwrap();
        let all = [0, 1, 2, 3];
        let second = forward.run(&tokens[20..], &sequences([9, 11], [1, 3]), Lane::Prefill, &all).unwrap();
        [first, second]
    }

    #[test]
    fn neither_cuts_nor_rows_that_nobody_wants_change_a_bit() {
        let [every, after] = passes(Overlap::Off, &(0..20).collect::<Vec<_>>());
        let vocab = every.len() / 20;
        // None; the last of each sequence; all of one of the parts and none of another.
        for wanted in [vec![], vec![8, 19], (5..11).collect()] {
            let of_every: Vec<f32> =
                wanted.iter().flat_map(|row| &every[row * vocab..(row + 1) * vocab]).copied().collect();
            for overlap in [Overlap::Off, Overlap::Two, Overlap::Four] {
                assert!(
                    passes(overlap, &wanted) == [of_every.clone(), after.clone()],
                    "{overlap:?}, {wanted:?}"
                );
            }
        }
    }

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
