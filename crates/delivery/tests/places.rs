//! Models from a web server, a hub and a bucket, as a role gets them: nothing twice, nothing that nobody wants, nothing that is
//! not what the place says it is.

#[path = "../../model/tests/support/gguf.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod gguf;
mod support;

use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::Value;
use conclave_delivery::{
    Delivery, DeliveryError, DeliveryOptions, Destination, Environment, Source, Supplier, kept, remove,
};
use conclave_model::{DtypeChoice, FileRange, Manifest, ModelFolder, Progress};
use conclave_types::ExpertKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use support::{COMMIT, Server, served, tiny_tales};

const OPTIONS: DeliveryOptions = DeliveryOptions { model_cache: None, fetch_rate_max: None };

fn environment(server: &Server) -> Environment {
    let endpoint = format!("http://{}", server.address);
    let pairs = [
        ("HF_ENDPOINT", endpoint.as_str()),
        ("HF_TOKEN", "secret"),
        ("AWS_ENDPOINT", &endpoint),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "word"),
        ("AWS_REGION", "here"),
    ];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

fn deliver(source: &str, cache: &Path, server: &Server) -> Result<Arc<Delivery>, DeliveryError> {
    let Ok(Source::Remote(source)) = source.parse() else { panic!("{source} is a source") };
    Delivery::open(&source, Destination::Cache(cache), &OPTIONS, environment(server), Progress::default())
}

fn folder(delivery: &Arc<Delivery>) -> ModelFolder {
    let folder = ModelFolder::open(&delivery.path(), DtypeChoice::Auto).unwrap();
    folder.with_supply(Arc::new(Supplier(delivery.clone())))
}

fn original() -> ModelFolder {
    ModelFolder::open(&tiny_tales(), DtypeChoice::Auto).unwrap()
}

const WEIGHTS: &str = "model.safetensors";
const HEAD: u64 = 512 << 10;

#[test]
fn only_what_is_wanted_is_fetched_and_only_once() {
    let (root, cache) = (served("tiny"), tempfile::tempdir().unwrap());
    let server = Server::start(root.path());
    let delivery = deliver(&server.web("tiny"), cache.path(), &server).unwrap();
    let model = folder(&delivery);
    assert_eq!(server.sent(WEIGHTS), HEAD, "the header, and what comes with it");

    let keys = [ExpertKey::new(3, 1), ExpertKey::new(3, 2)];
    model.bring_experts(&keys).unwrap();
    let wanted = model.expert_bytes(&keys);
    let sent = server.sent(WEIGHTS) - HEAD;
    // Between two ranges there may be little that nobody asked for.
    assert!((wanted..wanted + (1 << 20)).contains(&sent), "{sent} for {wanted}");

    // What is read is the original's, and reading fetches nothing again.
    let ours = original();
    for tensor in keys.iter().flat_map(|key| model.spec.expert_tensors(*key)) {
        assert_eq!(model.files.digest(&tensor).unwrap(), ours.files.digest(&tensor).unwrap());
    }
    assert_eq!(server.sent(WEIGHTS) - HEAD, sent);

    // A tensor that nobody asked for beforehand is brought when it is read.
    let norm = "model.norm.weight";
    assert_eq!(model.files.bytes(norm).unwrap(), ours.files.bytes(norm).unwrap());

    // All of it, and the model is the original.
    let manifest = Manifest::compute(&model).unwrap();
    assert_eq!(manifest, Manifest::compute(&ours).unwrap());
    assert_eq!(manifest.model_digest(&model), manifest.model_digest(&ours));
    let size = tiny_tales().join(WEIGHTS).metadata().unwrap().len();
    assert_eq!(server.sent(WEIGHTS), size, "each byte once");
    assert_eq!(delivery.held().0, delivery.held().1);
}

#[test]
fn a_start_after_the_first_fetches_nothing_and_needs_no_server() {
    let (root, cache) = (served("tiny"), tempfile::tempdir().unwrap());
    let server = Server::start(root.path());
    let source = server.web("tiny");
    let first = deliver(&source, cache.path(), &server).unwrap();
    folder(&first).bring_experts(&[ExpertKey::new(0, 0)]).unwrap();
    let sent = server.sent_in_all();
    let again = deliver(&source, cache.path(), &server).unwrap();
    folder(&again).bring_experts(&[ExpertKey::new(0, 0)]).unwrap();
    assert_eq!((server.sent_in_all(), again.path()), (sent, first.path()));

    let environment = environment(&server);
    drop(server);
    let Ok(Source::Remote(remote)) = source.parse() else { panic!("a source") };
    let offline = Delivery::open(
        &remote,
        Destination::Cache(cache.path()),
        &OPTIONS,
        environment.clone(),
        Progress::default(),
    );
    let offline = folder(&offline.unwrap());
    offline.bring_experts(&[ExpertKey::new(0, 0)]).unwrap();
    let error = offline.bring_experts(&[ExpertKey::new(5, 5)]).unwrap_err().to_string();
    assert!(error.contains(&source) && error.contains("reachable"), "{error}");
    // The folder itself is a name for the model too.
    let named = Delivery::reopen(&first.path(), &OPTIONS, environment, Progress::default()).unwrap();
    assert_eq!(named.unwrap().source(), source);
    assert!(
        Delivery::reopen(&tiny_tales(), &OPTIONS, Environment::new(), Progress::default()).unwrap().is_none()
    );
}

#[test]
fn answers_that_break_off_and_servers_that_refuse_for_a_while_cost_little() {
    let (root, cache) = (served("tiny"), tempfile::tempdir().unwrap());
    let server = Server::start(root.path());
    let model = folder(&deliver(&server.web("tiny"), cache.path(), &server).unwrap());
    server.seen.breaks.store(4, Ordering::SeqCst);
    server.seen.refusals.store(3, Ordering::SeqCst);
    let manifest = Manifest::compute(&model).unwrap();
    assert_eq!(manifest, Manifest::compute(&original()).unwrap());
    assert_eq!(server.seen.breaks.load(Ordering::SeqCst), 0, "they happened");
    let size = tiny_tales().join(WEIGHTS).metadata().unwrap().len();
    // What was received before a break stays; what was on its way then may be lost. Four whole halves would be 16 MiB.
    assert!(server.sent(WEIGHTS) < size + (8 << 20), "{} of {size}", server.sent(WEIGHTS));
}

#[test]
fn several_processes_fetch_side_by_side_and_nothing_twice() {
    let (root, cache) = (served("tiny"), tempfile::tempdir().unwrap());
    let server = Server::start(root.path());
    // Each has what a process has: its own idea of what is there.
    let models: Vec<ModelFolder> =
        (0..3).map(|_| folder(&deliver(&server.web("tiny"), cache.path(), &server).unwrap())).collect();
    std::thread::scope(|scope| {
        for model in &models {
            scope.spawn(|| model.bring_experts(&model.spec.expert_keys().collect::<Vec<_>>()).unwrap());
        }
    });
    let size = tiny_tales().join(WEIGHTS).metadata().unwrap().len();
    assert!(server.sent(WEIGHTS) <= size, "{} of {size}", server.sent(WEIGHTS));
}

#[test]
fn a_server_that_gives_no_parts_gives_the_whole() {
    let (root, cache) = (served("tiny"), tempfile::tempdir().unwrap());
    let server = Server::start(root.path());
    server.seen.whole_only.store(true, Ordering::SeqCst);
    let model = folder(&deliver(&server.web("tiny"), cache.path(), &server).unwrap());
    server.seen.breaks.store(1, Ordering::SeqCst);
    assert_eq!(Manifest::compute(&model).unwrap(), Manifest::compute(&original()).unwrap());
}

#[test]
fn what_changes_at_its_place_is_never_mixed() {
    let (root, cache) = (served("tiny"), tempfile::tempdir().unwrap());
    let server = Server::start(root.path());
    let old = deliver(&server.web("tiny"), cache.path(), &server).unwrap();
    server.seen.version.store(1, Ordering::SeqCst);
    let error = folder(&old).bring_experts(&[ExpertKey::new(0, 0)]).unwrap_err().to_string();
    assert!(error.contains("has changed there"), "{error}");
    let new = deliver(&server.web("tiny"), cache.path(), &server).unwrap();
    assert_ne!(new.path(), old.path());
    folder(&new).bring_experts(&[ExpertKey::new(0, 0)]).unwrap();
    assert_eq!(kept(cache.path()).unwrap().len(), 2);
    let Ok(Source::Remote(source)) = server.web("tiny").parse() else { panic!("a source") };
    assert!(remove(cache.path(), &source).unwrap() > 2 * HEAD);
    assert!(kept(cache.path()).unwrap().is_empty());
    assert!(matches!(remove(cache.path(), &source), Err(DeliveryError::Missing { .. })));
}

#[test]
fn a_hub_is_asked_for_one_commit_and_its_token_goes_to_nobody_else() {
    let (root, cache) = (served("tiny"), tempfile::tempdir().unwrap());
    let server = Server::start(root.path());
    let delivery = deliver("hf:org/tiny", cache.path(), &server).unwrap();
    assert_eq!(delivery.source(), format!("hf:org/tiny@{COMMIT}"));
    assert_eq!(folder(&delivery).name(), "tiny");
    folder(&delivery).bring_experts(&[ExpertKey::new(0, 0)]).unwrap();
    assert!(server.sent(WEIGHTS) > HEAD);
    let tokens = server.seen.hub_tokens.lock().unwrap().clone();
    assert!(tokens.len() > 5 && tokens.iter().all(|token| token == "Bearer secret"), "{tokens:?}");
    assert_eq!(server.seen.content_tokens.load(Ordering::SeqCst), 0);

    // A commit that is known already needs no question.
    let asked = tokens.len();
    let pinned = deliver(delivery.source(), cache.path(), &server).unwrap();
    assert_eq!(pinned.path(), delivery.path());
    assert_eq!(server.seen.hub_tokens.lock().unwrap().len(), asked);

    let error = deliver("hf:org/other", cache.path(), &server).err().unwrap();
    assert!(matches!(error, DeliveryError::Missing { .. }), "{error}");
}

#[test]
fn a_file_that_is_not_what_the_hub_says_is_refused_and_not_kept() {
    let (root, cache) = (served("tiny"), tempfile::tempdir().unwrap());
    let server = Server::start(root.path());
    let wrong = "0".repeat(64);
    server.seen.sha256.lock().unwrap().insert(WEIGHTS.to_owned(), wrong.clone());
    let delivery = deliver("hf:org/tiny", cache.path(), &server).unwrap();
    let error = Manifest::compute(&folder(&delivery)).unwrap_err().to_string();
    assert!(error.contains(&wrong) && error.contains("SHA-256"), "{error}");
    let size = tiny_tales().join(WEIGHTS).metadata().unwrap().len();
    assert!(delivery.held().0 < delivery.held().1 - size + 1, "it would be fetched again");
}

#[test]
fn a_bucket_is_read_with_signed_requests() {
    let (root, cache) = (served("tiny"), tempfile::tempdir().unwrap());
    let server = Server::start(root.path());
    let delivery = deliver("s3://bucket/tiny", cache.path(), &server).unwrap();
    let model = folder(&delivery);
    let key = ExpertKey::new(7, 3);
    model.bring_experts(&[key]).unwrap();
    let ours = original();
    for tensor in model.spec.expert_tensors(key) {
        assert_eq!(model.files.digest(&tensor).unwrap(), ours.files.digest(&tensor).unwrap());
    }
    assert!(server.seen.signed.load(Ordering::SeqCst) > 5);
    assert!(server.sent(WEIGHTS) < HEAD + model.expert_bytes(&[key]) + (1 << 20));
}

#[test]
fn damaged_ranges_are_forgotten_and_fetched_again() {
    let (root, cache) = (served("tiny"), tempfile::tempdir().unwrap());
    let server = Server::start(root.path());
    let delivery = deliver(&server.web("tiny"), cache.path(), &server).unwrap();
    let model = folder(&delivery);
    let tensor = model.spec.expert_tensors(ExpertKey::new(4, 0))[1].clone();
    let right = model.files.digest(&tensor).unwrap();
    let range = model.files.range(&tensor).unwrap();
    assert!(delivery.has(&range));
    let file = std::fs::OpenOptions::new().write(true).open(&range.file).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"damage", range.bytes.start + 100).unwrap();
    assert_ne!(model.files.digest(&tensor).unwrap(), right);
    delivery.forget_ranges(std::slice::from_ref(&range)).unwrap();
    assert!(!delivery.has(&range));
    assert_eq!(model.files.digest(&tensor).unwrap(), right);
    // Of a file that is none of its, nothing is known.
    let other = FileRange { file: PathBuf::from("/elsewhere"), bytes: 0..1 };
    delivery.forget_ranges(&[other]).unwrap();
}

#[test]
fn what_a_peer_brings_is_kept_only_if_it_is_right() {
    let (root, cache) = (served("tiny"), tempfile::tempdir().unwrap());
    let server = Server::start(root.path());
    let model = folder(&deliver(&server.web("tiny"), cache.path(), &server).unwrap());
    let ours = original();
    let manifest = Manifest::compute(&ours).unwrap();
    let tensor = model.spec.expert_tensors(ExpertKey::new(2, 2))[0].clone();
    let right = || manifest.verify(&model, &tensor);
    let bytes = ours.files.bytes(&tensor).unwrap().to_vec();
    let sent = server.sent(WEIGHTS);
    assert!(!model.files.has(&tensor).unwrap());
    assert!(!model.files.put(&tensor, &bytes[1..], right).unwrap(), "too short");
    let mut wrong = bytes.clone();
    wrong[77] ^= 1;
    assert!(!model.files.put(&tensor, &wrong, right).unwrap(), "other content");
    assert!(!model.files.has(&tensor).unwrap());
    assert!(model.files.put(&tensor, &bytes, right).unwrap());
    assert!(model.files.has(&tensor).unwrap());
    assert_eq!(model.files.bytes(&tensor).unwrap(), bytes);
    assert_eq!(server.sent(WEIGHTS), sent, "nothing was fetched");
    // Another process that shares the cache finds it there.
    let again = folder(&deliver(&server.web("tiny"), cache.path(), &server).unwrap());
    assert!(again.files.has(&tensor).unwrap());
}

#[test]
fn a_gguf_file_comes_with_its_header_first_however_long_that_is() {
    let (root, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(root.path().join("quants")).unwrap();
    let file = root.path().join("quants/tiny-q8.gguf");
    let source = original();
    let config = serde_json::from_slice(&std::fs::read(tiny_tales().join("config.json")).unwrap()).unwrap();
    let mut metadata = gguf::metadata(&source, &config);
    let words = (0..80_000).map(|word| Value::String(format!("word {word}"))).collect();
    metadata.push(("tokenizer.ggml.tokens".to_owned(), Value::Array(words)));
    gguf::write(&metadata, &gguf::tensors(&source, GgmlDType::Q8_0), &file);
    let server = Server::start(root.path());
    let delivery = deliver(&format!("{}/tiny-q8.gguf", server.web("quants")), cache.path(), &server).unwrap();
    let header = server.sent("tiny-q8.gguf");
    assert!((4 * HEAD..8 * HEAD).contains(&header), "four times the first piece: {header}");
    let model = folder(&delivery);
    assert_eq!(model.name(), "tiny-q8");
    let ours = ModelFolder::open(&file, DtypeChoice::Auto).unwrap();
    model.bring_experts(&[ExpertKey::new(6, 2)]).unwrap();
    assert!(server.sent("tiny-q8.gguf") < 8 * HEAD);
    assert_eq!(Manifest::compute(&model).unwrap(), Manifest::compute(&ours).unwrap());
    let named =
        Delivery::reopen(&delivery.path(), &OPTIONS, environment(&server), Progress::default()).unwrap();
    assert_eq!(named.unwrap().path(), delivery.path());
}

#[test]
fn what_is_no_model_is_told_with_what_is_missing() {
    let (root, cache) = (served("tiny"), tempfile::tempdir().unwrap());
    let server = Server::start(root.path());
    let says = |source: &str, why: &str| {
        let error = deliver(source, cache.path(), &server).err().expect("an error").to_string();
        assert!(error.contains(why), "`{error}` does not say `{why}`");
    };
    says(&server.web("nothing"), "there is no config.json");
    says(&server.web("tiny/model.gguf"), "there is no file model.gguf");
    says(&format!("http://{}/private/tiny", server.address), "access to config.json is refused");
    says("http://192.0.2.1/tiny", "beyond this machine only https:// is used");
    let tiny = root.path().join("tiny");
    let index = tiny.join("model.safetensors.index.json");
    std::fs::write(&index, r#"{"weight_map": {"a": "part-1.safetensors"}}"#).unwrap();
    says(&server.web("tiny"), "there is no file part-1.safetensors");
    std::fs::write(&index, r#"{"weight_map": {"a": "../../etc/passwd"}}"#).unwrap();
    says(&server.web("tiny"), "not a plain file name");
    std::fs::write(&index, "{}").unwrap();
    says(&server.web("tiny"), "`weight_map` is missing");
    std::fs::remove_file(&index).unwrap();
    std::fs::write(tiny.join(WEIGHTS), [255; 100]).unwrap();
    says(&server.web("tiny"), "which cannot be");
    std::fs::remove_file(tiny.join(WEIGHTS)).unwrap();
    says(&server.web("tiny"), "only safetensors and GGUF are read");
}
