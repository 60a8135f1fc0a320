//! The calls of nodes, gateways and operators. What operators ask for is done in `operator`.

use crate::controller::{Controller, Heard, Told};
use crate::operator;
use crate::raft::{Consensus, LogFacts, WriteError};
use conclave_control::ClusterState;
use conclave_control::command::{Command, Reply};
use conclave_proto::convert::coordinator as convert;
use conclave_proto::coordinator::coordinator_server::Coordinator;
use conclave_proto::coordinator::{
    AddCoordinatorReply, AddCoordinatorRequest, ChangeReply, ChangeRequest, ClusterView, CoordinatorStatus,
    ExplainReply, ExplainRequest, HeartbeatReply, HeartbeatRequest, HistoryReply, HistoryRequest, LogStatus,
    NodeStatus, RebalanceReply, RebalanceRequest, RegisterReply, RegisterRequest, RemoveCoordinatorRequest,
    ReportLoadReply, ReportLoadRequest, StatusReply, StatusRequest, WatchRequest, WhatIfReply, WhatIfRequest,
};
use conclave_transport::{Caller, Credentials};
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
    pub(crate) credentials: Credentials,
    pub(crate) shutdown: CancellationToken,
}

impl Api {
    pub(crate) fn not_leader(&self, leader: Option<String>) -> Status {
        let mut status = Status::failed_precondition("this coordinator does not lead; ask the leader");
        if let Some(value) = leader.or_else(|| self.consensus.leader()).and_then(|at| at.parse().ok()) {
            status.metadata_mut().insert(LEADER_KEY, value);
        }
        status
    }

    /// A node speaks for itself only.
    fn only(&self, caller: &Caller, name: &str) -> Result<(), Status> {
        if caller.is_node(name) {
            return Ok(());
        }
        tracing::warn!(?caller, name, "a node was spoken for by somebody else");
        Err(Status::permission_denied(format!(
            "this certificate is not that of expert-node `{name}`; start the node with --name as in its certificate"
        )))
    }

    /// Commits a command that `by` asked for, or with `None` a node.
    pub(crate) async fn write(&self, by: Option<String>, command: Command) -> Result<Reply, Status> {
        self.controller.write(by, command).await.map_err(|error| self.not_done(error))
    }

    /// Makes sure that what is read next is no older than the question.
    async fn confirm(&self) -> Result<(), Status> {
        self.consensus.confirm().await.map_err(|error| self.not_done(error))
    }

    fn not_done(&self, error: WriteError) -> Status {
        match error {
            WriteError::NotLeader(leader) => self.not_leader(leader),
            WriteError::Unavailable(_) => Status::unavailable(error.to_string()),
        }
    }
}

/// Who sent `request`; the gate has let it in.
fn caller<T>(request: &Request<T>) -> Caller {
    request.extensions().get().cloned().unwrap_or(Caller::Nobody)
}

#[tonic::async_trait]
impl Coordinator for Api {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<ClusterView, Status>> + Send>>;

    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterReply>, Status> {
        let caller = caller(&request);
        let node = convert::registration(request.into_inner())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let name = node.name.clone();
        self.only(&caller, &name)?;
        let reply = match self.write(None, Command::RegisterNode(node)).await? {
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
        let caller = caller(&request);
        let (node, report) = convert::heartbeat(request.into_inner());
        // A node that is not known is told so below.
        if let Some(named) = self.consensus.state().borrow().nodes.get(&node) {
            self.only(&caller, &named.name)?;
        }
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
        // Given nothing, it has no trouble any more; what it had is what operators need.
        let trouble = |heard: &Heard| {
            let own = heard.stuck.as_deref().unwrap_or(&heard.report.trouble);
            let told = [own, heard.viewed.as_deref().unwrap_or_default()];
            told.into_iter().filter(|told| !told.is_empty()).collect::<Vec<_>>().join("; ")
        };
        let node = |heard: Heard| NodeStatus {
            node: heard.node.0,
            silence_ms: heard.silence.map(|silence| silence.0),
            experts: heard.report.experts,
            bytes: heard.report.bytes.0,
            calls: heard.report.calls,
            trouble: trouble(&heard),
            ready_epoch: heard.report.ready_epoch.0,
            ready_target: heard.report.ready_target.0,
        };
        let coordinator = |member: crate::raft::Member| CoordinatorStatus {
            id: member.id,
            address: member.address,
            leader: member.leader,
            matched: member.matched,
            voter: member.voter,
            silence_ms: member.silence.map(|silence| silence.as_millis() as u64),
        };
        let LogFacts { applied, snapshot, purged } = self.consensus.log();
        Ok(Response::new(StatusReply {
            view: Some(convert::view(&state)),
            nodes: nodes.into_iter().map(node).collect(),
            coordinators: self.consensus.members().into_iter().map(coordinator).collect(),
            term: self.consensus.term(),
            waiting,
            log: Some(LogStatus { coordinator: self.consensus.id(), applied, snapshot, purged }),
        }))
    }

    async fn history(&self, request: Request<HistoryRequest>) -> Result<Response<HistoryReply>, Status> {
        let HistoryRequest { last, follower } = request.into_inner();
        if !follower {
            self.confirm().await?;
        }
        let state = self.consensus.state().borrow().clone();
        Ok(Response::new(operator::history(&state.history, last)))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainReply>, Status> {
        self.confirm().await?;
        operator::explain(self, request.into_inner()).map(Response::new)
    }

    async fn change(&self, request: Request<ChangeRequest>) -> Result<Response<ChangeReply>, Status> {
        operator::change(self, request.into_inner()).await.map(Response::new)
    }

    async fn rebalance(
        &self,
        request: Request<RebalanceRequest>,
    ) -> Result<Response<RebalanceReply>, Status> {
        self.confirm().await?;
        operator::rebalance(self, request.into_inner()).await.map(Response::new)
    }

    async fn what_if(&self, request: Request<WhatIfRequest>) -> Result<Response<WhatIfReply>, Status> {
        self.confirm().await?;
        operator::what_if(self, request.into_inner()).map(Response::new)
    }

    async fn add_coordinator(
        &self,
        request: Request<AddCoordinatorRequest>,
    ) -> Result<Response<AddCoordinatorReply>, Status> {
        self.confirm().await?;
        operator::add_coordinator(self, request.into_inner()).await.map(Response::new)
    }

    async fn remove_coordinator(
        &self,
        request: Request<RemoveCoordinatorRequest>,
    ) -> Result<Response<ChangeReply>, Status> {
        self.confirm().await?;
        operator::remove_coordinator(self, request.into_inner()).await.map(Response::new)
    }

    async fn report_load(
        &self,
        request: Request<ReportLoadRequest>,
    ) -> Result<Response<ReportLoadReply>, Status> {
        let report = convert::load_report(request.into_inner())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let taken = self.controller.report_load(report).ok_or_else(|| self.not_leader(None))?;
        if !taken {
            return Err(Status::invalid_argument("the report is of another model than the cluster serves"));
        }
        Ok(Response::new(ReportLoadReply {}))
    }
}
