//! Stored tensors from node to node, by content: the bulk beside the calls, on a connection of its own.
//!
//! Keeps true: who gives decides how fast; a tensor arrives whole or not at all. Who takes checks the content.

use crate::{FRAME_SIZE, STREAM_WINDOW};
use conclave_proto::expert::weights_client::WeightsClient;
use conclave_proto::expert::weights_server::Weights;
use conclave_proto::expert::{WeightsChunk, WeightsRequest};
use conclave_transport::{Credentials, Pace, Role, SendToken, explain};
use conclave_types::Digest;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

/// Bytes of a chunk: small beside what a connection of calls has under way.
const CHUNK: usize = 256 << 10;
/// Chunks that wait for a slow reader.
const CHUNKS_MAX: usize = 4;
/// Tensors of one request.
const TENSORS_MAX: usize = 4096;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a peer may be silent before somebody else is asked.
const SILENCE: Duration = Duration::from_secs(5);

/// Who has tensors to give.
pub trait WeightSource: Send + Sync + 'static {
    /// The stored bytes of the tensor with this digest, if they are here. May read a disk.
    fn read(&self, digest: &Digest) -> Option<Vec<u8>>;
}

/// The server's side.
pub(crate) struct WeightsService {
    pub(crate) source: Arc<dyn WeightSource>,
    pub(crate) pace: Arc<Pace>,
}

#[tonic::async_trait]
impl Weights for WeightsService {
    type ReadStream = Pin<Box<dyn Stream<Item = Result<WeightsChunk, Status>> + Send>>;

    async fn read(&self, request: Request<WeightsRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let digests = request.into_inner().digests;
        if digests.len() > TENSORS_MAX {
            return Err(Status::invalid_argument(format!(
                "{} tensors at once; {TENSORS_MAX} can be",
                digests.len()
            )));
        }
        let digest = |bytes: &bytes::Bytes| <[u8; 32]>::try_from(&bytes[..]).map(Digest);
        let digests: Vec<Digest> = digests
            .iter()
            .map(digest)
            .collect::<Result<_, _>>()
            .map_err(|_| Status::invalid_argument("a digest has 32 bytes"))?;
        let (chunks, receiver) = mpsc::channel(CHUNKS_MAX);
        let (source, pace) = (self.source.clone(), self.pace.clone());
        tokio::spawn(async move {
            for digest in digests {
                let source = source.clone();
                let Ok(Some(tensor)) = tokio::task::spawn_blocking(move || source.read(&digest)).await else {
                    continue;
                };
                let mut first = bytes::Bytes::copy_from_slice(&digest.0);
                let mut rest = bytes::Bytes::from(tensor);
                while !rest.is_empty() {
                    let bytes = rest.split_to(rest.len().min(CHUNK));
                    pace.wait(bytes.len() as u64).await;
                    metrics::counter!("conclave_node_weights_sent_bytes_total").increment(bytes.len() as u64);
                    let chunk = WeightsChunk { digest: std::mem::take(&mut first), bytes };
                    if chunks.send(Ok(chunk)).await.is_err() {
                        // Nobody waits for it any more.
                        return;
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// A node to take tensors from.
pub struct PeerWeights {
    client: WeightsClient<InterceptedService<Channel, SendToken>>,
}

impl PeerWeights {
    /// Connects to the node at `address` (`host:port`).
    ///
    /// Errors: why it cannot be reached, for a log line.
    pub async fn connect(address: &str, credentials: &Credentials) -> Result<Self, String> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| explain(&error))?;
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW)
            .max_frame_size(FRAME_SIZE);
        let connector = credentials.connector(Role::ExpertNode);
        let channel = endpoint.connect_with_connector(connector).await.map_err(|error| explain(&error))?;
        Ok(Self { client: WeightsClient::with_interceptor(channel, credentials.token.sender()) })
    }

    /// Asks for the tensors `wanted`, digests with lengths in bytes; `take` gets each that the node has, in any order, and
    /// says whether to go on.
    ///
    /// Errors: why it ended early, for a log line; what came before has been taken.
    pub async fn read<F: Future<Output = bool>>(
        &mut self,
        wanted: &BTreeMap<Digest, u64>,
        mut take: impl FnMut(Digest, Vec<u8>) -> F,
    ) -> Result<(), String> {
        let digests: Vec<&Digest> = wanted.keys().collect();
        for part in digests.chunks(TENSORS_MAX) {
            let digests = part.iter().map(|digest| bytes::Bytes::copy_from_slice(&digest.0)).collect();
            let request = self.client.read(WeightsRequest { digests });
            let late = |_| format!("it was silent for {} s", SILENCE.as_secs());
            let answer = tokio::time::timeout(SILENCE, request).await.map_err(late)?;
            let mut chunks = answer.map_err(|error| explain(&error))?.into_inner();
            let mut tensor: Option<(Digest, Vec<u8>)> = None;
            while let Some(chunk) = tokio::time::timeout(SILENCE, chunks.next()).await.map_err(late)? {
                let chunk = chunk.map_err(|error| explain(&error))?;
                if let Ok(digest) = <[u8; 32]>::try_from(&chunk.digest[..]) {
                    tensor = Some((Digest(digest), Vec::new()));
                }
                let Some((digest, bytes)) = &mut tensor else {
                    return Err("it sent bytes of no tensor".to_owned());
                };
                let Some(len) = wanted.get(digest) else {
                    return Err("it sent what nobody asked for".to_owned());
                };
                bytes.extend_from_slice(&chunk.bytes);
                if bytes.len() as u64 > *len {
                    return Err("it sent more than the tensor has".to_owned());
                }
                if bytes.len() as u64 == *len
                    && let Some((digest, bytes)) = tensor.take()
                    && !take(digest, bytes).await
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
