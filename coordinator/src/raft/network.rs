//! How coordinators reach each other: gRPC, one lasting connection per peer.

use super::TypeConfig;
use conclave_proto::COORDINATOR_MESSAGE_BYTES_MAX as MESSAGE_BYTES_MAX;
use conclave_proto::coordinator::raft_client::RaftClient;
use conclave_proto::coordinator::{RaftMessage, SnapshotMessage};
use conclave_transport::{Credentials, Role, SendToken};
use openraft::alias::{SnapshotOf, VoteOf};
use openraft::error::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{Backoff, RPCOption};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{AnyError, BasicNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// A connection that answers no ping for this long is replaced: a cut leaves one half open, and what waits in it is sent again
/// only after a pause that doubles for as long as the cut lasts.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Pause before an unreachable peer is tried again.
const BACKOFF: Duration = Duration::from_millis(200);

/// Makes connections.
pub(super) struct Network {
    credentials: Credentials,
}

impl Network {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self { credentials }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Peer;

    async fn new_client(&mut self, _target: u64, node: &BasicNode) -> Peer {
        let client = Endpoint::from_shared(format!("http://{}", node.addr)).map(|endpoint| {
            let endpoint = endpoint
                .connect_timeout(CONNECT_TIMEOUT)
                .http2_keep_alive_interval(KEEP_ALIVE)
                .keep_alive_timeout(KEEP_ALIVE)
                .keep_alive_while_idle(true);
            let channel = endpoint.connect_with_connector_lazy(self.credentials.connector(Role::Coordinator));
            RaftClient::with_interceptor(channel, self.credentials.token.sender())
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX)
        });
        Peer { client: client.map_err(|error| format!("`{}` is no address: {error}", node.addr)) }
    }
}

type Client = RaftClient<InterceptedService<Channel, SendToken>>;

/// The connection to one peer.
pub(super) struct Peer {
    client: Result<Client, String>,
}

impl Peer {
    fn client(&self) -> Result<Client, Unreachable<TypeConfig>> {
        self.client.clone().map_err(|error| Unreachable::new(&AnyError::error(error)))
    }
}

fn message(value: &impl Serialize) -> Result<RaftMessage, NetworkError<TypeConfig>> {
    let body = serde_json::to_vec(value).map_err(|error| NetworkError::new(&error))?;
    Ok(RaftMessage { body: body.into() })
}

fn answer<T: DeserializeOwned>(reply: Response<RaftMessage>) -> Result<T, NetworkError<TypeConfig>> {
    serde_json::from_slice(&reply.into_inner().body).map_err(|error| NetworkError::new(&error))
}

/// Waits within openraft's time limit. Every failure counts as unreachable, so that openraft backs off.
async fn within<T>(
    option: &RPCOption,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Unreachable<TypeConfig>> {
    match tokio::time::timeout(option.soft_ttl(), call).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(status)) => Err(Unreachable::new(&status)),
        Err(late) => Err(Unreachable::new(&late)),
    }
}

impl RaftNetworkV2<TypeConfig> for Peer {
    type SnapshotData = Vec<u8>;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let mut client = self.client()?;
        Ok(answer(within(&option, client.append(message(&rpc)?)).await?)?)
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let mut client = self.client()?;
        Ok(answer(within(&option, client.vote(message(&rpc)?)).await?)?)
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let mut client = self.client()?;
        Ok(answer(within(&option, client.pre_vote(message(&rpc)?)).await?)?)
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<TypeConfig>,
        snapshot: SnapshotOf<TypeConfig, Vec<u8>>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let mut client = self.client()?;
        let message = SnapshotMessage {
            vote: message(&vote)?.body,
            meta: message(&snapshot.meta)?.body,
            state: snapshot.snapshot.into(),
        };
        tokio::select! {
            closed = cancel => Err(closed.into()),
            reply = within(&option, client.snapshot(message)) => Ok(answer(reply?)?),
        }
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let mut client = self.client()?;
        Ok(answer(within(&option, client.transfer_leader(message(&rpc)?)).await?)?)
    }

    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(BACKOFF)))
    }
}
