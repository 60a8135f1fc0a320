//! A cluster whose model is on a web server: every role fetches its own part of it, and nothing of that changes a token.

mod common;
#[path = "../../crates/delivery/tests/support/mod.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod place;

use common::{Api, Process, Server, free_address, story, wait_until};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn conclave(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    command.args(["--log", "warn"]).args(args);
    command
}

fn said(output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// A folder to serve, with the model that comes with Conclave as `tales`, and its manifest in it.
fn served() -> tempfile::TempDir {
    let root = place::served("tales");
    let manifest = root.path().join("tales/conclave-manifest.json");
    said(conclave(&["manifest", "--out", manifest.to_str().unwrap()]).output().unwrap());
    root
}

/// Roles whose model is on a web server, each with a cache of its own, as on machines of their own.
struct Cluster {
    data: tempfile::TempDir,
    model: String,
    coordinator: String,
    processes: Vec<Process>,
}

impl Cluster {
    /// One coordinator that waits for `nodes` nodes and wants `replicas` homes of each expert.
    fn start(model: String, nodes: u32, replicas: u32) -> Self {
        let mut cluster = Self {
            data: tempfile::tempdir().unwrap(),
            model,
            coordinator: free_address(),
            processes: Vec::new(),
        };
        let (at, log) = (cluster.coordinator.clone(), cluster.data.path().join("log"));
        let (peers, nodes, replicas) = (format!("1={at}"), nodes.to_string(), replicas.to_string());
        let mut command =
            conclave(&["coordinator", "--id", "1", "--peers", &peers, "--listen", &at, "--data"]);
        command.arg(log).args(["--replicas", &replicas, "--nodes-min", &nodes]);
        cluster.processes.push(Process(command.stdout(Stdio::null()).spawn().unwrap()));
        cluster
    }

    fn cache(&self, name: &str) -> PathBuf {
        self.data.path().join(name)
    }

    fn role(&mut self, name: &str, args: &[&str], out: Stdio) -> &mut Process {
        let mut command = conclave(args);
        command.args(["--coordinators", &self.coordinator, "--model", &self.model, "--model-cache"]);
        command.arg(self.cache(name)).stdout(out);
        self.processes.push(Process(command.spawn().unwrap()));
        self.processes.last_mut().unwrap()
    }

    fn node(&mut self, name: &str) {
        let listen = free_address();
        self.role(name, &["expert-node", "--name", name, "--listen", &listen], Stdio::null());
    }

    fn gateway(&mut self) -> Api {
        let gateway = self.role("gateway", &["gateway", "--port", "0"], Stdio::piped());
        let api = Api::announced(&mut gateway.0);
        wait_until("the gateway is ready", || api.get("/ready").0 == 200);
        api
    }

    /// Bytes of the model that are in the cache of `name`, and bytes of all of it.
    fn held(&self, name: &str) -> (f64, f64) {
        let mut list = conclave(&["model", "list", "--json", "--model-cache"]);
        let list: Value = serde_json::from_str(&said(list.arg(self.cache(name)).output().unwrap())).unwrap();
        (list[0]["held"].as_f64().unwrap(), list[0]["bytes"].as_f64().unwrap())
    }

    fn operate(&self, args: &[&str]) -> String {
        said(conclave(args).args(["--coordinators", &self.coordinator]).output().unwrap())
    }

    /// Of how many experts each node is a home, by name.
    fn experts(&self) -> Vec<u64> {
        let status: Value = serde_json::from_str(&self.operate(&["status", "--json"])).unwrap();
        let nodes = status["nodes"].as_array().unwrap();
        nodes.iter().map(|node| node["experts_placed"].as_u64().unwrap_or(0)).collect()
    }
}

#[test]
fn each_role_fetches_only_its_part() {
    let root = served();
    let server = place::Server::start(root.path());
    let mut cluster = Cluster::start(server.web("tales"), 2, 1);
    cluster.node("node-1");
    cluster.node("node-2");
    let api = cluster.gateway();
    let request = story("a fox", 7, 0.8);
    assert_eq!(api.text(&request), Server::start(&["--port", "0"]).text(&request));
    let (gateway, all) = cluster.held("gateway");
    assert!(gateway < 0.25 * all, "a gateway has {gateway} of {all}");
    for node in ["node-1", "node-2"] {
        // Half of the experts, which are nine tenths of the model, and what lies between them.
        let (held, all) = cluster.held(node);
        assert!((0.4..0.65).contains(&(held / all)), "{node} has {held} of {all}");
    }
}

#[test]
fn a_node_takes_from_another_what_that_one_has() {
    let root = served();
    let server = place::Server::start(root.path());
    let mut cluster = Cluster::start(server.web("tales"), 1, 1);
    cluster.node("node-1");
    let api = cluster.gateway();
    let request = story("a fox", 7, 0.8);
    let text = api.text(&request);
    let sent = server.sent("model.safetensors");
    cluster.operate(&["replicas", "2"]);
    cluster.node("node-2");
    wait_until("both nodes are homes of all experts", || cluster.experts() == [128, 128]);
    wait_until("the gateway knows", || api.metric("conclave_placement_epoch") >= 2.0);
    let more = server.sent("model.safetensors") - sent;
    assert!(more < 1 << 20, "the web server gave {more} bytes more");
    let (held, all) = cluster.held("node-2");
    assert!(held > 0.85 * all, "node-2 has {held} of {all}");
    // The first home goes, and the second answers with what it took.
    let first = cluster.processes.remove(1);
    drop(first);
    assert_eq!(api.text(&request), text);
}

#[test]
fn a_model_is_planned_for_waited_for_added_verified_repaired_and_removed() {
    let root = served();
    let server = place::Server::start(root.path());
    let cache = tempfile::tempdir().unwrap();
    let into = cache.path().join("elsewhere");
    let source = server.web("tales");
    let model = |args: &[&str]| {
        let mut command = conclave(&["model"]);
        command.args(args).arg("--model-cache").arg(cache.path());
        command.output().unwrap()
    };
    let plan = said(model(&["plan", &source, "--memory-max", "19MiB"]));
    assert!(plan.contains("It does not fit") && plan.contains("4 such nodes are enough"), "{plan}");
    let sent = server.sent("model.safetensors");
    assert!(sent < 1 << 20, "planning fetched {sent}");

    let mut wait = Process(conclave(&["model", "wait", into.to_str().unwrap()]).spawn().unwrap());
    assert!(wait.0.try_wait().unwrap().is_none(), "there is nothing yet");
    let added = said(model(&["add", &source, "--into", into.to_str().unwrap()]));
    assert!(added.contains("digest"), "{added}");
    wait_until("who waits for the model to have seen it", || wait.0.try_wait().unwrap().is_some());
    assert!(wait.0.wait().unwrap().success());
    let verified = said(model(&["verify", into.to_str().unwrap()]));
    assert_eq!(verified, "458 of 458 tensors are here, and what the manifest says\n");
    let weights = into.join("model.safetensors");
    let file = std::fs::OpenOptions::new().write(true).open(&weights).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"damage", 20_000_000).unwrap();
    let output = model(&["verify", into.to_str().unwrap()]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("1 tensor is damaged: model.layers."), "{error}");
    let repaired = said(model(&["verify", into.to_str().unwrap(), "--repair"]));
    assert!(repaired.contains("fetched again"), "{repaired}");
    let original = std::fs::read(root.path().join("tales/model.safetensors")).unwrap();
    assert!(std::fs::read(&weights).unwrap() == original);

    // The plan left its part in the cache.
    assert!(said(model(&["list"])).contains(&source));
    assert!(said(model(&["remove", &source])).starts_with("removed"));
    assert!(said(model(&["list"])).starts_with("no models in"));
}
