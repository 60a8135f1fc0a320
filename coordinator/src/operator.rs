//! What operators ask for. Keeps true: whoever asks is in the log with what was done.

use crate::api::Api;
use crate::peers::unfit;
use crate::raft::{Joining, MembershipError, SILENCE_MAX};
use conclave_control::command::{Command, NoteCoordinators, ProposeTarget, Reply};
use conclave_control::{History, Planned, moves};
use conclave_proto::convert::operator as convert;
use conclave_proto::coordinator::{
    AddCoordinatorReply, AddCoordinatorRequest, ChangeReply, ChangeRequest, ExplainReply, ExplainRequest,
    HistoryReply, RebalanceReply, RebalanceRequest, RemoveCoordinatorRequest, WhatIfReply, WhatIfRequest,
};
use conclave_types::ExpertKey;
use tonic::Status;

/// Longest name of an operator. Unit: characters.
const BY_MAX: usize = 128;

/// Who asks, in a form that a table can show.
fn author(by: &str) -> Option<String> {
    let by: String = by.chars().filter(|c| !c.is_control()).take(BY_MAX).collect();
    Some(if by.trim().is_empty() { "unknown".to_owned() } else { by })
}

pub(crate) fn history(history: &History, last: u32) -> HistoryReply {
    let events = &history.events;
    let skip = if last == 0 { 0 } else { events.len().saturating_sub(last as usize) };
    HistoryReply { events: events.iter().skip(skip).map(convert::event_message).collect() }
}

pub(crate) fn explain(api: &Api, request: ExplainRequest) -> Result<ExplainReply, Status> {
    let told = api.controller.explain(ExpertKey::new(request.layer, request.expert));
    Ok(match told.ok_or_else(|| api.not_leader(None))? {
        Ok(told) => {
            let explanation = Some(convert::explanation_message(&told));
            ExplainReply { rejected: String::new(), explanation }
        }
        Err(rejected) => ExplainReply { rejected, explanation: None },
    })
}

pub(crate) async fn change(api: &Api, request: ChangeRequest) -> Result<ChangeReply, Status> {
    let (by, command) =
        convert::change(request).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let what = format!("{command:?}");
    // What cannot be carried out must not stay in the state as a wish that blocks all others.
    if let Some(rejected) = api.controller.objection(&command) {
        return Ok(ChangeReply { rejected });
    }
    let rejected = match api.write(author(&by), command).await? {
        Reply::Rejected { why } => why,
        _ => String::new(),
    };
    tracing::info!(by, what, rejected, "asked by an operator");
    Ok(ChangeReply { rejected })
}

pub(crate) async fn rebalance(api: &Api, request: RebalanceRequest) -> Result<RebalanceReply, Status> {
    let state = api.consensus.state().borrow().clone();
    let asked = api.controller.asked(&state).ok_or_else(|| api.not_leader(None))?;
    let (Planned { plan, why, by_load }, rest) = match asked {
        Ok(asked) => asked,
        Err(why) => {
            let rejected = format!("there is no plan: {why}");
            return Ok(RebalanceReply { rejected, ..RebalanceReply::default() });
        }
    };
    let mut reply = RebalanceReply {
        why: why.clone(),
        moves: moves(&state.placement, &plan.map).iter().map(convert::move_message).collect(),
        bytes: plan.moved.0,
        load: rest.map(|rest| rest.to_string()).unwrap_or_default(),
        ..RebalanceReply::default()
    };
    if request.dry_run || why.is_empty() {
        return Ok(reply);
    }
    let propose = ProposeTarget { base: state.epoch, map: plan.map, by_load, why };
    match api.write(author(&request.by), Command::ProposeTarget(propose)).await? {
        Reply::Proposed { target } => reply.target = target.0,
        Reply::Rejected { why } => reply.rejected = why,
        other => return Err(Status::internal(format!("unexpected reply {other:?}"))),
    }
    Ok(reply)
}

pub(crate) fn what_if(api: &Api, request: WhatIfRequest) -> Result<WhatIfReply, Status> {
    let state = api.consensus.state().borrow().clone();
    let rejected = |rejected| WhatIfReply { rejected, ..WhatIfReply::default() };
    let mut dead = Vec::new();
    for name in &request.kill {
        match state.nodes.iter().find(|(_, node)| node.name == *name) {
            Some((id, _)) => dead.push(*id),
            None => {
                let mut known: Vec<&str> = state.nodes.values().map(|node| node.name.as_str()).collect();
                known.sort_unstable();
                return Ok(rejected(format!("there is no node `{name}`; there are {}", known.join(", "))));
            }
        }
    }
    let told = api.controller.what_if(&dead).ok_or_else(|| api.not_leader(None))?;
    let Some(told) = told else { return Ok(rejected("nothing is placed yet".to_owned())) };
    let mut reply = WhatIfReply {
        experts: told.experts as u64,
        lost: told.lost.iter().map(convert::expert_message).collect(),
        single: told.single.iter().map(convert::expert_message).collect(),
        short: told.short as u64,
        loaded: told.before.slowest_rows() > 0.0,
        imbalance_now: told.before.imbalance(),
        imbalance_after: told.after.imbalance(),
        ..WhatIfReply::default()
    };
    match told.proposal {
        Ok((plan, balance)) => {
            reply.imbalance_planned = balance.imbalance();
            reply.moves = moves(&state.placement, &plan.map).iter().map(convert::move_message).collect();
            reply.bytes = plan.moved.0;
        }
        Err(error) => reply.no_plan = error.to_string(),
    }
    Ok(reply)
}

/// The wire's answer to an error; `Ok`: why it is refused.
fn refused(api: &Api, error: MembershipError) -> Result<String, Status> {
    match error {
        MembershipError::NotLeader(leader) => Err(api.not_leader(leader)),
        MembershipError::Refused(why) => Ok(why),
        MembershipError::Unavailable(_) => Err(Status::unavailable(error.to_string())),
    }
}

async fn note(api: &Api, by: &str, text: String) -> Result<(), Status> {
    tracing::info!(by, text, "coordinators");
    api.write(author(by), Command::NoteCoordinators(NoteCoordinators { text })).await.map(drop)
}

pub(crate) async fn add_coordinator(
    api: &Api,
    request: AddCoordinatorRequest,
) -> Result<AddCoordinatorReply, Status> {
    let AddCoordinatorRequest { by, id, address } = request;
    let rejected = |rejected| AddCoordinatorReply { rejected, ..AddCoordinatorReply::default() };
    if api.controller.leading().is_none() {
        return Err(api.not_leader(None));
    }
    let known = match api.consensus.may_add(id, &address) {
        Ok(known) => known,
        Err(error) => return Ok(rejected(refused(api, error)?)),
    };
    if !known {
        if let Some(why) = unfit(id, &address, &api.credentials).await {
            return Ok(rejected(why));
        }
        // Before it is done: what a leader that dies in between has done is in the log, and who asked for it too.
        note(api, &by, format!("coordinator {id} at {address} shall join")).await?;
    }
    Ok(match api.consensus.add(id, &address).await {
        Ok(Joining::Welcomed) => {
            AddCoordinatorReply { last: api.consensus.log().applied, ..Default::default() }
        }
        Ok(Joining::Learns { matched, last }) => AddCoordinatorReply { matched, last, ..Default::default() },
        Ok(Joining::Promoted) => {
            note(api, &by, format!("coordinator {id} at {address} votes")).await?;
            AddCoordinatorReply { votes: true, ..Default::default() }
        }
        Ok(Joining::Votes) => AddCoordinatorReply { votes: true, ..Default::default() },
        Err(error) => rejected(refused(api, error)?),
    })
}

pub(crate) async fn remove_coordinator(
    api: &Api,
    request: RemoveCoordinatorRequest,
) -> Result<ChangeReply, Status> {
    let RemoveCoordinatorRequest { by, id } = request;
    let leading = api.controller.leading().ok_or_else(|| api.not_leader(None))?;
    let grace = u128::from(leading.0) < SILENCE_MAX.as_millis();
    if let Err(error) = api.consensus.may_remove(id, grace) {
        return Ok(ChangeReply { rejected: refused(api, error)? });
    }
    if id != api.consensus.id() {
        note(api, &by, format!("coordinator {id} shall leave")).await?;
    }
    if let Err(error) = api.consensus.remove(id).await {
        return Ok(ChangeReply { rejected: refused(api, error)? });
    }
    note(api, &by, format!("coordinator {id} has left")).await?;
    Ok(ChangeReply::default())
}
