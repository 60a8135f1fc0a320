//! The server: answers calls of many streams from one backend. Keeps true: every call gets one reply, unless
//! it was cancelled; calls of one stream run side by side.

use crate::frames::{Incoming, Outgoing};
use crate::weights::{WeightSource, WeightsService};
use crate::{CONNECTION_WINDOW, ExpertSocket, FRAME_SIZE, LANE_KEY, METHOD, STREAM_WINDOW};
use conclave_expert::{ExpertBackend, ExpertError, ExpertOutput, Lane};
use conclave_proto::convert::expert as convert;
use conclave_proto::expert::weights_server::WeightsServer;
use conclave_proto::expert::{ExpertReply, ExpertRequest};
use conclave_telemetry::{NodeShare, SpanPlace, SpanRole};
use conclave_transport::{Accepted, Credentials, Gate, Pace, accept, bounded, trusted};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_stream::Stream;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::header::CONTENT_TYPE;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::metadata::GRPC_CONTENT_TYPE;
use tonic::server::NamedService;
use tonic::{Code, Status};

/// Replies that may wait for a slow reader before its calls wait.
const REPLIES_MAX: usize = 64;
/// A step that has not called for so long is over: longer than its trunk takes for a layer of a long prompt.
const SHARE_OVER: Duration = Duration::from_secs(1);

/// The expert protocol over a backend.
pub struct ExpertService<B> {
    backend: Arc<B>,
    credentials: Credentials,
    weights: Option<(Arc<dyn WeightSource>, Arc<Pace>)>,
}

impl<B: ExpertBackend> ExpertService<B> {
    /// Serves `backend` to gateways, as `credentials` know them.
    pub fn new(backend: Arc<B>, credentials: Credentials) -> Self {
        Self { backend, credentials, weights: None }
    }

    /// Gives stored tensors of `source` to other nodes too, no faster than `pace`.
    pub fn with_weights(self, source: Arc<dyn WeightSource>, pace: Arc<Pace>) -> Self {
        Self { weights: Some((source, pace)), ..self }
    }

    /// Answers on `listener` until `shutdown` resolves.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), tonic::transport::Error> {
        let incoming = accept(listener, self.credentials.certificates.clone());
        self.serve_incoming(incoming, shutdown).await
    }

    /// Answers on `socket` until `shutdown` resolves.
    pub async fn serve_socket(
        self,
        socket: ExpertSocket,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), tonic::transport::Error> {
        let ExpertSocket { listener, file } = socket;
        let result = self.serve_incoming(trusted(listener), shutdown).await;
        drop(file);
        result
    }

    async fn serve_incoming<S>(
        self,
        incoming: impl Stream<Item = std::io::Result<Accepted<S>>> + Send,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), tonic::transport::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let token = self.credentials.token.clone();
        let weights = self.weights.clone().map(|(source, pace)| {
            Gate::new(WeightsServer::new(WeightsService { source, pace }), token.clone())
        });
        bounded()
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_SIZE)
            .add_service(Gate::new(Calls(self.backend), token))
            .add_optional_service(weights)
            .serve_with_incoming_shutdown(incoming, shutdown)
            .await
    }
}

/// The protocol's one method over a backend.
struct Calls<B>(Arc<B>);

impl<B> Clone for Calls<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B> NamedService for Calls<B> {
    const NAME: &'static str = conclave_proto::expert::experts_server::SERVICE_NAME;
}

impl<B: ExpertBackend> Service<Request<Body>> for Calls<B> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() != METHOD {
            let status = Status::unimplemented(format!("there is no method {}", request.uri().path()));
            return ready(Ok(status.into_http()));
        }
        let prefill = request.headers().get(LANE_KEY).is_some_and(|lane| lane == "prefill");
        let lane = if prefill { Lane::Prefill } else { Lane::Decode };
        let (replies, receiver) = mpsc::channel(REPLIES_MAX);
        tokio::spawn(answer(self.0.clone(), lane, Incoming::new(request.into_body()), replies));
        let mut well = HeaderMap::new();
        well.insert(Status::GRPC_STATUS, (Code::Ok as i32).into());
        let mut response = Response::new(Body::new(Outgoing::new(receiver, Some(well))));
        response.headers_mut().insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
        ready(Ok(response))
    }
}

/// Answers the calls of one stream until it ends.
async fn answer<B: ExpertBackend>(
    backend: Arc<B>,
    lane: Lane,
    mut calls: Incoming<Body>,
    replies: mpsc::Sender<ExpertReply>,
) {
    let mut running: HashMap<u64, AbortHandle> = HashMap::new();
    let mut share = CurrentShare::default();
    while let Some(message) = share.next(&mut calls).await {
        let call_id = message.call_id;
        if message.cancel {
            if let Some(call) = running.remove(&call_id) {
                call.abort();
            }
            continue;
        }
        running.retain(|_, call| !call.is_finished());
        let (backend, replies, share) = (backend.clone(), replies.clone(), share.of(&message.traceparent));
        let bytes_max = message.reply_bytes_max;
        let call = tokio::spawn(async move {
            let result = match convert::batch(message, lane) {
                Ok(batch) => {
                    if let Some(share) = &share {
                        share.called(batch.rows.count);
                    }
                    backend.run(batch).await
                }
                Err(error) => Err(error),
            };
            if let Some(share) = share {
                share.ended(result.as_ref().map(ExpertOutput::took).map_err(ExpertError::kind));
            }
            for reply in convert::replies(call_id, result, bytes_max) {
                if replies.send(reply).await.is_err() {
                    // A caller that is gone needs no reply.
                    return;
                }
            }
        });
        running.insert(call_id, call.abort_handle());
    }
    drop(share);
    // The stream is over, so nobody waits for what still runs.
    running.into_values().for_each(|call| call.abort());
}

/// The share of the step whose calls come now: one span for all of them. Ended by the first call of another step, or when
/// nothing comes for [`SHARE_OVER`].
#[derive(Default)]
struct CurrentShare(Option<(String, Arc<NodeShare>)>);

impl CurrentShare {
    /// The next message of `calls`; `None` at the end of the stream.
    async fn next(&mut self, calls: &mut Incoming<Body>) -> Option<ExpertRequest> {
        if self.0.is_some() {
            match tokio::time::timeout(SHARE_OVER, calls.next()).await {
                Ok(message) => return message.ok().flatten(),
                Err(_) => self.0 = None,
            }
        }
        calls.next().await.ok().flatten()
    }

    /// The share that a call with this `traceparent` belongs to, if somebody will see it.
    fn of(&mut self, traceparent: &str) -> Option<Arc<NodeShare>> {
        if self.0.as_ref().is_none_or(|(step, _)| step != traceparent) {
            let parent = SpanPlace::parse(traceparent);
            let share = parent.and_then(|at| NodeShare::begin(SpanRole::Answers, "run_experts", &at));
            self.0 = share.map(|share| (traceparent.to_owned(), Arc::new(share)));
        }
        self.0.as_ref().map(|(_, share)| share.clone())
    }
}
