//! When experts move for the recorded load, as transcripts: time, load in; targets, or the reason for rest, out.

use conclave_control::command::{Command, ProposeTarget, PublishTarget, RegisterNode, Reply, SetNodeState};
use conclave_control::rebalance::{COOL_DOWN, JUDGE_EVERY};
use conclave_control::{
    Aim, Avoidance, ClusterState, ExpertLoads, ModelFacts, NodeReport, NodeState, NodeViews, Observations,
    Patience, PlanInput, PlanNode, Rebalance, plan, what_if,
};
use conclave_types::{Bytes, Digest, ExpertKey, LayerIdx, LogIndex, Millis, NodeId, PlacementMap};
use expect_test::{Expect, expect};
use std::collections::BTreeSet;
use std::fmt::Write;

const EXPERTS: u32 = 8;

struct Sim {
    state: ClusterState,
    rules: Rebalance,
    now: Millis,
    story: String,
}

impl Sim {
    fn new(nodes: usize) -> Self {
        let mut sim = Self {
            state: ClusterState::default(),
            rules: Rebalance::new(Millis(0)),
            now: Millis(0),
            story: String::new(),
        };
        for name in ["a", "b", "c", "d", "e"].iter().take(nodes) {
            sim.join(name);
        }
        let node = |id: &NodeId| PlanNode {
            id: *id,
            capacity: Some(Bytes(1_200)),
            zone: String::new(),
            numerics: String::new(),
            accepts: true,
        };
        let input = PlanInput {
            keys: sim.state.model.as_ref().unwrap().keys().collect(),
            expert_bytes: Bytes(100),
            replicas: 2,
            extra_percent: 0,
            moves_max: 8,
            nodes: sim.state.nodes.keys().map(node).collect(),
            current: PlacementMap::new(),
            pins: PlacementMap::new(),
            aim: Aim::Even,
        };
        let map = plan(&input).unwrap().map;
        sim.load_and_publish(ProposeTarget {
            base: sim.state.epoch,
            map,
            by_load: false,
            why: String::new(),
        });
        sim
    }

    fn apply(&mut self, command: Command) -> Reply {
        self.state.apply(LogIndex(self.state.applied.0 + 1), command)
    }

    fn join(&mut self, name: &str) {
        let model = ModelFacts {
            name: "tiny".to_owned(),
            digest: Digest([1; 32]),
            layers: vec![(LayerIdx(0), EXPERTS), (LayerIdx(1), EXPERTS)],
            expert_bytes: Bytes(100),
        };
        let register = RegisterNode {
            name: name.to_owned(),
            address: format!("{name}:1"),
            capacity: Some(Bytes(1_200)),
            zone: String::new(),
            numerics: "test".to_owned(),
            model,
        };
        let Reply::Registered { node, .. } = self.apply(Command::RegisterNode(register)) else { panic!() };
        self.set(node, NodeState::Ready);
    }

    fn set(&mut self, node: NodeId, state: NodeState) {
        let incarnation = self.state.nodes[&node].incarnation;
        self.apply(Command::SetNodeState(SetNodeState { node, incarnation, state }));
    }

    fn load_and_publish(&mut self, target: ProposeTarget) {
        let Reply::Proposed { target } = self.apply(Command::ProposeTarget(target)) else { panic!() };
        assert!(matches!(
            self.apply(Command::PublishTarget(PublishTarget { target })),
            Reply::Published { .. }
        ));
    }

    /// Asks the rules after `later`; a target is published at once.
    fn ask(&mut self, later: Millis, loads: &ExpertLoads) {
        self.now = self.now + later;
        match self.rules.decide(self.now, &self.state, loads, &BTreeSet::new()) {
            Ok(target) => {
                writeln!(self.story, "{}: {}", self.now, target.why).unwrap();
                self.load_and_publish(target);
            }
            Err(rest) => writeln!(self.story, "{}: rest, {rest}", self.now).unwrap(),
        }
    }

    fn told(&mut self, expected: &Expect) {
        expected.assert_eq(&std::mem::take(&mut self.story));
    }
}

/// The same rows in both layers.
fn loads(rows: [u64; EXPERTS as usize]) -> ExpertLoads {
    [(LayerIdx(0), rows.to_vec()), (LayerIdx(1), rows.to_vec())].into_iter().collect()
}

fn skewed() -> ExpertLoads {
    loads([80_000, 10_000, 10_000, 10_000, 10_000, 10_000, 10_000, 10_000])
}

#[test]
fn a_skewed_load_is_levelled_and_then_left_alone() {
    let mut sim = Sim::new(4);
    sim.ask(Millis(1_000), &skewed());
    sim.ask(COOL_DOWN, &skewed());
    sim.ask(JUDGE_EVERY, &skewed());
    sim.ask(COOL_DOWN, &skewed());
    assert!(sim.state.by_load);
    sim.told(&expect![[r#"
        1000 ms: rest, the last target was 1000 ms ago
        61000 ms: balance: predicted imbalance 0.47 -> 0.07; loads 400 B
        71000 ms: rest, the last target was 10000 ms ago
        131000 ms: rest, predicted imbalance 0.07
    "#]]);
}

#[test]
fn an_even_or_a_barely_recorded_load_moves_nothing() {
    let mut sim = Sim::new(4);
    sim.ask(COOL_DOWN, &ExpertLoads::new());
    sim.ask(Millis(100), &skewed());
    sim.ask(JUDGE_EVERY, &loads([400, 10, 10, 10, 10, 10, 10, 10]));
    sim.ask(JUDGE_EVERY, &loads([10_000; 8]));
    sim.told(&expect![[r#"
        60000 ms: rest, layer 0 has recorded 0 of 800 rows
        60100 ms: rest, looked at 100 ms ago
        70100 ms: rest, layer 0 has recorded 470 of 800 rows
        80100 ms: rest, predicted imbalance 0.00
    "#]]);
}

#[test]
fn what_gains_less_than_it_costs_is_not_moved() {
    let mut sim = Sim::new(4);
    sim.ask(COOL_DOWN, &loads([800, 100, 100, 100, 100, 100, 100, 100]));
    sim.told(&expect![[r#"
        60000 ms: rest, predicted gain of 300 rows for loads that cost 4000
    "#]]);
}

#[test]
fn moves_come_in_limited_portions_until_the_load_is_even() {
    let mut sim = Sim::new(4);
    sim.state.settings.moves_max = 1;
    for _ in 0..6 {
        sim.ask(COOL_DOWN, &skewed());
    }
    sim.told(&expect![[r#"
        60000 ms: balance: predicted imbalance 0.47 -> 0.27; loads 100 B
        120000 ms: balance: predicted imbalance 0.27 -> 0.07; loads 100 B
        180000 ms: rest, predicted imbalance 0.07
        240000 ms: rest, predicted imbalance 0.07
        300000 ms: rest, predicted imbalance 0.07
        360000 ms: rest, predicted imbalance 0.07
    "#]]);
}

#[test]
fn between_start_and_stop_a_load_moves_nothing_unless_moves_have_begun() {
    let mut sim = Sim::new(4);
    sim.state.settings.moves_max = 1;
    let edge = loads([240_000, 100_000, 100_000, 100_000, 100_000, 100_000, 100_000, 100_000]);
    sim.ask(COOL_DOWN, &skewed());
    let begun = std::mem::replace(&mut sim.rules, Rebalance::new(Millis(0)));
    sim.ask(COOL_DOWN, &edge);
    sim.rules = begun;
    sim.ask(Millis(0), &edge);
    sim.told(&expect![[r#"
        60000 ms: balance: predicted imbalance 0.47 -> 0.27; loads 100 B
        120000 ms: rest, predicted imbalance 0.15
        120000 ms: balance: predicted imbalance 0.15 -> 0.11; loads 100 B
    "#]]);
}

#[test]
fn nothing_moves_while_a_node_is_away_and_a_new_node_gets_its_part() {
    let mut sim = Sim::new(3);
    sim.set(NodeId(2), NodeState::Down);
    sim.ask(COOL_DOWN, &skewed());
    sim.set(NodeId(2), NodeState::Ready);
    sim.state.by_load = true;
    sim.join("d");
    sim.ask(JUDGE_EVERY, &loads([10_000; 8]));
    assert!(!sim.state.placement.held_by(NodeId(4)).is_empty());
    sim.told(&expect![[r#"
        60000 ms: rest, node `b` is not ready
        70000 ms: balance: predicted imbalance 0.50 -> 0.00; loads 1000 B
    "#]]);
}

#[test]
fn a_leader_moves_for_the_load_and_later_loses_no_copy_to_even_numbers() {
    let sim = Sim::new(4);
    let mut state = sim.state;
    let ever = Millis(1 << 40);
    let patience = Patience { lease: ever, replace_after: ever, progress: ever };
    let mut seen = Observations::new(Millis(0), patience, &state);
    let mut why = Vec::new();
    for second in 0..200 {
        let now = Millis(second * 1_000);
        for (node, known) in &state.nodes.clone() {
            let report = NodeReport {
                incarnation: known.incarnation,
                ready_epoch: state.epoch,
                ready_target: state.target.as_ref().map_or(LogIndex(0), |target| target.id),
                ..NodeReport::default()
            };
            seen.heartbeat(now, &state, *node, report);
        }
        // The gateways fall silent, and half an hour later all that was recorded is nearly forgotten.
        if second < 100 {
            assert!(seen.report_load(now, &state, 1, Digest([1; 32]), (Some(skewed()), NodeViews::new())));
        }
        let now = if second < 100 { now } else { now + Millis(2_000_000) };
        for command in seen.decide(now, &state).commands {
            if let Command::ProposeTarget(target) = &command {
                why.push(target.why.clone());
            }
            state.apply(LogIndex(state.applied.0 + 1), command);
        }
    }
    assert!(state.by_load);
    assert!(
        !seen.report_load(Millis(0), &state, 1, Digest([2; 32]), (Some(skewed()), NodeViews::new())),
        "another model's load"
    );
    expect!["balance: predicted imbalance 0.47 -> 0.07; loads 400 B"].assert_eq(&why.join("\n"));
}

#[test]
fn an_operator_waits_for_no_pause_and_gets_any_gain() {
    let Sim { mut state, .. } = Sim::new(4);
    let ever = Millis(1 << 40);
    let patience = Patience { lease: ever, replace_after: ever, progress: ever };
    let seen = Observations::new(Millis(0), patience, &state);
    let mut story = String::new();
    for loads in [
        ExpertLoads::new(),
        loads([1_000; 8]),
        loads([800, 100, 100, 100, 100, 100, 100, 100]),
        loads([10_800, 10_000, 10_000, 10_000, 10_000, 10_000, 10_000, 10_000]),
    ] {
        let mut seen = seen.clone();
        seen.report_load(Millis(0), &state, 1, Digest([1; 32]), (Some(loads), NodeViews::new()));
        assert_eq!(seen.planned(Millis(0), &state).unwrap().why, "", "by itself the planner moves nothing");
        match seen.asked(Millis(0), &state).unwrap() {
            (planned, None) => writeln!(story, "{} ({})", planned.why, planned.by_load).unwrap(),
            (planned, Some(rest)) => {
                assert!(planned.plan.map == state.placement && planned.why.is_empty());
                writeln!(story, "rest, {rest}").unwrap();
            }
        }
    }
    // What has to move anyhow comes first.
    state.settings.replicas = 3;
    let (planned, rest) = seen.asked(Millis(0), &state).unwrap();
    writeln!(story, "{} ({}, {rest:?})", planned.why, planned.by_load).unwrap();
    expect![[r#"
        rest, layer 0 has recorded 0 of 800 rows
        rest, predicted imbalance 0.00
        balance: predicted imbalance 0.47 -> 0.07; loads 400 B (true)
        rest, predicted imbalance 0.01, and nothing better was found
        homes of each expert: 3 instead of 2; loads 1.6 KiB (false, None)
    "#]]
    .assert_eq(&story);
}

#[test]
fn a_node_that_gives_wrong_answers_gets_nothing_more() {
    let Sim { state, .. } = Sim::new(4);
    let ever = Millis(1 << 40);
    let patience = Patience { lease: ever, replace_after: ever, progress: ever };
    let loaded = |views: [&[NodeId]; 2]| -> BTreeSet<NodeId> {
        let mut seen = Observations::new(Millis(0), patience, &state);
        for (gateway, nodes) in (1..).zip(views) {
            let views = nodes.iter().map(|node| (*node, Avoidance::Quarantined)).collect();
            seen.report_load(Millis(0), &state, gateway, Digest([1; 32]), (Some(skewed()), views));
        }
        let plan = seen.asked(Millis(0), &state).unwrap().0.plan.map;
        let gets = |node: &&NodeId| !plan.held_by(**node).is_subset(&state.placement.held_by(**node));
        plan.nodes().iter().filter(gets).copied().collect()
    };
    let node = *loaded([&[], &[]]).first().expect("a skewed load moves something");
    assert!(loaded([&[node], &[]]).contains(&node), "one gateway may be wrong itself");
    let others = loaded([&[node], &[node]]);
    assert!(!others.contains(&node) && !others.is_empty(), "{others:?}");
}

#[test]
fn what_if_names_what_would_be_lost_and_what_would_be_done() {
    let sim = Sim::new(4);
    let homes = sim.state.placement.homes(ExpertKey::new(0, 0)).to_vec();
    let one = what_if(&sim.state, &skewed(), &homes[..1]).unwrap();
    assert_eq!((one.experts, one.lost.len(), one.single.len(), one.short), (16, 0, 8, 8));
    let (plan, balance) = one.proposal.as_ref().unwrap();
    assert!(plan.moved >= Bytes(8 * 100), "each expert of the dead node gets a new home");
    assert!(plan.map.iter().all(|(_, homes)| homes.len() == 2));
    assert!(!plan.map.nodes().contains(&homes[0]));
    assert!(one.after.imbalance() >= one.before.imbalance() && balance.layers.len() == 2);

    let both = what_if(&sim.state, &skewed(), &homes).unwrap();
    assert!(both.lost.contains(&ExpertKey::new(0, 0)));
    let all: Vec<NodeId> = sim.state.nodes.keys().copied().collect();
    let none = what_if(&sim.state, &skewed(), &all).unwrap();
    assert_eq!((none.lost.len(), none.proposal.is_err()), (16, true));
    assert_eq!(what_if(&ClusterState::default(), &skewed(), &[]), None);
}
