//! `conclave load-test` against `conclave serve`, both as a user runs them. No times are judged: another process
//! may have the cores.

mod common;

use common::Server;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

const KEY: &str = "correct-horse";

/// A server that asks for the key.
fn server() -> Server {
    Server::start(&["--port", "0", "--api-key", KEY])
}

fn test(server: &Server, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_conclave"))
        .args(["load-test", "--url", &format!("http://{}", server.address), "--api-key", KEY])
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn two_users_get_whole_answers_and_every_figure_is_there() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("before.json");
    let file = file.to_str().unwrap();
    let shape =
        ["--users", "2", "--duration", "1s", "--prompt-tokens", "32", "--max-tokens", "8", "--ignore-eos"];
    let output =
        test(&server, &[&shape[..], &["--slo", "ttft=1m", "--slo-share", "99", "--json", file]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for line in ["ttft (ms)", "itl (ms)", "tpot (ms)", "e2e (ms)", "goodput", "generator"] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line} is missing in {text}");
    }
    let report: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let level = &report["levels"][0];
    assert!(level["requests"]["ok"].as_u64().unwrap() >= 2, "{level:#}");
    assert_eq!(level["requests"]["failed"], 0, "{level:#}");
    assert_eq!(level["prompt_tokens"]["p50"], 32.0, "prompts are made to the token");
    assert_eq!((&level["output_tokens"]["min"], &level["output_tokens"]["max"]), (&8.0.into(), &8.0.into()));
    assert!(!report.to_string().contains("correct-horse") && !text.contains("correct-horse"));

    // The same test again compares; how it compares is the machine's business.
    let output = test(&server, &[&shape[..], &["--baseline", file, "--noise", "100%"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("now/before"), "{text}");
}

/// A running cluster; stopped when dropped, and its children with it.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

#[test]
fn a_node_named_by_up_is_killed_under_load_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let [pids, file] = ["pids.json", "report.json"].map(|name| folder.path().join(name));
    let mut up = Command::new(env!("CARGO_BIN_EXE_conclave"))
        .args(["--log", "warn", "up", "--port", "0", "--nodes", "2", "--coordinators", "1", "--pids-file"])
        .arg(&pids)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(up.stdout.take().unwrap()).lines();
    let up = Up(up);
    let url = lines.find_map(|line| {
        let line = line.unwrap();
        line.split("at http://")
            .nth(1)
            .and_then(|rest| rest.split('/').next())
            .map(|at| format!("http://{at}"))
    });
    // Whoever stops reading would break the pipe.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    let named = || -> Value { serde_json::from_slice(&std::fs::read(&pids).unwrap()).unwrap() };
    let before = named();
    let roles =
        ["coordinator-1", "gateway", "node-1", "node-2"].map(|name| before[name]["role"].as_str().unwrap());
    assert_eq!(roles, ["coordinator", "gateway", "expert-node", "expert-node"]);

    let output = Command::new(env!("CARGO_BIN_EXE_conclave"))
        .args(["load-test", "--users", "2", "--duration", "4s", "--max-tokens", "16", "--url", &url.unwrap()])
        .args(["--fault", "1s kill node-1", "--fault", "2s kill pid:1"])
        .args([std::ffi::OsStr::new("--up-pids"), pids.as_os_str(), "--json".as_ref(), file.as_os_str()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let [kill, strange] = [0, 1].map(|event| &report["faults"][event]);
    assert_eq!((&kill["problem"], &kill["lost_requests"]), (&Value::Null, &0.into()), "{kill:#}");
    assert!(kill["touched_requests"].as_u64().unwrap() > 0);
    assert!(strange["problem"].as_str().unwrap().contains("names no such running process"), "{strange:#}");
    let started = std::time::Instant::now();
    while named()["node-1"]["pid"].as_u64().is_none_or(|pid| before["node-1"]["pid"] == pid) {
        assert!(started.elapsed().as_secs() < 60, "node-1 is not started again");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    drop(up);
    assert!(!pids.exists(), "the file would name processes that are gone");
}

#[test]
fn what_cannot_be_measured_is_refused_by_name() {
    let refusal = |args: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_conclave")).arg("load-test").args(args).output().unwrap();
        assert!(!output.status.success(), "{args:?} was accepted");
        String::from_utf8(output.stderr).unwrap()
    };
    let both = refusal(&["--url", "ftp://127.0.0.1:1", "--turns", "0"]);
    assert!(both.contains("http:// or https://") && both.contains("turns can be"), "{both}");
    assert!(refusal(&["--url", "http://127.0.0.1:1"]).contains("is the server running"));
    assert!(refusal(&["--baseline", "no/such/file.json"]).contains("no/such/file.json"));
}
