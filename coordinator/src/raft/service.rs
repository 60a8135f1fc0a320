//! The other coordinators' calls, handed to openraft.

use super::{Raft, TypeConfig};
use conclave_proto::coordinator::raft_server::Raft as RaftCalls;
use conclave_proto::coordinator::{InitializedReply, InitializedRequest, RaftMessage, SnapshotMessage};
use openraft::alias::SnapshotOf;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tonic::{Request, Response, Status};

/// Answers the other coordinators.
pub(crate) struct RaftService {
    raft: Raft,
}

impl RaftService {
    pub(super) fn new(raft: Raft) -> Self {
        Self { raft }
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
        reply(self.raft.append_entries(decode(&request.get_ref().body)?).await)
    }

    async fn vote(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        reply(self.raft.vote(decode(&request.get_ref().body)?).await)
    }

    async fn pre_vote(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        reply(self.raft.pre_vote(decode(&request.get_ref().body)?).await)
    }

    async fn snapshot(&self, request: Request<SnapshotMessage>) -> Result<Response<RaftMessage>, Status> {
        let message = request.into_inner();
        let meta = decode(&message.meta)?;
        let snapshot = SnapshotOf::<TypeConfig, Vec<u8>> { meta, snapshot: message.state.to_vec() };
        reply(self.raft.install_full_snapshot(decode(&message.vote)?, snapshot).await)
    }

    async fn initialized(
        &self,
        _request: Request<InitializedRequest>,
    ) -> Result<Response<InitializedReply>, Status> {
        let initialized = self.raft.is_initialized().await;
        let initialized = initialized.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(InitializedReply { initialized }))
    }
}
