//! One forward pass: rows through every layer, with the experts wherever they live.
//!
//! Keeps true: it is the only walk over the layers that serves, so whoever measures it measures serving; a
//! row's result depends on its own sequence alone. Does not know requests, plans, sampling or time.

use crate::dispatch::{DispatchError, Dispatcher};
use conclave_expert::Lane;
use conclave_model::{
    Compute, ComputeError, FeedForward, ModelSpec, RouteError, Routing, StepSequence, Trunk, TrunkError,
};
use conclave_types::LayerIdx;
use std::sync::Arc;

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
        routing: Routing,
    },
}

impl From<TrunkError> for ForwardError {
    fn from(error: TrunkError) -> Self {
        match error {
            TrunkError::Compute(error) => Self::Compute(error),
            TrunkError::Route(error) => Self::Route(error),
        }
    }
}

/// A trunk, its KV memory and the way to the experts: all that turns tokens into logits.
pub struct Forward<C: Compute> {
    trunk: Trunk<C>,
    kv: C::Kv,
    dispatcher: Arc<Dispatcher>,
    runtime: tokio::runtime::Handle,
}

impl<C: Compute> Forward<C> {
    /// With room for `blocks` KV blocks of `block_size` positions; calls to experts run on `runtime`.
    ///
    /// - Errors: the backend has no room for the KV blocks.
    pub fn new(
        trunk: Trunk<C>,
        blocks: usize,
        block_size: usize,
        dispatcher: Arc<Dispatcher>,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, ComputeError> {
        let kv = trunk.kv(blocks, block_size)?;
        Ok(Self { trunk, kv, dispatcher, runtime })
    }

    /// The model, described.
    pub fn spec(&self) -> &ModelSpec {
        self.trunk.spec()
    }

    /// Runs `tokens`, the rows of `sequences` in order, through every layer: the last residual stream.
    ///
    /// - Every id is below the vocabulary's size; block tables cover every position up to the last row's.
    /// - Blocks the calling thread, which must not be one of the runtime's.
    pub fn run(
        &mut self,
        tokens: &[u32],
        sequences: &[StepSequence],
        lane: Lane,
    ) -> Result<C::Act, ForwardError> {
        let (layers, hidden) = (self.spec().layers, self.spec().hidden);
        let mut x = self.trunk.embed(tokens)?;
        for layer in 0..layers {
            x = self.trunk.attend(layer, x, &mut self.kv, sequences)?;
            x = match self.trunk.feed_forward(layer, x)? {
                FeedForward::Dense(x) => x,
                FeedForward::Sparse { residual, rows, routing } => {
                    let layer = LayerIdx(layer as u32);
                    let call = self.dispatcher.run_layer(layer, lane, hidden, &rows, &routing);
                    match self.runtime.block_on(call) {
                        Ok(combined) => self.trunk.add(residual, combined)?,
                        Err(error) => return Err(ForwardError::Unavailable { error, routing }),
                    }
                }
            };
        }
        Ok(x)
    }

    /// Logits `[rows.len(), vocab]` of the named rows of `x`.
    pub fn logits(&self, x: &C::Act, rows: &[usize]) -> Result<Vec<f32>, ComputeError> {
        self.trunk.logits(x, rows)
    }
}
