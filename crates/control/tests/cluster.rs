//! The life of a cluster as a transcript: commands and heartbeats in, the leader's decisions and the state out.

use conclave_control::command::{
    CancelTarget, Change, Command, DrainNode, NoteCoordinators, PinExpert, ProposeTarget, RegisterNode,
    Reply, SetNodeState, SetReplicas, UnpinExpert,
};
use conclave_control::{
    ClusterState, EVENTS_MAX, HeartbeatAnswer, ModelFacts, NodeReport, NodeState, Observations, Patience,
};
use conclave_types::{
    Bytes, Digest, ExpertKey, LayerIdx, LogIndex, Millis, NodeId, PlacementEpoch, PlacementMap, Timestamp,
};
use expect_test::expect;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

const LEASE: Millis = Millis(3_000);
const PATIENCE: Patience = Patience { lease: LEASE, replace_after: Millis(60_000), progress: Millis(20_000) };

fn model(digest: u8) -> ModelFacts {
    ModelFacts {
        name: "tiny".to_owned(),
        digest: Digest([digest; 32]),
        layers: vec![(LayerIdx(0), 3), (LayerIdx(2), 3)],
        expert_bytes: Bytes(100),
    }
}

fn register(name: &str) -> Command {
    Command::RegisterNode(RegisterNode {
        name: name.to_owned(),
        address: format!("{name}:1"),
        capacity: None,
        zone: String::new(),
        numerics: "test".to_owned(),
        model: model(1),
    })
}

/// A leader, its log, and nodes that load whatever they are told at once, unless they are dead or slow.
struct Sim {
    state: ClusterState,
    seen: Observations,
    now: Millis,
    dead: BTreeSet<NodeId>,
    slow: BTreeSet<NodeId>,
    /// How many experts nodes hold, for who tells.
    held: BTreeMap<NodeId, u64>,
    /// Who asks for what the test applies.
    operator: Option<String>,
    story: String,
}

impl Sim {
    fn new(nodes_min: u32) -> Self {
        let mut state = ClusterState::default();
        state.settings.nodes_min = nodes_min;
        let seen = Observations::new(Millis(0), PATIENCE, &state);
        Self {
            state,
            seen,
            now: Millis(0),
            dead: BTreeSet::new(),
            slow: BTreeSet::new(),
            held: BTreeMap::new(),
            operator: None,
            story: String::new(),
        }
    }

    fn apply(&mut self, command: Command) -> Reply {
        let what = match &command {
            Command::RegisterNode(c) => format!("register {}", c.name),
            Command::SetNodeState(c) => format!("node {} {}", c.node, c.state.name()),
            Command::DrainNode(c) => format!("drain {} {}", c.name, c.draining),
            Command::ProposeTarget(c) => format!("propose [{}] {}", c.why, show(&c.map)),
            Command::PublishTarget(c) => format!("publish {}", c.target),
            Command::CancelTarget(c) => format!("cancel {}: {}", c.target, c.why),
            Command::ConfigureCluster(_) => "configure".to_owned(),
            Command::PinExpert(c) => format!("pin {} to {}", c.key, c.node),
            Command::UnpinExpert(c) => format!("unpin {} from {}", c.key, c.node.as_deref().unwrap_or("all")),
            Command::SetReplicas(c) => format!("replicas {}", c.replicas),
            Command::NoteCoordinators(c) => format!("note {}", c.text),
        };
        // Six seconds past the epoch by the wall clock for each second of the simulation's.
        let change = Change { command, by: self.operator.clone(), at: Timestamp(6 * self.now.0) };
        let reply = self.state.apply(LogIndex(self.state.applied.0 + 1), change);
        let reply_text = match &reply {
            Reply::Done => String::new(),
            Reply::Registered { node, incarnation } => format!(" -> node {node} ({incarnation})"),
            Reply::Proposed { target } => format!(" -> target {target}"),
            Reply::Published { epoch } => format!(" -> epoch {epoch}"),
            Reply::Rejected { why } => format!(" -> rejected: {why}"),
        };
        writeln!(self.story, "{} {what}{reply_text}", self.now.0).unwrap();
        if let Reply::Registered { node, .. } = reply {
            self.seen.registered(self.now, node);
            self.dead.remove(&node);
        }
        reply
    }

    /// Half-second ticks: heartbeats, then decisions until there is nothing more to decide.
    fn run(&mut self, millis: u64) {
        let end = self.now + Millis(millis);
        while self.now < end {
            self.now = self.now + Millis(500);
            let alive: Vec<NodeId> =
                self.state.nodes.keys().copied().filter(|node| !self.dead.contains(node)).collect();
            for node in alive {
                let slow = self.slow.contains(&node);
                let report = NodeReport {
                    incarnation: self.state.nodes[&node].incarnation,
                    ready_epoch: if slow { PlacementEpoch(0) } else { self.state.epoch },
                    experts: self.held.get(&node).copied().unwrap_or_default(),
                    trouble: if slow { "a digest differs".to_owned() } else { String::new() },
                    ready_target: self.state.target.as_ref().filter(|_| !slow).map_or(LogIndex(0), |t| t.id),
                    ..NodeReport::default()
                };
                assert_eq!(self.seen.heartbeat(self.now, &self.state, node, report), HeartbeatAnswer::Ok);
            }
            let decision = self.seen.decide(self.now, &self.state);
            decision.commands.into_iter().for_each(|command| drop(self.apply(command)));
        }
    }

    fn waiting(&mut self) -> String {
        self.seen.decide(self.now, &self.state).waiting
    }

    fn tell(&mut self) -> String {
        std::mem::take(&mut self.story)
    }
}

fn show(map: &PlacementMap) -> String {
    let homes = |homes: &[NodeId]| homes.iter().map(|home| home.0.to_string()).collect::<Vec<_>>().join("+");
    map.iter()
        .map(|(key, h)| format!("{}.{}:{}", key.layer, key.expert, homes(h)))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn nodes_join_and_experts_are_placed_once_enough_are_there() {
    let mut sim = Sim::new(3);
    sim.apply(register("a"));
    sim.apply(register("b"));
    sim.run(1_000);
    assert_eq!(sim.waiting(), "1 of 3 expert nodes to register");
    sim.apply(register("c"));
    sim.run(3_000);
    assert_eq!(sim.state.uncovered(), (0, 6));
    expect![[r#"
        0 register a -> node 1 (1)
        0 register b -> node 2 (2)
        500 node 1 ready
        500 node 2 ready
        1000 register c -> node 3 (5)
        1500 node 3 ready
        2000 propose [first placement] 0.0:1+2 0.1:1+3 0.2:2+3 2.0:1+2 2.1:1+3 2.2:2+3 -> target 7
        2500 publish 7 -> epoch 1
    "#]]
    .assert_eq(&sim.tell());
}

fn three() -> Sim {
    let mut sim = Sim::new(3);
    for name in ["a", "b", "c"] {
        sim.apply(register(name));
    }
    sim.run(3_000);
    assert_eq!(sim.state.epoch, PlacementEpoch(1));
    sim.tell();
    sim
}

#[test]
fn a_dead_node_keeps_its_place_for_a_while_and_comes_back_to_it() {
    let mut sim = three();
    sim.dead.insert(NodeId(2));
    sim.run(10_000);
    sim.apply(register("b"));
    sim.run(2_000);
    assert_eq!((sim.state.epoch, sim.state.uncovered().0), (PlacementEpoch(1), 0));
    expect![[r#"
        6500 node 2 down
        13000 register b -> node 2 (10)
        13500 node 2 ready
    "#]]
    .assert_eq(&sim.tell());
}

#[test]
fn a_node_that_stays_away_is_replaced() {
    let mut sim = three();
    sim.dead.insert(NodeId(2));
    sim.run(70_000);
    expect![[r#"
        6500 node 2 down
        63500 propose [b left; loads 400 B] 0.0:1+3 0.1:1+3 0.2:1+3 2.0:1+3 2.1:1+3 2.2:1+3 -> target 10
        64000 publish 10 -> epoch 2
    "#]]
    .assert_eq(&sim.tell());
}

#[test]
fn a_drained_node_gives_its_experts_away_before_it_lets_go() {
    let mut sim = three();
    let drain = |draining| Command::DrainNode(DrainNode { name: "c".to_owned(), draining });
    sim.apply(drain(true));
    sim.run(2_000);
    assert!(sim.state.wanted_at(NodeId(3)).is_empty());
    sim.apply(drain(false));
    sim.run(2_000);
    expect![[r#"
        3000 drain c true
        3500 propose [c left; loads 400 B] 0.0:1+2 0.1:1+2 0.2:1+2 2.0:1+2 2.1:1+2 2.2:1+2 -> target 10
        4000 publish 10 -> epoch 2
        5000 drain c false
        5500 propose [c joined; loads 400 B] 0.0:2+3 0.1:1+3 0.2:1+2 2.0:2+3 2.1:1+3 2.2:1+2 -> target 13
        6000 publish 13 -> epoch 3
    "#]]
    .assert_eq(&sim.tell());
}

#[test]
fn a_target_is_given_up_when_its_node_dies_and_the_old_placement_stays_in_use() {
    let mut sim = three();
    sim.slow.insert(NodeId(4));
    sim.apply(register("d"));
    sim.run(1_500);
    assert!(sim.waiting().starts_with("d to load experts (d joined"), "{}", sim.waiting());
    sim.dead.insert(NodeId(4));
    sim.run(6_000);
    assert_eq!((sim.state.epoch, &sim.state.target), (PlacementEpoch(1), &None));
    let story = sim.tell();
    assert!(story.contains("cancel 11: node `d` went down before it had loaded its share"), "{story}");
}

#[test]
fn a_target_whose_node_loads_nothing_is_given_up_and_others_load_its_share() {
    let mut sim = three();
    sim.slow.insert(NodeId(4));
    sim.apply(register("d"));
    sim.apply(Command::DrainNode(DrainNode { name: "c".to_owned(), draining: true }));
    sim.run(30_000);
    expect![[r#"
        3000 register d -> node 4 (9)
        3000 drain c true
        3500 node 4 ready
        4000 propose [d joined, c left; loads 400 B] 0.0:1+2 0.1:1+4 0.2:2+4 2.0:1+2 2.1:1+4 2.2:2+4 -> target 12
        24500 cancel 12: node `d` loaded nothing for 20 s: a digest differs; tried again in 20 s
        25000 propose [c left; loads 400 B] 0.0:1+2 0.1:1+2 0.2:1+2 2.0:1+2 2.1:1+2 2.2:1+2 -> target 14
        25500 publish 14 -> epoch 2
    "#]].assert_eq(&sim.tell());
    assert_eq!(
        sim.seen.stuck(sim.now, NodeId(4)).unwrap(),
        "loaded nothing for 20 s: a digest differs; tried again in 12 s"
    );
    // It is tried again after the pause, and after one twice as long; meanwhile nothing waits for it.
    sim.run(150_000);
    expect![[r#"
        44500 propose [d joined; loads 400 B] 0.0:2+4 0.1:1+4 0.2:1+2 2.0:2+4 2.1:1+4 2.2:1+2 -> target 16
        65000 cancel 16: node `d` loaded nothing for 20 s: a digest differs; tried again in 40 s
        105000 propose [d joined; loads 400 B] 0.0:2+4 0.1:1+4 0.2:1+2 2.0:2+4 2.1:1+4 2.2:1+2 -> target 18
        125500 cancel 18: node `d` loaded nothing for 20 s: a digest differs; tried again in 80 s
    "#]]
    .assert_eq(&sim.tell());
    // A new process of it begins anew, and what it then loads, it keeps.
    sim.slow.clear();
    sim.apply(register("d"));
    sim.run(3_000);
    assert!(!sim.state.placement.held_by(NodeId(4)).is_empty());
    assert_eq!((sim.seen.stuck(sim.now, NodeId(4)), &sim.state.target), (None, &None));
}

#[test]
fn a_node_that_loads_slowly_but_on_and_on_is_waited_for() {
    let mut sim = three();
    sim.slow.insert(NodeId(4));
    sim.apply(register("d"));
    for held in 1..=4 {
        sim.run(15_000);
        sim.held.insert(NodeId(4), held);
    }
    let target = sim.state.target.as_ref().map(|target| target.id);
    assert_eq!((target, sim.state.epoch), (Some(LogIndex(11)), PlacementEpoch(1)));
    // What it no longer holds, and then holds again, is no progress.
    for held in [2, 3, 2, 4] {
        sim.run(5_500);
        sim.held.insert(NodeId(4), held);
    }
    assert_eq!(sim.state.target, None);
}

#[test]
fn a_node_that_cannot_load_what_it_is_a_home_of_is_replaced_and_holds_up_nobody() {
    let mut sim = three();
    sim.slow.insert(NodeId(2));
    sim.apply(register("b"));
    sim.run(30_000);
    assert_eq!((sim.state.uncovered().0, sim.state.placement.held_by(NodeId(2)).len()), (0, 0));
    expect![[r#"
        3000 register b -> node 2 (9)
        23500 propose [b cannot load its share; loads 400 B] 0.0:1+3 0.1:1+3 0.2:1+3 2.0:1+3 2.1:1+3 2.2:1+3 -> target 10
        24000 publish 10 -> epoch 2
        24500 node 2 ready
    "#]].assert_eq(&sim.tell());
}

#[test]
fn a_node_that_is_started_again_and_again_holds_up_nobody_for_ever() {
    let mut sim = three();
    sim.slow.insert(NodeId(4));
    sim.apply(Command::DrainNode(DrainNode { name: "c".to_owned(), draining: true }));
    // It ends before the deadline each time, for what it loads, say.
    for _ in 0..5 {
        sim.apply(register("d"));
        sim.run(7_000);
    }
    expect![[r#"
        3000 drain c true
        3000 register d -> node 4 (10)
        3500 node 4 ready
        4000 propose [d joined, c left; loads 400 B] 0.0:1+2 0.1:1+4 0.2:2+4 2.0:1+2 2.1:1+4 2.2:2+4 -> target 12
        10000 register d -> node 4 (13)
        10500 node 4 ready
        17000 register d -> node 4 (15)
        17500 node 4 ready
        24000 register d -> node 4 (17)
        24500 node 4 ready
        25000 cancel 12: node `d` registered 3 times without 20 s of calm; tried again in 20 s
        25500 propose [c left; loads 400 B] 0.0:1+2 0.1:1+2 0.2:1+2 2.0:1+2 2.1:1+2 2.2:1+2 -> target 20
        26000 publish 20 -> epoch 2
        31000 register d -> node 4 (22)
        31500 node 4 ready
    "#]]
    .assert_eq(&sim.tell());
    let told = "registered 3 times without 20 s of calm; tried again in 7 s";
    assert_eq!(sim.seen.stuck(sim.now, NodeId(4)).as_deref(), Some(told));
    // Once it stays, it is of use again.
    sim.slow.clear();
    sim.run(60_000);
    assert!(!sim.state.placement.held_by(NodeId(4)).is_empty());
    assert_eq!(sim.seen.stuck(sim.now, NodeId(4)), None);
}

#[test]
fn starts_with_calm_between_them_are_no_restlessness() {
    let mut sim = three();
    for _ in 0..8 {
        sim.apply(register("b"));
        sim.run(30_000);
        assert_eq!(sim.seen.stuck(sim.now, NodeId(2)), None);
    }
    assert!(!sim.state.placement.held_by(NodeId(2)).is_empty());
}

#[test]
fn without_another_node_the_waiting_is_told_with_its_reason() {
    let mut sim = Sim::new(1);
    sim.slow.insert(NodeId(1));
    sim.apply(register("a"));
    sim.run(25_000);
    let waiting = sim.waiting();
    assert!(
        waiting.contains("start one") && waiting.contains("`a` loaded nothing for 20 s: a digest"),
        "{waiting}"
    );
    sim.slow.clear();
    sim.run(20_000);
    assert_eq!(sim.state.uncovered(), (0, 6), "tried again, it could");
}

#[test]
fn a_new_leader_grants_a_full_lease_before_it_expires_anyone() {
    let mut sim = three();
    sim.seen = Observations::new(sim.now, PATIENCE, &sim.state);
    let mut later = |millis| sim.seen.decide(sim.now + Millis(millis), &sim.state).commands;
    assert_eq!(later(LEASE.0), []);
    assert_eq!(later(LEASE.0 + 1).len(), 3);
}

#[test]
fn a_node_with_other_weights_is_refused_by_digest() {
    let mut sim = three();
    let Command::RegisterNode(mut other) = register("d") else { unreachable!() };
    other.model = model(2);
    let Reply::Rejected { why } = sim.apply(Command::RegisterNode(other.clone())) else { panic!("accepted") };
    assert!(why.contains("digest 01010101") && why.contains("digest 02020202"), "{why}");
    // Once nobody serves the old model, the new one takes its place.
    sim.dead.extend([1, 2, 3].map(NodeId));
    sim.run(4_000);
    sim.state.settings.nodes_min = 1;
    assert!(matches!(sim.apply(Command::RegisterNode(other)), Reply::Registered { node: NodeId(4), .. }));
    sim.run(2_000);
    assert_eq!((sim.state.placement.nodes(), sim.state.epoch), ([NodeId(4)].into(), PlacementEpoch(3)));
}

#[test]
fn heartbeats_of_strangers_and_of_replaced_processes_are_told_so() {
    let mut sim = three();
    let old = NodeReport { incarnation: sim.state.nodes[&NodeId(1)].incarnation, ..NodeReport::default() };
    sim.apply(register("a"));
    let answer = sim.seen.heartbeat(sim.now, &sim.state, NodeId(1), old.clone());
    assert_eq!(answer, HeartbeatAnswer::Superseded);
    assert_eq!(sim.seen.heartbeat(sim.now, &sim.state, NodeId(9), old), HeartbeatAnswer::Unknown);
}

#[test]
fn commands_that_do_not_fit_are_answered_and_change_nothing() {
    let mut sim = three();
    let before = ClusterState { applied: LogIndex(0), ..sim.state.clone() };
    let map = sim.state.placement.clone();
    let commands = [
        Command::ProposeTarget(ProposeTarget {
            base: PlacementEpoch(0),
            map,
            by_load: false,
            why: String::new(),
        }),
        Command::ProposeTarget(ProposeTarget {
            base: PlacementEpoch(1),
            map: PlacementMap::new(),
            by_load: false,
            why: String::new(),
        }),
        Command::CancelTarget(CancelTarget { target: LogIndex(99), why: String::new() }),
        Command::SetNodeState(SetNodeState {
            node: NodeId(1),
            incarnation: LogIndex(0),
            state: NodeState::Down,
        }),
        Command::DrainNode(DrainNode { name: "nobody".to_owned(), draining: true }),
    ];
    for command in commands {
        assert!(matches!(sim.apply(command.clone()), Reply::Rejected { .. }), "{command:?}");
    }
    assert_eq!(ClusterState { applied: LogIndex(0), ..sim.state }, before);
}

fn pin(key: ExpertKey, node: &str) -> Command {
    Command::PinExpert(PinExpert { key, node: node.to_owned() })
}

fn unpin(key: ExpertKey, node: Option<&str>) -> Command {
    Command::UnpinExpert(UnpinExpert { key, node: node.map(str::to_owned) })
}

fn replicas(replicas: u32) -> Command {
    Command::SetReplicas(SetReplicas { replicas })
}

#[test]
fn a_pinned_expert_gets_its_home_and_keeps_it_through_a_drain() {
    let mut sim = three();
    sim.apply(pin(ExpertKey::new(0, 2), "a"));
    sim.run(2_000);
    sim.apply(Command::DrainNode(DrainNode { name: "a".to_owned(), draining: true }));
    sim.run(2_000);
    let rests = sim.seen.explain(sim.now, &sim.state, ExpertKey::new(0, 2)).unwrap().pins[0].rests.clone();
    assert_eq!(rests, "the node is being emptied");
    sim.apply(Command::DrainNode(DrainNode { name: "a".to_owned(), draining: false }));
    sim.run(2_000);
    assert!(sim.state.placement.homes(ExpertKey::new(0, 2)).contains(&NodeId(1)));
    sim.apply(unpin(ExpertKey::new(0, 2), None));
    assert!(sim.state.pins.is_empty());
    sim.run(2_000);
    expect![[r#"
        3000 pin layer 0 expert 2 to a
        3500 propose [layer 0 expert 2 pinned to a; loads 200 B] 0.0:2+3 0.1:1+3 0.2:1+2 2.0:1+2 2.1:1+3 2.2:2+3 -> target 10
        4000 publish 10 -> epoch 2
        5000 drain a true
        5500 propose [a left; loads 400 B] 0.0:2+3 0.1:2+3 0.2:2+3 2.0:2+3 2.1:2+3 2.2:2+3 -> target 13
        6000 publish 13 -> epoch 3
        7000 drain a false
        7500 propose [a joined, layer 0 expert 2 pinned to a; loads 400 B] 0.0:1+3 0.1:2+3 0.2:1+2 2.0:1+3 2.1:1+2 2.2:2+3 -> target 16
        8000 publish 16 -> epoch 4
        9000 unpin layer 0 expert 2 from all
    "#]].assert_eq(&sim.tell());
}

#[test]
fn pins_that_cannot_be_are_refused_with_a_reason() {
    let mut sim = three();
    let Command::RegisterNode(small) = register("small") else { unreachable!() };
    sim.apply(Command::RegisterNode(RegisterNode { capacity: Some(Bytes(150)), ..small }));
    sim.apply(Command::DrainNode(DrainNode { name: "c".to_owned(), draining: true }));
    sim.tell();
    let key = ExpertKey::new;
    let commands = [
        pin(key(0, 0), "nobody"),
        pin(key(1, 0), "a"),
        pin(key(2, 3), "a"),
        pin(key(0, 0), "c"),
        pin(key(0, 0), "small"),
        pin(key(0, 0), "small"),
        pin(key(0, 1), "small"),
        pin(key(0, 0), "a"),
        pin(key(0, 0), "b"),
        replicas(1),
        replicas(0),
        replicas(17),
        unpin(key(0, 2), None),
        unpin(key(0, 0), Some("b")),
        unpin(key(0, 0), Some("small")),
        replicas(1),
    ];
    commands.into_iter().for_each(|command| drop(sim.apply(command)));
    expect![[r#"
        3000 pin layer 0 expert 0 to nobody -> rejected: there is no node `nobody`; there are a, b, c, small
        3000 pin layer 1 expert 0 to a -> rejected: layer 1 has no experts; these have: 0, 2
        3000 pin layer 2 expert 3 to a -> rejected: layer 2 has no expert 3; it has 0 to 2
        3000 pin layer 0 expert 0 to c -> rejected: `c` is being emptied; undrain it first
        3000 pin layer 0 expert 0 to small
        3000 pin layer 0 expert 0 to small -> rejected: layer 0 expert 0 is pinned to `small` already
        3000 pin layer 0 expert 1 to small -> rejected: `small` has no room: 2 pinned experts need 200 B, its memory is 150 B; unpin another, or raise its --memory-max
        3000 pin layer 0 expert 0 to a
        3000 pin layer 0 expert 0 to b -> rejected: layer 0 expert 0 has 2 homes and is pinned to a, small already; unpin it there, or raise replicas
        3000 replicas 1 -> rejected: layer 0 expert 0 is pinned to 2 nodes, more than 1; unpin it first
        3000 replicas 0 -> rejected: replicas is 0; it can be 1 to 16
        3000 replicas 17 -> rejected: replicas is 17; it can be 1 to 16
        3000 unpin layer 0 expert 2 from all -> rejected: layer 0 expert 2 is not pinned
        3000 unpin layer 0 expert 0 from b -> rejected: layer 0 expert 0 is not pinned to `b`, but to a, small
        3000 unpin layer 0 expert 0 from small
        3000 replicas 1
    "#]].assert_eq(&sim.tell());
}

#[test]
fn a_node_that_comes_back_with_less_memory_than_is_pinned_to_it_holds_up_nobody() {
    let mut sim = three();
    (0..3).for_each(|expert| drop(sim.apply(pin(ExpertKey::new(2, expert), "a"))));
    sim.run(2_000);
    let Command::RegisterNode(again) = register("a") else { unreachable!() };
    sim.apply(Command::RegisterNode(RegisterNode { capacity: Some(Bytes(200)), ..again }));
    sim.run(3_000);
    assert_eq!((sim.waiting(), sim.state.placement.held_by(NodeId(1)).len()), (String::new(), 2));
    let told = sim.seen.explain(sim.now, &sim.state, ExpertKey::new(2, 2)).unwrap();
    assert_eq!(told.pins[0].rests, "the node has no room for it");
}

#[test]
fn what_the_nodes_have_no_memory_for_is_objected_to() {
    let mut sim = Sim::new(2);
    for name in ["a", "b"] {
        let Command::RegisterNode(node) = register(name) else { unreachable!() };
        sim.apply(Command::RegisterNode(RegisterNode { capacity: Some(Bytes(400)), ..node }));
    }
    sim.state.settings.replicas = 1;
    sim.run(3_000);
    let objection = |command| sim.seen.objection(sim.now, &sim.state, &command).unwrap_or_default();
    assert!(objection(replicas(2)).starts_with("2 homes for each expert need 1.2 KiB, the nodes have 800 B"));
    let drain = Command::DrainNode(DrainNode { name: "a".to_owned(), draining: true });
    assert!(objection(drain).starts_with("1 homes for each expert need 600 B, the nodes have 400 B"));
    assert_eq!(objection(pin(ExpertKey::new(0, 0), "b")), "");
}

#[test]
fn replicas_change_live() {
    let mut sim = three();
    sim.apply(replicas(3));
    sim.run(2_000);
    assert!(sim.state.placement.iter().all(|(_, homes)| homes.len() == 3));
    sim.apply(replicas(1));
    sim.run(2_000);
    assert!(sim.state.placement.iter().all(|(_, homes)| homes.len() == 1));
    expect![[r#"
        3000 replicas 3
        3500 propose [homes of each expert: 3 instead of 2; loads 600 B] 0.0:1+2+3 0.1:1+2+3 0.2:1+2+3 2.0:1+2+3 2.1:1+2+3 2.2:1+2+3 -> target 10
        4000 publish 10 -> epoch 2
        5000 replicas 1
        5500 propose [homes of each expert: 1 instead of 3; loads 0 B] 0.0:2 0.1:3 0.2:1 2.0:2 2.1:3 2.2:1 -> target 13
        6000 publish 13 -> epoch 3
    "#]].assert_eq(&sim.tell());
}

#[test]
fn an_explanation_names_the_decision_behind_each_home() {
    let mut sim = three();
    sim.operator = Some("anna".to_owned());
    sim.apply(pin(ExpertKey::new(0, 0), "c"));
    sim.operator = None;
    let told = sim.seen.explain(sim.now, &sim.state, ExpertKey::new(0, 0)).unwrap();
    assert_eq!(told.pins[0].rests, "is being honoured");
    let planned = told.planned.unwrap();
    assert_eq!(planned.why, "layer 0 expert 0 pinned to c; loads 200 B");
    sim.run(2_000);
    let told = sim.seen.explain(sim.now, &sim.state, ExpertKey::new(0, 0)).unwrap();
    let since =
        |node: u64| told.homes.iter().find(|home| home.node.0 == node).unwrap().since.clone().unwrap();
    assert_eq!((since(1).epoch.0, since(1).why.as_str()), (1, "first placement"));
    assert_eq!((since(3).epoch.0, since(3).why.as_str()), (2, planned.why.as_str()));
    assert_eq!((&told.pins[0].rests, told.nodes.len()), (&String::new(), 2));
    assert_eq!(told.planned.unwrap().why, "", "nothing more to do");
    let why = sim.seen.explain(sim.now, &sim.state, ExpertKey::new(1, 0)).unwrap_err();
    assert_eq!(why, "layer 1 has no experts; these have: 0, 2");
}

#[test]
fn events_tell_who_did_what_and_when_and_are_bounded() {
    let mut sim = three();
    sim.operator = Some("anna".to_owned());
    sim.apply(Command::DrainNode(DrainNode { name: "c".to_owned(), draining: true }));
    sim.apply(Command::DrainNode(DrainNode { name: "nobody".to_owned(), draining: true }));
    sim.operator = None;
    sim.run(1_000);
    sim.dead.insert(NodeId(2));
    sim.run(5_000);
    let line = |event: &conclave_control::Event| {
        let by = event.by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
        format!("{} {} {}{by}: {}\n", event.index, event.at, event.kind.name(), event.text)
    };
    let story: String = sim.state.history.events.iter().map(line).collect();
    expect![[r#"
        1 - registered: a at a:1 registered as node 1
        2 - registered: b at b:1 registered as node 2
        3 - registered: c at c:1 registered as node 3
        4 1970-01-01T00:00:03Z verdict: a is ready
        5 1970-01-01T00:00:03Z verdict: b is ready
        6 1970-01-01T00:00:03Z verdict: c is ready
        7 1970-01-01T00:00:06Z proposed: target 7 is being loaded: first placement
        8 1970-01-01T00:00:09Z published: epoch 1 is in use, from target 7: first placement
        9 1970-01-01T00:00:18Z changed by anna: c shall be emptied
        11 1970-01-01T00:00:21Z proposed: target 11 is being loaded: c left; loads 400 B
        12 1970-01-01T00:00:24Z published: epoch 2 is in use, from target 11: c left; loads 400 B
        13 1970-01-01T00:00:45Z verdict: b is down
    "#]]
    .assert_eq(&story);
    for i in 0..EVENTS_MAX {
        let text = format!("note {i}");
        sim.apply(Command::NoteCoordinators(NoteCoordinators { text }));
    }
    let events = &sim.state.history.events;
    assert_eq!((events.len(), events[0].text.as_str()), (EVENTS_MAX, "note 0"));
}

fn any_command() -> impl Strategy<Value = Command> {
    let name = prop::sample::select(vec!["a", "b", "c", "d"]);
    let node_state = prop::sample::select(vec![NodeState::Joining, NodeState::Ready, NodeState::Down]);
    prop_oneof![
        name.clone().prop_map(register),
        (1_u64..5, 0_u64..30, node_state).prop_map(|(node, incarnation, state)| {
            Command::SetNodeState(SetNodeState {
                node: NodeId(node),
                incarnation: LogIndex(incarnation),
                state,
            })
        }),
        (name.clone(), any::<bool>())
            .prop_map(|(name, draining)| Command::DrainNode(DrainNode { name: name.to_owned(), draining })),
        (1_u32..4).prop_map(replicas),
        (0_u32..4, name.clone()).prop_map(|(expert, node)| pin(ExpertKey::new(0, expert), node)),
        (0_u32..4).prop_map(|expert| unpin(ExpertKey::new(0, expert), None)),
        (0_u64..30).prop_map(|t| {
            Command::CancelTarget(CancelTarget { target: LogIndex(t), why: "test".to_owned() })
        }),
    ]
}

proptest! {
    #[test]
    fn equal_logs_give_equal_digests_and_snapshots_restore(
        commands in prop::collection::vec(any_command(), 0..30),
        cut in 0_usize..30,
    ) {
        let apply = |mut state: ClusterState, from: usize, commands: &[Command]| {
            for (at, command) in commands.iter().enumerate() {
                state.apply(LogIndex((from + at + 1) as u64), command.clone());
            }
            state
        };
        let whole = apply(ClusterState::default(), 0, &commands);
        let cut = cut.min(commands.len());
        let first = apply(ClusterState::default(), 0, &commands[..cut]);
        let restored = ClusterState::restore(&first.snapshot()).unwrap();
        prop_assert_eq!(&restored, &first);
        let resumed = apply(restored, cut, &commands[cut..]);
        prop_assert_eq!(resumed.digest(), whole.digest());
    }
}

#[test]
fn fewer_replicas_never_leave_an_expert_with_a_home_that_is_down() {
    let mut sim = three();
    sim.dead.insert(NodeId(1));
    sim.run(5_000);
    sim.apply(Command::SetReplicas(SetReplicas { replicas: 1 }));
    sim.run(3_000);
    assert_eq!((sim.state.epoch, sim.state.uncovered()), (PlacementEpoch(2), (0, 6)));
}

#[test]
fn a_target_is_given_up_if_it_would_take_the_last_ready_home_from_an_expert() {
    let mut sim = three();
    sim.slow.extend([NodeId(2), NodeId(3)]);
    sim.apply(Command::SetReplicas(SetReplicas { replicas: 1 }));
    sim.run(1_000);
    let kept = sim.state.target.as_ref().unwrap().map.held_by(NodeId(1));
    assert!(!kept.is_empty());
    sim.dead.insert(NodeId(1));
    sim.run(4_000);
    sim.slow.clear();
    sim.run(3_000);
    assert_eq!(sim.state.uncovered(), (0, 6));
    let story = sim.tell();
    assert!(story.contains("would be left with homes that are down only"), "{story}");
}

#[test]
fn a_new_pin_takes_the_place_of_a_home_where_no_extra_copy_may_be() {
    let mut sim = three();
    sim.state.by_load = true;
    sim.state.settings.extra_percent = 0;
    sim.apply(pin(ExpertKey::new(0, 0), "c"));
    sim.run(2_000);
    let homes = sim.state.placement.homes(ExpertKey::new(0, 0));
    assert!(homes.contains(&NodeId(3)) && homes.len() == 2, "{homes:?}");
}
