//! A whole model in this process, without scheduler and API: what `bench` measures and `eval` reads.
//!
//! Keeps true: loading and computing are those of `conclave serve`. Counts which experts are asked for.

use crate::link::Link;
use crate::model::ModelOptions;
use crate::nodes;
use crate::process::private_folder;
use conclave_expert::{ExpertBackend, ExpertBatch, ExpertFuture, Lane, LocalExperts};
use conclave_gateway::dispatch::{Dispatcher, Homes, everything_on};
use conclave_gateway::{Driver, Forward, ForwardError, Overlap, RowsDtype};
use conclave_kernels::Pool;
use conclave_kernels::attention::KvDtype;
use conclave_model::{
    Backend, CandleCompute, Compute, CpuCompute, KvDtypeChoice, ModelFolder, StepSequence, Trunk,
    WeightDtype, WeightDtypes,
};
use conclave_types::{ModelDigest, NodeId, PlacementEpoch};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Positions of one KV block, as in `serve`.
pub(crate) const BLOCK_SIZE: usize = 16;

/// How many KV blocks hold `positions` positions of one sequence.
pub(crate) fn blocks(positions: usize) -> usize {
    positions.div_ceil(BLOCK_SIZE)
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
    /// Nodes on sockets of this machine that have the experts, every expert at two of them if there are two;
    /// 0: they are computed on the engine's own thread.
    pub(crate) nodes: u32,
    /// Over TCP, as between machines, in place of Unix sockets.
    pub(crate) tcp: bool,
    /// What rows travel as.
    pub(crate) rows: RowsDtype,
}

/// [`Forward::run`], whatever its backend.
pub(crate) type Pass =
    Box<dyn FnMut(&[u32], &[StepSequence], Lane, &[usize]) -> Result<Vec<f32>, ForwardError>>;

/// A loaded model.
pub(crate) struct Whole {
    pub(crate) forward: Pass,
    pub(crate) folder: ModelFolder,
    pub(crate) digest: ModelDigest,
    pub(crate) pool: Arc<Pool>,
    pub(crate) asked: Arc<Asking>,
    /// Bytes of one expert's weights as they lie in memory.
    pub(crate) expert_bytes: f64,
    /// What keys and values are stored in.
    pub(crate) kv: KvDtype,
    rows: RowsDtype,
}

impl Whole {
    /// Loads trunk and experts with room for `kv_blocks` KV blocks of `kv`.
    pub(crate) fn load(
        options: &ModelOptions,
        folder: ModelFolder,
        kv_blocks: usize,
        kv: KvDtypeChoice,
        way: Way,
    ) -> anyhow::Result<Self> {
        let manifest = options.manifest_of_trunk(&folder)?;
        // Cores are shared as they are by the processes of `up`.
        let pool = if way.nodes == 0 { options.pool() } else { options.pool_beside_nodes() };
        let digest = manifest.model_digest(&folder);
        let driver = Driver::start()?;
        let asked = Arc::new(Asking::default());
        let link = (!way.delay.is_zero()).then(|| Link::start(way.delay / 2)).transpose()?.map(Arc::new);
        let counted = |inner: Arc<dyn ExpertBackend>| -> Arc<dyn ExpertBackend> {
            Arc::new(Counted { inner, link: link.clone(), asked: asked.clone() })
        };
        let per_expert =
            |experts: &LocalExperts| experts.bytes().0 as f64 / experts.held().len().max(1) as f64;
        let (homes, expert_bytes) = if way.nodes == 0 {
            let experts = LocalExperts::load(&folder, &manifest, folder.spec.expert_keys(), pool.clone())?;
            let bytes = per_expert(&experts);
            (homes(&folder, counted(Arc::new(experts))), bytes)
        } else {
            let sockets = (!way.tcp).then(private_folder).transpose()?;
            let map = nodes::placement(&folder, way.nodes);
            let mut backends = BTreeMap::new();
            let mut bytes = 0.0;
            for (index, node) in map.nodes().into_iter().enumerate() {
                let pool = options.pool_of(way.nodes as usize, index);
                let keys = map.iter().filter(|(_, homes)| homes.contains(&node)).map(|(key, _)| key);
                let experts = Arc::new(LocalExperts::load(&folder, &manifest, keys, pool)?);
                bytes = per_expert(&experts);
                let client = nodes::start(experts, sockets.as_deref(), &driver)?;
                backends.insert(node, counted(client));
            }
            if let Some(folder) = sockets {
                // All are connected; at the end of the process nobody would remove it.
                let _ = std::fs::remove_dir_all(folder);
            }
            (Homes { epoch: PlacementEpoch(1), map, backends }, bytes)
        };
        let kv = kv.resolve(folder.dtype);
        let dispatcher = Arc::new(Dispatcher::new(
            digest,
            folder.spec.expert_keys(),
            way.rows.resolve(folder.dtype),
            homes,
            pool.clone(),
        ));
        let forward = match folder.backend.clone() {
            Backend::Cpu => {
                let compute = CpuCompute::new(&folder.spec, pool.clone()).with_kv(kv);
                pass(compute, &folder, kv_blocks, way.overlap, dispatcher, driver)?
            }
            Backend::Candle(device) => {
                let compute = CandleCompute::new(&folder.spec, device).with_kv(kv);
                pass(compute, &folder, kv_blocks, way.overlap, dispatcher, driver)?
            }
        };
        pool.stay();
        Ok(Self { forward, folder, digest, pool, asked, expert_bytes, kv, rows: way.rows })
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
        if self.rows != RowsDtype::Auto {
            form.push_str(", rows q8");
        }
        if !matches!(self.folder.backend, Backend::Cpu) {
            form.push_str(&format!(", on {}", self.folder.backend.name()));
        }
        form
    }
}

fn pass<C: Compute>(
    compute: C,
    folder: &ModelFolder,
    kv_blocks: usize,
    overlap: Overlap,
    dispatcher: Arc<Dispatcher>,
    driver: Driver,
) -> anyhow::Result<Pass> {
    let trunk = Trunk::load(compute, folder)?;
    let forward = Forward::new(trunk, kv_blocks, BLOCK_SIZE, dispatcher, driver)?;
    let mut forward = forward.with_overlap(overlap);
    Ok(Box::new(move |tokens, sequences, lane, wanted| forward.run(tokens, sequences, lane, wanted)))
}

/// Counts what is asked of all experts.
#[derive(Default)]
pub(crate) struct Asking {
    experts: AtomicU64,
    rows: AtomicU64,
}

/// What was asked of the experts since the last [`Asking::take`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Experts, each counted once for each call.
    pub(crate) experts: u64,
    /// Rows, each counted once for each of its experts.
    pub(crate) rows: u64,
}

impl Asking {
    /// The counts so far; they begin again at zero.
    pub(crate) fn take(&self) -> Asked {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Asked { experts: take(&self.experts), rows: take(&self.rows) }
    }
}

/// Experts whose calls are counted, and delayed if so asked.
struct Counted {
    inner: Arc<dyn ExpertBackend>,
    link: Option<Arc<Link>>,
    asked: Arc<Asking>,
}

impl ExpertBackend for Counted {
    fn run(&self, batch: ExpertBatch) -> ExpertFuture<'_> {
        self.asked.experts.fetch_add(batch.experts.len() as u64, Ordering::Relaxed);
        self.asked.rows.fetch_add(batch.output_rows() as u64, Ordering::Relaxed);
        let Some(link) = &self.link else { return self.inner.run(batch) };
        Box::pin(async move {
            link.cross().await;
            let output = self.inner.run(batch).await;
            link.cross().await;
            output
        })
    }

    fn is_local(&self) -> bool {
        self.link.is_none() && self.inner.is_local()
    }

    fn is_connected(&self) -> bool {
        self.inner.is_connected()
    }
}
