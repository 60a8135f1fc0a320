//! A cluster whose model is on a web server: every role fetches its own part of it, and nothing of that changes a token.

mod common;
#[path = "../../crates/delivery/tests/support/mod.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod place;

use common::{Api, Process, Server, story, wait_until};
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

fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn each_role_fetches_only_its_part() {
    let root = served();
    let server = place::Server::start(root.path());
    let model = server.web("tales");
    let data = tempfile::tempdir().unwrap();
    let folder = |name: &str| -> PathBuf { data.path().join(name) };
    let coordinator = free_address();
    let mut processes = Vec::new();
    let mut start = |name: &str, args: &[&str]| {
        let mut command = conclave(args);
        if args[0] != "coordinator" {
            // As on machines of their own.
            command
                .args(["--coordinators", &coordinator, "--model", &model, "--model-cache"])
                .arg(folder(name));
        }
        let out = if args[0] == "gateway" { Stdio::piped() } else { Stdio::null() };
        processes.push(Process(command.stdout(out).spawn().unwrap()));
    };
    let peers = format!("1={coordinator}");
    let log = folder("log");
    let coordinate = ["coordinator", "--id", "1", "--peers", &peers, "--listen", &coordinator, "--data"];
    let settings = [log.to_str().unwrap(), "--replicas", "1", "--nodes-min", "2"];
    start("coordinator", &[&coordinate[..], &settings[..]].concat());
    let (first, second) = (free_address(), free_address());
    start("node-1", &["expert-node", "--name", "node-1", "--listen", &first]);
    start("node-2", &["expert-node", "--name", "node-2", "--listen", &second]);
    start("gateway", &["gateway", "--port", "0"]);
    let api = Api::announced(&mut processes[3].0);
    wait_until("the gateway is ready", || api.get("/ready").0 == 200);
    let request = story("a fox", 7, 0.8);
    assert_eq!(api.text(&request), Server::start(&["--port", "0"]).text(&request));

    let held = |name: &str| {
        let cache = folder(name);
        let list = conclave(&["model", "list", "--json", "--model-cache", cache.to_str().unwrap()]);
        let list: Value = serde_json::from_str(&said({ list }.output().unwrap())).unwrap();
        (list[0]["held"].as_f64().unwrap(), list[0]["bytes"].as_f64().unwrap())
    };
    let (gateway, all) = held("gateway");
    assert!(gateway < 0.25 * all, "a gateway has {gateway} of {all}");
    for node in ["node-1", "node-2"] {
        // Half of the experts, which are nine tenths of the model, and what lies between them.
        let (held, all) = held(node);
        assert!((0.4..0.65).contains(&(held / all)), "{node} has {held} of {all}");
    }
}

#[test]
fn a_model_is_planned_for_added_verified_repaired_and_removed() {
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
    let plan = said(model(&["plan", &source, "--memory-max", "20000000"]));
    assert!(plan.contains("It does not fit") && plan.contains("4 such nodes are enough"), "{plan}");
    let sent = server.sent("model.safetensors");
    assert!(sent < 1 << 20, "planning fetched {sent}");

    let added = said(model(&["add", &source, "--into", into.to_str().unwrap()]));
    assert!(added.contains("digest"), "{added}");
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
