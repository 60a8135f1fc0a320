//! The expert node: holds the experts it was told to hold and answers calls for them.
//!
//! Keeps true: it reads only the tensors of those experts, each checked against the manifest; it keeps no request
//! state. Knows no token, no attention and no HTTP.

mod background;
mod membership;
mod options;
mod peers;
mod queue;
mod server;

pub use options::NodeOptions;
pub use server::ExpertServer;

use background::Background;
use conclave_control::ModelFacts;
use conclave_control::command::RegisterNode;
use conclave_control_rpc::{CoordinatorClient, Credentials};
use conclave_expert::LocalExperts;
use conclave_kernels::Pool;
use conclave_model::{Manifest, ModelError, ModelFolder};
use conclave_telemetry::Monitor;
use conclave_types::Bytes;
use membership::{Membership, Standing};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// Why an expert node cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; choose another --listen or stop what uses it")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The Unix socket cannot be listened on.
    #[error("cannot listen on {}: {error}; choose another --socket-dir, with a short path", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The operating system gives no threads to load with.
    #[error(
        "cannot start threads to load experts with: {0}; raise this process's limit of threads or memory"
    )]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The weights cannot be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The cluster does not want this node.
    #[error("the cluster refuses this node: {0}")]
    Refused(String),
    /// Somebody else uses its name.
    #[error("another process has registered as node `{0}`; give each node its own --name")]
    Superseded(String),
    /// The computing thread cannot start.
    #[error("cannot start the computing thread: {0}")]
    Thread(std::io::Error),
    /// The listener broke.
    #[error("the listener broke: {0}")]
    Serve(String),
}

/// What the cluster must know of a model.
///
/// Errors: a tensor of an expert is missing or of a dtype that is not supported.
pub fn model_facts(folder: &ModelFolder, manifest: &Manifest) -> Result<ModelFacts, ModelError> {
    Ok(ModelFacts {
        name: folder.name(),
        digest: manifest.model_digest(folder),
        layers: folder.spec.moe_layers().into_iter().map(|l| (l, folder.spec.experts as u32)).collect(),
        expert_bytes: Bytes(folder.footprint()?.expert),
    })
}

/// An expert node that listens but holds nothing yet.
pub struct ExpertNode {
    server: ExpertServer,
    membership: Membership,
}

impl ExpertNode {
    /// Binds the port and starts the computing thread.
    ///
    /// - `folder`, `manifest`: the model, of which only the experts that the cluster assigns are read.
    pub async fn start(
        options: &NodeOptions,
        folder: Arc<ModelFolder>,
        manifest: Arc<Manifest>,
        pool: Arc<Pool>,
        credentials: Credentials,
    ) -> Result<Self, NodeError> {
        let experts = Arc::new(LocalExperts::load(&folder, &manifest, [], pool)?);
        let mut server =
            ExpertServer::bind(options.listen, experts.clone(), options.calls_max, credentials.clone())
                .await?;
        let address = options.advertised(server.address());
        if let Some(folder) = &options.socket_dir {
            server = server.with_socket(folder, &address)?;
        }
        let registration = RegisterNode {
            name: options.name.clone(),
            address,
            capacity: options.memory_max,
            zone: options.zone.clone(),
            numerics: folder.backend.numerics(),
            model: model_facts(&folder, &manifest)?,
        };
        let client = Arc::new(CoordinatorClient::new(options.coordinators.clone(), credentials.clone()));
        let giving = peers::Giving::new(folder.clone(), &manifest);
        let server = server.with_weights(giving, options.peer_rate_max);
        let queue = server.queue.clone();
        let standing = Arc::new(Mutex::new(Standing::Waiting("the coordinators")));
        let background = Background::start()?;
        let membership = Membership {
            client,
            registration,
            folder,
            manifest,
            experts,
            queue,
            standing,
            credentials,
            background,
        };
        Ok(Self { server, membership })
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What its monitoring port tells: it is ready once it has loaded what it shall hold and the cluster knows.
    pub fn monitor(&self) -> Monitor {
        let handle = conclave_telemetry::install_metrics("expert-node");
        metrics::counter!("conclave_node_loaded_experts_total").increment(0);
        metrics::counter!("conclave_node_weights_received_bytes_total").increment(0);
        metrics::counter!("conclave_node_weights_sent_bytes_total").increment(0);
        for reason in queue::REFUSALS {
            metrics::counter!("conclave_node_calls_refused_total", "reason" => reason).increment(0);
        }
        let Membership { experts, queue, standing, .. } = &self.membership;
        let (experts, queue, standing) = (experts.clone(), queue.clone(), standing.clone());
        let ready = standing.clone();
        let render = move || {
            let trouble =
                matches!(&*standing.lock().expect("no panic holds this lock"), Standing::Trouble(_));
            metrics::gauge!("conclave_node_trouble").set(if trouble { 1.0 } else { 0.0 });
            metrics::gauge!("conclave_node_experts").set(experts.held().len() as f64);
            metrics::gauge!("conclave_node_expert_bytes").set(experts.bytes().0 as f64);
            queue.tell();
            handle.run_upkeep();
            handle.render()
        };
        Monitor {
            role: "expert-node",
            ready: Arc::new(move || ready.lock().expect("no panic holds this lock").ready()),
            metrics: Arc::new(render),
        }
    }

    /// Answers calls until `shutdown`, then ends what waits.
    ///
    /// - Errors: the listener broke, or the cluster refuses this node for good.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), NodeError> {
        let Self { server, membership } = self;
        let stop = shutdown.child_token();
        let mut serving = std::pin::pin!(server.run(stop.clone()));
        tokio::select! {
            result = &mut serving => result,
            error = membership.run() => {
                stop.cancel();
                // A broken listener is no news for a node that may not stay.
                let _ = serving.await;
                Err(error)
            }
        }
    }
}
