//! Several gateways, and streams that change from one to another: real processes, plain HTTP, the model that comes
//! with Conclave. What a client gets must not depend on who answers.

mod common;

use common::{Api, Event, Server, free_address, story};
use serde_json::{Value, json};
use std::ops::Deref;
use std::process::Command;
use std::time::{Duration, Instant};

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
const CHAT: &str = "/v1/chat/completions";

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running gateway with all experts.
struct Gateway(Server);

impl Deref for Gateway {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.0
    }
}

impl Gateway {
    fn start(args: &[&str]) -> Self {
        Self(Server::start(&[&["--threads", "1"], args].concat()))
    }

    fn alone() -> Self {
        Self::start(&["--port", "0"])
    }

    fn signal(&self, name: &str) {
        common::signal(self.0.child.id(), name);
    }

    fn whole(&self, path: &str, last_event_id: Option<&str>, body: &Value) -> Vec<Event> {
        let (status, head, events) = self.events(path, last_event_id, body);
        let events: Vec<Event> = events.collect();
        assert_eq!(status, 200, "{head} {events:?}");
        events
    }
}

/// The chunks of each choice, in order, and after them what belongs to no choice.
fn by_choice(events: &[Event], n: usize) -> Vec<Vec<Value>> {
    let mut choices = vec![Vec::new(); n + 1];
    for event in events {
        let index = event.data["choices"][0]["index"].as_u64().map_or(n, |index| index as usize);
        choices[index].push(event.data.clone());
    }
    choices
}

/// Longer than what waits between a gateway and a client that does not read.
fn endless(seed: u64) -> Value {
    let mut body = story("a dog and a king", seed, 0.9);
    body["stream"] = json!(true);
    body["n"] = json!(16);
    body["logprobs"] = json!(true);
    body["top_logprobs"] = json!(10);
    body["ignore_eos"] = json!(true);
    body["max_tokens"] = json!(400);
    body
}

/// A chunk without what names its answer.
fn nameless(events: &[Event], n: usize) -> Vec<Vec<Value>> {
    let mut choices = by_choice(events, n);
    for chunk in choices.iter_mut().flatten().filter(|chunk| chunk.is_object()) {
        chunk["id"] = Value::Null;
        chunk["created"] = Value::Null;
    }
    choices
}

#[test]
fn a_stream_that_was_lost_goes_on_at_another_gateway_chunk_by_chunk() {
    let (first, second) = (Gateway::alone(), Gateway::alone());
    let mut chat = story("a dog", 1, 0.8);
    chat["stream"] = json!(true);
    chat["n"] = json!(2);
    chat["stream_options"] = json!({"include_usage": true});
    // The server chooses the seed, and the id remembers it.
    chat.as_object_mut().unwrap().remove("seed");
    let completion = json!({
        "prompt": "Once upon a time", "max_tokens": 40, "seed": -7, "temperature": 0.9, "logprobs": 3, "stream": true,
    });
    for (path, body, n) in [(CHAT, &chat, 2), ("/v1/completions", &completion, 1)] {
        let undisturbed = first.whole(path, None, body);
        assert!(undisturbed.len() > 20, "{undisturbed:?}");
        let chunks = &undisturbed[..undisturbed.len() - 1];
        assert!(chunks.iter().all(|event| !event.id.is_empty()), "every chunk has an id");
        for cut in [1, 2, 9, chunks.len() - 1, chunks.len()] {
            let rest = second.whole(path, Some(&chunks[cut - 1].id), body);
            let (had, whole) = (by_choice(&chunks[..cut], n), by_choice(&undisturbed, n));
            for (choice, rest) in by_choice(&rest, n).into_iter().enumerate() {
                let joined = [had[choice].clone(), rest].concat();
                assert_eq!(joined, whole[choice], "{path}, choice {choice}, cut after {cut}");
            }
            let last = |events: &[Event]| events.iter().rev().find(|event| !event.id.is_empty()).cloned();
            if cut < chunks.len() {
                assert_eq!(last(&rest), last(&undisturbed), "usage and last id");
            }
        }
    }
    // Cut off by the client that leaves, in the middle of the work.
    let (_, _, events) = first.events(CHAT, None, &chat);
    let had: Vec<Event> = events.take(12).collect();
    let rest = second.whole(CHAT, Some(&had[11].id), &chat);
    let again = second.whole(CHAT, Some(&had[0].id), &chat);
    let had_and = |some: &[Event], rest: &[Event]| {
        let (some, rest) = (by_choice(some, 2), by_choice(rest, 2));
        some.into_iter().zip(rest).map(|(some, rest)| [some, rest].concat()).collect::<Vec<_>>()
    };
    assert_eq!(had_and(&had, &rest), had_and(&had[..1], &again));
    let (_, metrics) = second.get("/metrics");
    assert!(metrics.contains(r#"conclave_streams_resumed_total{by="client"} 12"#), "{metrics}");
}

#[test]
fn an_event_id_that_does_not_fit_is_refused_with_what_to_do() {
    let gateway = Gateway::alone();
    let mut body = story("a dog", 1, 0.8);
    body["stream"] = json!(true);
    // Ends before its last token, so that it has fewer events than it could have.
    body["stop"] = json!(["."]);
    let id = gateway.whole(CHAT, None, &body)[2].id.clone();
    let (name, _) = id.split_once('-').unwrap();
    let refused = |id: &str, body: &Value| {
        let headers = [("content-type", "application/json"), ("last-event-id", id)];
        let (status, _, answer) = gateway.send("POST", CHAT, &headers, body.to_string().as_bytes());
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        assert_eq!((status, &answer["error"]["param"]), (400, &json!("Last-Event-ID")), "{id}: {answer}");
        answer["error"]["message"].as_str().unwrap().to_owned()
    };
    assert!(refused("nonsense", &body).contains("is no event id"));
    assert!(refused(&format!("{name}-1.1"), &body).contains("cannot have"));
    assert!(refused(&format!("{name}-99"), &body).contains("cannot have"));
    assert!(refused(&format!("{name}-50"), &body).contains("more events than this answer has"));
    let mut other = body.clone();
    other["seed"] = json!(2);
    assert!(refused(&id, &other).contains("belongs to another request"));
    let mut whole = body.clone();
    whole["stream"] = json!(false);
    let said = refused(&id, &whole);
    assert!(said.contains("is for streams") && said.contains("leave the header out"), "{said}");
    assert!(gateway.whole(CHAT, Some(""), &body).len() > 2, "an empty id is none");
}

#[test]
fn a_gateway_that_is_told_to_stop_ends_its_streams_and_takes_no_more() {
    let mut gateway = Gateway::alone();
    let body = endless(3);
    let whole = gateway.whole(CHAT, None, &body);
    let (status, _, mut events) = gateway.events(CHAT, None, &body);
    assert_eq!(status, 200);
    let mut had: Vec<Event> = events.by_ref().take(3).collect();
    gateway.signal("TERM");
    wait_until("it says that it is not ready", || gateway.get("/ready").0 == 503);
    let json = [("content-type", "application/json")];
    let (status, head, answer) = gateway.send("POST", CHAT, &json, body.to_string().as_bytes());
    let answer = String::from_utf8(answer).unwrap();
    assert!(status == 503 && head.contains("retry-after:") && answer.contains("unavailable"), "{answer}");
    had.extend(events);
    assert_eq!(nameless(&had, 16), nameless(&whole, 16), "the stream ends whole");
    assert!(gateway.0.child.wait().unwrap().success());
}

#[test]
fn what_outlasts_the_drain_timeout_ends_typed_and_goes_on_elsewhere() {
    let mut leaving = Gateway::start(&["--port", "0", "--drain-timeout-s", "0"]);
    let other = Gateway::alone();
    let body = endless(4);
    let (_, _, mut events) = leaving.events(CHAT, None, &body);
    let mut had: Vec<Event> = events.by_ref().take(3).collect();
    leaving.signal("TERM");
    had.extend(events);
    assert!(leaving.0.child.wait().unwrap().success());
    let error = had.pop().unwrap();
    assert_eq!((error.data["error"]["code"].as_str(), error.id.as_str()), (Some("unavailable"), ""));
    let rest = other.whole(CHAT, Some(&had.last().unwrap().id), &body);
    had.extend(rest);
    assert_eq!(nameless(&had, 16), nameless(&other.whole(CHAT, None, &body), 16));
}

/// Gateways that know each other, once each can send requests to all others.
fn together<const N: usize>(args: &[&str]) -> [Gateway; N] {
    let addresses: [String; N] = std::array::from_fn(|_| free_address());
    let ports = addresses.each_ref().map(|address| address.rsplit(':').next().unwrap());
    let urls: Vec<String> = ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
    let all = urls.join(",");
    let gateways = std::array::from_fn(|at| {
        let own = ["--port", ports[at], "--gateways", &all, "--gateway-url", &urls[at]];
        Gateway::start(&[args, &own].concat())
    });
    for gateway in &gateways {
        wait_until("the gateways know each other", || {
            gateway.metric("conclave_peer_gateways_ready") == (N - 1) as f64
        });
    }
    gateways
}

/// How many requests `gateway` has passed on with this outcome.
fn forwarded(gateway: &Api, outcome: &str) -> u64 {
    let (_, text) = gateway.get("/metrics");
    let name = format!("conclave_requests_forwarded_total{{outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

#[test]
fn a_request_survives_the_gateway_that_answers_it() {
    let alone = Gateway::alone();
    let [near, mut far] = together::<2>(&[]);
    // A prompt that the other gateway shall answer.
    let subjects =
        ["a dog", "a cat", "a bee", "a king", "the rain", "a ball", "a boat", "two friends", "a fox"];
    let subject = subjects.iter().find(|subject| {
        let request = story(subject, 5, 0.9);
        let before = forwarded(&near, "answered");
        assert_eq!(near.text(&request), alone.text(&request), "{subject}");
        forwarded(&near, "answered") > before
    });
    let mut body = endless(5);
    body["messages"] = story(subject.expect("one of nine goes to the other"), 5, 0.9)["messages"].clone();
    let golden = nameless(&alone.whole(CHAT, None, &body), 16);
    let passed = near.whole(CHAT, None, &body);
    assert_eq!(nameless(&passed, 16), golden, "passed on");

    let (status, _, mut events) = near.events(CHAT, None, &body);
    assert_eq!(status, 200);
    let mut had: Vec<Event> = events.by_ref().take(40).collect();
    far.signal("KILL");
    far.0.child.wait().unwrap();
    had.extend(events);
    assert_eq!(nameless(&had, 16), golden, "with the answering gateway killed in the middle");
    let mut names: Vec<&Value> =
        had.iter().map(|event| &event.data["id"]).filter(|id| id.is_string()).collect();
    names.dedup();
    assert_eq!(names.len(), 1, "it is one answer");
    assert_eq!(forwarded(&near, "continued"), 1);
    // What is not a stream is answered here, as if nothing had been.
    let request = story(subject.unwrap(), 6, 0.9);
    assert_eq!(near.text(&request), alone.text(&request));
}

#[test]
fn a_gateway_that_drains_is_sent_nothing_new() {
    let [near, far] = together::<2>(&[]);
    let (_, _, mut events) = far.events(CHAT, None, &endless(6));
    let begun: Vec<Event> = events.by_ref().take(3).collect();
    far.signal("TERM");
    wait_until("it is known to drain", || near.metric("conclave_peer_gateways_ready") == 0.0);
    let before = forwarded(&near, "answered");
    for subject in ["a dog", "a cat", "a bee", "a king", "the rain", "a ball"] {
        near.text(&story(subject, 1, 0.0));
    }
    assert_eq!((forwarded(&near, "answered"), forwarded(&near, "refused")), (before, 0));
    assert!(begun.len() + events.count() > 6000, "what it had begun ended whole");
}

#[test]
fn gateways_that_do_not_fit_together_are_refused_by_name() {
    let output = Command::new(env!("CARGO_BIN_EXE_conclave"))
        .args(["serve", "--gateways", "http://a:1,b:2", "--drain-timeout-s", "9999"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    for part in ["gateway_url is not", "gateways has `b:2`", "drain_timeout_s is 9999"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
