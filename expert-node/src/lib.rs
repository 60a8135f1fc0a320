//! The expert node: holds the experts it was told to hold and answers calls for them.
//!
//! Keeps true: it reads only the tensors of those experts, each checked against the manifest; it keeps no request
//! state. Knows no token, no attention and no HTTP.

mod membership;
mod options;
mod queue;

pub use options::NodeOptions;

use conclave_control::ModelFacts;
use conclave_control::command::RegisterNode;
use conclave_control_rpc::{ClusterToken, CoordinatorClient};
use conclave_expert::LocalExperts;
use conclave_expert_rpc::ExpertService;
use conclave_kernels::Pool;
use conclave_model::{Manifest, ModelError, ModelFolder, NumericDtype};
use conclave_types::Bytes;
use membership::Membership;
use queue::QueuedExperts;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long waiting calls may take to be answered after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(2);

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
pub fn model_facts(folder: &ModelFolder, manifest: &Manifest) -> ModelFacts {
    let element = match folder.dtype {
        NumericDtype::F32 => 4,
        NumericDtype::Bf16 => 2,
    };
    let elements: usize = folder.spec.expert_shapes().iter().map(|[rows, cols]| rows * cols).sum();
    ModelFacts {
        name: folder.name(),
        digest: manifest.model_digest(folder),
        layers: folder.spec.moe_layers().into_iter().map(|l| (l, folder.spec.experts as u32)).collect(),
        expert_bytes: Bytes((elements * element) as u64),
    }
}

/// An expert node that listens but holds nothing yet.
pub struct ExpertNode {
    listener: TcpListener,
    membership: Membership,
    queue: Arc<QueuedExperts>,
    thread: std::thread::JoinHandle<()>,
    token: ClusterToken,
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
        token: ClusterToken,
    ) -> Result<Self, NodeError> {
        let address = options.listen;
        let listener =
            TcpListener::bind(address).await.map_err(|error| NodeError::Listen { address, error })?;
        let listening = listener.local_addr().map_err(|error| NodeError::Listen { address, error })?;
        let experts = Arc::new(LocalExperts::load(&folder, &manifest, [], pool)?);
        let (queue, thread) =
            QueuedExperts::start(experts.clone(), options.calls_max).map_err(NodeError::Thread)?;
        let registration = RegisterNode {
            name: options.name.clone(),
            address: options.advertised(listening),
            capacity: options.memory_max.map(Bytes),
            zone: options.zone.clone(),
            numerics: conclave_kernels::NUMERICS.to_owned(),
            model: model_facts(&folder, &manifest),
        };
        let client = Arc::new(CoordinatorClient::new(options.coordinators.clone(), token.clone()));
        let membership = Membership { client, registration, folder, manifest, experts, queue: queue.clone() };
        Ok(Self { listener, membership, queue, thread, token })
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound listener has an address")
    }

    /// Answers calls until `shutdown`, then ends what waits.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), NodeError> {
        let Self { listener, membership, queue, thread, token } = self;
        let stop = shutdown.clone();
        let draining = queue.clone();
        let service = ExpertService::new(queue.clone(), token);
        let serve = service.serve(listener, async move {
            stop.cancelled().await;
            draining.drain();
        });
        let overdue = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        let result = tokio::select! {
            result = serve => result.map_err(|error| NodeError::Serve(error.to_string())),
            () = overdue => Ok(()),
            error = membership.run() => Err(error),
        };
        queue.drain();
        queue.stop();
        // The thread ends after what it computes now; joining on a blocking thread keeps the runtime alive for it.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        result
    }
}
