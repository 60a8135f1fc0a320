//! Spans and log lines of real processes: they cross the wire, and they carry no text of prompts or answers.

mod common;

use common::{Api, story, wait_until};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value as value;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

type Received = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

/// Keeps what it is sent.
struct Keep(Received);

#[tonic::async_trait]
impl TraceService for Keep {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A span that a process sent.
struct Seen {
    service: String,
    span: Span,
}

impl Seen {
    fn number(&self, key: &str) -> Option<i64> {
        match self.value(key)? {
            value::Value::IntValue(number) => Some(*number),
            other => panic!("{key} is {other:?}"),
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            value::Value::StringValue(text) => Some(text),
            other => panic!("{key} is {other:?}"),
        }
    }

    fn value(&self, key: &str) -> Option<&value::Value> {
        self.span.attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes spans, as a collector does, until it is dropped.
struct Collector {
    _runtime: tokio::runtime::Runtime,
    received: Received,
    endpoint: String,
}

impl Collector {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let received = Received::default();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let service = TraceServiceServer::new(Keep(received.clone()));
        let server = tonic::transport::Server::builder().add_service(service);
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { _runtime: runtime, received, endpoint }
    }

    /// The spans of this name that have come from such a service.
    fn of(&self, service: &str, name: &str) -> Vec<Seen> {
        let mut seen = Vec::new();
        for resource in self.received.lock().unwrap().iter().flat_map(|request| &request.resource_spans) {
            let attributes = resource.resource.iter().flat_map(|resource| &resource.attributes);
            let from: String = attributes
                .filter(|attribute| attribute.key == "service.name")
                .map(|attribute| format!("{:?}", attribute.value))
                .collect();
            let spans = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
            let wanted = spans.filter(|span| from.contains(service) && span.name == name);
            seen.extend(wanted.map(|span| Seen { service: from.clone(), span: span.clone() }));
        }
        seen
    }
}

/// A cluster of two nodes that sends its spans to `endpoint`.
struct Up {
    child: Child,
    api: Api,
}

impl Up {
    fn start(endpoint: &str, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_conclave"))
            .args(["--otlp-endpoint", endpoint, "up", "--port", "0", "--nodes", "2", "--coordinators", "1"])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find(|line| line.contains("at http://")).expect("the URL is printed");
        let address = url.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
        Self { child, api: Api { address } }
    }

    /// Stopping sends what was not sent yet.
    fn stop(mut self) {
        common::signal(self.child.id(), "TERM");
        self.child.wait().unwrap();
    }
}

#[test]
fn a_request_a_step_and_a_nodes_share_of_it_are_a_span_each_and_hold_no_text() {
    let collector = Collector::start();
    let up = Up::start(&collector.endpoint, &[]);
    let mut body = story("a xylophone", 1, 0.0);
    body["max_tokens"] = json!(20);
    let caller = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let headers = [("content-type", "application/json"), caller];
    let (status, _, answer) =
        up.api.send("POST", "/v1/chat/completions", &headers, body.to_string().as_bytes());
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    // Refused, and a span all the same.
    assert_eq!(up.api.post("/v1/completions", r#"{"prompt": 7}"#).0, 400);
    up.stop();
    wait_until("spans arrived", || {
        !collector.of("conclave-expert-node", "run_experts").is_empty()
            && !collector.of("conclave-gateway", "step").is_empty()
    });

    let model = answer["model"].as_str().unwrap();
    let requests = collector.of("conclave-gateway", &format!("chat {model}"));
    let [request] = &requests[..] else { panic!("{} requests", requests.len()) };
    assert_eq!(hex(&request.span.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hex(&request.span.parent_span_id), "b7ad6b7169203331");
    assert_eq!(request.text("gen_ai.response.id"), answer["id"].as_str());
    assert_eq!(request.number("gen_ai.usage.input_tokens"), answer["usage"]["prompt_tokens"].as_i64());
    assert_eq!(request.number("gen_ai.usage.output_tokens"), Some(20));
    assert!(matches!(request.value("gen_ai.response.time_to_first_chunk"),
        Some(value::Value::DoubleValue(seconds)) if *seconds > 0.0));
    assert!(format!("{:?}", request.value("gen_ai.response.finish_reasons")).contains("length"));
    let refused = collector.of("conclave-gateway", &format!("text_completion {model}"));
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].text("error.type"), Some("invalid_value"));

    // The request's steps, each with the nodes that were asked, each of which says what it did.
    let steps = collector.of("conclave-gateway", "step");
    let of_request = |step: &&Seen| step.span.links.iter().any(|link| link.span_id == request.span.span_id);
    assert!(
        (20..=22).contains(&steps.iter().filter(of_request).count()),
        "a step for each token, or one more"
    );
    let steps: BTreeMap<_, _> = steps.into_iter().map(|seen| (seen.span.span_id.clone(), seen)).collect();
    let mut shares = BTreeMap::new();
    let mut asked = BTreeSet::new();
    for share in collector.of("conclave-gateway", "ask_node") {
        let step = &steps.get(&share.span.parent_span_id).expect("a share belongs to a step").span;
        assert_eq!(share.span.trace_id, step.trace_id);
        assert!(asked.insert((step.span_id.clone(), share.number("node"))), "one span a node and step");
        assert!(share.span.end_time_unix_nano <= step.end_time_unix_nano);
        shares.insert(share.span.span_id.clone(), share);
    }
    let mut calls = 0;
    for run in collector.of("conclave-expert-node", "run_experts") {
        let share = shares.remove(&run.span.parent_span_id).expect("a node's work is one span below a share");
        assert_eq!(run.span.trace_id, share.span.trace_id);
        // A call that was taken back, because another home was faster, may not have begun here.
        if share.number("answered") == share.number("calls") {
            for key in ["calls", "answered", "rows", "queue_us", "compute_us"] {
                assert_eq!(run.number(key), share.number(key), "{key} of {}", run.service);
            }
        }
        calls += run.number("calls").unwrap();
    }
    let silent = shares.values().filter(|share| share.number("answered") != Some(0)).count();
    assert_eq!(silent, 0, "shares whose node says nothing");
    // Eight layers, each at one node at least.
    assert!(calls >= 20 * 8, "{calls} calls");

    let all = format!("{:?}", collector.received.lock().unwrap());
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    let word = text.split_whitespace().max_by_key(|word| word.len()).unwrap();
    assert!(!all.contains("xylophone") && !all.contains("story") && !all.contains(word), "spans hold text");
}

#[test]
fn a_request_that_another_gateway_answers_is_one_trace_and_only_who_asks_is_told() {
    let collector = Collector::start();
    let up = Up::start(&collector.endpoint, &["--gateways", "2", "--otlp-sample", "0"]);
    let caller = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let headers = [("content-type", "application/json"), caller];
    let forwarded = || {
        let metrics = up.api.get("/metrics").1;
        let count = metrics.lines().find_map(|line| {
            line.strip_prefix(r#"conclave_requests_forwarded_total{outcome="answered"} "#)?
                .parse::<usize>()
                .ok()
        });
        count.unwrap_or(0)
    };
    // Different beginnings, until one is the other gateway's to answer.
    let mut sent = 0;
    wait_until("a request was passed on", || {
        let mut body = story("a fox", 1, 0.0);
        body["max_tokens"] = json!(2);
        let system = json!({"role": "system", "content": format!("You are number {sent}.")});
        body["messages"].as_array_mut().unwrap().insert(0, system);
        let answer = up.api.send("POST", "/v1/chat/completions", &headers, body.to_string().as_bytes());
        assert_eq!(answer.0, 200);
        sent += 1;
        forwarded() > 0
    });
    let forwarded = forwarded();
    // Whoever says no, or nothing where nobody is told unasked, leaves no span: no request's, no step's.
    let mut body = story("a fox", 1, 0.0);
    body["max_tokens"] = json!(50);
    let unsampled = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
    for more in [&[unsampled][..], &[]] {
        let headers = [&headers[..1], more].concat();
        let answer = up.api.send("POST", "/v1/chat/completions", &headers, body.to_string().as_bytes());
        assert_eq!(answer.0, 200);
    }
    up.stop();
    let requests = || {
        let received = collector.received.lock().unwrap();
        let resources = received.iter().flat_map(|request| &request.resource_spans);
        let spans = resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans);
        spans.filter(|span| span.name.starts_with("chat ")).cloned().collect::<Vec<_>>()
    };
    wait_until("all spans arrived", || requests().len() >= sent + forwarded);
    let requests = requests();
    assert_eq!(requests.len(), sent + forwarded);
    assert!(requests.iter().all(|span| hex(&span.trace_id) == "0af7651916cd43dd8448eb211c80319c"));
    let ids: BTreeSet<_> = requests.iter().map(|span| span.span_id.clone()).collect();
    let below = requests.iter().filter(|span| ids.contains(&span.parent_span_id));
    assert_eq!(below.count(), forwarded, "the other gateway's span is below this one's");
    // A prompt and a token for each that was told, each in a step or two.
    let steps = collector.of("conclave-gateway", "step");
    assert!((2 * sent..=3 * sent).contains(&steps.len()), "{} steps for {sent} requests", steps.len());
    let of_told = |step: &Seen| step.span.links.iter().any(|link| ids.contains(&link.span_id));
    assert!(steps.iter().all(of_told), "a step that serves nobody's trace is none");
}

#[test]
fn json_logs_are_json_and_hold_no_text() {
    let mut server = Command::new(env!("CARGO_BIN_EXE_conclave"))
        .args(["--log", "debug", "--log-format", "json", "serve", "--port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    Api { address }.text(&story("a xylophone", 1, 0.0));
    server.kill().unwrap();
    let mut logs = String::new();
    server.stderr.take().unwrap().read_to_string(&mut logs).unwrap();
    server.wait().unwrap();
    assert!(logs.lines().count() > 0 && !logs.contains("xylophone"), "{logs}");
    for line in logs.lines() {
        let parsed: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(parsed["timestamp"].is_string() && parsed["level"].is_string(), "{line}");
    }
}
