//! Experts behind a listener: the queue, its computing thread and the expert protocol, with or without a cluster.

use crate::NodeError;
use crate::queue::QueuedExperts;
use conclave_control_rpc::Credentials;
use conclave_expert::LocalExperts;
use conclave_expert_rpc::{ExpertService, ExpertSocket, WeightSource, socket_path};
use conclave_transport::Pace;
use conclave_types::Bytes;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long waiting calls may take to be answered after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(2);

/// Experts that listen and do not answer yet.
pub struct ExpertServer {
    listener: TcpListener,
    socket: Option<ExpertSocket>,
    pub(crate) queue: Arc<QueuedExperts>,
    thread: std::thread::JoinHandle<()>,
    credentials: Credentials,
    giving: Option<(Arc<dyn WeightSource>, Arc<Pace>)>,
}

impl ExpertServer {
    /// Binds `listen` and starts the computing thread; at most `calls_max` calls wait, from gateways as `credentials` know them.
    pub async fn bind(
        listen: SocketAddr,
        experts: Arc<LocalExperts>,
        calls_max: usize,
        credentials: Credentials,
    ) -> Result<Self, NodeError> {
        let error = |error| NodeError::Listen { address: listen, error };
        let listener = TcpListener::bind(listen).await.map_err(error)?;
        let (queue, thread) = QueuedExperts::start(experts, calls_max).map_err(NodeError::Thread)?;
        Ok(Self { listener, socket: None, queue, thread, credentials, giving: None })
    }

    /// Listens on a Unix socket in `folder` too, for gateways of this machine that know this node by `address`.
    pub fn with_socket(self, folder: &Path, address: &str) -> Result<Self, NodeError> {
        let error = |error| NodeError::Socket { path: socket_path(folder, address), error };
        Ok(Self { socket: Some(ExpertSocket::bind(folder, address).map_err(error)?), ..self })
    }

    /// Gives stored tensors of `source` to other nodes, at most `rate` a second; 0: none.
    pub(crate) fn with_weights(self, source: impl WeightSource, rate: Bytes) -> Self {
        let giving = (rate.0 > 0).then(|| {
            let source: Arc<dyn WeightSource> = Arc::new(source);
            (source, Arc::new(Pace::new(Some(rate.0))))
        });
        Self { giving, ..self }
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound listener has an address")
    }

    /// Answers calls until `shutdown`, then ends what waits.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), NodeError> {
        let Self { listener, socket, queue, thread, credentials, giving } = self;
        let stop = shutdown.clone();
        let draining = queue.clone();
        let mut tcp = ExpertService::new(queue.clone(), credentials.clone());
        if let Some((source, pace)) = giving {
            tcp = tcp.with_weights(source, pace);
        }
        let tcp = tcp.serve(listener, async move {
            stop.cancelled().await;
            draining.drain();
        });
        let unix = async {
            match socket {
                Some(socket) => {
                    let service = ExpertService::new(queue.clone(), credentials);
                    service.serve_socket(socket, shutdown.clone().cancelled_owned()).await
                }
                None => Ok(()),
            }
        };
        let serve = Box::pin(async { tokio::try_join!(tcp, unix) });
        let overdue = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        let result = tokio::select! {
            result = serve => result.map(|_| ()).map_err(|error| NodeError::Serve(error.to_string())),
            () = overdue => Ok(()),
        };
        queue.drain();
        queue.stop();
        // The thread ends after what it computes now; joining on a blocking thread keeps the runtime alive for it.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        result
    }
}
