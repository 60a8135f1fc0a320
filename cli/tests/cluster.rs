//! `conclave up` as a user runs it, with parts of it killed: real processes, real sockets, the model that comes
//! with Conclave. What a request gets must not depend on any of it.

mod common;

use common::{Api, Process, free_address, signal, story, wait_until};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// One cluster at a time: two at once would measure the machine's patience.
static ONE: Mutex<()> = Mutex::new(());

fn conclave(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    command.args(args);
    command
}

/// A process that is stopped nine tenths of the time, until this is dropped.
struct Slowed {
    shell: Process,
    pid: u32,
}

impl Slowed {
    fn start(pid: u32) -> Self {
        let turns = format!("while kill -STOP {pid}; do sleep 0.045; kill -CONT {pid}; sleep 0.005; done");
        Self { shell: Process(Command::new("sh").args(["-c", &turns]).spawn().unwrap()), pid }
    }
}

impl Drop for Slowed {
    fn drop(&mut self) {
        let _ = self.shell.0.kill();
        let _ = self.shell.0.wait();
        signal(self.pid, "CONT");
    }
}

/// A running cluster; stopped when dropped.
struct Up {
    child: Child,
    api: Api,
    coordinators: String,
    /// The newest process of each role.
    pids: Arc<Mutex<HashMap<String, u32>>>,
    _one: MutexGuard<'static, ()>,
}

impl Deref for Up {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Up {
    fn start(args: &[&str]) -> Self {
        // A test that failed while it held the lock has said so itself.
        let one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut child = conclave(&["--log", "warn", "up", "--port", "0"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let pids = Arc::new(Mutex::new(HashMap::new()));
        let note = |line: &str, pids: &Mutex<HashMap<String, u32>>| {
            let mut words = line.split_whitespace();
            if let (Some(name), Some("pid"), Some(pid)) = (words.next(), words.next(), words.next()) {
                pids.lock().unwrap().insert(name.to_owned(), pid.parse().unwrap());
            }
        };
        let (mut address, mut coordinators, mut story) = (None, None, String::new());
        while coordinators.is_none() {
            let line = lines.next().unwrap_or_else(|| panic!("`up` ended:\n{story}")).unwrap();
            note(&line, &pids);
            if let Some(rest) = line.split("at http://").nth(1) {
                address = rest.split('/').next().map(str::to_owned);
            }
            coordinators = line.split("status --coordinators ").nth(1).map(str::to_owned);
            story.push_str(&line);
            story.push('\n');
        }
        let followed = pids.clone();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| note(&line, &followed)));
        let api = Api { address: address.expect("the URL comes before the status line") };
        Self { child, api, coordinators: coordinators.unwrap(), pids, _one: one }
    }

    fn pid(&self, role: &str) -> u32 {
        self.pids.lock().unwrap()[role]
    }

    /// Kills the process of `role` without warning; returns its pid.
    fn kill(&self, role: &str) -> u32 {
        let pid = self.pid(role);
        signal(pid, "KILL");
        pid
    }

    fn admin(&self, args: &[&str]) -> Output {
        conclave(args).args(["--coordinators", &self.coordinators]).output().unwrap()
    }

    fn status(&self) -> Value {
        let output = self.admin(&["status", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// Waits until `role` runs anew and everything is ready again.
    fn returned(&self, role: &str, killed: u32) {
        wait_until("the process runs again", || self.pid(role) != killed);
        wait_until("every node is ready", || {
            let status = self.status();
            let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
            let fresh = |node: &Value| {
                node["state"] == "ready" && node["silence_ms"].as_u64().is_some_and(|s| s < 1000)
            };
            !nodes.is_empty() && nodes.iter().all(fresh)
        });
        wait_until("the gateway is ready", || self.get("/ready").0 == 200);
    }

    fn leader(&self) -> String {
        let mut leader = String::new();
        wait_until("a coordinator leads", || {
            let status = self.status();
            let all = status["coordinators"].as_array().cloned().unwrap_or_default();
            let found = all.iter().find(|coordinator| coordinator["leader"] == true);
            leader = found.map(|found| format!("coordinator-{}", found["id"])).unwrap_or_default();
            found.is_some()
        });
        leader
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // As Ctrl-C would, so that it stops its children; it is given the time to.
        signal(self.child.id(), "TERM");
        let start = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if start.elapsed() > Duration::from_secs(30) {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The cores that the thread `name` of a process may use, as Linux lists them.
fn core_of(pid: u32, name: &str) -> String {
    let mut tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|task| task.unwrap().path());
    let read = |path: &Path, file: &str| std::fs::read_to_string(path.join(file)).unwrap_or_default();
    let task = tasks.find(|task| read(task, "comm").trim() == name).expect(name);
    let status = read(&task, "status");
    let cores = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    cores.expect("Linux tells").trim().to_owned()
}

/// `conclave serve` with a story greedy and a story drawn by seed: the golden texts.
fn golden(requests: &[Value]) -> Vec<String> {
    let mut child =
        conclave(&["--log", "warn", "serve", "--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    let api = Api { address };
    let texts = requests.iter().map(|request| api.text(request)).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    texts
}

/// Long enough that something can happen in the middle.
fn long_story(subject: &str, seed: u64, temperature: f64) -> Value {
    let mut request = story(subject, seed, temperature);
    request["max_tokens"] = json!(300);
    request["ignore_eos"] = json!(true);
    request
}

#[test]
fn one_golden_text_holds_on_one_process_on_three_nodes_and_through_every_loss() {
    let requests = [long_story("a dog", 1, 0.0), long_story("a dragon and a king", 7, 0.9)];
    let golden = golden(&requests);
    let up = Up::start(&[]);

    // (b) three nodes.
    for (request, text) in requests.iter().zip(&golden) {
        assert_eq!(up.text(request), *text, "on three nodes");
    }

    // Each computing thread of a node keeps to one core, and not all nodes begin at the same one if there are two.
    if cfg!(target_os = "linux") && std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
        let threads = |node| ["experts", "compute-1"].map(|name| core_of(up.pid(node), name));
        let kept = ["node-1", "node-2"].map(threads);
        assert!(kept.iter().all(|[first, second]| first != second), "{kept:?}");
        assert_ne!(kept[0][0], kept[1][0], "{kept:?}");
        assert!(kept.iter().flatten().all(|core| core.parse::<u32>().is_ok()), "{kept:?}");
    }

    // (d) among sixteen.
    std::thread::scope(|scope| {
        let (up, requests) = (&up, &requests);
        let calls: Vec<_> = (0..16).map(|i| scope.spawn(move || up.text(&requests[i % 2]))).collect();
        for (i, call) in calls.into_iter().enumerate() {
            assert_eq!(call.join().unwrap(), golden[i % 2], "among sixteen");
        }
    });

    // (c) each node in turn is killed in the middle of a stream, (e) and comes back.
    for (node, (request, text)) in
        ["node-1", "node-2", "node-3"].iter().zip(requests.iter().zip(&golden).cycle())
    {
        let mut killed = 0;
        let (streamed, last) = up.stream(request, |count, _| {
            if count == 20 {
                killed = up.kill(node);
            }
        });
        assert_eq!(streamed, *text, "with {node} killed in the middle; the last event was {last}");
        assert_eq!(up.text(request), *text, "with {node} gone");
        up.returned(node, killed);
        assert_eq!(up.text(request), *text, "after {node} returned");
    }

    // A node that freezes, and so keeps its connections, costs a moment and no text.
    let frozen = up.pid("node-1");
    let (streamed, last) = up.stream(&requests[0], |count, _| {
        if count == 20 {
            signal(frozen, "STOP");
        }
    });
    assert_eq!(streamed, golden[0], "with node-1 frozen in the middle; the last event was {last}");
    signal(frozen, "CONT");
    assert_eq!(up.text(&requests[1]), golden[1], "after node-1 thawed");

    // The coordinators' leader is killed in the middle of a stream.
    let leader = up.leader();
    let (streamed, _) = up.stream(&requests[0], |count, _| {
        if count == 20 {
            up.kill(&leader);
        }
    });
    assert_eq!(streamed, golden[0], "with the leader killed in the middle");
    assert_eq!(up.text(&requests[1]), golden[1], "without the old leader");
    // Any of the three may lead next, the killed one included once it runs again.
    up.leader();

    // A drained node gives its experts away, and texts stay what they were.
    let drained = up.admin(&["drain", "node-2"]);
    assert!(drained.status.success(), "{drained:?}");
    wait_until("node-2 is no home of anything", || {
        let status = up.status();
        let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
        nodes.iter().any(|node| node["name"] == "node-2" && node["experts_placed"] == 0)
    });
    assert_eq!(up.status()["experts_uncovered"], 0);
    assert_eq!(up.text(&requests[1]), golden[1], "with node-2 drained");
    let refused = up.admin(&["drain", "node-9"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no node `node-9`"));
}

#[test]
fn a_node_that_runs_a_tenth_of_the_time_changes_no_text_and_is_left_alone_until_it_is_quick() {
    let up = Up::start(&["--coordinators", "1"]);
    let request = long_story("a dog", 1, 0.0);
    let calm = up.text(&request);
    let labelled = |name: &str| -> Vec<f64> {
        let (_, text) = up.get("/metrics");
        let values = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        values.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
    };
    let slowed = Slowed::start(up.pid("node-2"));
    wait_until("a node is taken for slow", || {
        assert_eq!(up.text(&request), calm, "with a slow node");
        labelled("conclave_expert_node_state").contains(&1.0)
    });
    assert_eq!(up.text(&request), calm, "with a slow node that is left alone");
    drop(slowed);
    wait_until("every node is asked again", || {
        assert_eq!(up.text(&request), calm, "with a node that was slow");
        labelled("conclave_expert_node_state") == [0.0; 3]
    });
    let extra = [labelled("conclave_expert_hedges_total"), labelled("conclave_expert_probes_total")].concat();
    let (extra, calls) = (extra.iter().sum::<f64>(), up.metric("conclave_expert_calls_total"));
    assert!(extra > 0.0 && extra <= 0.1 * calls + 10.0, "{extra} extra calls of {calls}");
}

#[test]
fn without_a_second_home_requests_end_typed_and_service_returns_by_itself() {
    let up = Up::start(&["--replicas", "1", "--nodes", "2", "--coordinators", "1", "--restart-ms", "2500"]);
    let request = long_story("a dog", 1, 0.0);
    let whole = up.text(&request);
    let mut killed = 0;
    let (streamed, last) = up.stream(&request, |count, _| {
        if count == 20 {
            killed = up.kill("node-1");
        }
    });
    assert!(
        whole.starts_with(&streamed) && streamed.len() < whole.len(),
        "what was sent is a part of the whole"
    );
    assert_eq!(last["error"]["code"], "expert_unavailable", "{last}");
    let message = last["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("layer ") && message.contains(": experts "),
        "names layer and experts: {message}"
    );

    let body = request.to_string();
    let json = [("content-type", "application/json")];
    let (status, head, answer) = up.send("POST", "/v1/chat/completions", &json, body.as_bytes());
    assert_eq!(status, 503, "{}", String::from_utf8_lossy(&answer));
    assert!(head.contains("retry-after:"), "{head}");
    wait_until("the gateway says that it is not ready", || up.get("/ready").0 == 503);
    up.returned("node-1", killed);
    assert_eq!(up.text(&request), whole, "after the node returned by itself");
}

#[test]
fn who_does_not_belong_to_the_cluster_is_refused_with_a_reason() {
    let up = Up::start(&["--nodes", "1", "--coordinators", "1", "--replicas", "1"]);
    let stderr = |output: Output| {
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    // The same weights in another dtype compute another function: another digest.
    let other = stderr(up.admin(&["expert-node", "--name", "stranger", "--dtype", "f32"]));
    assert!(other.contains("the cluster refuses this node") && other.contains("digest"), "{other}");
    assert_eq!(up.status()["nodes"].as_array().unwrap().len(), 1);
    // A second process under a name that is in use takes the place; the first one ends and says why.
    let mut second =
        conclave(&["--log", "warn", "expert-node", "--name", "node-1", "--coordinators", &up.coordinators])
            .spawn()
            .unwrap();
    let first = up.pid("node-1");
    wait_until("the first process ends", || up.pid("node-1") != first);
    second.kill().unwrap();
    second.wait().unwrap();
}

#[test]
fn a_cluster_with_a_data_folder_remembers_its_placement() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--nodes", "2", "--data", folder.path().to_str().unwrap()];
    let request = story("a dog", 1, 0.0);
    let up = Up::start(&args);
    let (text, before) = (up.text(&request), up.status());
    drop(up);
    let up = Up::start(&args);
    let after = up.status();
    assert_eq!(up.text(&request), text);
    assert_eq!((&after["epoch"], &after["model"]), (&before["epoch"], &before["model"]));
    let ids = |status: &Value| {
        let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
        nodes.iter().map(|node| (node["id"].to_string(), node["name"].to_string())).collect::<Vec<_>>()
    };
    assert_eq!(ids(&after), ids(&before), "the same name is the same node");
    let other = conclave(&["up", "--port", "0", "--coordinators", "1", "--data", args[3]]).output().unwrap();
    let said = String::from_utf8(other.stderr).unwrap();
    assert!(said.contains("belongs to 3 coordinators"), "{said}");
}

#[test]
fn roles_started_one_by_one_share_a_token_and_strangers_stay_outside() {
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let data = tempfile::tempdir().unwrap();
    let free = free_address();
    let peers = format!("1={free}");
    let with_token = |args: &[&str]| {
        let mut command = conclave(&["--log", "warn"]);
        command.args(args).env("CONCLAVE_CLUSTER_TOKEN", "correct-horse-battery");
        command
    };
    let _coordinator = Process(
        with_token(&["coordinator", "--id", "1", "--peers", &peers, "--listen", &free])
            .args(["--data", data.path().to_str().unwrap()])
            .spawn()
            .unwrap(),
    );
    let _node =
        Process(with_token(&["expert-node", "--name", "n", "--coordinators", &free]).spawn().unwrap());
    let mut gateway = Process(
        with_token(&["gateway", "--port", "0", "--coordinators", &free])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut output = BufReader::new(gateway.0.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    let api = Api { address };
    wait_until("the gateway is ready", || api.get("/ready").0 == 200);
    let request = story("a dog", 1, 0.0);
    assert_eq!(api.text(&request), golden(std::slice::from_ref(&request))[0]);
    let ask = |command: &mut Command| command.args(["status", "--coordinators", &free]).output().unwrap();
    assert!(ask(&mut with_token(&[])).status.success());
    for mut stranger in [conclave(&[]), {
        let mut wrong = conclave(&[]);
        wrong.env("CONCLAVE_CLUSTER_TOKEN", "wrong-horse-battery");
        wrong
    }] {
        let refused = ask(&mut stranger);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && said.contains("cluster token is missing or wrong"), "{said}");
    }
}

/// Puts a copy of the model with one bit of every weight's byte changed into `folder`, and the manifest of the sound one beside it: the
/// paths of both.
fn rotten_model(folder: &Path) -> (String, String) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tiny-tales");
    for entry in std::fs::read_dir(&source).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
    }
    let path = folder.to_str().unwrap();
    let manifest = folder.join("manifest.json");
    let manifest = manifest.to_str().unwrap();
    let written = conclave(&["manifest", "--model", path, "--out", manifest]).output().unwrap();
    assert!(written.status.success(), "{written:?}");

    let weights = folder.join("model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let flip = |bytes: &mut Vec<u8>| bytes[header..].iter_mut().for_each(|byte| *byte ^= 1);
    flip(&mut bytes);
    std::fs::write(&weights, &bytes).unwrap();
    (path.to_owned(), manifest.to_owned())
}

#[test]
fn weights_that_are_not_the_manifests_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (path, manifest) = rotten_model(folder.path());
    let (path, manifest) = (path.as_str(), manifest.as_str());
    let gateway =
        ["gateway", "--port", "0", "--coordinators", "127.0.0.1:1", "--model", path, "--manifest", manifest];
    let refused = conclave(&gateway).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && said.contains("model.safetensors") && said.contains("has digest"),
        "{said}"
    );

    // A node finds it when it loads its experts; it says so and never becomes ready.
    let up = Up::start(&["--nodes", "1", "--coordinators", "1"]);
    let mut node =
        conclave(&["--log", "off", "expert-node", "--name", "rotten", "--coordinators", &up.coordinators])
            .args(["--model", path, "--manifest", manifest])
            .spawn()
            .unwrap();
    wait_until("the status tells the node's trouble", || {
        let nodes = up.status()["nodes"].as_array().cloned().unwrap_or_default();
        nodes.iter().any(|node| {
            node["name"] == "rotten" && node["trouble"].as_str().is_some_and(|t| t.contains("has digest"))
        })
    });
    assert_eq!(up.status()["epoch"], 1, "the placement in use stays");
    assert_eq!(up.text(&story("a dog", 1, 0.0)), golden(&[story("a dog", 1, 0.0)])[0]);
    node.kill().unwrap();
    node.wait().unwrap();
}

/// Starts an expert node by hand.
fn node(name: &str, coordinators: &str) -> Process {
    let args = ["--log", "error", "expert-node", "--name", name, "--coordinators", coordinators];
    Process(conclave(&args).args(["--threads", "1"]).spawn().unwrap())
}

/// What the status says of the node `name`; null if it is not there.
fn told(status: &Value, name: &str) -> Value {
    let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
    nodes.into_iter().find(|node| node["name"] == name).unwrap_or(Value::Null)
}

/// Ends the load when it is dropped, also by a failure: a scope waits for its threads.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_node_that_joins_and_one_that_is_drained_cost_no_request_and_change_no_text() {
    let requests = [story("a dog", 1, 0.0), story("a dragon and a king", 7, 0.9)];
    let golden = golden(&requests);
    let up = Up::start(&[]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = |at: usize| {
            let mut answered = 0;
            while !done.load(Ordering::Relaxed) {
                // Fails the test unless it is answered with 200.
                assert_eq!(up.text(&requests[at]), golden[at], "request {answered}");
                answered += 1;
            }
            answered
        };
        let loads = [scope.spawn(move || load(0)), scope.spawn(move || load(1))];
        let end = Done(&done);
        let _late = node("late", &up.coordinators);
        wait_until("the late one has its share", || {
            let late = told(&up.status(), "late");
            late["state"] == "ready" && late["experts_placed"].as_u64() > Some(0)
        });
        let drained = up.admin(&["drain", "node-1", "--as", "anna"]);
        assert!(drained.status.success(), "{drained:?}");
        wait_until("node-1 holds nothing", || {
            let node = told(&up.status(), "node-1");
            node["experts_placed"] == 0 && node["experts_held"] == 0
        });
        // Nothing is asked of it any more, so that it may go.
        up.kill("node-1");
        assert!(up.admin(&["undrain", "node-1"]).status.success());
        wait_until("node-1 has a share again", || {
            let node = told(&up.status(), "node-1");
            node["state"] == "ready" && node["experts_placed"].as_u64() > Some(0)
        });
        drop(end);
        let answered: Vec<usize> = loads.map(|load| load.join().unwrap()).into();
        assert!(answered.iter().all(|answered| *answered > 0), "{answered:?}");
    });
    assert_eq!(up.status()["experts_uncovered"], 0);
}

#[test]
fn a_node_that_was_cut_off_comes_back_to_its_place_unless_another_has_it() {
    let request = story("a dog", 1, 0.0);
    let up = Up::start(&[]);
    let text = up.text(&request);
    let before = told(&up.status(), "node-2");
    let frozen = up.pid("node-2");
    let down = || told(&up.status(), "node-2")["state"] == "down";
    signal(frozen, "STOP");
    wait_until("node-2 is down", down);
    assert_eq!(up.text(&request), text, "with node-2 cut off");
    signal(frozen, "CONT");
    wait_until("node-2 is ready", || told(&up.status(), "node-2")["state"] == "ready");
    let after = told(&up.status(), "node-2");
    assert_eq!((&after["id"], &after["incarnation"]), (&before["id"], &before["incarnation"]));
    assert_eq!(after["experts_placed"], before["experts_placed"]);
    assert_eq!(up.text(&request), text, "with node-2 back");

    // Cut off again, and meanwhile another process takes its name: the old one is fenced off when it is back.
    signal(frozen, "STOP");
    wait_until("node-2 is down", down);
    let mut second = node("node-2", &up.coordinators);
    wait_until("the second is ready", || {
        let node = told(&up.status(), "node-2");
        node["state"] == "ready" && node["incarnation"] != before["incarnation"]
    });
    signal(frozen, "CONT");
    wait_until("the old process ends", || up.pid("node-2") != frozen);
    // `up` starts it anew, which takes the name in turn.
    wait_until("the second process ends", || second.0.try_wait().unwrap().is_some());
    assert_eq!(up.text(&request), text);
}

/// A coordinator alone, started by hand with `args`.
struct Alone {
    address: String,
    _process: Process,
    _data: tempfile::TempDir,
}

impl Alone {
    fn start(args: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let address = free_address();
        let fixed = ["--log", "error", "coordinator", "--id", "1", "--listen", &address];
        let process = conclave(&fixed)
            .args(["--peers", &format!("1={address}"), "--data", data.path().to_str().unwrap()])
            .args(args)
            .spawn()
            .unwrap();
        Self { address, _process: Process(process), _data: data }
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = conclave(args).args(["--json", "--coordinators", &self.address]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }
}

#[test]
fn a_node_that_can_load_nothing_is_given_up_and_others_get_its_share() {
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = tempfile::tempdir().unwrap();
    let (path, manifest) = rotten_model(folder.path());
    let group = Alone::start(&["--progress-deadline-ms", "1000", "--nodes-min", "3"]);
    let _sound = [node("a", &group.address), node("b", &group.address)];
    let rotten = ["--log", "off", "expert-node", "--name", "rotten", "--coordinators", &group.address];
    let _rotten =
        Process(conclave(&rotten).args(["--model", &path, "--manifest", &manifest]).spawn().unwrap());
    wait_until("the others hold everything twice", || {
        let status = group.json(&["status"]);
        status["epoch"] == 1
            && status["experts_uncovered"] == 0
            && told(&status, "rotten")["experts_placed"] == 0
            && told(&status, "a")["experts_placed"] == told(&status, "b")["experts_placed"]
    });
    let events = group.json(&["events", "--last", "0"]);
    let given_up = events.as_array().unwrap().iter().find(|event| event["kind"] == "cancelled");
    let why = given_up.expect("the first target was given up")["what"].as_str().unwrap();
    assert!(why.contains("node `rotten` loaded nothing for 1 s: ") && why.contains("has digest"), "{why}");
}

#[test]
fn a_node_that_leaves_for_good_is_replaced_and_returns_only_with_the_same_weights() {
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let group = Alone::start(&["--lease-ms", "1000", "--replace-after-ms", "3000", "--nodes-min", "3"]);
    let (free, status) = (group.address.clone(), || group.json(&["status"]));
    let _others = [node("a", &free), node("b", &free)];
    let leaves = node("c", &free);
    let covered = |epoch: u64| {
        move |status: &Value| {
            status["epoch"].as_u64() >= Some(epoch)
                && status["experts_uncovered"] == 0
                && status["loading"].is_null()
        }
    };
    wait_until("all is placed", || covered(1)(&status()));
    let id = told(&status(), "c")["id"].clone();
    drop(leaves);
    wait_until("its experts have new homes", || {
        let status = status();
        covered(2)(&status) && told(&status, "c")["experts_placed"] == 0
    });
    let other = conclave(&["expert-node", "--name", "c", "--dtype", "f32", "--coordinators", &free])
        .output()
        .unwrap();
    let said = String::from_utf8(other.stderr).unwrap();
    assert!(!other.status.success() && said.contains("the cluster refuses this node"), "{said}");
    let _back = node("c", &free);
    wait_until("it has a share again", || {
        let node = told(&status(), "c");
        node["id"] == id && node["state"] == "ready" && node["experts_placed"].as_u64() > Some(0)
    });
}

#[test]
fn operators_see_why_and_who_and_their_wishes_hold() {
    let up = Up::start(&[]);
    let json = |args: &[&str]| -> Value {
        let output = up.admin(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let text = |args: &[&str]| {
        let output = up.admin(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let refused = |args: &[&str]| {
        let output = up.admin(args);
        assert!(!output.status.success(), "{args:?} was accepted");
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(json(&["nodes"]).as_array().unwrap().len(), 3);
    let experts = json(&["experts", "--layer", "0"]);
    let first = &experts[0];
    let homes: Vec<&str> =
        first["homes"].as_array().unwrap().iter().map(|home| home.as_str().unwrap()).collect();
    assert_eq!((homes.len(), &first["homes_ready"]), (2, &json!(2)));
    let other = ["node-1", "node-2", "node-3"].into_iter().find(|name| !homes.contains(name)).unwrap();
    assert!(text(&["placement"]).contains("first placement"));
    assert!(text(&["explain", "0", "0"]).contains("first placement"));
    assert!(text(&["rebalance", "--dry-run"]).contains("nothing would move"));
    assert!(text(&["moves"]).contains("nothing is being loaded"));
    let one = json(&["what-if", "--kill", "node-2"]);
    assert_eq!((&one["lost"], one["plan"]["bytes"].as_u64().unwrap() > 0), (&json!([]), true), "{one}");
    assert_eq!(one["single"].as_array().unwrap().len() as u64, one["short"].as_u64().unwrap());
    let two = json(&["what-if", "--kill", "node-1,node-2"]);
    assert!(!two["lost"].as_array().unwrap().is_empty(), "two of three nodes were both homes of some");
    assert!(text(&["what-if", "--kill", "node-2"]).contains("no request fails"));
    assert!(
        refused(&["what-if", "--kill", "node-7"]).contains("there is no node `node-7`; there are node-1")
    );

    text(&["pin", "0", "0", other, "--as", "anna"]);
    wait_until("the pinned expert is there", || {
        let told = json(&["explain", "0", "0"]);
        told["homes"].as_array().unwrap().iter().any(|home| home["node"] == other)
    });
    let told = json(&["explain", "0", "0"]);
    let home = told["homes"].as_array().unwrap().iter().find(|home| home["node"] == other).unwrap();
    assert!(home["since"]["why"].as_str().unwrap().contains("pinned to"), "{home}");
    assert!(refused(&["pin", "0", "0", "node-9"]).contains("there is no node `node-9`"));
    assert!(refused(&["explain", "99", "0"]).contains("layer 99 has no experts"));
    assert_eq!(json(&["experts", "--pinned"]).as_array().unwrap().len(), 1);

    text(&["replicas", "3", "--as", "berta"]);
    wait_until("every expert has three homes", || {
        let experts = json(&["experts"]);
        experts.as_array().unwrap().iter().all(|expert| expert["homes"].as_array().unwrap().len() == 3)
    });
    text(&["replicas", "1", "--as", "berta"]);
    wait_until("every expert has one home", || {
        let experts = json(&["experts"]);
        experts.as_array().unwrap().iter().all(|expert| expert["homes"].as_array().unwrap().len() == 1)
    });
    assert_eq!(json(&["experts", "--pinned"])[0]["homes"], json!([other]), "the pin decides which one stays");
    text(&["unpin", "0", "0", "--as", "anna"]);
    assert!(refused(&["unpin", "0", "0"]).contains("is not pinned"));

    let events = json(&["events", "--last", "0"]);
    let by = |name: &str| events.as_array().unwrap().iter().filter(|event| event["by"] == name).count();
    assert_eq!((by("anna"), by("berta")), (2, 2));
    let kinds: std::collections::BTreeSet<&str> =
        events.as_array().unwrap().iter().filter_map(|event| event["kind"].as_str()).collect();
    assert!(
        ["registered", "verdict", "proposed", "published", "changed"].iter().all(|kind| kinds.contains(kind))
    );
    assert!(events.as_array().unwrap().iter().all(|event| event["at_ms"].as_u64() > Some(0)), "{events}");
}

#[test]
fn settings_that_cannot_work_are_refused_together() {
    let stderr = |args: &[&str]| {
        let output = conclave(args).output().unwrap();
        assert!(!output.status.success(), "{args:?} was accepted");
        String::from_utf8(output.stderr).unwrap()
    };
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let coordinator = ["coordinator", "--id", "4", "--peers", "1=a:1,1=b:2", "--data", data];
    let said = stderr(&[&coordinator[..], &["--listen", "0.0.0.0:0", "--replicas", "0"]].concat());
    for part in ["peers names an id twice", "does not name id 4", "not loopback", "replicas is 0"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let node = ["expert-node", "--name", "", "--coordinators", "a:1", "--listen", "0.0.0.0:0"];
    let said = stderr(&node);
    assert!(said.contains("not loopback") && said.contains("name is empty"), "{said}");
    let said = stderr(&["expert-node", "--name", "n", "--coordinators", "a:1", "--cluster-token", "short"]);
    assert!(said.contains("cluster_token has under 16 characters"), "{said}");
    let said = stderr(&["up", "--nodes", "0", "--replicas", "99"]);
    assert!(said.contains("nodes is 0") && said.contains("replicas is 99"), "{said}");
    let said = stderr(&["up", "--cores", "0,65000"]);
    assert!(said.contains("core 65000 is none that this process may use"), "{said}");
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port().to_string();
    assert!(stderr(&["up", "--port", &port]).contains("cannot listen on"));
}

#[test]
fn an_answer_that_runs_when_up_is_told_to_stop_ends_whole() {
    let up = Up::start(&[]);
    let mut body = story("the lost kite", 3, 0.0);
    body["max_tokens"] = json!(200);
    body["ignore_eos"] = json!(true);
    let whole = up.text(&body);
    let (text, last) = up.stream(&body, |count, _| {
        if count == 10 {
            signal(up.child.id(), "INT");
        }
    });
    assert_eq!(text, whole);
    assert_eq!(last["choices"][0]["finish_reason"], "length", "{last}");
}
