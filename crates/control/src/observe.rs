//! What the leader sees between log entries, and what it therefore proposes. Time is an argument.
//!
//! Keeps true: nothing here is truth; a new leader starts empty, grants everybody a full lease, and comes to the same
//! decisions.

use crate::command::{CancelTarget, Command, ProposeTarget, PublishTarget, SetNodeState};
use crate::planner::{self, Plan, PlanNode};
use crate::progress::LoadProgress;
use crate::rebalance::{self, plan_input, plan_nodes, structural_aim};
use crate::views::{GatewayViews, NodeViews};
use crate::{ClusterState, ExpertLoads, LoadWindow, Node, NodeState, Rebalance, Rest};
use conclave_types::{Bytes, ExpertKey, LogIndex, Millis, ModelDigest, NodeId, PlacementEpoch, PlacementMap};
use std::collections::{BTreeMap, BTreeSet};

/// Who has been heard of within the lease.
#[derive(Clone, Debug)]
pub struct Liveness {
    lease: Millis,
    heard: BTreeMap<NodeId, Millis>,
}

impl Liveness {
    /// Grants `nodes` a full lease from `now`.
    pub fn new(now: Millis, lease: Millis, nodes: impl IntoIterator<Item = NodeId>) -> Self {
        Self { lease, heard: nodes.into_iter().map(|node| (node, now)).collect() }
    }

    /// Renews the lease of `node`.
    pub fn observe(&mut self, now: Millis, node: NodeId) {
        let heard = self.heard.entry(node).or_insert(now);
        *heard = now.max(*heard);
    }

    /// How long ago `node` was heard of; `None`: never.
    pub fn silence(&self, now: Millis, node: NodeId) -> Option<Millis> {
        self.heard.get(&node).map(|heard| now.since(*heard))
    }

    /// Whether the lease of `node` runs at `now`.
    pub fn is_alive(&self, now: Millis, node: NodeId) -> bool {
        self.silence(now, node).is_some_and(|silence| silence <= self.lease)
    }

    /// The nodes whose lease has run out, ascending.
    pub fn tick(&self, now: Millis) -> Vec<NodeId> {
        self.heard.keys().copied().filter(|node| !self.is_alive(now, *node)).collect()
    }
}

/// What a node tells with each heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeReport {
    /// The registration it speaks for.
    pub incarnation: LogIndex,
    /// The newest epoch whose experts it has all loaded.
    pub ready_epoch: PlacementEpoch,
    /// The newest target whose experts it has all loaded.
    pub ready_target: LogIndex,
    /// Experts in memory.
    pub experts: u64,
    /// Their memory.
    pub bytes: Bytes,
    /// Calls answered since it started.
    pub calls: u64,
    /// Why it cannot load what it shall hold; empty if it can.
    pub trouble: String,
}

/// What a heartbeat is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeartbeatAnswer {
    /// The lease is renewed.
    Ok,
    /// The cluster does not know the node: it shall register.
    Unknown,
    /// Another process has registered under the node's name since.
    Superseded,
}

/// How long the leader waits before it acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Silence after which a node counts as down.
    pub lease: Millis,
    /// Silence after which a node's experts get new homes.
    pub replace_after: Millis,
    /// How long a node that is heard of may load nothing of what it shall hold before others get it.
    pub progress: Millis,
}

/// The leader's memory.
#[derive(Clone, Debug)]
pub struct Observations {
    liveness: Liveness,
    reports: BTreeMap<NodeId, NodeReport>,
    /// How long a node may be away before its experts get new homes.
    replace_after: Millis,
    progress: LoadProgress,
    load: LoadWindow,
    views: GatewayViews,
    rebalance: Rebalance,
    /// The state and the nodes for which nothing was left to plan: planning again would find nothing either.
    settled: Option<(LogIndex, Vec<PlanNode>)>,
}

/// What shall happen next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Commands for the log, in order.
    pub commands: Vec<Command>,
    /// What is waited for, for people; empty: nothing.
    pub waiting: String,
    /// Why the load moves nothing, if it was looked at just now.
    pub rest: Option<Rest>,
}

/// What the planner would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The plan; its map is the placement in use if nothing shall move.
    pub plan: Plan,
    /// Why, for people; empty if nothing shall move.
    pub why: String,
    /// Whether the recorded load decided.
    pub by_load: bool,
}

impl Observations {
    /// A new leader's memory: every node that is not down gets a full lease.
    pub fn new(now: Millis, patience: Patience, state: &ClusterState) -> Self {
        Self {
            liveness: Liveness::new(now, patience.lease, state.nodes.keys().copied()),
            reports: BTreeMap::new(),
            replace_after: patience.replace_after,
            progress: LoadProgress::new(patience.progress),
            load: LoadWindow::default(),
            views: GatewayViews::default(),
            rebalance: Rebalance::new(now),
            settled: None,
        }
    }

    /// Takes a heartbeat.
    pub fn heartbeat(
        &mut self,
        now: Millis,
        state: &ClusterState,
        node: NodeId,
        report: NodeReport,
    ) -> HeartbeatAnswer {
        match state.nodes.get(&node) {
            Some(known) if known.incarnation == report.incarnation => {
                self.liveness.observe(now, node);
                self.reports.insert(node, report);
                HeartbeatAnswer::Ok
            }
            Some(known) if known.incarnation > report.incarnation => HeartbeatAnswer::Superseded,
            _ => HeartbeatAnswer::Unknown,
        }
    }

    /// Takes a gateway's report: how much it asked of each expert (`None`: nothing yet), and the nodes that it avoids.
    /// Whether it is of the model that is served.
    pub fn report_load(
        &mut self,
        now: Millis,
        state: &ClusterState,
        gateway: u64,
        model: ModelDigest,
        (loads, views): (Option<ExpertLoads>, NodeViews),
    ) -> bool {
        let served = state.model.as_ref().is_some_and(|served| served.digest == model);
        if served {
            if let Some(loads) = loads {
                self.load.report(now, gateway, loads);
            }
            self.views.report(now, gateway, views);
        }
        served
    }

    /// The recorded load of all gateways at `now`.
    pub fn load(&self, now: Millis) -> ExpertLoads {
        self.load.loads(now)
    }

    /// A registration counts as a sign of life.
    pub fn registered(&mut self, now: Millis, node: NodeId) {
        self.liveness.observe(now, node);
    }

    /// The last report of `node` in its present incarnation.
    pub fn report(&self, state: &ClusterState, node: NodeId) -> Option<&NodeReport> {
        let incarnation = state.nodes.get(&node)?.incarnation;
        self.reports.get(&node).filter(|report| report.incarnation == incarnation)
    }

    /// How long ago `node` was heard of.
    pub fn silence(&self, now: Millis, node: NodeId) -> Option<Millis> {
        self.liveness.silence(now, node)
    }

    /// Why `node` is given no more experts at `now` though it is heard of; `None`: it may get some.
    pub fn stuck(&self, now: Millis, node: NodeId) -> Option<String> {
        self.progress.why(now, node)
    }

    /// What gateways think of `node` at `now`, for people; `None`: nothing bad.
    pub fn viewed(&self, now: Millis, node: NodeId) -> Option<String> {
        self.views.told(now, node)
    }

    /// The nodes that are given nothing more at `now`: those that load nothing, and those that give wrong answers.
    fn held_back(&self, now: Millis) -> BTreeSet<NodeId> {
        self.progress.stuck(now).into_iter().chain(self.views.quarantined(now)).collect()
    }

    /// What the log should get now. With nothing to do it is empty, and stays empty until something changes.
    pub fn decide(&mut self, now: Millis, state: &ClusterState) -> Decision {
        let (reports, nodes) = (&self.reports, &state.nodes);
        self.progress.note(now, state, |id| {
            reports
                .get(&id)
                .filter(|report| nodes.get(&id).is_some_and(|n| n.incarnation == report.incarnation))
        });
        let mut decision = Decision { commands: self.verdicts(now, state), ..Decision::default() };
        // Placement is decided on a state that knows the verdicts.
        if decision.commands.is_empty() {
            self.place(now, state, &mut decision);
        }
        decision
    }

    fn verdicts(&self, now: Millis, state: &ClusterState) -> Vec<Command> {
        let verdict = |(id, node): (&NodeId, &Node)| {
            let verdict = if !self.liveness.is_alive(now, *id) {
                NodeState::Down
            } else {
                // A lease that was only granted says nothing about health.
                let report = self.report(state, *id)?;
                let ready = report.ready_epoch >= state.epoch || state.placement.held_by(*id).is_empty();
                match (node.state, ready) {
                    (_, true) => NodeState::Ready,
                    // A ready node keeps what it has; it is never taken out of use for what it shall get.
                    (NodeState::Ready, false) => NodeState::Ready,
                    (_, false) => NodeState::Joining,
                }
            };
            let command = SetNodeState { node: *id, incarnation: node.incarnation, state: verdict };
            (node.state != verdict).then_some(Command::SetNodeState(command))
        };
        state.nodes.iter().filter_map(verdict).collect()
    }

    fn place(&mut self, now: Millis, state: &ClusterState, decision: &mut Decision) {
        if let Some(target) = &state.target {
            let homes = target.map.nodes();
            let gone = homes.iter().find(|id| {
                state.nodes[id].state == NodeState::Down && {
                    let had = state.placement.held_by(**id);
                    !target.map.held_by(**id).is_subset(&had)
                }
            });
            let late: Vec<NodeId> = homes
                .iter()
                .copied()
                .filter(|id| state.nodes[id].state != NodeState::Down)
                .filter(|id| self.report(state, *id).is_none_or(|report| report.ready_target < target.id))
                .collect();
            let stuck = self.progress.stuck(now);
            if let Some(gone) = gone {
                let why =
                    format!("node `{}` went down before it had loaded its share", state.nodes[gone].name);
                decision.commands.push(Command::CancelTarget(CancelTarget { target: target.id, why }));
            } else if let Some(id) = late.iter().find(|id| stuck.contains(id)) {
                let told = self.progress.why(now, *id).unwrap_or_default();
                let why = format!("node `{}` {told}", state.nodes[id].name);
                decision.commands.push(Command::CancelTarget(CancelTarget { target: target.id, why }));
            } else if !late.is_empty() {
                let names: Vec<&str> = late.iter().map(|id| state.nodes[id].name.as_str()).collect();
                decision.waiting = format!("{} to load experts ({})", names.join(", "), target.why);
            } else if let Some(key) = stranded(state, &target.map) {
                let why = format!("{key} would be left with homes that are down only");
                decision.commands.push(Command::CancelTarget(CancelTarget { target: target.id, why }));
            } else {
                decision.commands.push(Command::PublishTarget(PublishTarget { target: target.id }));
            }
            return;
        }
        let nodes = self.candidates(now, state);
        if self.settled.as_ref().is_some_and(|(at, of)| *at == state.applied && *of == nodes) {
            self.level(now, state, decision);
            return;
        }
        match self.planned(now, state) {
            Ok(Planned { plan, .. }) if plan.map == state.placement => {
                self.settled = Some((state.applied, nodes));
            }
            Ok(Planned { plan, why, by_load }) => {
                let propose = ProposeTarget { base: state.epoch, map: plan.map, by_load, why };
                decision.commands.push(Command::ProposeTarget(propose));
            }
            Err(why) => {
                let stuck = self.progress.stuck(now);
                let told = stuck.iter().filter_map(|id| {
                    Some(format!("; node `{}` {}", state.node_name(*id), self.progress.why(now, *id)?))
                });
                decision.waiting = why + &told.collect::<String>();
            }
        }
    }

    /// What the planner would do now, whatever is being loaded; without a plan, what it waits for.
    pub fn planned(&self, now: Millis, state: &ClusterState) -> Result<Planned, String> {
        let model = state.model.as_ref().ok_or("expert nodes to register")?;
        let present =
            state.nodes.values().filter(|node| node.state != NodeState::Down && !node.draining).count();
        if state.placement.is_empty() && present < state.settings.nodes_min as usize {
            return Err(format!(
                "{} of {} expert nodes to register",
                state.settings.nodes_min as usize - present,
                state.settings.nodes_min
            ));
        }
        let plan_for = |nodes| {
            let input = plan_input(state, model, nodes, structural_aim(state));
            let plan = planner::plan(&input).map_err(|error| error.to_string())?;
            Ok::<_, String>((input, plan))
        };
        let mut nodes = self.candidates(now, state);
        let (mut input, mut plan) = plan_for(nodes.clone())?;
        // Nobody is waited for at the price of a home that answers.
        if stranded(state, &plan.map).is_some() {
            nodes.retain(|node| node.accepts);
            (input, plan) = plan_for(nodes)?;
        }
        if plan.map == state.placement {
            return Ok(Planned { plan, why: String::new(), by_load: state.by_load });
        }
        if let Some(violation) = planner::check(&input, &plan).first() {
            return Err(format!(
                "nothing: the plan breaks a rule of its own, please report it: {violation:?}"
            ));
        }
        let why = reason(state, &plan, &self.progress.stuck(now));
        Ok(Planned { plan, why, by_load: state.by_load })
    }

    /// What is moved if an operator asks for it: what the planner would do anyhow, or else what the recorded load asks for,
    /// however little it gains and however soon after the last moves. Without a plan, what it waits for; the second is
    /// why the load moves nothing, if that was asked.
    pub fn asked(&self, now: Millis, state: &ClusterState) -> Result<(Planned, Option<Rest>), String> {
        let planned = self.planned(now, state)?;
        if !planned.why.is_empty() {
            return Ok((planned, None));
        }
        match rebalance::asked_for(state, &self.load.loads(now), &self.held_back(now)) {
            Ok((plan, why)) => Ok((Planned { plan, why, by_load: true }, None)),
            Err(rest) => Ok((planned, Some(rest))),
        }
    }

    /// Why the planner could not follow `command`, if that is so and it can follow what is asked of it now.
    pub fn objection(&self, now: Millis, state: &ClusterState, command: &Command) -> Option<String> {
        if state.placement.is_empty() {
            return None;
        }
        self.planned(now, state).ok()?;
        let mut after = state.clone();
        after.apply(LogIndex(state.applied.0 + 1), command.clone());
        self.planned(now, &after).err()
    }

    /// Moves experts for the recorded load, if that is worth it.
    fn level(&mut self, now: Millis, state: &ClusterState, decision: &mut Decision) {
        let loads = self.load.loads(now);
        match self.rebalance.decide(now, state, &loads, &self.held_back(now)) {
            Ok(target) => decision.commands.push(Command::ProposeTarget(target)),
            // What is only a matter of time is not worth saying at every tick.
            Err(Rest::Judged(_) | Rest::CoolDown(_) | Rest::NotReady(_)) => {}
            Err(rest) => decision.rest = Some(rest),
        }
    }

    /// Nodes that may hold experts. One that is away keeps its place for a while: most come back, and moving
    /// everything twice would cost more than waiting, since other homes answer meanwhile.
    fn candidates(&self, now: Millis, state: &ClusterState) -> Vec<PlanNode> {
        let held_back = self.held_back(now);
        plan_nodes(state, &held_back, |id| {
            let silence = self.liveness.silence(now, id);
            let awaited = silence.is_some_and(|silence| silence <= self.replace_after);
            let holds = || state.placement.iter().any(|(_, homes)| homes.contains(&id));
            state.nodes[&id].state != NodeState::Down || (awaited && holds())
        })
    }
}

/// An expert that has a ready home, and in `map` only homes that are down.
fn stranded(state: &ClusterState, map: &PlacementMap) -> Option<ExpertKey> {
    let is = |id: &NodeId, what| state.nodes.get(id).is_some_and(|node| node.state == what);
    let mut served =
        state.placement.iter().filter(|(_, homes)| homes.iter().any(|id| is(id, NodeState::Ready)));
    served.find(|(key, _)| map.homes(*key).iter().all(|id| is(id, NodeState::Down))).map(|(key, _)| key)
}

fn reason(state: &ClusterState, plan: &Plan, stuck: &BTreeSet<NodeId>) -> String {
    if state.placement.is_empty() {
        return "first placement".to_owned();
    }
    let (old, new) = (state.placement.nodes(), plan.map.nodes());
    let names = |ids: Vec<&NodeId>| ids.iter().map(|id| state.node_name(**id)).collect::<Vec<_>>().join(", ");
    let come = names(new.difference(&old).collect());
    let mut parts = Vec::new();
    if !come.is_empty() {
        parts.push(format!("{come} joined"));
    }
    let (cannot, left): (Vec<&NodeId>, Vec<&NodeId>) =
        old.difference(&new).partition(|id| stuck.contains(id));
    for (ids, what) in [(left, "left"), (cannot, "cannot load its share")] {
        if !ids.is_empty() {
            parts.push(format!("{} {what}", names(ids)));
        }
    }
    let homes = |map: &PlacementMap| map.iter().map(|(_, homes)| homes.len()).max().unwrap_or_default();
    if homes(&state.placement) != homes(&plan.map) {
        parts.push(format!(
            "homes of each expert: {} instead of {}",
            homes(&plan.map),
            homes(&state.placement)
        ));
    }
    let has = |map: &PlacementMap, key, pin| map.homes(key).contains(pin);
    let pinned = state.pins.iter().flat_map(|(key, pins)| pins.iter().map(move |pin| (key, pin)));
    let pinned: Vec<_> =
        pinned.filter(|(key, pin)| has(&plan.map, *key, pin) && !has(&state.placement, *key, pin)).collect();
    match pinned[..] {
        [] => {}
        [(key, pin)] => parts.push(format!("{key} pinned to {}", state.node_name(*pin))),
        _ => parts.push(format!("{} pins", pinned.len())),
    }
    if parts.is_empty() {
        parts.push("balance".to_owned());
    }
    format!("{}; loads {}", parts.join(", "), plan.moved)
}
