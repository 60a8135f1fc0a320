//! A whole model in this process, without scheduler, API or network: what `bench` measures and `eval` reads.
//!
//! Keeps true: loading and computing are those of `conclave serve`. Counts which experts are asked for.

use crate::model::ModelOptions;
use conclave_expert::{ExpertBackend, ExpertBatch, ExpertFuture, LocalExperts};
use conclave_gateway::dispatch::{Dispatcher, Homes, everything_on};
use conclave_gateway::{Forward, Overlap};
use conclave_kernels::Pool;
use conclave_kernels::attention::KvDtype;
use conclave_model::{CpuCompute, KvDtypeChoice, Manifest, ModelFolder, Trunk, WeightDtype, WeightDtypes};
use conclave_types::{ModelDigest, NodeId, PlacementEpoch};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Positions of one KV block, as in `serve`.
pub(crate) const BLOCK_SIZE: usize = 16;

/// How many KV blocks hold `positions` positions of one sequence.
pub(crate) fn blocks(positions: usize) -> usize {
    positions.div_ceil(BLOCK_SIZE)
}

/// What every process that runs a whole model loads first. The trunk is verified, and left to who runs it.
pub(crate) struct Parts {
    pub(crate) manifest: Manifest,
    pub(crate) pool: Arc<Pool>,
    pub(crate) experts: LocalExperts,
}

impl Parts {
    /// Loads all experts of `folder`.
    pub(crate) fn load(options: &ModelOptions, folder: &ModelFolder) -> anyhow::Result<Self> {
        let pool = options.pool();
        let manifest = options.manifest(folder)?;
        options.verify_trunk(folder, &manifest)?;
        let experts = LocalExperts::load(folder, &manifest, folder.spec.expert_keys(), pool.clone())?;
        Ok(Self { manifest, pool, experts })
    }
}

/// The placement of a model of which this process has all experts.
pub(crate) fn homes(folder: &ModelFolder, experts: Arc<dyn ExpertBackend>) -> Homes {
    let node = NodeId(0);
    Homes {
        epoch: PlacementEpoch(1),
        map: everything_on(node, folder.spec.expert_keys()),
        backends: [(node, experts)].into(),
    }
}

/// The way to the experts: how long it is, and what is done meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Way {
    /// Added to each call, as a link to another machine would: half before, half after computing.
    pub(crate) delay: Duration,
    pub(crate) overlap: Overlap,
}

/// A loaded model.
pub(crate) struct Whole {
    pub(crate) forward: Forward<CpuCompute>,
    pub(crate) folder: ModelFolder,
    pub(crate) digest: ModelDigest,
    pub(crate) pool: Arc<Pool>,
    pub(crate) experts: Arc<Counted>,
    /// What keys and values are stored in.
    pub(crate) kv: KvDtype,
}

impl Whole {
    /// Loads trunk and experts with room for `kv_blocks` KV blocks of `kv`; `runtime` is where calls to experts run.
    pub(crate) fn load(
        options: &ModelOptions,
        folder: ModelFolder,
        kv_blocks: usize,
        kv: KvDtypeChoice,
        way: Way,
        runtime: &tokio::runtime::Runtime,
    ) -> anyhow::Result<Self> {
        let Parts { manifest, pool, experts } = Parts::load(options, &folder)?;
        let digest = manifest.model_digest(&folder);
        let experts = Arc::new(Counted {
            experts,
            delay: way.delay,
            asked: AtomicU64::new(0),
            rows: AtomicU64::new(0),
        });
        let kv = kv.resolve(folder.dtype);
        let trunk = Trunk::load(CpuCompute::new(&folder.spec, pool.clone()).with_kv(kv), &folder)?;
        let homes = homes(&folder, experts.clone());
        let dispatcher = Arc::new(Dispatcher::new(digest, folder.dtype.into(), homes));
        let forward = Forward::new(trunk, kv_blocks, BLOCK_SIZE, dispatcher, runtime.handle().clone())?;
        let forward = forward.with_overlap(way.overlap);
        Ok(Self { forward, folder, digest, pool, experts, kv })
    }

    /// What is computed with, such as `bf16` or `bf16, experts q4, trunk q8, kv q8`.
    pub(crate) fn form(&self) -> String {
        let WeightDtypes { experts, trunk } = self.folder.weights;
        let mut form = self.folder.dtype.name().to_owned();
        for (part, dtype) in [("experts", experts), ("trunk", trunk)] {
            if dtype != WeightDtype::AsStored && dtype.name() != self.folder.dtype.name() {
                form.push_str(&format!(", {part} {dtype}"));
            }
        }
        if self.kv != KvDtypeChoice::Auto.resolve(self.folder.dtype) {
            form.push_str(&format!(", kv {}", self.kv.name()));
        }
        form
    }
}

/// The experts of this process, and how much was asked of them.
pub(crate) struct Counted {
    experts: LocalExperts,
    delay: Duration,
    asked: AtomicU64,
    rows: AtomicU64,
}

/// What was asked of the experts since the last [`Counted::take`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Experts, each counted once for each call.
    pub(crate) experts: u64,
    /// Rows, each counted once for each of its experts.
    pub(crate) rows: u64,
}

impl Counted {
    /// The counts so far; they begin again at zero.
    pub(crate) fn take(&self) -> Asked {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Asked { experts: take(&self.asked), rows: take(&self.rows) }
    }

    /// Bytes of one expert's weights as they lie in memory.
    pub(crate) fn expert_bytes(&self) -> f64 {
        self.experts.bytes().0 as f64 / self.experts.held().len().max(1) as f64
    }
}

impl ExpertBackend for Counted {
    fn run(&self, batch: ExpertBatch) -> ExpertFuture<'_> {
        self.asked.fetch_add(batch.experts.len() as u64, Ordering::Relaxed);
        self.rows.fetch_add(batch.output_rows() as u64, Ordering::Relaxed);
        if self.delay.is_zero() {
            return self.experts.run(batch);
        }
        Box::pin(async move {
            tokio::time::sleep(self.delay / 2).await;
            let output = self.experts.run(batch).await;
            tokio::time::sleep(self.delay / 2).await;
            output
        })
    }

    fn is_local(&self) -> bool {
        self.delay.is_zero()
    }
}
