//! `conclave bench` and `conclave eval` as a user runs them: every figure is there, and JSON is JSON. No times
//! are judged: another process may have the cores.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn conclave(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_conclave")).args(args).output().unwrap()
}

/// What a command that must succeed prints.
fn prints(args: &[&str]) -> String {
    let output = conclave(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a command that must fail says.
fn refusal(args: &[&str]) -> String {
    let output = conclave(args);
    assert!(!output.status.success(), "{args:?} was accepted");
    String::from_utf8(output.stderr).unwrap()
}

fn golden(case: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(case);
    path.to_str().unwrap().to_owned()
}

const SHORT: [&str; 4] = ["--runs", "1", "--steps", "2"];

#[test]
fn bench_prints_every_figure_and_writes_them_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.json");
    let file = file.to_str().unwrap();
    let args = [&["bench", "--json", file, "--prefill", "8,512", "--context", "20"], &SHORT[..]].concat();
    let text = prints(&args);
    let report: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let figures = report["figures"].as_array().unwrap();
    let names: Vec<&str> = figures.iter().map(|figure| figure["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["load", "pp8", "pp512", "b1", "b4", "b8", "b16", "b32", "memory"]);
    for figure in figures {
        let name = figure["name"].as_str().unwrap();
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is missing in {text}");
        let [min, median, max] = ["min", "median", "max"].map(|key| figure[key].as_f64().unwrap());
        assert!(0.0 < min && min <= median && median <= max, "{figure}");
        if name.starts_with('b') {
            let step = ["step_seconds", "step_bytes", "step_f32_operations", "share_of_limit"];
            assert!(step.iter().all(|key| figure[key].as_f64().unwrap() > 0.0), "{figure}");
        }
    }
    assert!(report["limits"]["memory_bytes_per_second"].as_f64().unwrap() > 0.0);
    assert!(report["settings"]["seed"] == 1 && text.contains("seed 1"), "{text}");

    let args = ["bench", "--test", "b1", "--baseline", file, "--fail-below"];
    let low = [&args[..], &["0.000001", "--context", "20"], &SHORT[..]].concat();
    assert!(prints(&low).contains("x "), "the table has a ratio");
    let high = [&args[..], &["1000000", "--context", "20"], &SHORT[..]].concat();
    assert!(refusal(&high).contains("times the baseline: b1 is"));
}

#[test]
fn bench_tells_where_a_layer_goes_whose_experts_are_at_nodes() {
    for way in [&[][..], &["--tcp"]] {
        let args = [&["bench", "--nodes", "2", "--test", "b1,pp8", "--json", "-"], way, &SHORT[..]].concat();
        let report: Value = serde_json::from_str(&prints(&args)).unwrap();
        let layers = report["layers"].as_array().unwrap();
        let names: Vec<&str> = layers.iter().map(|layer| layer["figure"].as_str().unwrap()).collect();
        assert_eq!(names, ["pp8", "b1"]);
        for layer in layers {
            let median = |part: &str| layer["seconds"][part]["p50"].as_f64().unwrap();
            assert!(median("compute") > 0.0 && median("wire") > 0.0, "{layer}");
            assert!(median("overhead") < median("layer"), "{layer}");
            let bytes = |key: &str| layer[key].as_f64().unwrap();
            assert!(bytes("bytes_sent") < bytes("bytes_received"), "a row is sent once a node: {layer}");
            assert_eq!(bytes("bytes_of_one_message_an_expert"), 2.0 * bytes("bytes_received"));
        }
    }
    let text = prints(&[&["bench", "--nodes", "2", "--test", "b1"], &SHORT[..]].concat());
    assert!(text.contains("overhead") && text.contains("P99"), "{text}");
    assert!(
        prints(&[&["bench", "--test", "b1", "--json", "-"], &SHORT[..]].concat()).contains(r#""layers": []"#)
    );
}

#[test]
fn bench_measures_one_figure_alone_on_any_model_without_a_tokenizer() {
    let model = golden("qwen3_moe/sliding");
    let args = [&["bench", "--model", &model, "--test", "b3,pp20", "--json", "-"], &SHORT[..]].concat();
    let report: Value = serde_json::from_str(&prints(&args)).unwrap();
    let names: Vec<&Value> = report["figures"].as_array().unwrap().iter().map(|f| &f["name"]).collect();
    assert_eq!(names, ["pp20", "b3"]);
    assert_eq!(report["limits"], Value::Null);
}

#[test]
fn bench_refuses_what_it_cannot_measure() {
    let model = golden("olmoe/plain");
    assert!(refusal(&["bench", "--model", &model]).contains("context is 256 tokens"));
    let problems = refusal(&["bench", "--runs", "0", "--batch", "8,0"]);
    assert!(problems.contains("runs is 0") && problems.contains("batch is 0"), "{problems}");
    assert!(refusal(&["bench", "--test", "b0"]).contains("test is `b0`"));
    assert!(refusal(&["bench", "--baseline", "no/such.json"]).contains("no/such.json"));
}

#[test]
fn eval_scores_the_held_out_text_and_compares_dtypes() {
    let args = ["eval", "--tokens-max", "1500", "--reference-dtype", "f32", "--json", "-"];
    let report: Value = serde_json::from_str(&prints(&args)).unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    let tested = &report["tested"];
    assert_eq!((tested["form"].as_str(), report["reference"]["form"].as_str()), (Some("bf16"), Some("f32")));
    // Five windows of 256 and one of 220, each without its first token.
    assert_eq!(report["tokens_scored"], 1494);
    let perplexity = number(&tested["perplexity"]);
    assert!((1.5..8.0).contains(&perplexity), "{report:#}");
    assert!((number(&tested["nll"]).exp() - perplexity).abs() < 1e-9);
    assert!((number(&report["reference"]["perplexity"]) / perplexity - 1.0).abs() < 0.02, "{report:#}");
    assert!(number(&report["greedy_agreement"]) > 0.95, "{report:#}");
    let quantised = [
        "eval",
        "--tokens-max",
        "300",
        "--experts-dtype",
        "q4",
        "--kv-dtype",
        "q8",
        "--reference-dtype",
        "f32",
    ];
    let text = prints(&quantised);
    assert!(text.contains("bf16, experts q4, kv q8") && text.contains("against f32: greedy"), "{text}");
}

#[test]
fn eval_refuses_what_it_cannot_score() {
    assert!(refusal(&["eval", "--text", "no/such.txt"]).contains("no/such.txt"));
    assert!(refusal(&["eval", "--window", "4096"]).contains("the model's context is 1024"));
    assert!(refusal(&["eval", "--window", "1"]).contains("window is 1"));
}

#[test]
fn rows_in_int8_move_little_more_than_half_the_bytes_and_cost_little() {
    let moved = |rows: &str| -> f64 {
        let args = ["bench", "--nodes", "4", "--rows-dtype", rows, "--test", "b8", "--json", "-"];
        let report: Value = serde_json::from_str(&prints(&[&args[..], &SHORT[..]].concat())).unwrap();
        assert_eq!(report["model"]["form"].as_str().unwrap().ends_with("rows q8"), rows == "q8", "{report}");
        let bytes = |key: &str| report["layers"][0][key].as_f64().unwrap();
        bytes("bytes_sent") + bytes("bytes_received")
    };
    let (auto, q8) = (moved("auto"), moved("q8"));
    // 36 bytes for 32 values in place of 64; other rows may be routed otherwise.
    assert!(0.5 * auto < q8 && q8 < 0.62 * auto, "{q8} of {auto}");
    let perplexity = |rows: &str| -> f64 {
        let args = ["eval", "--tokens-max", "600", "--rows-dtype", rows, "--json", "-"];
        let found: Value = serde_json::from_str(&prints(&args)).unwrap();
        found["tested"]["perplexity"].as_f64().unwrap()
    };
    let (auto, q8) = (perplexity("auto"), perplexity("q8"));
    assert!(auto != q8, "the rows were rounded");
    assert!((q8 / auto - 1.0).abs() < 0.01, "{auto} {q8}");
}
