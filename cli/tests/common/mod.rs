//! Plain HTTP against a real process, for the tests of the binary.
#![allow(dead_code, reason = "each test file uses its part")]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::ops::Deref;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An address of this machine that nobody listens on. As long as this process runs the system gives its port to no
/// outgoing connection, and to no other test.
pub(crate) fn free_address() -> String {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    // With that, whoever sets it too may listen there.
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    std::mem::forget(socket);
    address
}

/// Sends `KILL`, `STOP` or another signal to a process that the test started.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(sent.success(), "kill -{name} {pid}");
}

/// A process that is killed when dropped.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running `conclave serve`; killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    api: Api,
}

impl Server {
    /// With `--port` and whatever else in `args`.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_conclave"))
            .args(["--log", "warn", "serve"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let api = Api::announced(&mut child);
        Self { api, child }
    }
}

impl Deref for Server {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The API at an address.
pub(crate) struct Api {
    pub(crate) address: String,
}

impl Api {
    /// Of a process whose output is piped: its first line names the URL.
    pub(crate) fn announced(child: &mut Child) -> Self {
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("://").nth(1).and_then(|rest| rest.split('/').next());
        Self { address: address.expect("the first line names the URL").to_owned() }
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, String, Vec<u8>) {
        let mut stream = self.connect();
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n").unwrap();
        headers.iter().for_each(|(name, value)| write!(stream, "{name}: {value}\r\n").unwrap());
        write!(stream, "content-length: {}\r\n\r\n", body.len()).unwrap();
        // A server that refuses early may close while the body is still being sent.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let split = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an HTTP answer");
        let head = String::from_utf8(answer[..split].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), answer[split + 4..].to_vec())
    }

    /// Asks for a chat completion; what is answered is left unread.
    pub(crate) fn ask(&self, body: &str) -> TcpStream {
        let mut stream = self.connect();
        write!(
            stream,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        stream
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let (status, head, body) =
            self.send("POST", path, &[("content-type", "application/json")], body.as_bytes());
        assert!(head.contains("x-request-id:"), "{head}");
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.send("GET", path, &[], b"");
        (status, String::from_utf8(body).unwrap())
    }

    pub(crate) fn text(&self, body: &Value) -> String {
        let (status, answer) = self.post("/v1/chat/completions", &body.to_string());
        assert_eq!(status, 200, "{answer}");
        answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
    }

    /// The value of a metric without labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no metric {name} in {text}")).parse().unwrap()
    }

    /// Streams an answer; `on_event` sees each event's number and JSON. Returns the text and the last event.
    pub(crate) fn stream(&self, body: &Value, mut on_event: impl FnMut(usize, &Value)) -> (String, Value) {
        let mut body = body.clone();
        body["stream"] = json!(true);
        let body = body.to_string();
        let mut stream = self.connect();
        write!(
            stream,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let (mut text, mut last, mut count) = (String::new(), Value::Null, 0);
        for line in BufReader::new(stream).lines() {
            let line = line.unwrap();
            let Some(data) = line.strip_prefix("data: ").filter(|data| *data != "[DONE]") else { continue };
            last = serde_json::from_str(data).unwrap();
            text.push_str(last["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
            on_event(count, &last);
            count += 1;
        }
        (text, last)
    }
}

/// One server-sent event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// Empty if it has none.
    pub(crate) id: String,
    /// Null for `[DONE]`.
    pub(crate) data: Value,
}

impl Api {
    /// Posts `body` as a stream; status, head in lower case, and the events as they come.
    pub(crate) fn events(
        &self,
        path: &str,
        last_event_id: Option<&str>,
        body: &Value,
    ) -> (u16, String, impl Iterator<Item = Event> + use<>) {
        let body = body.to_string();
        let mut stream = self.connect();
        let resume = last_event_id.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n{resume}content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let head = head.join("\n").to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut id = String::new();
        let events = lines.filter_map(move |line| {
            if let Some(given) = line.strip_prefix("id: ") {
                id = given.to_owned();
            }
            let data = line.strip_prefix("data: ")?;
            Some(Event {
                id: std::mem::take(&mut id),
                data: serde_json::from_str(data).unwrap_or(Value::Null),
            })
        });
        (status, head, events)
    }
}

/// A chat request for a story.
pub(crate) fn story(subject: &str, seed: u64, temperature: f64) -> Value {
    let content = format!("Tell me a story about {subject}.");
    json!({
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 48, "seed": seed, "temperature": temperature,
    })
}
