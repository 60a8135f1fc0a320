//! The client: a node's experts as an `ExpertBackend`, over one connection per lane.
//!
//! Keeps true: a call ends with its answer, or with `Unreachable` the moment its connection is lost; dropping
//! a call cancels it at the node; a lost connection is opened again in the background.

use crate::frames::{Incoming, Outgoing, ended};
use crate::{CONNECTION_WINDOW, FRAME_SIZE, LANE_KEY, METHOD, REPLY_BYTES_MAX, STREAM_WINDOW, socket_path};
use conclave_expert::{ExpertBackend, ExpertBatch, ExpertError, ExpertFuture, Lane};
use conclave_proto::convert::expert as convert;
use conclave_proto::expert::{ExpertReply, ExpertRequest};
use conclave_transport::{ClusterToken, Connector, Credentials, Role, explain, is_refusal};
use dashmap::DashMap;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::header::{CONTENT_TYPE, TE};
use tonic::codegen::http::{Request, StatusCode, Version};
use tonic::codegen::{InterceptedService, Service};
use tonic::metadata::GRPC_CONTENT_TYPE;
use tonic::transport::{Channel, Endpoint};

/// Calls that may wait for the connection to take them.
const CALLS_MAX: usize = 64;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A node that answers no ping for this long is frozen or cut off: its calls then fail at once instead of each
/// running into its deadline, and a connection that a cut has left half open is replaced.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Pauses between attempts to connect: doubled from the first to the last.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LAST: Duration = Duration::from_secs(1);

type Waiting = DashMap<u64, Caller>;

/// A call that waits for its answer.
struct Caller {
    answer: oneshot::Sender<ExpertReply>,
    replies: convert::Replies,
}

/// One connection, opened again whenever it is lost.
struct Connection {
    /// Where calls go; `None` while there is no connection.
    calls: watch::Receiver<Option<mpsc::Sender<ExpertRequest>>>,
    waiting: Arc<Waiting>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    fn open(ways: Ways, token: ClusterToken, lane: &'static str) -> Self {
        let (sender, calls) = watch::channel(None);
        let waiting = Arc::new(Waiting::new());
        let task = tokio::spawn(keep_open(ways, token, lane, sender, waiting.clone()));
        Self { calls, waiting, task }
    }
}

/// How a node can be reached.
#[derive(Clone)]
struct Ways {
    tcp: Endpoint,
    connector: Connector,
    /// Its socket, where the node is on this machine.
    socket: Option<PathBuf>,
}

impl Ways {
    /// A connection by the shortest way that there is now.
    async fn connect(&self) -> Result<Channel, Box<dyn std::error::Error + Send + Sync>> {
        if let Some(path) = self.socket.as_deref().filter(|path| path.exists()) {
            let endpoint = tuned(Endpoint::from_shared(format!("unix:{}", path.display()))?);
            match endpoint.connect().await {
                Ok(channel) => return Ok(channel),
                Err(error) => tracing::debug!(socket = %path.display(), %error, "nobody answers there"),
            }
        }
        Ok(self.tcp.connect_with_connector(self.connector.clone()).await?)
    }
}

fn tuned(endpoint: Endpoint) -> Endpoint {
    endpoint
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_SIZE)
}

async fn keep_open(
    ways: Ways,
    token: ClusterToken,
    lane: &'static str,
    calls: watch::Sender<Option<mpsc::Sender<ExpertRequest>>>,
    waiting: Arc<Waiting>,
) {
    let mut pause = RETRY_FIRST;
    let mut refused = false;
    loop {
        match stream(&ways, &token, lane, &calls, &waiting).await {
            Ok(()) => (pause, refused) = (RETRY_FIRST, false),
            Err(error) => {
                let (node, why) = (ways.tcp.uri(), explain(&*error));
                // Told once: a node that is away comes back, one that refuses needs somebody to look.
                if is_refusal(&*error) && !std::mem::replace(&mut refused, true) {
                    tracing::warn!(%node, lane, why, "the node and this process refuse each other; trying again");
                } else {
                    tracing::debug!(%node, lane, why, "no connection; trying again");
                }
                pause = (pause * 2).min(RETRY_LAST);
            }
        }
        // First no new calls, then the old ones fail: dropping a sender wakes its caller.
        calls.send_replace(None);
        waiting.clear();
        tokio::time::sleep(pause).await;
    }
}

/// Opens one stream and hands out replies until it ends.
async fn stream(
    ways: &Ways,
    token: &ClusterToken,
    lane: &'static str,
    calls: &watch::Sender<Option<mpsc::Sender<ExpertRequest>>>,
    waiting: &Waiting,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let channel = ways.connect().await?;
    let mut service = InterceptedService::new(channel, token.sender());
    let (sender, receiver) = mpsc::channel(CALLS_MAX);
    let request = Request::post(METHOD)
        .version(Version::HTTP_2)
        .header(TE, "trailers")
        .header(CONTENT_TYPE, GRPC_CONTENT_TYPE)
        .header(LANE_KEY, lane)
        .body(Body::new(Outgoing::new(receiver, None)))?;
    poll_fn(|context| service.poll_ready(context)).await?;
    let response = service.call(request).await?;
    if response.status() != StatusCode::OK {
        return Err(Status::unknown(format!("whoever listens there answers {}", response.status())).into());
    }
    ended(Some(response.headers()))?;
    let mut replies = Incoming::new(response.into_body());
    calls.send_replace(Some(sender));
    while let Ok(Some(reply)) = replies.next::<ExpertReply>().await {
        let id = reply.call_id;
        if waiting.get_mut(&id).is_some_and(|mut caller| caller.replies.wait_after(&reply)) {
            continue;
        }
        // A call that was dropped no longer waits.
        if let Some((_, Caller { answer, replies })) = waiting.remove(&id) {
            let _ = answer.send(replies.whole(reply));
        }
    }
    Ok(())
}

/// The experts of one node.
pub struct GrpcExperts {
    address: String,
    decode: Connection,
    prefill: Connection,
    next_call: AtomicU64,
}

/// Tells the node that a call is no longer wanted, unless it was answered.
struct CancelOnDrop<'a> {
    connection: &'a Connection,
    calls: mpsc::Sender<ExpertRequest>,
    call_id: u64,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if self.connection.waiting.remove(&self.call_id).is_some() {
            let cancel = ExpertRequest { call_id: self.call_id, cancel: true, ..ExpertRequest::default() };
            // With a full queue the node computes in vain, which is allowed.
            let _ = self.calls.try_send(cancel);
        }
    }
}

impl GrpcExperts {
    /// The node at `address` (`host:port`), called with `credentials`; connects in the background, on the current
    /// runtime. Where `sockets`, a folder, has its socket (see [`crate::socket_path`]), that is used instead.
    ///
    /// - Errors: the address is no address.
    pub fn new(
        address: &str,
        sockets: Option<&Path>,
        credentials: &Credentials,
    ) -> Result<Self, ExpertError> {
        let bad = |error| ExpertError::Unreachable(format!("`{address}` is no host:port: {error}"));
        let tcp = tuned(Endpoint::from_shared(format!("http://{address}")).map_err(bad)?);
        let socket = sockets.map(|folder| socket_path(folder, address));
        let ways = Ways { tcp, connector: credentials.connector(Role::ExpertNode), socket };
        let token = &credentials.token;
        Ok(Self {
            address: address.to_owned(),
            decode: Connection::open(ways.clone(), token.clone(), "decode"),
            prefill: Connection::open(ways, token.clone(), "prefill"),
            next_call: AtomicU64::new(1),
        })
    }

    /// Waits until both lanes are connected.
    pub async fn connected(&self) {
        for connection in [&self.decode, &self.prefill] {
            // The sender lives as long as the connection's task, which `self` keeps.
            let _ = connection.calls.clone().wait_for(Option::is_some).await;
        }
    }

    async fn call(&self, batch: ExpertBatch) -> Result<conclave_expert::ExpertOutput, ExpertError> {
        let connection = match batch.lane {
            Lane::Decode => &self.decode,
            Lane::Prefill => &self.prefill,
        };
        let lost = || ExpertError::Unreachable(format!("the connection to {} is down", self.address));
        let calls = connection.calls.borrow().clone().ok_or_else(lost)?;
        let call_id = self.next_call.fetch_add(1, Ordering::Relaxed);
        let asked = convert::Asked::from(&batch);
        let (sender, answer) = oneshot::channel();
        let caller = Caller { answer: sender, replies: convert::Replies::to(&asked) };
        connection.waiting.insert(call_id, caller);
        let guard = CancelOnDrop { connection, calls, call_id };
        // Sending fails, and waiting ends, when the connection is lost; the caller then asks another home.
        let request = ExpertRequest { reply_bytes_max: REPLY_BYTES_MAX, ..convert::request(call_id, &batch) };
        guard.calls.send(request).await.map_err(|_| lost())?;
        // A call entered after the connection was cleared would wait for ever. The channel is taken down before
        // that clearing, so seeing it still there means that the clearing is yet to come and finds this call.
        if !connection.calls.borrow().as_ref().is_some_and(|now| now.same_channel(&guard.calls)) {
            return Err(lost());
        }
        let answer = async { answer.await.map_err(|_| lost()) };
        let reply = match batch.deadline {
            Some(deadline) => tokio::time::timeout(deadline, answer)
                .await
                .map_err(|_| ExpertError::Deadline(deadline))??,
            None => answer.await?,
        };
        convert::output(reply, &asked)
    }
}

impl ExpertBackend for GrpcExperts {
    fn run(&self, batch: ExpertBatch) -> ExpertFuture<'_> {
        Box::pin(self.call(batch))
    }

    /// Whether both lanes are.
    fn is_connected(&self) -> bool {
        [&self.decode, &self.prefill].iter().all(|connection| connection.calls.borrow().is_some())
    }
}
