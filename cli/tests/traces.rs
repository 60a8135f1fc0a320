//! Spans and log lines of real processes: they cross the wire, and they carry no text of prompts or answers.

mod common;

use common::{Api, story};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

type Received = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

/// Keeps what it is sent.
struct Collector(Received);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A span's service, name, trace, id and parent.
struct Seen {
    service: String,
    name: String,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
}

fn spans(received: &Received) -> Vec<Seen> {
    let mut seen = Vec::new();
    for resource in received.lock().unwrap().iter().flat_map(|request| &request.resource_spans) {
        let attributes = resource.resource.iter().flat_map(|resource| &resource.attributes);
        let service = attributes
            .filter(|attribute| attribute.key == "service.name")
            .map(|attribute| format!("{:?}", attribute.value))
            .collect::<String>();
        for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
            seen.push(Seen {
                service: service.clone(),
                name: span.name.clone(),
                trace: span.trace_id.clone(),
                id: span.span_id.clone(),
                parent: span.parent_span_id.clone(),
            });
        }
    }
    seen
}

#[test]
fn a_step_is_one_trace_from_the_gateway_to_the_nodes_and_holds_no_text() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let received = Received::default();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let collector = TraceServiceServer::new(Collector(received.clone()));
    runtime.spawn(
        tonic::transport::Server::builder()
            .add_service(collector)
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let mut up = Command::new(env!("CARGO_BIN_EXE_conclave"))
        .args(["--otlp-endpoint", &endpoint, "up", "--port", "0", "--nodes", "2", "--coordinators", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(up.stdout.take().unwrap()).lines().map_while(Result::ok);
    let url = lines.find(|line| line.contains("at http://")).expect("the URL is printed");
    let address = url.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    let text = Api { address }.text(&story("a xylophone", 1, 0.0));
    // Stopping sends what was not sent yet.
    let stopped = Command::new("kill").args(["-TERM", &up.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    up.wait().unwrap();

    let start = Instant::now();
    let of = |service: &str, name: &str| {
        let all = spans(&received);
        all.into_iter().filter(|span| span.service.contains(service) && span.name == name).collect::<Vec<_>>()
    };
    while of("conclave-expert-node", "run_experts").is_empty() || of("conclave-gateway", "step").is_empty() {
        assert!(start.elapsed() < Duration::from_secs(20), "no spans arrived");
        std::thread::sleep(Duration::from_millis(50));
    }
    let steps: BTreeMap<_, _> =
        of("conclave-gateway", "step").into_iter().map(|span| (span.id, span.trace)).collect();
    let calls: BTreeMap<_, _> = of("conclave-gateway", "expert_call")
        .into_iter()
        .inspect(|call| assert_eq!(steps.get(&call.parent), Some(&call.trace), "a call belongs to a step"))
        .map(|call| (call.id, call.trace))
        .collect();
    let runs = of("conclave-expert-node", "run_experts");
    assert!(runs.len() >= 40, "{} runs", runs.len());
    for run in runs {
        assert_eq!(calls.get(&run.parent), Some(&run.trace), "a node's work belongs to a call");
    }
    let all = format!("{:?}", received.lock().unwrap());
    let word = text.split_whitespace().max_by_key(|word| word.len()).unwrap();
    assert!(!all.contains("xylophone") && !all.contains("story") && !all.contains(word), "spans hold text");
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
