//! Real coordinators, those who hurt them, and those who write and read meanwhile.

use crate::checker::{Kind, Operation, check};
use crate::common::{Process, free_address, signal, wait_until};
use crate::cuts::Cuts;
use crate::placements::{Seen, check_placements};
use crate::random::Random;
use conclave_control::command::{
    Command as Change, DrainNode, PinExpert, RegisterNode, SetReplicas, UnpinExpert,
};
use conclave_control::{ModelFacts, NodeReport};
use conclave_control_rpc::{CoordinatorClient, Credentials};
use conclave_proto::convert::operator::change_request;
use conclave_proto::coordinator::coordinator_client::CoordinatorClient as Wire;
use conclave_proto::coordinator::{ExplainRequest, HistoryRequest};
use conclave_types::{Bytes, Digest, ExpertKey, LayerIdx, LogIndex, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

const COORDINATORS: usize = 3;
const CLIENTS: u64 = 4;
/// A client gives up an attempt after this; it then does not know what became of it.
const ATTEMPT: Duration = Duration::from_millis(1500);
/// A reader of placements gives up after this.
const GLANCE: Duration = Duration::from_millis(100);
/// How long a coordinator is away: longer than an election takes, so that the others go on without it.
const AWAY: Duration = Duration::from_millis(1800);
/// The registers: a setting, whether two of the nodes shall be emptied (one never is), and where an expert is pinned.
const KEYS: [&str; 4] = ["replicas", "a", "b", "pin"];
const MODEL_LAYER: u32 = 0;
const EXPERT: u32 = 1;

struct Group {
    folder: TempDir,
    /// Where each listens, and the relay by which all others reach it.
    listens: Vec<String>,
    relays: Vec<String>,
    cuts: Arc<Cuts>,
    running: BTreeMap<usize, Process>,
}

impl Group {
    fn start() -> Self {
        let listens: Vec<String> = (0..COORDINATORS).map(|_| free_address()).collect();
        let cuts = Arc::new(Cuts::default());
        let relay = |(id, listen): (usize, &String)| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            cuts.relay(listener, id, listen.clone());
            address
        };
        let relays = (1..).zip(&listens).map(relay).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut group = Self { folder, listens, relays, cuts, running: BTreeMap::new() };
        (1..=COORDINATORS).for_each(|id| group.run(id));
        group
    }

    fn run(&mut self, id: usize) {
        let peers: Vec<String> =
            (1..=COORDINATORS).map(|id| format!("{id}={}", self.relays[id - 1])).collect();
        let data = self.folder.path().join(id.to_string());
        let child = Command::new(env!("CARGO_BIN_EXE_conclave"))
            .args(["--log", "error", "coordinator", "--id", &id.to_string(), "--peers", &peers.join(",")])
            .args(["--listen", &self.listens[id - 1], "--data", data.to_str().unwrap()])
            .spawn()
            .unwrap();
        self.cuts.runs(id, child.id());
        self.running.insert(id, Process(child));
    }

    fn client(&self) -> CoordinatorClient {
        CoordinatorClient::new(self.relays.clone(), Credentials::default())
    }

    fn signal(&self, id: usize, name: &str) {
        signal(self.running[&id].0.id(), name);
    }

    /// Who leads, as those say who can be reached.
    fn leader(&self, runtime: &tokio::runtime::Runtime) -> usize {
        let mut leader = 0;
        wait_until("a coordinator leads", || {
            let status = runtime.block_on(self.client().status());
            let members = status.map(|status| status.coordinators).unwrap_or_default();
            leader = members
                .iter()
                .find(|one| one.leader && one.matched.is_some())
                .map_or(0, |one| one.id as usize);
            leader > 0
        });
        leader
    }
}

/// Everything that clients did.
struct Record {
    started: Instant,
    operations: Mutex<Vec<Operation<String>>>,
    placements: Mutex<Vec<Seen>>,
}

impl Record {
    fn now(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    fn note(&self, key: &'static str, kind: Kind<String>, called: u64, answered: Option<u64>) {
        self.operations.lock().unwrap().push(Operation { key, kind, called, answered });
    }
}

/// A node that has loaded whatever it shall, so that placements come and go.
async fn node(client: Arc<CoordinatorClient>, id: NodeId, incarnation: LogIndex, stop: Arc<AtomicBool>) {
    let mut states = client.watch();
    while !stop.load(Ordering::Relaxed) {
        let state = states.borrow_and_update().clone();
        let ready_target = state.target.as_ref().map_or(LogIndex(0), |target| target.id);
        let report =
            NodeReport { incarnation, ready_epoch: state.epoch, ready_target, ..NodeReport::default() };
        // Without a leader there is nobody to hear it, and soon there is one.
        client.heartbeat(id, &report).await.ok();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Writes and reads until `stop`; each attempt goes to one coordinator, once.
async fn client(number: u64, seed: u64, channels: Vec<Channel>, record: Arc<Record>, stop: Arc<AtomicBool>) {
    let mut random = Random::new(seed ^ (number + 1).wrapping_mul(0x5851_f42d_4c95_7f2d));
    let mut asked = random.below(COORDINATORS as u64) as usize;
    let mut written = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut wire = Wire::new(channels[asked].clone());
        let called = record.now();
        let done = if random.below(2) == 0 {
            let key = KEYS[random.below(KEYS.len() as u64) as usize];
            let by = format!("c{number}-{written}");
            written += 1;
            let expert = ExpertKey::new(MODEL_LAYER, EXPERT);
            let yes = random.below(2) == 0;
            let change = match key {
                "replicas" => Change::SetReplicas(SetReplicas { replicas: 1 + random.below(16) as u32 }),
                "pin" if yes => Change::PinExpert(PinExpert { key: expert, node: "never-empty".to_owned() }),
                "pin" => Change::UnpinExpert(UnpinExpert { key: expert, node: None }),
                node => Change::DrainNode(DrainNode { name: node.to_owned(), draining: yes }),
            };
            let request = change_request(&by, &change).unwrap();
            match tokio::time::timeout(ATTEMPT, wire.change(request)).await {
                Ok(Ok(reply)) => {
                    let rejected = reply.into_inner().rejected;
                    // What is pinned cannot be pinned again; that changes nothing, so it is no write.
                    assert!(rejected.is_empty() || key == "pin", "{change:?}: {rejected}");
                    if rejected.is_empty() {
                        record.note(key, Kind::Write(by), called, Some(record.now()));
                    }
                    true
                }
                // Even who does not lead may have led when it was asked.
                _ => {
                    record.note(key, Kind::Write(by), called, None);
                    false
                }
            }
        } else {
            let request = HistoryRequest { last: 0, follower: false };
            match tokio::time::timeout(ATTEMPT, wire.history(request)).await {
                Ok(Ok(reply)) => {
                    let answered = record.now();
                    let events = reply.into_inner().events;
                    for key in KEYS {
                        let about = |text: &str| match key {
                            "replicas" => text.starts_with("homes of each expert"),
                            "pin" => text.starts_with(&ExpertKey::new(MODEL_LAYER, EXPERT).to_string()),
                            node => text.starts_with(&format!("{node} ")),
                        };
                        let last = events.iter().rev().find(|event| event.by.is_some() && about(&event.text));
                        let last = last.and_then(|event| event.by.clone());
                        record.note(key, Kind::Read(last), called, Some(answered));
                    }
                    true
                }
                _ => false,
            }
        };
        if !done {
            asked = random.below(COORDINATORS as u64) as usize;
        }
        tokio::time::sleep(Duration::from_millis(5 + random.below(20))).await;
    }
}

/// Reads the placement until `stop`, at one coordinator after the other, so that one which does not know that it leads no more
/// is asked too.
async fn reader(channels: Vec<Channel>, record: Arc<Record>, stop: Arc<AtomicBool>) {
    for channel in channels.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let called = record.now();
        let request = ExplainRequest { layer: MODEL_LAYER, expert: EXPERT };
        let mut wire = Wire::new(channel.clone());
        // Before the first placement there is nothing to explain.
        if let Ok(Ok(reply)) = tokio::time::timeout(GLANCE, wire.explain(request)).await
            && let Some(told) = reply.into_inner().explanation
        {
            let homes = told.homes.iter().map(|home| home.node).collect();
            let seen = Seen { epoch: told.epoch, homes, called, answered: record.now() };
            record.placements.lock().unwrap().push(seen);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |value| value.parse().expect("a number"))
}

#[test]
fn what_clients_see_while_coordinators_are_killed_frozen_and_cut_off_is_linearizable() {
    let (seed, rounds) = (setting("CONCLAVE_SEED", 1), setting("CONCLAVE_ROUNDS", 4));
    println!("CONCLAVE_SEED={seed} CONCLAVE_ROUNDS={rounds}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut group = Group::start();
    group.leader(&runtime);
    let model = ModelFacts {
        name: "none".to_owned(),
        digest: Digest([7; 32]),
        layers: vec![(LayerIdx(MODEL_LAYER), 4)],
        expert_bytes: Bytes(1),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let mut nodes = Vec::new();
    for name in ["a", "b", "never-empty"] {
        let registration = RegisterNode {
            name: name.to_owned(),
            address: "127.0.0.1:1".to_owned(),
            capacity: None,
            zone: String::new(),
            numerics: "none".to_owned(),
            model: model.clone(),
        };
        let client = Arc::new(group.client());
        let (id, incarnation) = runtime.block_on(client.register(&registration)).unwrap();
        nodes.push(runtime.spawn(node(client, id, incarnation, stop.clone())));
    }
    let record = Arc::new(Record {
        started: Instant::now(),
        operations: Mutex::default(),
        placements: Mutex::default(),
    });
    let channels: Vec<Channel> = {
        let _inside = runtime.enter();
        let channel =
            |address: &String| Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        group.relays.iter().map(channel).collect()
    };
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| runtime.spawn(client(number, seed, channels.clone(), record.clone(), stop.clone())))
        .chain([runtime.spawn(reader(channels.clone(), record.clone(), stop.clone()))])
        .collect();
    let mut random = Random::new(seed);
    for round in 0..rounds {
        std::thread::sleep(Duration::from_millis(300));
        let leader = group.leader(&runtime);
        let follower = 1 + leader % COORDINATORS;
        // Each fault comes once in four rounds, in an order that the seed decides.
        let fault = (round + seed) % 4;
        let others = |one: usize| (1..=COORDINATORS).filter(move |other| *other != one);
        match fault {
            0 => {
                drop(group.running.remove(&leader));
                std::thread::sleep(AWAY);
                group.run(leader);
            }
            1 => {
                group.signal(leader, "STOP");
                std::thread::sleep(AWAY);
                group.signal(leader, "CONT");
            }
            2 => {
                group.cuts.isolate(leader, others(leader));
                // The others place anew meanwhile, and it does not yet find out by itself.
                std::thread::sleep(AWAY + AWAY / 3);
                group.cuts.mend();
            }
            _ => {
                group.cuts.isolate(follower, others(follower));
                std::thread::sleep(Duration::from_millis(random.below(AWAY.as_millis() as u64)));
                drop(group.running.remove(&leader));
                group.run(leader);
                std::thread::sleep(AWAY / 2);
                group.cuts.mend();
            }
        }
    }
    // All is well again, and everybody still sees what was written last.
    group.leader(&runtime);
    std::thread::sleep(Duration::from_millis(500));
    stop.store(true, Ordering::Relaxed);
    clients.into_iter().chain(nodes).for_each(|task| runtime.block_on(task).unwrap());
    let placements = std::mem::take(&mut *record.placements.lock().unwrap());
    let epochs: BTreeSet<u64> = placements.iter().map(|seen| seen.epoch).collect();
    println!("{} reads of {} placements", placements.len(), epochs.len());
    assert!(epochs.len() > rounds as usize, "hardly anything was placed anew");
    if let Err([before, after]) = check_placements(&placements) {
        panic!("{before:?} and then {after:?}");
    }
    let operations = std::mem::take(&mut *record.operations.lock().unwrap());
    let count = |wanted: fn(&Operation<String>) -> bool| operations.iter().filter(|one| wanted(one)).count();
    let writes = count(|one| matches!(one.kind, Kind::Write(_)) && one.answered.is_some());
    let unknown = count(|one| one.answered.is_none());
    let reads = count(|one| matches!(one.kind, Kind::Read(_)));
    println!("{writes} writes acknowledged, {unknown} of unknown fate, {reads} reads");
    assert!(writes >= 20 * rounds as usize && reads >= 20 * rounds as usize, "hardly anything was asked");
    // It goes as deep as there are operations.
    let checked = std::thread::Builder::new().stack_size(1 << 30).spawn(move || check(&operations)).unwrap();
    if let Err(violation) = checked.join().unwrap() {
        let tail = violation.longest.len().saturating_sub(12);
        panic!(
            "register {}: after {} operations, the last of them {:#?}, nothing explains {:#?}",
            violation.key,
            violation.longest.len(),
            &violation.longest[tail..],
            violation.stuck
        );
    }
}
