//! A server on loopback that plays a web server, a hub and an object store, and counts what it is asked for.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The commit that the hub's revision `main` is.
pub(crate) const COMMIT: &str = "89abcdef0123456789abcdef0123456789abcdef";

/// The model that comes with Conclave: two hundred times as large as what is fetched first.
pub(crate) fn tiny_tales() -> PathBuf {
    // From this crate's folder and from the binary's.
    let places = ["../../models/tiny-tales", "../models/tiny-tales"];
    let found = places
        .map(|place| Path::new(env!("CARGO_MANIFEST_DIR")).join(place))
        .into_iter()
        .find(|path| path.exists());
    found.expect("the model that comes with Conclave")
}

/// A folder to serve, with that model in it as `name`.
pub(crate) fn served(name: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let to = root.path().join(name);
    std::fs::create_dir(&to).unwrap();
    for entry in std::fs::read_dir(tiny_tales()).unwrap() {
        let from = entry.unwrap().path();
        if from.extension().is_some_and(|extension| extension == "json" || extension == "safetensors") {
            std::fs::copy(&from, to.join(from.file_name().unwrap())).unwrap();
        }
    }
    root
}

/// What the server does and has seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// Bytes of bodies that were sent, by file.
    sent: Mutex<BTreeMap<String, u64>>,
    /// Requests for the hub's API and files, and for its content network, that had a token.
    pub(crate) hub_tokens: Mutex<Vec<String>>,
    pub(crate) content_tokens: AtomicU64,
    /// Signed requests for the bucket.
    pub(crate) signed: AtomicU64,
    /// So many answers to come break off in the middle, and so many are a 503.
    pub(crate) breaks: AtomicU64,
    pub(crate) refusals: AtomicU64,
    /// Whether parts are refused, as simple servers do: they give the whole.
    pub(crate) whole_only: AtomicBool,
    /// The version of all files, told in their tags.
    pub(crate) version: AtomicU64,
    /// What the hub says the SHA-256 of a weight file is.
    pub(crate) sha256: Mutex<BTreeMap<String, String>>,
    root: PathBuf,
    content: Mutex<String>,
}

/// Runs until dropped.
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) seen: Arc<Seen>,
    stop: Vec<tokio::runtime::Runtime>,
}

impl Server {
    /// Serves the files below `root`.
    pub(crate) fn start(root: &Path) -> Self {
        let seen = Arc::new(Seen { root: root.to_owned(), ..Seen::default() });
        let (content, first) = listen(Router::new().fallback(content).with_state(seen.clone()));
        *seen.content.lock().unwrap() = content;
        let (address, second) = listen(Router::new().fallback(place).with_state(seen.clone()));
        Self { address, seen, stop: vec![first, second] }
    }

    /// The source of the folder `name` on the web server.
    pub(crate) fn web(&self, name: &str) -> String {
        format!("http://{}/web/{name}", self.address)
    }

    /// Bytes that were sent of `file`.
    pub(crate) fn sent(&self, file: &str) -> u64 {
        self.seen.sent.lock().unwrap().get(file).copied().unwrap_or(0)
    }

    /// Bytes that were sent of all files.
    pub(crate) fn sent_in_all(&self) -> u64 {
        self.seen.sent.lock().unwrap().values().sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.drain(..).for_each(tokio::runtime::Runtime::shutdown_background);
    }
}

fn listen(router: Router) -> (String, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    runtime.spawn(async move { axum::serve(listener, router).await });
    (address, runtime)
}

fn answer(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    Response::builder().status(status).body(text.into()).unwrap()
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("authorization")?.to_str().unwrap().to_owned())
}

/// The host that the hub sends for contents: another one, which must not see the token.
async fn content(State(seen): State<Arc<Seen>>, request: Request) -> Response<Body> {
    if bearer(request.headers()).is_some() {
        seen.content_tokens.fetch_add(1, Ordering::SeqCst);
    }
    let path = request.uri().path().trim_start_matches('/').to_owned();
    file(&seen, &path, &request)
}

async fn place(State(seen): State<Arc<Seen>>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts[..] {
        ["web", ..] => file(&seen, &parts[1..].join("/"), &request),
        ["private", ..] => answer(StatusCode::FORBIDDEN, "not for you"),
        ["bucket", ..] => {
            let signature = bearer(request.headers()).unwrap_or_default();
            if !signature.starts_with("AWS4-HMAC-SHA256 Credential=key/") {
                return answer(StatusCode::FORBIDDEN, "no signature");
            }
            seen.signed.fetch_add(1, Ordering::SeqCst);
            file(&seen, &parts[1..].join("/"), &request)
        }
        ["api", "models", "org", name, "revision", "main"] => {
            seen.hub_tokens.lock().unwrap().push(bearer(request.headers()).unwrap_or_default());
            match seen.root.join(name).exists() {
                true => answer(StatusCode::OK, format!("{{\"sha\": \"{COMMIT}\"}}")),
                false => answer(StatusCode::NOT_FOUND, "{}"),
            }
        }
        ["api", "models", "org", name, "tree", COMMIT] => {
            let sums = seen.sha256.lock().unwrap();
            let entries = std::fs::read_dir(seen.root.join(name)).unwrap().map(|entry| {
                let entry = entry.unwrap();
                let (path, size) =
                    (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len());
                let lfs = sums
                    .get(&path)
                    .map_or_else(String::new, |oid| format!(", \"lfs\": {{\"oid\": \"{oid}\"}}"));
                format!("{{\"type\": \"file\", \"path\": \"{path}\", \"size\": {size}{lfs}}}")
            });
            answer(StatusCode::OK, format!("[{}]", entries.collect::<Vec<_>>().join(",")))
        }
        ["org", name, "resolve", COMMIT, file_name] => {
            seen.hub_tokens.lock().unwrap().push(bearer(request.headers()).unwrap_or_default());
            let content = seen.content.lock().unwrap().clone();
            let location = format!("http://{content}/{name}/{file_name}");
            Response::builder()
                .status(StatusCode::FOUND)
                .header("location", location)
                .body(Body::empty())
                .unwrap()
        }
        _ => answer(StatusCode::NOT_FOUND, "no such thing"),
    }
}

/// A file, whole or in part, as web servers give it.
fn file(seen: &Seen, path: &str, request: &Request) -> Response<Body> {
    let Ok(bytes) = std::fs::read(seen.root.join(path)) else {
        return answer(StatusCode::NOT_FOUND, "no such file");
    };
    let take =
        |count: &AtomicU64| count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    if take(&seen.refusals).is_ok() {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "later");
    }
    let tag = format!("\"{}-{}\"", seen.version.load(Ordering::SeqCst), bytes.len());
    let header = |name: &str| Some(request.headers().get(name)?.to_str().unwrap().to_owned());
    if header("if-match").is_some_and(|wanted| wanted != tag) {
        return answer(StatusCode::PRECONDITION_FAILED, "it has changed");
    }
    let range = header("range").filter(|_| !seen.whole_only.load(Ordering::SeqCst)).map(|range| {
        let (start, end) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        (start.parse::<usize>().unwrap(), end.parse::<usize>().unwrap() + 1)
    });
    let total = bytes.len();
    let builder = Response::builder().header("etag", tag).header("accept-ranges", "bytes");
    let (builder, body) = match range {
        Some((start, end)) => {
            let end = end.min(total);
            let part = format!("bytes {start}-{}/{total}", end - 1);
            (builder.status(206).header("content-range", part), bytes[start..end].to_vec())
        }
        None => (builder.status(200), bytes),
    };
    let builder = builder.header("content-length", body.len());
    if request.method() == "HEAD" {
        return builder.body(Body::empty()).unwrap();
    }
    let name = Path::new(path).file_name().unwrap().to_str().unwrap().to_owned();
    let sent = |bytes: u64| *seen.sent.lock().unwrap().entry(name).or_default() += bytes;
    if body.len() > 1000 && take(&seen.breaks).is_ok() {
        // Half of it, and then the connection ends.
        let half = body[..body.len() / 2].to_vec();
        sent(half.len() as u64);
        let parts = [Ok(half), Err(std::io::Error::other("cut"))];
        return builder.body(Body::from_stream(futures::stream::iter(parts))).unwrap();
    }
    sent(body.len() as u64);
    builder.body(Body::from(body)).unwrap()
}
