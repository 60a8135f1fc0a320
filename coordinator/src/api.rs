//! The calls of nodes, gateways and operators.

use crate::controller::{Controller, Heard, Told};
use crate::raft::{Consensus, WriteError};
use conclave_control::ClusterState;
use conclave_control::command::{Command, DrainNode, Reply};
use conclave_proto::convert::coordinator as convert;
use conclave_proto::coordinator::coordinator_server::Coordinator;
use conclave_proto::coordinator::{
    ClusterView, CoordinatorStatus, DrainReply, DrainRequest, HeartbeatReply, HeartbeatRequest, NodeStatus,
    RegisterReply, RegisterRequest, ReportLoadReply, ReportLoadRequest, StatusReply, StatusRequest,
    WatchRequest,
};
use futures::Stream;
use std::pin::Pin;
use std::sync::Arc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// The metadata key that names the leader.
const LEADER_KEY: &str = "conclave-leader";

/// Answers from the replicated state, and through the leader's controller.
pub(crate) struct Api {
    pub(crate) consensus: Consensus,
    pub(crate) controller: Controller,
    pub(crate) shutdown: CancellationToken,
}

impl Api {
    fn not_leader(&self, leader: Option<String>) -> Status {
        let mut status = Status::failed_precondition("this coordinator does not lead; ask the leader");
        if let Some(value) = leader.or_else(|| self.consensus.leader()).and_then(|at| at.parse().ok()) {
            status.metadata_mut().insert(LEADER_KEY, value);
        }
        status
    }

    async fn write(&self, command: Command) -> Result<Reply, Status> {
        self.consensus.write(command).await.map_err(|error| match error {
            WriteError::NotLeader(leader) => self.not_leader(leader),
            WriteError::Unavailable(_) => Status::unavailable(error.to_string()),
        })
    }
}

#[tonic::async_trait]
impl Coordinator for Api {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<ClusterView, Status>> + Send>>;

    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterReply>, Status> {
        let node = convert::registration(request.into_inner())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let name = node.name.clone();
        let reply = match self.write(Command::RegisterNode(node)).await? {
            Reply::Registered { node, incarnation } => {
                self.controller.registered(node);
                tracing::info!(%node, name, "node registered");
                RegisterReply { node: node.0, incarnation: incarnation.0, rejected: String::new() }
            }
            Reply::Rejected { why } => {
                tracing::warn!(name, why, "node refused");
                RegisterReply { rejected: why, ..RegisterReply::default() }
            }
            other => return Err(Status::internal(format!("unexpected reply {other:?}"))),
        };
        Ok(Response::new(reply))
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatReply>, Status> {
        let (node, report) = convert::heartbeat(request.into_inner());
        let answer = self.controller.heartbeat(node, report).ok_or_else(|| self.not_leader(None))?;
        Ok(Response::new(convert::heartbeat_reply(answer)))
    }

    async fn watch(&self, _request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let views = WatchStream::new(self.consensus.state());
        let views = views.map(|state: Arc<ClusterState>| Ok(convert::view(&state)));
        // An open watch must not keep a coordinator from stopping.
        let shutdown = self.shutdown.clone();
        let views = futures::StreamExt::take_until(views, async move { shutdown.cancelled().await });
        Ok(Response::new(Box::pin(views)))
    }

    async fn status(&self, _request: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        let state = self.consensus.state().borrow().clone();
        let Told { nodes, waiting } = self.controller.told().unwrap_or_default();
        let node = |heard: Heard| NodeStatus {
            node: heard.node.0,
            silence_ms: heard.silence.map(|silence| silence.0),
            experts: heard.report.experts,
            bytes: heard.report.bytes.0,
            calls: heard.report.calls,
            trouble: heard.report.trouble,
        };
        let coordinator = |member: crate::raft::Member| CoordinatorStatus {
            id: member.id,
            address: member.address,
            leader: member.leader,
            matched: member.matched,
        };
        Ok(Response::new(StatusReply {
            view: Some(convert::view(&state)),
            nodes: nodes.into_iter().map(node).collect(),
            coordinators: self.consensus.members().into_iter().map(coordinator).collect(),
            term: self.consensus.term(),
            waiting,
        }))
    }

    async fn drain(&self, request: Request<DrainRequest>) -> Result<Response<DrainReply>, Status> {
        let DrainRequest { name, draining } = request.into_inner();
        let rejected = match self.write(Command::DrainNode(DrainNode { name, draining })).await? {
            Reply::Rejected { why } => why,
            _ => String::new(),
        };
        Ok(Response::new(DrainReply { rejected }))
    }

    async fn report_load(
        &self,
        request: Request<ReportLoadRequest>,
    ) -> Result<Response<ReportLoadReply>, Status> {
        let (gateway, model, loads) = convert::load_report(request.into_inner())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let taken =
            self.controller.report_load(gateway, model, loads).ok_or_else(|| self.not_leader(None))?;
        if !taken {
            return Err(Status::invalid_argument("the report is of another model than the cluster serves"));
        }
        Ok(Response::new(ReportLoadReply {}))
    }
}
