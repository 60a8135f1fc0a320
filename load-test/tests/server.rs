//! The whole load test against a small server with known delays, refusals and broken streams.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use clap::Parser;
use conclave_load_test::{LoadTestError, LoadTestOptions};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const FIRST: Duration = Duration::from_millis(30);
const GAP: Duration = Duration::from_millis(10);

/// What the server does with its requests, by their number.
#[derive(Clone, Copy)]
enum Manner {
    Answers,
    /// Of four: an answer, a 429, a broken stream, an error event.
    Fails,
}

#[derive(Clone)]
struct Server {
    manner: Manner,
    count: Arc<AtomicU64>,
    most_messages: Arc<AtomicU64>,
}

/// A token is a word; the template adds five.
fn prompt_tokens(body: &Value) -> usize {
    let messages = body["messages"].as_array().unwrap();
    5 + messages.iter().map(|m| m["content"].as_str().unwrap().split_whitespace().count()).sum::<usize>()
}

async fn chat(State(server): State<Server>, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    let messages = body["messages"].as_array().unwrap().len() as u64;
    server.most_messages.fetch_max(messages, Ordering::Relaxed);
    let tokens = body["max_tokens"].as_u64().unwrap();
    let prompt = prompt_tokens(&body);
    // Calibration asks for one token; it is not counted.
    let number = if tokens == 1 { 0 } else { server.count.fetch_add(1, Ordering::Relaxed) };
    let manner = if let Manner::Fails = server.manner { number % 4 } else { 0 };
    if manner == 1 {
        let error = json!({"error": {"code": "queue_full", "message": "full", "type": "x", "param": null}});
        return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "2")], error.to_string()).into_response();
    }
    let (send, events) = tokio::sync::mpsc::channel::<Result<String, std::io::Error>>(4);
    tokio::spawn(async move {
        let event = |value: Value| Ok(format!("data: {value}\n\n"));
        let _ = send.send(event(json!({"choices": [{"delta": {"role": "assistant", "content": ""}}]}))).await;
        tokio::time::sleep(if tokens == 1 { Duration::ZERO } else { FIRST }).await;
        for token in 0..tokens {
            if token > 0 {
                tokio::time::sleep(GAP).await;
            }
            if token == 3 && manner == 2 {
                let _ = send.send(Err(std::io::Error::other("broken"))).await;
                return;
            }
            if token == 3 && manner == 3 {
                let error =
                    json!({"error": {"code": "expert_unavailable", "message": format!("layer {number}")}});
                let _ = send.send(event(error)).await;
                return;
            }
            if send.send(event(json!({"choices": [{"delta": {"content": "w "}}]}))).await.is_err() {
                return;
            }
        }
        let usage = json!({"prompt_tokens": prompt, "completion_tokens": tokens});
        let last = format!(
            "data: {}\n\ndata: {}\n\ndata: [DONE]\n\n",
            json!({"choices": [{"delta": {}, "finish_reason": "length"}]}),
            json!({"choices": [], "usage": usage})
        );
        let _ = send.send(Ok(last)).await;
    });
    let stream = tokio_stream::wrappers::ReceiverStream::new(events);
    ([("content-type", "text/event-stream")], Body::from_stream(stream)).into_response()
}

async fn start(manner: Manner) -> (String, Server) {
    let server = Server { manner, count: Arc::default(), most_messages: Arc::default() };
    let models = || async { json!({"data": [{"id": "words"}]}).to_string() };
    let routes = Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/models", get(models))
        .with_state(server.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, server)
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: LoadTestOptions,
}

/// The report of a test of `url` with `args`, and how the test ended.
async fn test(url: &str, args: &str) -> (Value, Result<(), LoadTestError>) {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("report.json");
    let files =
        ["csv", "html"].map(|name| (format!("--{name}"), folder.path().join(name).display().to_string()));
    let mut all = vec!["load-test".to_owned(), "--url".to_owned(), url.to_owned(), "--json".to_owned()];
    all.push(json.display().to_string());
    all.extend(files.into_iter().flat_map(|(flag, path)| [flag, path]));
    all.extend(args.split(' ').map(str::to_owned));
    let options = Cli::try_parse_from(all).unwrap_or_else(|error| panic!("{error}")).options;
    assert_eq!(options.validate(), Vec::<String>::new());
    let result = conclave_load_test::run(options, CancellationToken::new()).await;
    let text = std::fs::read_to_string(json).unwrap_or_else(|_| panic!("{result:?}"));
    assert!(std::fs::read_to_string(folder.path().join("html")).unwrap().contains("</html>"));
    (serde_json::from_str(&text).unwrap(), result)
}

fn p50(report: &Value, name: &str) -> f64 {
    report["levels"][0][name]["p50"].as_f64().unwrap_or_else(|| panic!("{name} in {:#}", report["levels"]))
}

#[tokio::test]
async fn a_closed_loop_measures_the_delays_that_the_server_has() {
    let (url, _) = start(Manner::Answers).await;
    let (report, result) =
        test(&url, "--users 2 --requests 12 --max-tokens 8 --prompt-tokens 20 --slo ttft=5s --slo-share 99")
            .await;
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(report["settings"]["model"], "words");
    assert_eq!(report["levels"][0]["requests"]["ok"], 12);
    // Calibrated to the token, with the template's five.
    assert_eq!((p50(&report, "prompt_tokens"), p50(&report, "output_tokens")), (20.0, 8.0));
    // Timers end late, never early.
    assert!((29.9..200.0).contains(&p50(&report, "ttft_ms")), "{}", p50(&report, "ttft_ms"));
    assert!((9.0..60.0).contains(&p50(&report, "itl_ms")), "{}", p50(&report, "itl_ms"));
    let rate = report["levels"][0]["output_tok_s"].as_f64().unwrap();
    assert!((20.0..160.1).contains(&rate), "two users with 8 tokens in 100 ms or more: {rate}");
    let records = report["records"].as_array().unwrap();
    assert!(
        records
            .iter()
            .all(|r| r["itl_ms"].as_array().unwrap().len() == 7 && r["tokens_counted_by"] == "usage")
    );
    assert!(!report.to_string().contains("w w"), "no answer is in the report");
}

#[tokio::test]
async fn failures_and_refusals_are_told_apart() {
    let (url, _) = start(Manner::Fails).await;
    let (report, result) = test(
        &url,
        "--rate 100 --arrivals constant --requests 16 --max-tokens 6 --slo ttft=5s --slo-share 99",
    )
    .await;
    assert!(result.unwrap_err().to_string().contains("25.0 % of the requests met --slo"));
    let level = &report["levels"][0];
    let counts = &level["requests"];
    assert_eq!((&counts["ok"], &counts["failed"], &counts["refused"]), (&json!(4), &json!(8), &json!(4)));
    assert_eq!(level["refused"]["retry_after_s"]["p50"], 2.0);
    let mut groups: Vec<(&str, &str, u64)> = level["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| (g["kind"].as_str().unwrap(), g["code"].as_str().unwrap(), g["count"].as_u64().unwrap()))
        .collect();
    groups.sort_unstable();
    assert_eq!(groups, [("event", "expert_unavailable", 4), ("stream", "", 4)]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let options = Cli::try_parse_from(["load-test", "--url", "http://127.0.0.1:9"]).unwrap().options;
    let error = conclave_load_test::run(options, CancellationToken::new()).await.unwrap_err().to_string();
    assert!(error.contains("http://127.0.0.1:9") && error.contains("is the server running"), "{error}");
}

#[tokio::test]
async fn an_open_loop_that_is_held_back_counts_the_wait() {
    let (url, _) = start(Manner::Answers).await;
    let args = "--rate 50 --arrivals constant --requests 10 --max-tokens 8 --in-flight-max 1";
    let (report, _) = test(&url, args).await;
    // Ten requests of 100 ms, one at a time, scheduled within 180 ms: the last waits for most of a second.
    assert!(report["levels"][0]["ttft_ms"]["max"].as_f64().unwrap() > 600.0);
    assert!(report["levels"][0]["send_lag_ms"]["max"].as_f64().unwrap() > 500.0);
}

#[tokio::test]
async fn turns_feed_answers_back_and_leaving_clients_are_no_failures() {
    let (url, server) = start(Manner::Answers).await;
    let (report, _) = test(&url, "--users 2 --requests 12 --max-tokens 4 --turns 3").await;
    assert_eq!(
        (&report["levels"][0]["requests"]["ok"], server.most_messages.load(Ordering::Relaxed)),
        (&json!(12), 5)
    );
    let (report, _) =
        test(&url, "--users 2 --requests 10 --max-tokens 50 --cancel-share 100% --cancel-after 60ms").await;
    let counts = &report["levels"][0]["requests"];
    assert_eq!((&counts["cancelled"], &counts["failed"]), (&json!(10), &json!(0)));
    assert_eq!(report["records"][0]["tokens_counted_by"], "chunks");
}

#[tokio::test]
async fn a_sweep_goes_through_its_levels_and_a_command_is_a_fault() {
    let (url, _) = start(Manner::Answers).await;
    let (report, _) = test(&url, "--sweep users=1,2 --requests 6 --max-tokens 4").await;
    let levels: Vec<&str> =
        report["levels"].as_array().unwrap().iter().map(|l| l["name"].as_str().unwrap()).collect();
    assert_eq!(levels, ["users=1", "users=2"]);
    assert!(report["figures"][0]["name"] == "users=1/output_tok_s");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("touched");
    let touched = file.display();
    let (report, _) =
        test(&url, &format!("--users 1 --duration 400ms --max-tokens 4 --fault=200ms\trun\t>{touched}"))
            .await;
    assert_eq!(report["faults"][0]["lost_requests"], 0, "{:#}", report["faults"]);
    assert!((0.2..0.4).contains(&report["faults"][0]["at_s"].as_f64().unwrap()));
    assert!(file.exists(), "the command was run");
}
