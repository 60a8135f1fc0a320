//! `conclave serve`: the whole model in this one process.

use anyhow::{Context, bail};
use conclave_expert::LocalExperts;
use conclave_gateway::dispatch::{Homes, everything_on};
use conclave_gateway::{Gateway, GatewayOptions};
use conclave_kernels::Pool;
use conclave_model::{DtypeChoice, Manifest, ModelFolder};
use conclave_types::{NodeId, PlacementEpoch};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Which model, and what it is computed with.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ModelOptions {
    /// Model folder in Hugging Face layout; default: the small model that comes with Conclave.
    #[arg(long, env = "CONCLAVE_MODEL")]
    model: Option<PathBuf>,
    /// What to compute in: auto (as stored), f32 or bf16.
    #[arg(long, env = "CONCLAVE_DTYPE", default_value = "auto")]
    dtype: DtypeChoice,
    /// Threads for computing; default: one per core.
    #[arg(long, env = "CONCLAVE_THREADS")]
    threads: Option<usize>,
}

impl ModelOptions {
    fn open(&self) -> anyhow::Result<ModelFolder> {
        let path = match &self.model {
            Some(path) => path.clone(),
            None => embedded_model()?,
        };
        Ok(ModelFolder::open(&path, self.dtype)?)
    }

    fn pool(&self) -> Arc<Pool> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Pool::new(self.threads.unwrap_or(cores)))
    }
}

/// The model that comes with Conclave: beside the binary when installed, else in the source tree.
fn embedded_model() -> anyhow::Result<PathBuf> {
    const NAME: &str = "models/tiny-tales";
    let installed = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(NAME)));
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(NAME);
    let places = [installed, Some(PathBuf::from(NAME)), Some(source)];
    let found = places.into_iter().flatten().find(|path| path.join("config.json").exists());
    found.context("the model that comes with Conclave was not found; pass --model FOLDER")
}

/// Settings of `conclave serve`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    gateway: GatewayOptions,
}

pub(crate) fn run(options: ServeOptions) -> anyhow::Result<()> {
    let mut problems = options.gateway.validate();
    if options.model.threads == Some(0) {
        problems.push("threads is 0; it can be 1 or more".to_owned());
    }
    if !problems.is_empty() {
        bail!("these settings cannot be used:\n  {}", problems.join("\n  "));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(options))
}

async fn serve(options: ServeOptions) -> anyhow::Result<()> {
    let started = Instant::now();
    let folder = options.model.open()?;
    let pool = options.model.pool();
    let manifest = Manifest::compute(&folder)?;
    let experts = LocalExperts::load(&folder, &manifest, folder.spec.expert_keys(), pool.clone())?;
    let node = NodeId(0);
    let (held, bytes) = (experts.held().len(), experts.bytes());
    let homes = Homes {
        epoch: PlacementEpoch(1),
        map: everything_on(node, folder.spec.expert_keys()),
        backends: [(node, Arc::new(experts) as _)].into(),
    };
    let gateway = Gateway::start(&options.gateway, &folder, &manifest, pool, homes).await?;
    gateway.readiness().store(true, Ordering::Relaxed);
    let address = gateway.address();
    tracing::info!(
        model = folder.name(),
        digest = manifest.model_digest(&folder).short(),
        dtype = folder.dtype.name(),
        experts = held,
        expert_memory = %bytes,
        ready_ms = started.elapsed().as_millis() as u64,
        "ready"
    );
    announce(&folder.name(), address)?;
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        wait_for_stop().await;
        stop.cancel();
    });
    gateway.run(shutdown).await?;
    Ok(())
}

/// Prints the URL and a curl that works when pasted.
fn announce(model: &str, address: std::net::SocketAddr) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "Serving {model} at http://{address}/v1 (Ctrl-C stops). Try:\n")?;
    writeln!(
        out,
        "  curl -N http://{address}/v1/chat/completions -H 'Content-Type: application/json' -d \\"
    )?;
    writeln!(
        out,
        "    '{{\"stream\": true, \"messages\": [{{\"role\": \"user\", \"content\": \"Tell me a story about a dog.\"}}]}}'\n"
    )?;
    Ok(out.flush()?)
}

/// Waits for Ctrl-C or SIGTERM.
async fn wait_for_stop() {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .expect("a process may listen for its signals");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping; running answers may end");
}
