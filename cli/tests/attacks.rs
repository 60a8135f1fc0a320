//! Clients that mean harm, against real processes: whatever they send, they are refused early, and others get answers.

mod common;

use common::{Server, free_address, story};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CHAT: &str = "/v1/chat/completions";

fn serve(args: &[&str]) -> Server {
    Server::start(&[&["--port", "0"], args].concat())
}

fn status_of(mut stream: &TcpStream) -> u16 {
    let mut line = String::new();
    let _ = BufReader::new(&mut stream).read_line(&mut line);
    line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// Waits until the server has closed `stream`, sending nothing.
fn closed(mut stream: &TcpStream, patience: Duration) -> bool {
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut bytes = [0; 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// `conclave key new`: the key and its line.
fn new_key(args: &[&str]) -> (String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_conclave")).args(["key", "new"]).args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut indented = text.lines().filter_map(|line| line.strip_prefix("  "));
    (indented.next().unwrap().to_owned(), indented.next().unwrap().to_owned())
}

fn ask(server: &Server, method: &str, path: &str, key: &str, body: &str) -> (u16, String, Value) {
    let bearer = format!("Bearer {key}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let (status, head, answer) = server.send(method, path, &headers, body.as_bytes());
    (status, head, serde_json::from_slice(&answer).unwrap_or_default())
}

#[test]
fn each_key_opens_what_its_scopes_say_and_the_file_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    let ((infer, infer_line), (read, read_line), (admin, admin_line)) = (
        new_key(&["--scope", "infer", "--name", "alice"]),
        new_key(&["--scope", "read"]),
        new_key(&["--scope", "admin", "--name", "prometheus"]),
    );
    assert!(!infer_line.contains(&infer) && infer_line.starts_with("alice infer blake3:"), "{infer_line}");
    std::fs::write(&file, format!("{infer_line}\n{read_line}\n{admin_line}\n")).unwrap();
    let server = serve(&["--api-keys-file", file.to_str().unwrap(), "--api-key", "plain-old-key"]);
    let body = story("a dog", 1, 0.0).to_string();
    let routes = [("POST", CHAT, body.as_str()), ("GET", "/v1/models", ""), ("GET", "/metrics", "")];
    let statuses = |key: &str| routes.map(|(method, path, body)| ask(&server, method, path, key, body).0);
    assert_eq!(statuses(&infer), [200, 403, 403]);
    assert_eq!(statuses(&read), [403, 200, 403]);
    assert_eq!(statuses(&admin), [403, 403, 200]);
    assert_eq!(statuses("plain-old-key"), [200, 200, 403]);
    assert_eq!(statuses(""), [401, 401, 401]);
    assert_eq!(statuses("conclave-0000"), [401, 401, 401]);
    let (_, _, answer) = ask(&server, "GET", "/v1/models", &infer, "");
    assert_eq!(answer["error"]["code"], "insufficient_scope", "{answer}");
    assert_eq!((server.get("/health").0, server.get("/ready").0), (200, 200));

    // A line that goes shuts its key out; one that cannot be read changes nothing.
    let start = Instant::now();
    std::fs::write(&file, format!("{infer_line}\n")).unwrap();
    while statuses(&read)[1] != 401 {
        assert!(start.elapsed() < Duration::from_secs(20), "the key still opens");
        std::thread::sleep(Duration::from_millis(100));
    }
    std::fs::write(&file, "nonsense").unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(statuses(&infer), [200, 403, 403]);
}

#[test]
fn what_is_over_a_keys_limits_gets_429_and_when_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    let (slow, slow_line) = new_key(&["--scope", "infer", "--requests-per-minute", "2"]);
    let (narrow, narrow_line) = new_key(&["--scope", "infer", "--requests-at-once", "1"]);
    std::fs::write(&file, format!("{slow_line}\n{narrow_line}\n")).unwrap();
    let server = serve(&["--api-keys-file", file.to_str().unwrap()]);
    let mut body = story("a dog", 1, 0.0);
    body["max_tokens"] = json!(4);
    let short = body.to_string();
    assert_eq!([0; 2].map(|_| ask(&server, "POST", CHAT, &slow, &short).0), [200, 200]);
    let (status, head, answer) = ask(&server, "POST", CHAT, &slow, &short);
    assert_eq!((status, &answer["error"]["code"]), (429, &json!("rate_limit_exceeded")), "{answer}");
    let after = head.lines().find_map(|line| line.strip_prefix("retry-after: ")).expect("a Retry-After");
    assert!((1..=30).contains(&after.trim().parse::<u32>().unwrap()), "{after}");

    // One under way, and the next must wait for its end, also if its client only leaves.
    body["max_tokens"] = json!(480);
    body["ignore_eos"] = json!(true);
    body["stream"] = json!(true);
    let long = body.to_string();
    let mut stream = server.connect();
    write!(
        stream,
        "POST {CHAT} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {narrow}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{long}",
        long.len()
    )
    .unwrap();
    assert!(stream.read(&mut [0; 64]).unwrap() > 0, "the stream has begun");
    assert_eq!(ask(&server, "POST", CHAT, &narrow, &short).0, 429);
    drop(stream);
    let start = Instant::now();
    while ask(&server, "POST", CHAT, &narrow, &short).0 != 200 {
        assert!(start.elapsed() < Duration::from_secs(20), "its place is still taken");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_body_of_a_gigabyte_is_refused_before_it_is_read() {
    let server = serve(&["--api-key", "correct-horse"]);
    for (key, status) in [("correct-horse", 413), ("wrong-horse", 401)] {
        for length in ["content-length: 1073741824", "transfer-encoding: chunked"] {
            let mut stream = server.connect();
            stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
            write!(
                stream,
                "POST {CHAT} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n{length}\r\n\r\n"
            )
            .unwrap();
            let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
            let (mut sent, start) = (0, Instant::now());
            while sent < 1 << 30 && stream.write_all(&chunk).is_ok() {
                sent += chunk.len();
            }
            // What the system's buffers took was sent too.
            assert!(sent < 32 << 20, "{key} {length}: {sent} bytes were taken");
            assert!(start.elapsed() < Duration::from_secs(20), "{key} {length}");
            let found = status_of(&stream);
            // A reset may overtake the answer.
            assert!([status, 0].contains(&found), "{key} {length}: {found}");
        }
    }
    let (status, _, _) = ask(&server, "POST", CHAT, "correct-horse", &story("a dog", 1, 0.0).to_string());
    assert_eq!(status, 200);
}

#[test]
fn heads_that_never_end_are_cut_off_and_hold_up_nobody() {
    let server = serve(&[]);
    let request = story("a dog", 1, 0.0);
    let text = server.text(&request);
    let mut slow: Vec<TcpStream> = (0..200).map(|_| server.connect()).collect();
    slow.iter_mut().for_each(|stream| stream.write_all(b"GET /v1/models HTTP/1.1\r\nx-slow: ").unwrap());
    let start = Instant::now();
    let mut open = slow;
    while !open.is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "{} are still open", open.len());
        assert_eq!(server.text(&request), text);
        open.retain_mut(|stream| stream.write_all(b"x").is_ok());
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(start.elapsed() > Duration::from_secs(20), "not before their time");

    let mut huge = server.connect();
    write!(huge, "GET /v1/models HTTP/1.1\r\nx-huge: {}\r\n\r\n", "x".repeat(200_000)).ok();
    assert!([431, 0].contains(&status_of(&huge)));
    let mut many = server.connect();
    write!(many, "GET /v1/models HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(500)).ok();
    assert!([431, 0].contains(&status_of(&many)));
    for nonsense in [
        "\0\0\0\0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET\r\n\r\n",
        "\u{16}\u{3}\u{1}\0\u{5}hello",
    ] {
        let mut stream = server.connect();
        stream.write_all(nonsense.as_bytes()).unwrap();
        let status = status_of(&stream);
        assert!([0, 400, 505].contains(&status), "{nonsense:?}: {status}");
    }
    assert_eq!(server.text(&request), text);
}

#[test]
fn ten_thousand_idle_sockets_give_up_their_places_to_who_asks() {
    let server = serve(&["--connections-max", "1000"]);
    let request = story("a dog", 1, 0.0);
    let text = server.text(&request);
    let mut idle = Vec::new();
    for at in 0..10_000 {
        // This process has its own limit of open files.
        match TcpStream::connect(&server.address) {
            Ok(stream) => idle.push(stream),
            Err(_) => break,
        }
        if at % 2_500 == 0 {
            assert_eq!(server.text(&request), text, "with {at} idle sockets");
        }
    }
    assert!(idle.len() > 500, "only {} sockets could be opened", idle.len());
    assert_eq!(server.text(&request), text, "with {} idle sockets", idle.len());
    if idle.len() > 2_000 {
        assert!(closed(&idle[0], Duration::from_secs(5)), "who came first had to leave");
    }
    assert!(server.metric("conclave_connections") <= 1000.0);
}

/// A process that is killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[test]
fn malformed_and_rapid_frames_end_their_connection_and_nothing_else() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // `:method: POST`, `:scheme: http`, `:path: /`, by their numbers in HPACK's table.
    const HEADERS: &[u8] = &[0x83, 0x86, 0x84];
    let data = tempfile::tempdir().unwrap();
    let (coordinator, node) = (free_address(), free_address());
    let conclave = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
        command.args(["--log", "error"]).args(args).stdout(Stdio::null());
        command
    };
    let peers = format!("1={coordinator}");
    let folder = data.path().to_str().unwrap();
    let coordinate =
        ["coordinator", "--id", "1", "--peers", &peers, "--listen", &coordinator, "--data", folder];
    let mut processes = [
        Process(conclave(&coordinate).spawn().unwrap()),
        Process(
            conclave(&["expert-node", "--name", "n", "--listen", &node, "--coordinators", &coordinator])
                .spawn()
                .unwrap(),
        ),
    ];
    let status = || -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_conclave"))
            .args(["status", "--json", "--coordinators", &coordinator])
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    };
    let ready = || {
        let start = Instant::now();
        while status()["nodes"][0]["silence_ms"].as_u64().is_none_or(|silence| silence > 1000) {
            assert!(start.elapsed() < Duration::from_secs(60), "the node is not heard: {}", status());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    ready();
    let settings = frame(4, 0, 0, &[]);
    let resets: Vec<u8> = (0..20_000_u32)
        .flat_map(|at| [frame(1, 4, 2 * at + 1, HEADERS), frame(3, 0, 2 * at + 1, &[0, 0, 0, 8])].concat())
        .collect();
    let continued: Vec<u8> = std::iter::once(frame(1, 0, 1, HEADERS))
        .chain((0..20_000).map(|_| frame(9, 0, 1, &[0, 1, b'a', 1, b'b'])))
        .flatten()
        .collect();
    let attacks = [
        ("no HTTP/2", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec()),
        ("noise", (0..4096_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
        ("a frame of 16 MiB", [PREFACE, &settings, &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]].concat()),
        ("a data frame on no stream", [PREFACE, &settings, &frame(0, 0, 7, b"x")].concat()),
        ("broken header compression", [PREFACE, &settings, &frame(1, 4, 1, &[0xff; 64])].concat()),
        ("rapid reset", [PREFACE, &settings, &resets].concat()),
        ("headers that go on for ever", [PREFACE, &settings, &continued].concat()),
    ];
    for address in [&coordinator, &node] {
        for (what, bytes) in &attacks {
            let mut stream = TcpStream::connect(address).unwrap();
            // It may be cut off while it still sends.
            let _ = stream.write_all(bytes);
            assert!(
                closed(&stream, Duration::from_secs(15)),
                "{what} at {address}: the connection stays open"
            );
        }
        // Who says nothing, or stops in the beginning, is let go too.
        let silent = TcpStream::connect(address).unwrap();
        let mut halting = TcpStream::connect(address).unwrap();
        halting.write_all(&PREFACE[..10]).unwrap();
        assert!(closed(&silent, Duration::from_secs(20)) && closed(&halting, Duration::from_secs(20)));
    }
    ready();
    for process in &mut processes {
        assert!(process.0.try_wait().unwrap().is_none(), "a process has ended");
    }
}
