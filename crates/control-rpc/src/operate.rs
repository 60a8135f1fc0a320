//! What operators ask for and want to know.

use crate::{ControlError, CoordinatorClient};
use conclave_control::{Command, Event, Explanation, Move};
use conclave_proto::convert::operator as convert;
use conclave_proto::coordinator::{
    AddCoordinatorRequest, ExplainRequest, HistoryRequest, RebalanceRequest, RemoveCoordinatorRequest,
    WhatIfRequest,
};
use conclave_types::{Bytes, ExpertKey, LogIndex};

/// What a rebalance moves.
#[derive(Clone, Debug)]
pub struct Rebalance {
    /// Why; empty: nothing shall move.
    pub why: String,
    /// The experts whose homes change.
    pub moves: Vec<Move>,
    /// What nodes must load for it.
    pub bytes: Bytes,
    /// What was proposed; `None`: nothing was.
    pub target: Option<LogIndex>,
    /// Why the recorded load moves nothing; empty if something shall move.
    pub load: String,
}

/// What would happen if some nodes died.
#[derive(Clone, Debug)]
pub struct WhatIf {
    /// Experts of the model.
    pub experts: u64,
    /// Experts with no home left.
    pub lost: Vec<ExpertKey>,
    /// Experts with one home left.
    pub single: Vec<ExpertKey>,
    /// Experts with fewer homes left than wanted, those above among them.
    pub short: u64,
    /// The predicted imbalance now, without the nodes before anything has moved, and after the plan; `None`: no load is
    /// recorded.
    pub imbalances: Option<[f64; 3]>,
    /// What would move and be loaded once the nodes are given up, or why nothing can.
    pub plan: Result<(Vec<Move>, Bytes), String>,
}

/// How far a new coordinator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joining {
    /// It gets the log; it has no vote yet.
    Learns {
        /// What it has; `None`: it has not answered yet.
        matched: Option<u64>,
        /// What there is.
        last: u64,
    },
    /// It is one of the group.
    Votes,
}

fn malformed(error: impl std::fmt::Display) -> ControlError {
    ControlError::Refused(error.to_string())
}

fn accepted(rejected: String) -> Result<(), ControlError> {
    if rejected.is_empty() { Ok(()) } else { Err(ControlError::Refused(rejected)) }
}

impl CoordinatorClient {
    /// Asks, in the name of `by`, for a change that operators may ask for: drain, pin, unpin, replicas.
    pub async fn change(&self, by: &str, command: &Command) -> Result<(), ControlError> {
        let request = convert::change_request(by, command).map_err(malformed)?;
        let reply = self
            .leader(|mut client| {
                let request = request.clone();
                async move { client.change(request).await }
            })
            .await?;
        accepted(reply.rejected)
    }

    /// The `last` newest events, or with 0 all that are kept; oldest first. Without a leader, as any coordinator remembers
    /// them.
    pub async fn history(&self, last: u32) -> Result<Vec<Event>, ControlError> {
        let request = HistoryRequest { last, follower: false };
        let reply = match self.leader(|mut client| async move { client.history(request).await }).await {
            Err(ControlError::Unavailable { .. }) => {
                let request = HistoryRequest { follower: true, ..request };
                self.anyone(|mut client| async move { client.history(request).await }).await?
            }
            reply => reply?,
        };
        reply.events.into_iter().map(convert::event).collect::<Result<_, _>>().map_err(malformed)
    }

    /// Why an expert is where it is, and what would be done with it now.
    pub async fn explain(&self, key: ExpertKey) -> Result<Explanation, ControlError> {
        let request = ExplainRequest { layer: key.layer.0, expert: key.expert.0 };
        let reply = self.leader(|mut client| async move { client.explain(request).await }).await?;
        accepted(reply.rejected)?;
        convert::explanation(reply.explanation.unwrap_or_default()).map_err(malformed)
    }

    /// Plans now. Proposes what comes out, unless this is only a `dry_run`.
    pub async fn rebalance(&self, by: &str, dry_run: bool) -> Result<Rebalance, ControlError> {
        let request = RebalanceRequest { by: by.to_owned(), dry_run };
        let reply = self
            .leader(|mut client| {
                let request = request.clone();
                async move { client.rebalance(request).await }
            })
            .await?;
        accepted(reply.rejected)?;
        Ok(Rebalance {
            why: reply.why,
            moves: reply.moves.into_iter().map(convert::moved).collect(),
            bytes: Bytes(reply.bytes),
            target: Some(LogIndex(reply.target)).filter(|target| target.0 > 0),
            load: reply.load,
        })
    }

    /// What would happen if the nodes of these names died for good, under the load that is recorded now.
    pub async fn what_if(&self, kill: &[String]) -> Result<WhatIf, ControlError> {
        let request = WhatIfRequest { kill: kill.to_vec() };
        let reply = self
            .leader(|mut client| {
                let request = request.clone();
                async move { client.what_if(request).await }
            })
            .await?;
        accepted(reply.rejected)?;
        let imbalances = [reply.imbalance_now, reply.imbalance_after, reply.imbalance_planned];
        let moves = reply.moves.into_iter().map(convert::moved).collect();
        Ok(WhatIf {
            experts: reply.experts,
            lost: reply.lost.iter().map(convert::expert).collect(),
            single: reply.single.iter().map(convert::expert).collect(),
            short: reply.short,
            imbalances: reply.loaded.then_some(imbalances),
            plan: if reply.no_plan.is_empty() { Ok((moves, Bytes(reply.bytes))) } else { Err(reply.no_plan) },
        })
    }

    /// Takes one step of adding a coordinator; asked again and again until it votes.
    pub async fn add_coordinator(&self, by: &str, id: u64, address: &str) -> Result<Joining, ControlError> {
        let request = AddCoordinatorRequest { by: by.to_owned(), id, address: address.to_owned() };
        let reply = self
            .leader(|mut client| {
                let request = request.clone();
                async move { client.add_coordinator(request).await }
            })
            .await?;
        accepted(reply.rejected)?;
        Ok(match reply.votes {
            true => Joining::Votes,
            false => Joining::Learns { matched: reply.matched, last: reply.last },
        })
    }

    /// Takes a coordinator out of the group.
    pub async fn remove_coordinator(&self, by: &str, id: u64) -> Result<(), ControlError> {
        let request = RemoveCoordinatorRequest { by: by.to_owned(), id };
        let reply = self
            .leader(|mut client| {
                let request = request.clone();
                async move { client.remove_coordinator(request).await }
            })
            .await?;
        accepted(reply.rejected)
    }
}
