//! `conclave load-test` against `conclave serve`, both as a user runs them. No times are judged: another process
//! may have the cores.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

/// A running server; killed when dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_conclave"))
            .args(["serve", "--port", "0", "--log", "warn", "--api-key", "correct-horse"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        Self { child, url: format!("http://{}", address.expect("the first line names the URL")) }
    }

    fn test(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_conclave"))
            .args(["load-test", "--url", &self.url, "--api-key", "correct-horse"])
            .args(args)
            .output()
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn two_users_get_whole_answers_and_every_figure_is_there() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("before.json");
    let file = file.to_str().unwrap();
    let shape =
        ["--users", "2", "--duration", "1s", "--prompt-tokens", "32", "--max-tokens", "8", "--ignore-eos"];
    let output =
        server.test(&[&shape[..], &["--slo", "ttft=1m", "--slo-share", "99", "--json", file]].concat());
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
    let output = server.test(&[&shape[..], &["--baseline", file, "--noise", "100%"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("now/before"), "{text}");
}

#[test]
fn what_cannot_be_measured_is_refused_by_name() {
    let refusal = |args: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_conclave")).arg("load-test").args(args).output().unwrap();
        assert!(!output.status.success(), "{args:?} was accepted");
        String::from_utf8(output.stderr).unwrap()
    };
    let both = refusal(&["--url", "https://127.0.0.1:1", "--turns", "0"]);
    assert!(both.contains("no TLS") && both.contains("turns can be"), "{both}");
    assert!(refusal(&["--url", "http://127.0.0.1:1"]).contains("is the server running"));
    assert!(refusal(&["--baseline", "no/such/file.json"]).contains("no/such/file.json"));
}
