//! The server: answers calls of many streams from one backend. Keeps true: every call gets one reply, unless
//! it was cancelled; calls of one stream run side by side.

use crate::weights::{WeightSource, WeightsService};
use crate::{CONNECTION_WINDOW, ExpertSocket, FRAME_SIZE, LANE_KEY, MESSAGE_BYTES_MAX, STREAM_WINDOW};
use conclave_expert::{ExpertBackend, ExpertError, ExpertOutput, Lane};
use conclave_proto::convert::expert as convert;
use conclave_proto::expert::experts_server::{Experts, ExpertsServer};
use conclave_proto::expert::weights_server::WeightsServer;
use conclave_proto::expert::{ExpertReply, ExpertRequest};
use conclave_telemetry::{NodeShare, SpanPlace, SpanRole};
use conclave_transport::{Accepted, Credentials, Gate, Pace, accept, bounded, trusted};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

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
        let service = ExpertsServer::new(self)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        bounded()
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_SIZE)
            .add_service(Gate::new(service, token))
            .add_optional_service(weights)
            .serve_with_incoming_shutdown(incoming, shutdown)
            .await
    }
}

#[tonic::async_trait]
impl<B: ExpertBackend> Experts for ExpertService<B> {
    type RunStream = Pin<Box<dyn Stream<Item = Result<ExpertReply, Status>> + Send>>;

    async fn run(
        &self,
        request: Request<Streaming<ExpertRequest>>,
    ) -> Result<Response<Self::RunStream>, Status> {
        let prefill = request.metadata().get(LANE_KEY).is_some_and(|lane| lane == "prefill");
        let lane = if prefill { Lane::Prefill } else { Lane::Decode };
        let mut calls = request.into_inner();
        let (replies, receiver) = mpsc::channel(REPLIES_MAX);
        let backend = self.backend.clone();
        tokio::spawn(async move {
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
                let (backend, replies, share) =
                    (backend.clone(), replies.clone(), share.of(&message.traceparent));
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
                        if replies.send(Ok(reply)).await.is_err() {
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
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// The share of the step whose calls come now: one span for all of them. Ended by the first call of another step, or when
/// nothing comes for [`SHARE_OVER`].
#[derive(Default)]
struct CurrentShare(Option<(String, Arc<NodeShare>)>);

impl CurrentShare {
    /// The next message of `calls`; `None` at the end of the stream.
    async fn next(&mut self, calls: &mut Streaming<ExpertRequest>) -> Option<ExpertRequest> {
        if self.0.is_some() {
            match tokio::time::timeout(SHARE_OVER, calls.next()).await {
                Ok(message) => return message?.ok(),
                Err(_) => self.0 = None,
            }
        }
        calls.next().await?.ok()
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
