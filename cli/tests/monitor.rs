//! The monitoring port, `conclave health`, and how a server takes its leave.

mod common;

use common::{Api, Server, free_address, story};
use std::io::{Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};

/// `conclave health` with `args`: whether it succeeds, and what it says.
fn health(args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_conclave")).arg("health").args(args).output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_role_tells_how_it_is_on_its_monitoring_port_without_a_key() {
    let listen = free_address();
    let (well, why) = health(&["--monitor-listen", &listen]);
    assert!(!well && why.contains(&listen), "{why}");
    let args = ["--port", "0", "--api-key", "correct-horse", "--monitor-listen", &listen];
    let server = Server::start(&args);
    let (well, why) = health(&["--monitor-listen", &listen, "--wait-s", "30"]);
    assert!(well, "{why}");
    assert!(health(&["--monitor-listen", &listen, "--live"]).0);
    assert_eq!(server.get("/metrics").0, 401, "the API's own needs the key");
    let monitor = Api { address: listen };
    assert_eq!(monitor.get("/v1/models").0, 404, "the API is not there");
    let (_, text) = monitor.get("/metrics");
    assert!(text.contains("conclave_ready{role=\"gateway\"} 1"), "{text}");
    assert!(text.contains("conclave_request_errors_total{code=\"internal_error\"} 0"), "{text}");
    let undescribed = |line: &&str| {
        let name = line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next());
        name.is_some_and(|name| !text.contains(&format!("# HELP {name} ")))
    };
    assert_eq!(text.lines().find(undescribed), None);
}

#[test]
fn a_server_that_leaves_says_so_and_still_answers_for_a_while() {
    let mut server = Server::start(&["--port", "0", "--drain-delay-s", "3"]);
    let sent = Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let deadline = Instant::now() + Duration::from_secs(3);
    while server.get("/ready").0 == 200 {
        assert!(Instant::now() < deadline, "it does not say so");
    }
    let body = story("a dog", 1, 0.0).to_string();
    // A connection that the client would keep: the next request must lead elsewhere.
    let mut stream = server.connect();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: test\r\ncontent-type: application/json";
    write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.to_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(server.child.wait().unwrap().success());
}
