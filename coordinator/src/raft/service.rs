//! The other coordinators' calls, handed to openraft.

use super::{Consensus, TypeConfig};
use conclave_proto::coordinator::raft_server::Raft as RaftCalls;
use conclave_proto::coordinator::{IdentifyReply, IdentifyRequest, RaftMessage, SnapshotMessage};
use openraft::alias::SnapshotOf;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tonic::{Request, Response, Status};

/// Answers the other coordinators.
pub(crate) struct RaftService {
    consensus: Consensus,
}

impl RaftService {
    pub(super) fn new(consensus: Consensus) -> Self {
        Self { consensus }
    }
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Status> {
    serde_json::from_slice(body)
        .map_err(|error| Status::invalid_argument(format!("no Raft message: {error}")))
}

fn reply<E: std::fmt::Display>(result: Result<impl Serialize, E>) -> Result<Response<RaftMessage>, Status> {
    let value = result.map_err(|error| Status::unavailable(error.to_string()))?;
    let body = serde_json::to_vec(&value).map_err(|error| Status::internal(error.to_string()))?;
    Ok(Response::new(RaftMessage { body: body.into() }))
}

#[tonic::async_trait]
impl RaftCalls for RaftService {
    async fn append(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        reply(self.consensus.raft.append_entries(decode(&request.get_ref().body)?).await)
    }

    async fn vote(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        reply(self.consensus.raft.vote(decode(&request.get_ref().body)?).await)
    }

    async fn pre_vote(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        reply(self.consensus.raft.pre_vote(decode(&request.get_ref().body)?).await)
    }

    async fn snapshot(&self, request: Request<SnapshotMessage>) -> Result<Response<RaftMessage>, Status> {
        let message = request.into_inner();
        let meta = decode(&message.meta)?;
        let snapshot = SnapshotOf::<TypeConfig, Vec<u8>> { meta, snapshot: message.state.to_vec() };
        reply(self.consensus.raft.install_full_snapshot(decode(&message.vote)?, snapshot).await)
    }

    async fn transfer_leader(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        reply(self.consensus.raft.handle_transfer_leader(decode(&request.get_ref().body)?).await)
    }

    async fn identify(&self, _request: Request<IdentifyRequest>) -> Result<Response<IdentifyReply>, Status> {
        let initialized = self.consensus.raft.is_initialized().await;
        let initialized = initialized.map_err(|error| Status::unavailable(error.to_string()))?;
        let group = self.consensus.group();
        Ok(Response::new(IdentifyReply {
            id: self.consensus.id,
            initialized,
            leads: group.is_some(),
            members: group.unwrap_or_default(),
        }))
    }
}
