//! Virtual time, the network, the log and its leaders. One queue of events; ties go in the order of their making.

use crate::invariants::{self, Step};
use crate::node::SimNode;
use crate::rng::Rng;
use conclave_control::command::{Change, Command, ConfigureCluster, RegisterNode, Reply};
use conclave_control::{
    ClusterState, ExpertLoads, HeartbeatAnswer, History, ModelFacts, NodeReport, NodeViews, Observations,
    Patience, Settings,
};
use conclave_types::{Bytes, Digest, ExpertKey, LayerIdx, LogIndex, Millis, NodeId, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub(crate) const LEASE: u64 = 3_000;
const REPLACE_AFTER: u64 = 20_000;
/// Shorter than the slowest load, so that nodes which could go on are given up too.
const PROGRESS: u64 = 10_000;
const TICK: u64 = 100;
/// How long a target may take once faults have stopped: longer than the slowest load and the wait
/// for progress after it.
pub(crate) const TARGET_MAX: u64 = 50_000;
/// How long until all is well once faults have stopped: the wait for lost nodes, and a few targets.
const HEALTH_MAX: u64 = 90_000;
/// How long a node that can load may be given nothing once faults have stopped: the longest pause, and what was under way.
const HELD_BACK_MAX: u64 = 16 * PROGRESS + TARGET_MAX;
/// Lines of the story that a violation shows.
const STORY_MAX: usize = 60;
const EXPERT_BYTES: u64 = 100;

pub(crate) enum Request {
    Register,
    Heartbeat(NodeId, NodeReport),
}

pub(crate) enum Response {
    Registered(NodeId, LogIndex),
    Heartbeat(HeartbeatAnswer),
    /// None came in time.
    Lost,
}

pub(crate) enum Event {
    Tick { term: u64 },
    Commit { term: u64 },
    Stale(Command),
    Elect,
    ToLeader { at: usize, boot: u64, call: u64, request: Request },
    Register { at: usize, boot: u64, call: u64, term: u64 },
    Answer { at: usize, boot: u64, call: u64, response: Response },
    Beat { at: usize, boot: u64, call: u64 },
    View { at: usize, boot: u64, view: Arc<ClusterState> },
    Resync { at: usize },
    Woken { at: usize, boot: u64, turn: u64 },
    Loaded { at: usize, boot: u64 },
    Start { at: usize },
    Join { at: usize },
    Gateway,
    Strike,
    Snapshot,
    Calm,
    Health,
}

pub(crate) struct Leader {
    term: u64,
    pub(crate) since: u64,
    /// What its clock showed at `since`: every machine's begins elsewhere.
    began: u64,
    pub(crate) seen: Observations,
    /// When a sign of life last reached it.
    pub(crate) heard: BTreeMap<NodeId, u64>,
    /// Decided and not yet in the log.
    pending: VecDeque<Command>,
}

impl Leader {
    pub(crate) fn clock(&self, now: u64) -> u64 {
        self.began + (now - self.since)
    }
}

/// What a run came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) trace: u64,
    pub(crate) millis: u64,
    pub(crate) events: u64,
    pub(crate) commands: u64,
    pub(crate) epochs: u64,
    pub(crate) leaders: u64,
}

impl Outcome {
    pub(crate) fn add(&mut self, other: &Self) {
        self.millis += other.millis;
        self.events += other.events;
        self.commands += other.commands;
        self.epochs += other.epochs;
        self.leaders += other.leaders;
    }
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: u64,
    events: BTreeMap<(u64, u64), Event>,
    made: u64,
    pub(crate) state: ClusterState,
    pub(crate) nodes: Vec<SimNode>,
    pub(crate) keys: Vec<ExpertKey>,
    model: ModelFacts,
    /// Memory is too small for every wish.
    pub(crate) tight: bool,
    pub(crate) may_lose: bool,
    /// Messages lost, of a thousand.
    pub(crate) loss: u64,
    /// Loads that fail, of a thousand.
    pub(crate) load_failures: u64,
    strike_every: u64,
    pub(crate) leader: Option<Leader>,
    term: u64,
    /// A dead leader's publication that is in the log and not yet committed.
    inherited: Option<Command>,
    pub(crate) stalled_until: u64,
    /// Who has loaded all of which target.
    pub(crate) confirmed: BTreeSet<(LogIndex, NodeId)>,
    /// Who has ever loaded which expert.
    pub(crate) verified: BTreeSet<(NodeId, ExpertKey)>,
    pub(crate) target_since: u64,
    pub(crate) quiet_since: Option<u64>,
    /// A node's memory may have changed in this event.
    pub(crate) memory_changed: bool,
    healthy_since: Option<u64>,
    /// When a node that can load was last given nothing because it had not.
    held_back: u64,
    story: VecDeque<String>,
    outcome: Outcome,
    violation: Option<String>,
}

/// What watchers get: all but the history.
fn shown(state: &ClusterState) -> ClusterState {
    ClusterState {
        applied: state.applied,
        settings: state.settings.clone(),
        model: state.model.clone(),
        nodes: state.nodes.clone(),
        next_node: state.next_node,
        epoch: state.epoch,
        placement: state.placement.clone(),
        by_load: state.by_load,
        target: state.target.clone(),
        pins: state.pins.clone(),
        history: History::default(),
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let layers: Vec<_> =
            (0..rng.within(1, 2) as u32).map(|layer| (LayerIdx(layer), rng.within(2, 6) as u32)).collect();
        let model = ModelFacts {
            name: "simulated".to_owned(),
            digest: Digest([7; 32]),
            layers,
            expert_bytes: Bytes(EXPERT_BYTES),
        };
        let keys: Vec<ExpertKey> = model.keys().collect();
        let count = rng.within(1, 6);
        let tight = rng.chance(200);
        let (limited, zoned) = (rng.chance(500), rng.chance(300));
        let node = |at: u64| {
            let room = match tight {
                true => rng.within(1, keys.len() as u64),
                false => keys.len() as u64,
            };
            SimNode {
                name: format!("n{at}"),
                capacity: (tight || limited).then_some(Bytes(room * EXPERT_BYTES)),
                zone: if zoned { format!("z{}", rng.within(0, 2)) } else { String::new() },
                numerics: if rng.chance(900) { "a".to_owned() } else { "b".to_owned() },
                slowness: 1,
                ..SimNode::default()
            }
        };
        let mut nodes: Vec<SimNode> = (0..count).map(node).collect();
        // Drawn apart, so that the other seeds' runs stay what they were.
        let mut rot = Rng::new(seed ^ 0x726f_7474_656e);
        if count > 1 && rot.chance(150) {
            let at = rot.within(0, count - 1) as usize;
            let share = *rot.pick(&[200, 1_000]);
            nodes[at].rotten = keys.iter().copied().filter(|_| rot.chance(share)).collect();
        }
        let mut world = Self {
            now: 0,
            events: BTreeMap::new(),
            made: 0,
            state: ClusterState::default(),
            nodes,
            keys,
            model,
            tight,
            may_lose: rng.chance(300),
            loss: *rng.pick(&[0, 10, 50]),
            load_failures: *rng.pick(&[0, 0, 100]),
            strike_every: *rng.pick(&[500, 2_000, 6_000, 20_000]),
            leader: None,
            term: 0,
            inherited: None,
            stalled_until: 0,
            confirmed: BTreeSet::new(),
            verified: BTreeSet::new(),
            target_since: 0,
            quiet_since: None,
            memory_changed: false,
            healthy_since: None,
            held_back: 0,
            story: VecDeque::new(),
            outcome: Outcome::default(),
            violation: None,
            rng,
        };
        let settings = Settings {
            replicas: world.rng.within(1, 3) as u32,
            nodes_min: world.rng.within(1, count) as u32,
            ..Settings::default()
        };
        world.apply(Command::ConfigureCluster(ConfigureCluster { settings }), "founder");
        world.after(1, Event::Elect);
        for at in 0..world.nodes.len() {
            let start = world.rng.within(0, 5_000);
            world.after(start, Event::Start { at });
            world.after(start, Event::Resync { at });
        }
        world.after(5_000, Event::Gateway);
        world.after(5_000, Event::Strike);
        world.after(1_000, Event::Snapshot);
        let faults = world.rng.within(30_000, 150_000);
        world.after(faults, Event::Calm);
        world
    }

    /// Runs to the end, or to the first violation, told with the story before it.
    pub(crate) fn run(mut self) -> Result<Outcome, String> {
        while let Some(((now, made), event)) = self.events.pop_first() {
            (self.now, self.memory_changed) = (now, false);
            self.outcome.events += 1;
            self.note(now ^ made.rotate_left(32));
            let last =
                matches!(event, Event::Health) && self.healthy_since.is_some_and(|at| at + 12_000 < now);
            self.happen(event);
            self.check(&Step::Other);
            if let Some(violation) = self.violation.take() {
                let story: Vec<String> = self.story.into();
                return Err(format!("{violation}\nat {now} ms, after:\n  {}", story.join("\n  ")));
            }
            if last {
                break;
            }
        }
        self.state.digest().0.iter().for_each(|byte| self.note(u64::from(*byte)));
        self.outcome.millis = self.now;
        self.outcome.epochs = self.state.epoch.0;
        Ok(self.outcome)
    }

    fn check(&mut self, step: &Step<'_>) {
        if self.violation.is_none() {
            self.violation = invariants::check(self, step).err();
        }
    }

    /// Into the trace: FNV-1a by words.
    fn note(&mut self, word: u64) {
        self.outcome.trace = (self.outcome.trace ^ word).wrapping_mul(0x0100_0000_01b3);
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        let line = format!("{:>7} {}", self.now, line());
        line.bytes().for_each(|byte| self.note(u64::from(byte)));
        if self.story.len() == STORY_MAX {
            self.story.pop_front();
        }
        self.story.push_back(line);
    }

    pub(crate) fn after(&mut self, millis: u64, event: Event) {
        self.made += 1;
        self.events.insert((self.now + millis, self.made), event);
    }

    /// Between a node and the leader: late, out of order, or never.
    pub(crate) fn send(&mut self, at: usize, event: Event) {
        if self.nodes[at].cut || self.rng.chance(self.loss) {
            return;
        }
        let most = if self.rng.chance(20 + self.loss / 2) { 2_500 } else { 20 };
        let millis = self.rng.within(1, most);
        self.after(millis, event);
    }

    pub(crate) fn resync(&mut self, at: usize) {
        let (boot, view) = (self.nodes[at].boot, Arc::new(shown(&self.state)));
        self.send(at, Event::View { at, boot, view });
    }

    /// The log has a further entry.
    pub(crate) fn apply(&mut self, command: Command, from: &str) -> Reply {
        let before = shown(&self.state);
        let change = Change { command: command.clone(), by: None, at: Timestamp(self.now) };
        let reply = self.state.apply(LogIndex(self.state.applied.0 + 1), change);
        self.outcome.commands += 1;
        self.tell(|| match &reply {
            Reply::Rejected { why } => format!("{from}: {} -> rejected: {why}", describe(&command)),
            _ => format!("{from}: {}", describe(&command)),
        });
        if matches!(reply, Reply::Proposed { .. }) {
            self.target_since = self.now;
        }
        self.check(&Step::Applied { before: &before, command: &command, reply: &reply });
        let view = Arc::new(shown(&self.state));
        for at in 0..self.nodes.len() {
            if self.nodes[at].up {
                let boot = self.nodes[at].boot;
                self.send(at, Event::View { at, boot, view: view.clone() });
            }
        }
        reply
    }

    /// The leader is gone. What it was writing is lost, in the log at once, or comes late.
    pub(crate) fn depose(&mut self) {
        let Some(leader) = self.leader.take() else { return };
        self.tell(|| "the leader is gone".to_owned());
        self.stalled_until = 0;
        if let Some(command) = leader.pending.into_iter().next() {
            match self.rng.within(0, 2) {
                0 => {}
                1 => drop(self.apply(command, "the old leader")),
                // The log keeps the order of its entries: the next leader finds it there, before its own.
                _ if matches!(command, Command::PublishTarget(_)) => self.inherited = Some(command),
                _ => {
                    let late = self.rng.within(1, 5_000);
                    self.after(late, Event::Stale(command));
                }
            }
        }
        let pause = self.rng.within(100, 3_000);
        self.after(pause, Event::Elect);
    }

    fn elect(&mut self) {
        self.term += 1;
        if let Some(command) = self.inherited.take() {
            self.apply(command, "the old leader, late");
        }
        self.outcome.leaders += 1;
        let began = self.rng.within(0, 1 << 40);
        let patience = Patience {
            lease: Millis(LEASE),
            replace_after: Millis(REPLACE_AFTER),
            progress: Millis(PROGRESS),
        };
        let seen = Observations::new(Millis(began), patience, &self.state);
        let (term, since) = (self.term, self.now);
        self.tell(|| format!("leader {term} begins"));
        let (heard, pending) = (BTreeMap::new(), VecDeque::new());
        self.leader = Some(Leader { term, since, began, seen, heard, pending });
        self.after(1, Event::Tick { term });
    }

    fn leads(&self, term: u64) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader.term == term)
    }

    fn tick(&mut self, term: u64) {
        let now = self.now;
        let Some(leader) = self.leader.as_mut().filter(|leader| leader.term == term) else { return };
        let clock = Millis(leader.clock(now));
        let decision = leader.seen.decide(clock, &self.state);
        leader.pending.extend(decision.commands.iter().cloned());
        self.check(&Step::Decided(&decision));
        self.turn(term);
    }

    /// Writes what is pending, or waits for the next tick.
    fn turn(&mut self, term: u64) {
        let pending = self.leader.as_ref().is_some_and(|leader| !leader.pending.is_empty());
        let millis = self.rng.within(1, 30);
        match pending {
            true => self.after(millis, Event::Commit { term }),
            false => self.after(TICK, Event::Tick { term }),
        }
    }

    fn hear(&mut self, at: usize, call: u64, boot: u64, request: Request) {
        let now = self.now;
        let Some(leader) = &mut self.leader else { return };
        let clock = Millis(leader.clock(now));
        match request {
            Request::Register => {
                let term = leader.term;
                let millis = self.rng.within(1, 30);
                self.after(millis, Event::Register { at, boot, call, term });
            }
            Request::Heartbeat(id, report) => {
                let answer = leader.seen.heartbeat(clock, &self.state, id, report);
                if answer == HeartbeatAnswer::Ok {
                    leader.heard.insert(id, now);
                }
                self.send(at, Event::Answer { at, boot, call, response: Response::Heartbeat(answer) });
            }
        }
    }

    fn register(&mut self, at: usize, boot: u64, call: u64, term: u64) {
        let stale = !self.leads(term);
        if stale && self.rng.chance(500) {
            return;
        }
        let node = &self.nodes[at];
        let command = Command::RegisterNode(RegisterNode {
            name: node.name.clone(),
            address: format!("{}:1", node.name),
            capacity: node.capacity,
            zone: node.zone.clone(),
            numerics: node.numerics.clone(),
            model: self.model.clone(),
        });
        let name = node.name.clone();
        let reply = self.apply(command, &name);
        let Reply::Registered { node: id, incarnation } = reply else {
            self.violation.get_or_insert(format!("registration: {reply:?}"));
            return;
        };
        if let Some(leader) = self.leader.as_mut().filter(|_| !stale) {
            leader.seen.registered(Millis(leader.clock(self.now)), id);
            leader.heard.insert(id, self.now);
            self.send(at, Event::Answer { at, boot, call, response: Response::Registered(id, incarnation) });
        }
    }

    fn report_load(&mut self) {
        let hot = self.rng.within(0, 5);
        let mut loads = ExpertLoads::new();
        for (layer, experts) in &self.model.layers {
            let rows =
                (0..*experts).map(|e| if u64::from(e) == hot { 60_000 } else { self.rng.within(0, 20_000) });
            loads.set(*layer, rows.collect());
        }
        if let Some(leader) = &mut self.leader {
            let clock = Millis(leader.clock(self.now));
            leader.seen.report_load(
                clock,
                &self.state,
                1,
                self.model.digest,
                (Some(loads), NodeViews::new()),
            );
        }
    }

    fn happen(&mut self, event: Event) {
        // A leader that stands still hears and decides nothing; all of it comes when it goes on.
        if self.now < self.stalled_until
            && matches!(event, Event::Tick { .. } | Event::Commit { .. } | Event::ToLeader { .. })
        {
            let rest = self.stalled_until - self.now + self.rng.within(0, 5);
            return self.after(rest, event);
        }
        let current = |world: &Self, at: usize, boot: u64| world.nodes[at].up && world.nodes[at].boot == boot;
        match event {
            Event::Tick { term } => self.tick(term),
            Event::Commit { term } => {
                let leader = self.leader.as_mut().filter(|leader| leader.term == term);
                if let Some(command) = leader.and_then(|leader| leader.pending.pop_front()) {
                    self.apply(command, "the leader");
                    self.turn(term);
                }
            }
            Event::Stale(command) => drop(self.apply(command, "the old leader, late")),
            Event::Elect => self.elect(),
            // Whoever sent it may be gone: it was on its way.
            Event::ToLeader { at, boot, call, request } => {
                if !self.nodes[at].cut {
                    self.hear(at, call, boot, request);
                }
            }
            Event::Register { at, boot, call, term } => self.register(at, boot, call, term),
            Event::Answer { at, boot, call, response } => {
                let arrives = matches!(response, Response::Lost) || !self.nodes[at].cut;
                if current(self, at, boot) && arrives {
                    self.answered(at, call, response);
                }
            }
            Event::Beat { at, boot, call } if current(self, at, boot) => self.paused(at, call),
            Event::View { at, boot, view } if current(self, at, boot) && !self.nodes[at].cut => {
                self.memory_changed = true;
                self.viewed(at, view);
            }
            Event::Resync { at } => {
                if self.nodes[at].up {
                    self.resync(at);
                }
                self.after(1_000, Event::Resync { at });
            }
            Event::Woken { at, boot, turn } if current(self, at, boot) => {
                self.memory_changed = true;
                self.woken(at, turn);
            }
            Event::Loaded { at, boot } if current(self, at, boot) => {
                self.memory_changed = true;
                self.loaded(at);
            }
            Event::Start { at } => self.start(at),
            Event::Join { at } => self.nodes[at].cut = false,
            Event::Gateway if self.quiet_since.is_none() => {
                self.report_load();
                self.after(5_000, Event::Gateway);
            }
            Event::Strike if self.quiet_since.is_none() => {
                self.strike();
                let pause = self.rng.within(1, 2 * self.strike_every);
                self.after(pause, Event::Strike);
            }
            Event::Snapshot => {
                if self.violation.is_none() {
                    self.violation = invariants::check_snapshot(self).err();
                }
                let pause = self.rng.within(1_000, 30_000);
                self.after(pause, Event::Snapshot);
            }
            Event::Calm => {
                self.calm();
                self.after(1_000, Event::Health);
            }
            Event::Health => {
                let calm = self.quiet_since.expect("health is asked for when all is calm");
                if let Some(name) = invariants::held_back(self) {
                    self.held_back = self.now;
                    if self.now - calm > HELD_BACK_MAX {
                        self.violation
                            .get_or_insert(format!("health: {name} can load, and is given nothing"));
                    }
                }
                let quiet = self.now - calm.max(self.held_back);
                match invariants::unhealthy(self) {
                    None => _ = self.healthy_since.get_or_insert(self.now),
                    Some(why) if quiet > HEALTH_MAX && self.healthy_since.is_none() => {
                        self.violation
                            .get_or_insert(format!("health: {why}, {quiet} ms after the last fault"));
                    }
                    Some(_) => {}
                }
                self.after(1_000, Event::Health);
            }
            Event::Beat { .. }
            | Event::View { .. }
            | Event::Woken { .. }
            | Event::Loaded { .. }
            | Event::Gateway
            | Event::Strike => {}
        }
    }
}

/// A command in a line's length.
fn describe(command: &Command) -> String {
    let map = |map: &conclave_types::PlacementMap| {
        let homes =
            |homes: &[NodeId]| homes.iter().map(|home| home.0.to_string()).collect::<Vec<_>>().join("+");
        let one = |(key, at): (ExpertKey, &[NodeId])| format!("{}.{}:{}", key.layer, key.expert, homes(at));
        map.iter().map(one).collect::<Vec<_>>().join(" ")
    };
    match command {
        Command::RegisterNode(_) => "registers".to_owned(),
        Command::SetNodeState(c) => format!("node {} is {}", c.node, c.state.name()),
        Command::ProposeTarget(c) => format!("propose [{}] {}", c.why, map(&c.map)),
        Command::PublishTarget(c) => format!("publish {}", c.target),
        Command::CancelTarget(c) => format!("cancel {}: {}", c.target, c.why),
        other => format!("{other:?}"),
    }
}
