//! Real coordinators, those who hurt them, and those who write and read meanwhile.

use crate::checker::{Kind, Operation, check};
use crate::common::{Process, signal, wait_until};
use crate::cuts::Cuts;
use crate::random::Random;
use conclave_control::ModelFacts;
use conclave_control::command::{Command as Change, DrainNode, RegisterNode, SetReplicas};
use conclave_control_rpc::{CoordinatorClient, Credentials};
use conclave_proto::convert::operator::change_request;
use conclave_proto::coordinator::HistoryRequest;
use conclave_proto::coordinator::coordinator_client::CoordinatorClient as Wire;
use conclave_types::{Bytes, Digest, LayerIdx};
use std::collections::BTreeMap;
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
/// How long a coordinator is away: longer than an election takes, so that the others go on without it.
const AWAY: Duration = Duration::from_millis(1800);
/// The registers. Nodes that do not exist but are registered can be wished empty; one never is.
const KEYS: [&str; 3] = ["replicas", "a", "b"];

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
        let bound: Vec<TcpListener> =
            (0..2 * COORDINATORS).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
        let addresses: Vec<String> = bound.iter().map(address).collect();
        let (listens, relays) = addresses.split_at(COORDINATORS);
        let cuts = Arc::new(Cuts::default());
        for (at, listener) in bound.into_iter().enumerate().skip(COORDINATORS) {
            let id = at - COORDINATORS + 1;
            cuts.relay(listener, id, listens[id - 1].clone());
        }
        let folder = tempfile::tempdir().unwrap();
        let (listens, relays) = (listens.to_vec(), relays.to_vec());
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
}

impl Record {
    fn now(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    fn note(&self, key: &'static str, kind: Kind<String>, called: u64, answered: Option<u64>) {
        self.operations.lock().unwrap().push(Operation { key, kind, called, answered });
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
            let change = match key {
                "replicas" => Change::SetReplicas(SetReplicas { replicas: 1 + random.below(16) as u32 }),
                node => {
                    Change::DrainNode(DrainNode { name: node.to_owned(), draining: random.below(2) == 0 })
                }
            };
            let request = change_request(&by, &change).unwrap();
            match tokio::time::timeout(ATTEMPT, wire.change(request)).await {
                Ok(Ok(reply)) => {
                    let rejected = reply.into_inner().rejected;
                    assert_eq!(rejected, "", "{change:?}");
                    record.note(key, Kind::Write(by), called, Some(record.now()));
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
        layers: vec![(LayerIdx(0), 2)],
        expert_bytes: Bytes(1),
    };
    for name in ["a", "b", "never-empty"] {
        let node = RegisterNode {
            name: name.to_owned(),
            address: "127.0.0.1:1".to_owned(),
            capacity: None,
            zone: String::new(),
            numerics: "none".to_owned(),
            model: model.clone(),
        };
        runtime.block_on(group.client().register(&node)).unwrap();
    }
    let record = Arc::new(Record { started: Instant::now(), operations: Mutex::default() });
    let stop = Arc::new(AtomicBool::new(false));
    let channels: Vec<Channel> = {
        let _inside = runtime.enter();
        let channel =
            |address: &String| Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        group.relays.iter().map(channel).collect()
    };
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| runtime.spawn(client(number, seed, channels.clone(), record.clone(), stop.clone())))
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
                std::thread::sleep(AWAY);
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
    clients.into_iter().for_each(|client| runtime.block_on(client).unwrap());
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
