//! `conclave serve` as a user runs it: a real process, the model that comes with it, plain HTTP.

mod common;

use common::{Server, story, wait_until};
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A server on a port that the system chooses.
fn serve(args: &[&str]) -> Server {
    Server::start(&[&["--port", "0"], args].concat())
}

#[test]
fn a_request_gets_the_same_text_alone_and_among_sixteen() {
    let server = serve(&[]);
    let subjects = [
        "a dog",
        "a cat and a boat",
        "a dragon",
        "the rain",
        "two friends",
        "a lost ball",
        "a bee",
        "a king",
    ];
    let requests: Vec<Value> =
        (0..16).map(|i| story(subjects[i % 8], i as u64, if i % 4 == 0 { 0.0 } else { 0.9 })).collect();
    let alone: Vec<String> = requests.iter().map(|request| server.text(request)).collect();
    let together: Vec<String> = std::thread::scope(|scope| {
        let calls: Vec<_> = requests.iter().map(|request| scope.spawn(|| server.text(request))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
    let odd = serve(&["--threads", "1", "--step-tokens-max", "7", "--kv-block-size", "5"]);
    assert_eq!(odd.text(&requests[1]), alone[1], "chunks, blocks and threads must not change the text");
}

#[test]
fn the_reference_backend_tells_the_same_story() {
    let request = story("a dog", 1, 0.0);
    let text = |backend| serve(&["--dtype", "f32", "--backend", backend]).text(&request);
    let ours = text("cpu");
    assert!(ours.len() > 20, "{ours}");
    assert_eq!(text("candle"), ours);
}

#[test]
fn bad_requests_get_openai_errors_before_any_work() {
    let server = serve(&["--body-bytes-max", "100000"]);
    let chat = "/v1/chat/completions";
    let message = r#""messages":[{"role":"user","content":"hi"}]"#;
    let long = json!({"prompt": "dog ".repeat(2000)}).to_string();
    let huge = json!({"prompt": "dog ".repeat(50_000)}).to_string();
    let cases = [
        (chat, "{".to_owned(), 400, "invalid_value"),
        (chat, "[]".to_owned(), 400, "invalid_value"),
        (chat, "{}".to_owned(), 400, "invalid_value"),
        (chat, r#"{"messages":[]}"#.to_owned(), 400, "invalid_value"),
        (chat, r#"{"messages":[{"role":"robot","content":"hi"}]}"#.to_owned(), 400, "invalid_value"),
        (chat, r#"{"messages":[{"role":"user","content":7}]}"#.to_owned(), 400, "invalid_value"),
        (chat, format!(r#"{{{message},"temperature":"hot"}}"#), 400, "invalid_value"),
        (chat, format!(r#"{{{message},"n":1000}}"#), 400, "invalid_value"),
        (chat, format!(r#"{{{message},"max_tokens":0}}"#), 400, "invalid_value"),
        (chat, format!(r#"{{{message},"top_p":0}}"#), 400, "invalid_value"),
        (chat, format!(r#"{{{message},"stop":[""]}}"#), 400, "invalid_value"),
        (chat, format!(r#"{{{message},"logit_bias":{{"99999999":1}}}}"#), 400, "invalid_value"),
        (chat, format!(r#"{{{message},"tools":[{{"type":"function"}}]}}"#), 400, "invalid_value"),
        (chat, format!(r#"{{{message},"model":"gpt-9"}}"#), 404, "model_not_found"),
        ("/v1/completions", r#"{"prompt":""}"#.to_owned(), 400, "invalid_value"),
        ("/v1/completions", r#"{"prompt":[99999]}"#.to_owned(), 400, "invalid_value"),
        ("/v1/completions", long, 400, "context_length_exceeded"),
        ("/v1/completions", huge, 413, "request_too_large"),
        ("/v1/nothing", "{}".to_owned(), 404, "not_found"),
        ("/v1/models", "{}".to_owned(), 405, "method_not_allowed"),
    ];
    for (path, body, status, code) in cases {
        let (found, answer) = server.post(path, &body);
        let shown = &body[..body.len().min(80)];
        assert_eq!(
            (found, answer["error"]["code"].as_str()),
            (status, Some(code)),
            "{path} {shown}: {answer}"
        );
        let keys: Vec<&String> = answer["error"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["message", "type", "param", "code"], "{shown}");
    }
    let (status, _, _) = server.send("POST", chat, &[("content-type", "text/plain")], b"{}");
    assert_eq!(status, 415);
    assert_eq!(server.get("/health").0, 200);
}

#[test]
fn what_the_kv_memory_can_never_hold_is_refused_for_good() {
    let server = serve(&["--kv-tokens-max", "64", "--queue-max", "2"]);
    let refused = |path: &str, body: Value| {
        let (status, answer) = server.post(path, &body.to_string());
        (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let long = json!({"prompt": "dog", "max_tokens": 200});
    assert_eq!(refused("/v1/completions", long), (400, "context_length_exceeded".to_owned()));
    let many = json!({"prompt": "dog", "max_tokens": 4, "n": 3});
    assert_eq!(refused("/v1/completions", many), (400, "invalid_value".to_owned()));
    let mut unbounded = story("a dog", 1, 0.0);
    unbounded.as_object_mut().unwrap().remove("max_tokens");
    assert!(!server.text(&unbounded).is_empty(), "who asks for no length gets what fits");
}

#[test]
fn what_waits_is_bounded_by_the_memory_it_will_need() {
    let server = serve(&["--kv-bytes-max", "4MiB", "--queue-kv-caches-max", "1", "--sequences-max", "1"]);
    let cache = server.metric("conclave_kv_bytes");
    assert!(cache > 3.9e6 && cache <= f64::from(4 << 20), "{cache}");
    let mut request = story("a dog", 1, 0.0);
    request["ignore_eos"] = json!(true);
    request["max_tokens"] = json!(600);
    let body = request.to_string();
    // One runs and one waits; their clients read nothing and leave at the end.
    let running = server.ask(&body);
    wait_until("one runs", || server.metric("conclave_kv_bytes_used") > 0.0);
    let waiting = server.ask(&body);
    wait_until("one waits", || server.metric("conclave_kv_bytes_waiting") > 0.0);
    let needed = server.metric("conclave_kv_bytes_waiting");
    assert!(needed > cache / 2.0 && needed <= cache, "{needed} of {cache}");
    let headers = [("content-type", "application/json")];
    let (status, head, answer) = server.send("POST", "/v1/chat/completions", &headers, body.as_bytes());
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert_eq!(status, 429, "{answer}");
    assert!(head.contains("retry-after: ") && answer.contains("queue_full"), "{head} {answer}");
    assert!(server.metric("conclave_kv_bytes_waiting") <= cache);
    drop((running, waiting));
    wait_until("nothing waits", || server.metric("conclave_kv_bytes_waiting") == 0.0);
    wait_until("nothing is held", || server.metric("conclave_kv_bytes_used") == 0.0);
    assert_eq!(server.metric("conclave_body_bytes"), 0.0);
}

#[test]
fn a_client_that_leaves_frees_its_work_at_once() {
    let server = serve(&[]);
    let total = server.metric("conclave_kv_blocks");
    let mut body = story("a dog", 1, 0.0);
    body["stream"] = json!(true);
    body["ignore_eos"] = json!(true);
    body["max_tokens"] = json!(480);
    let body = body.to_string();
    for _ in 0..8 {
        let mut stream = server.ask(&body);
        let mut first = [0; 64];
        let read = stream.read(&mut first).unwrap();
        assert!(read > 0, "the stream has begun");
    }
    let left = Instant::now();
    while server.metric("conclave_kv_blocks_free") < total {
        assert!(left.elapsed() < Duration::from_secs(5), "blocks are still held");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.metric("conclave_requests_running"), 0.0);
}

#[test]
fn a_full_queue_answers_429_and_admitted_requests_still_end() {
    let server = serve(&["--sequences-max", "1", "--queue-max", "1"]);
    let mut body = story("a dog", 1, 0.0);
    body["ignore_eos"] = json!(true);
    body["max_tokens"] = json!(200);
    let (server, body) = (&server, &body.to_string());
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let calls: Vec<_> =
            (0..12).map(|_| scope.spawn(move || server.post("/v1/chat/completions", body).0)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
}

#[test]
fn cutting_steps_into_micro_batches_changes_no_text() {
    let requests: Vec<Value> = (0..8).map(|i| story("a dragon and a bee", i, 0.9)).collect();
    let texts = |overlap: &str| -> Vec<String> {
        let server = serve(&["--overlap", overlap]);
        std::thread::scope(|scope| {
            let calls: Vec<_> = requests.iter().map(|request| scope.spawn(|| server.text(request))).collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        })
    };
    let whole = texts("off");
    assert_eq!(whole, texts("two"));
    assert_eq!(whole, texts("four"));
}

/// A prompt of over hundred tokens; `topic` is its end.
fn long_story(topic: &str) -> Value {
    let told =
        "Once there was a small dog who lived near a big tree and liked to play with a red ball. ".repeat(5);
    json!({
        "messages": [{"role": "user", "content": format!("{told} Tell me about {topic}.")}],
        "max_tokens": 24, "seed": 3, "temperature": 0.8,
    })
}

/// The answer's text and how many tokens of its prompt were computed before.
fn text_and_cached(server: &Server, key: Option<&str>, body: &Value) -> (String, u64) {
    let bearer = format!("Bearer {}", key.unwrap_or_default());
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let (status, _, answer) =
        server.send("POST", "/v1/chat/completions", &headers, body.to_string().as_bytes());
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(status, 200, "{answer}");
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    (text, answer["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap())
}

#[test]
fn a_cached_prefix_changes_no_text_and_is_not_shared_between_keys() {
    let plain = serve(&["--prefix-cache", "false"]);
    let keys = ["first-key-1", "second-key-2"];
    let server = serve(&["--api-key", &keys.join(",")]);
    let requests = [long_story("the dog"), long_story("the ball"), long_story("the dog")];
    let without: Vec<_> = requests.iter().map(|body| text_and_cached(&plain, None, body)).collect();
    let with: Vec<_> = requests.iter().map(|body| text_and_cached(&server, Some(keys[0]), body)).collect();
    for (without, with) in without.iter().zip(&with) {
        assert_eq!(without.0, with.0);
        assert_eq!(without.1, 0);
    }
    assert_eq!(with[0].1, 0);
    assert!(with[1].1 >= 64 && with[2].1 >= with[1].1, "{with:?}");
    assert_eq!(text_and_cached(&server, Some(keys[1]), &requests[0]).1, 0, "another key's cache");
    let mut salted = requests[0].clone();
    salted["cache_salt"] = json!("mine");
    assert_eq!(text_and_cached(&server, Some(keys[0]), &salted).1, 0, "another salt's cache");
}

#[test]
fn several_answers_to_one_prompt_compute_it_once() {
    let server = serve(&[]);
    let mut body = long_story("the tree");
    body["n"] = json!(4);
    let (status, answer) = server.post("/v1/chat/completions", &body.to_string());
    assert_eq!(status, 200, "{answer}");
    let prompt = answer["usage"]["prompt_tokens"].as_f64().unwrap();
    let cached = server.metric("conclave_prefix_cached_tokens_total");
    assert!(cached >= 3.0 * (prompt - 16.0), "{cached} of 3 * {prompt} tokens came from the first answer");
    let mut alone = body.clone();
    alone["n"] = json!(1);
    assert_eq!(server.text(&alone), answer["choices"][0]["message"]["content"].as_str().unwrap());
}

#[test]
fn a_request_ends_by_its_deadline() {
    let server = serve(&[]);
    let mut body = story("a dog", 1, 0.0);
    body["ignore_eos"] = json!(true);
    body["max_tokens"] = json!(900);
    body["timeout_ms"] = json!(30);
    let (status, answer) = server.post("/v1/chat/completions", &body.to_string());
    assert_eq!((status, answer["error"]["code"].as_str()), (504, Some("deadline_exceeded")), "{answer}");
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.metric("conclave_requests_running") > 0.0 {
        assert!(Instant::now() < deadline, "it still runs");
    }
}

#[test]
fn with_a_key_every_route_but_the_probes_asks_for_it() {
    let server = serve(&["--api-key", "correct-horse"]);
    assert_eq!(server.get("/health").0, 200);
    assert_eq!(server.get("/ready").0, 200);
    assert_eq!(server.get("/metrics").0, 401);
    assert_eq!(server.get("/v1/models").0, 401);
    let wrong = [("authorization", "Bearer wrong-horse")];
    assert_eq!(server.send("GET", "/v1/models", &wrong, b"").0, 401);
    for right in [("authorization", "Bearer correct-horse"), ("x-api-key", "correct-horse")] {
        assert_eq!(server.send("GET", "/v1/models", &[right], b"").0, 200);
    }
}

/// Runs `conclave serve` with `args`, which must fail; what it says.
fn refusal(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_conclave")).arg("serve").args(args).output().unwrap();
    assert!(!output.status.success(), "{args:?} was accepted");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn what_cannot_start_says_why_and_what_to_do() {
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port().to_string();
    assert!(refusal(&["--port", &port]).contains("cannot listen on"));
    assert!(refusal(&["--model", "no/such/folder"]).contains("does not exist"));
    let both = refusal(&["--queue-max", "0", "--host", "0.0.0.0"]);
    assert!(both.contains("queue_max is 0") && both.contains("not loopback"), "{both}");
    assert!(refusal(&["--kv-bytes-max", "1KiB"]).contains("this model needs 256.0 KiB at least"));
    assert!(refusal(&["--kv-bytes-max", "2GB"]).contains("512KiB, 64MiB, 2GiB"));
    assert!(refusal(&["--kv-bytes-max", "2GiB", "--kv-tokens-max", "64"]).contains("cannot be used with"));
    assert!(refusal(&["--bodies-bytes-max", "1MiB"]).contains("bodies_bytes_max is 1048576"));

    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen3_moe/untied_dense_layer");
    let broken = tempfile::tempdir().unwrap();
    let copy = |skip: &str| {
        for entry in std::fs::read_dir(&golden).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() != skip {
                std::fs::copy(entry.path(), broken.path().join(entry.file_name())).unwrap();
            }
        }
    };
    let path = broken.path().to_str().unwrap();
    let shard = broken.path().join("model-00002-of-00003.safetensors");
    copy("model-00002-of-00003.safetensors");
    assert!(refusal(&["--model", path]).contains("model-00002-of-00003.safetensors"));
    copy("");
    let whole = std::fs::read(&shard).unwrap();
    std::fs::write(&shard, &whole[..whole.len() - 100]).unwrap();
    assert!(refusal(&["--model", path]).contains("truncated or corrupt"));
    std::fs::write(&shard, &whole).unwrap();
    // The golden has no tokenizer: weights alone cannot serve text.
    assert!(refusal(&["--model", path]).contains("tokenizer.json"));
    let config = broken.path().join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("qwen3_moe", "gpt_neo")).unwrap();
    assert!(refusal(&["--model", path]).contains("`gpt_neo` is not supported"));
    std::fs::write(&config, text.replace("\"silu\"", "\"gelu\"")).unwrap();
    assert!(refusal(&["--model", path]).contains("`hidden_act` is \"gelu\""));
    std::fs::write(&config, text.replacen('{', "{\"quantization_config\": {\"bits\": 4},", 1)).unwrap();
    assert!(refusal(&["--model", path]).contains("`quantization_config` is not known"));
}
