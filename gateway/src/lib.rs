//! The gateway: OpenAI API, scheduler loop, trunk and expert dispatch.
//!
//! Keeps true: a request is admitted before any work, and ends in success or in a typed error. Knows how to
//! reach experts only through `ExpertBackend`.

mod api;
mod cluster;
pub mod dispatch;
mod door;
mod engine;
mod held;
pub mod keys;
mod options;
mod peers;
pub mod text;
mod work;

pub use cluster::{ClusterFeed, ClusterOptions};
pub use conclave_control_rpc::Credentials;
pub use engine::{Driver, Forward, ForwardError, Overlap};
pub use options::{GatewayOptions, Problem, RowsDtype};
pub use peers::PeerOptions;

use api::{ApiState, Bodies, Defaults};
use conclave_kernels::Pool;
use conclave_kernels::attention::KvDtype;
use conclave_model::{Backend, CandleCompute, CpuCompute, Manifest, ModelError, ModelFolder, Trunk};
use conclave_scheduler::SchedulerOptions;
use conclave_telemetry::Monitor;
use conclave_transport::{ServerCertificates, TlsError};
use conclave_types::{Bytes, Digest, ModelDigest};
use dispatch::{Dispatcher, Homes};
use door::Shown;
use engine::EngineHandle;
use keys::Keys;
use std::hash::RandomState;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use work::Work;

/// The smallest KV cache. Unit: tokens.
const KV_TOKENS_MIN: u32 = 64;
/// How long answers that were told to end may take to say so.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long connections may take to close once nothing is under way.
const CLOSE: Duration = Duration::from_secs(2);

/// Why a gateway cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The model cannot be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The tokenizer or chat template cannot be loaded.
    #[error(transparent)]
    Text(#[from] text::TextError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; choose another --port or stop what uses it")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The backend has no room for the KV blocks.
    #[error("no room for the KV cache: {0}; lower --kv-tokens-max or --kv-bytes-max")]
    Kv(#[from] conclave_model::ComputeError),
    /// The KV cache is too small to answer anything.
    #[error("kv_bytes_max is {bytes}; this model needs {needed} at least, for {KV_TOKENS_MIN} tokens")]
    KvTooSmall {
        /// What there is.
        bytes: Bytes,
        /// What would do.
        needed: Bytes,
    },
    /// The engine's connections have nothing to run on.
    #[error("the system gives no thread or no file descriptor for the engine's connections: {0}")]
    Driver(std::io::Error),
    /// The API's certificate cannot be used.
    #[error("the API's certificate: {0}")]
    Tls(#[from] TlsError),
    /// The API's keys cannot be used.
    #[error(transparent)]
    Keys(#[from] keys::KeysError),
}

/// A gateway that listens but does not answer yet.
pub struct Gateway {
    listener: tokio::net::TcpListener,
    router: axum::Router,
    shown: Shown,
    connections_max: usize,
    monitor: Monitor,
    engine: EngineHandle,
    thread: std::thread::JoinHandle<()>,
    dispatcher: Arc<Dispatcher>,
    connections: tokio::runtime::Handle,
    ready: Arc<AtomicBool>,
    work: Arc<Work>,
    drain: Duration,
    leave: Duration,
}

impl Gateway {
    /// Loads the trunk of `folder`, starts the engine and binds the port.
    ///
    /// - `credentials`: what it shows to other gateways, where clients get TLS.
    /// - `homes`: where the experts are at first; see [`Self::dispatcher`] for later.
    pub async fn start(
        options: &GatewayOptions,
        folder: &ModelFolder,
        manifest: &Manifest,
        pool: Arc<Pool>,
        homes: Homes,
        credentials: &Credentials,
    ) -> Result<Self, GatewayError> {
        let address = SocketAddr::new(options.host, options.port);
        // Bind first: a port in use is the most common mistake and should not wait for the weights.
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(|error| GatewayError::Listen { address, error })?;
        let clients = options.api_tls_dir.as_deref().map(ServerCertificates::load).transpose()?;
        if clients.is_none() && !options.host.is_loopback() {
            tracing::warn!(
                "keys and prompts travel in plain text; set api_tls_dir, or put a proxy in front that speaks TLS"
            );
        }
        let encrypted = clients.is_some() || options.peers.encrypted();
        let gateways = credentials.certificates.clone().filter(|_| encrypted);
        let shown = Shown { clients, gateways };
        let keys = Keys::load(&options.api_keys, options.api_keys_file.as_deref())?;
        let digest: ModelDigest = manifest.model_digest(folder);
        let codec = text::TextCodec::load(&folder.path, folder.spec.vocab as u32)?;
        let kv_dtype = options.kv_dtype.resolve(folder.dtype);
        let dispatcher = Arc::new(Dispatcher::new(
            digest,
            folder.spec.expert_keys(),
            options.rows_dtype.resolve(folder.dtype),
            homes,
            pool.clone(),
        ));
        let context_max = (folder.spec.context_max as u32).min(options.context_max.unwrap_or(u32::MAX));
        // candle rounds keys and values to the dtype, but keeps them in f32.
        let kept = if matches!(folder.backend, Backend::Cpu) { kv_dtype } else { KvDtype::F32 };
        let block_size = options.kv_block_size;
        let in_blocks = |blocks: u32| {
            let (blocks, size) = (blocks as usize, block_size as usize);
            let layer = kept.layer_bytes(blocks, size, folder.spec.kv_heads, folder.spec.head_dim);
            Bytes((folder.spec.layers * layer) as u64)
        };
        let blocks = match options.kv_bytes_max {
            None => options.kv_tokens_max.div_ceil(block_size),
            Some(bytes) => {
                let blocks = u32::try_from(bytes.0 / in_blocks(1).0).unwrap_or(u32::MAX / block_size);
                let least = KV_TOKENS_MIN.div_ceil(block_size);
                if blocks < least {
                    return Err(GatewayError::KvTooSmall { bytes, needed: in_blocks(least) });
                }
                blocks
            }
        };
        let scheduler = SchedulerOptions {
            step_tokens_max: options.step_tokens_max,
            sequences_max: options.sequences_max,
            queue_max: options.queue_max,
            queue_blocks_max: u64::from(options.queue_kv_caches_max) * u64::from(blocks),
            block_size,
            blocks,
            context_max,
            prefix_cache: options.prefix_cache,
        };
        let kv_bytes = in_blocks(blocks);
        tracing::info!(dtype = kv_dtype.name(), tokens = blocks * block_size, bytes = kv_bytes.0, "KV cache");
        let driver = Driver::start().map_err(GatewayError::Driver)?;
        let connections = driver.handle();
        let (overlap, experts) = (options.overlap, dispatcher.clone());
        let step_goal = Duration::from_millis(options.step_goal_ms.into());
        let (engine, thread) = match folder.backend.clone() {
            Backend::Cpu => {
                let compute = CpuCompute::new(&folder.spec, pool).with_kv(kv_dtype);
                engine::start(Trunk::load(compute, folder)?, scheduler, step_goal, overlap, experts, driver)?
            }
            Backend::Candle(device) => {
                let compute = CandleCompute::new(&folder.spec, device).with_kv(kv_dtype);
                engine::start(Trunk::load(compute, folder)?, scheduler, step_goal, overlap, experts, driver)?
            }
        };
        let metrics = conclave_telemetry::install_metrics("gateway");
        api::count_from_zero();
        metrics::gauge!("conclave_kv_bytes").set(kv_bytes.0 as f64);
        let ready = Arc::new(AtomicBool::new(false));
        let work = Arc::new(Work::default());
        let mut class = format!("{digest} kv {}", kv_dtype.name());
        if options.rows_dtype != RowsDtype::Auto {
            class.push_str(" rows q8");
        }
        if !matches!(folder.backend, Backend::Cpu) {
            class.push_str(&format!(" on {}", folder.backend.numerics()));
        }
        let class = api::short(&Digest::of(class.as_bytes()));
        let state = Arc::new(ApiState {
            engine: engine.clone(),
            codec,
            model: options.model_name.clone().unwrap_or_else(|| folder.name()),
            fingerprint: format!("conclave-{}", digest.short()),
            class,
            vocab: folder.spec.vocab as u32,
            context_max,
            eos: folder.spec.eos.clone(),
            defaults: Defaults::of(&folder.generation),
            keys,
            // The last token's keys and values are never stored.
            sequence_max: context_max.min(blocks * block_size + 1),
            block_bytes: in_blocks(1),
            bodies: Bodies::new(options.bodies_bytes_max.0 as usize, options.body_bytes_max),
            timeout_max: Duration::from_secs(options.request_timeout_s.into()),
            ready: ready.clone(),
            work: work.clone(),
            dispatcher: dispatcher.clone(),
            peers: peers::Peers::start(&options.peers, class, credentials),
            metrics,
            started: api::now_seconds(),
            counter: AtomicU64::new(0),
            entropy: RandomState::new(),
        });
        let monitor = api::monitor(state.clone());
        let router = api::router(state);
        let drain = Duration::from_secs(options.drain_timeout_s.into());
        let leave = Duration::from_secs(options.drain_delay_s.into());
        Ok(Self {
            listener,
            router,
            monitor,
            shown,
            connections_max: options.connections_max,
            engine,
            thread,
            dispatcher,
            connections,
            ready,
            work,
            drain,
            leave,
        })
    }

    /// The address that is listened on, with the port the system chose if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound listener has an address")
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.shown.clients.is_some() { "https" } else { "http" }
    }

    /// Where new homes are set.
    pub fn dispatcher(&self) -> Arc<Dispatcher> {
        self.dispatcher.clone()
    }

    /// Where connections to expert nodes belong: the engine drives what runs there.
    pub fn connections(&self) -> tokio::runtime::Handle {
        self.connections.clone()
    }

    /// What `GET /ready` tells.
    pub fn readiness(&self) -> Arc<AtomicBool> {
        self.ready.clone()
    }

    /// What its monitoring port tells.
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// Answers until `shutdown`. Then it says that it leaves, so that balancers stop sending to it, and drains: it takes
    /// nothing new, lets what runs end within the time that the options give, and ends the rest with an error.
    pub async fn run(self, shutdown: CancellationToken) {
        // While it drains the listener stays open, to say so to whoever asks.
        let closing = CancellationToken::new();
        let serve =
            door::serve(self.listener, self.router, self.shown, self.connections_max, closing.clone());
        let (work, engine) = (&self.work, &self.engine);
        let end = async {
            shutdown.cancelled().await;
            if !self.leave.is_zero() {
                work.leave();
                tokio::time::sleep(self.leave).await;
            }
            work.drain();
            let running = work.running();
            tracing::info!(running, timeout_s = self.drain.as_secs(), "draining");
            if tokio::time::timeout(self.drain, work.ended()).await.is_err() {
                tracing::warn!(running = work.running(), "the drain timeout is over; ending what still runs");
                work.end();
                engine.stop();
                let _ = tokio::time::timeout(LAST_WORDS, work.ended()).await;
            }
            closing.cancel();
            tokio::time::sleep(CLOSE).await;
        };
        tokio::select! {
            () = serve => {}
            () = end => {}
        }
        self.engine.stop();
        // The engine ends after its step; joining on a blocking thread keeps the runtime alive for it.
        let _ = tokio::task::spawn_blocking(move || self.thread.join()).await;
    }
}
