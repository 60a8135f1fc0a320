//! The HTTP face: routes, keys, limits. To add an endpoint: one file and one line in [`router`].
//!
//! Keeps true: every answer that is not 2xx has OpenAI's error body; no request is worked on before it is
//! wholly read and checked; prompts and answers are never logged.

mod answer;
mod chat;
mod completions;
mod entry;
mod error;
mod forward;
mod generate;
mod models;
mod outlet;
mod probes;
mod request;
mod resume;

use crate::dispatch::Dispatcher;
use crate::engine::EngineHandle;
use crate::peers::Peers;
use crate::text::TextCodec;
use crate::work::Work;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::HeaderValue;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use conclave_scheduler::TenantId;
use conclave_types::{Digest, ErrorCode, TokenId};
use error::ApiError;
use metrics_exporter_prometheus::PrometheusHandle;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use probes::{count_from_zero, monitor};
pub(crate) use request::Defaults;
pub(crate) use resume::short;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// What every handler sees.
pub(crate) struct ApiState {
    pub(crate) engine: EngineHandle,
    pub(crate) codec: TextCodec,
    pub(crate) model: String,
    pub(crate) fingerprint: String,
    /// What tokens are a function of beside the request: two gateways of one class give the same answers.
    pub(crate) class: u32,
    pub(crate) vocab: u32,
    pub(crate) context_max: u32,
    pub(crate) eos: Vec<TokenId>,
    pub(crate) defaults: Defaults,
    /// Digests of the keys, so that comparing takes the same time whatever differs.
    pub(crate) keys: Vec<Digest>,
    /// How long a request may take at most.
    pub(crate) timeout_max: Duration,
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) work: Arc<Work>,
    pub(crate) dispatcher: Arc<Dispatcher>,
    /// The other gateways, if there are any.
    pub(crate) peers: Option<Peers>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) started: u64,
    pub(crate) counter: AtomicU64,
    pub(crate) entropy: RandomState,
}

impl ApiState {
    /// A number that no other request got: ids, and seeds of requests that name none.
    pub(crate) fn fresh(&self) -> u64 {
        self.entropy.hash_one(self.counter.fetch_add(1, Ordering::Relaxed))
    }
}

/// Seconds since 1970, for `created`.
pub(crate) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A body that says it is JSON, read whole within the limits.
pub(crate) struct Json(pub(crate) Bytes);

impl FromRequest<Arc<ApiState>> for Json {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<ApiState>) -> Result<Self, ApiError> {
        let kind =
            request.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
            let why = format!("the content type is `{kind}`; send application/json");
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, why));
        }
        match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await {
            Ok(Ok(body)) => Ok(Self(body)),
            Ok(Err(error)) if error.status() == 413 => {
                Err(ApiError::new(ErrorCode::RequestTooLarge, "the body is larger than this server takes"))
            }
            Ok(Err(error)) => {
                Err(ApiError::new(ErrorCode::InvalidRequest, format!("the body could not be read: {error}")))
            }
            Err(_) => Err(ApiError::new(
                ErrorCode::RequestTimeout,
                "the body did not arrive in time; send it again",
            )),
        }
    }
}

/// Who sent a request.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    /// Requests of one key share what the key gets.
    pub(crate) tenant: TenantId,
    /// Requests of different keys share no cached prefix: its timing would tell what others ask.
    pub(crate) salt: [u8; 32],
}

impl Caller {
    /// The caller with this key, which is one of the server's.
    fn with(key: &Digest) -> Self {
        let (number, _) = key.0.split_first_chunk().expect("a digest has 32 bytes");
        Self { tenant: TenantId(u64::from_le_bytes(*number)), salt: key.0 }
    }

    /// Anybody, where no keys are asked for.
    fn anybody() -> Self {
        Self { tenant: TenantId::default(), salt: [0; 32] }
    }
}

/// Lets a request through if it has a key, or none is needed.
async fn authenticate(State(state): State<Arc<ApiState>>, mut request: Request, next: Next) -> Response {
    let open = matches!(request.uri().path(), "/health" | "/ready");
    let headers = request.headers();
    let bearer =
        headers.get("authorization").and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    let key = bearer.or_else(|| headers.get("x-api-key").and_then(|value| value.to_str().ok()));
    let known = key.map(|key| Digest::of(key.as_bytes())).filter(|key| state.keys.contains(key));
    if open || state.keys.is_empty() || known.is_some() {
        let caller = known.as_ref().map_or_else(Caller::anybody, Caller::with);
        request.extensions_mut().insert(caller);
        return next.run(request).await;
    }
    let why = if key.is_some() { "the API key is not known here" } else { "an API key is needed" };
    ApiError::new(ErrorCode::InvalidApiKey, format!("{why}; send `Authorization: Bearer KEY`"))
        .into_response()
}

/// Gives every answer a request id: the client's own, or a new one. A gateway that leaves asks for a new connection,
/// which then leads to another gateway.
async fn identify(State(state): State<Arc<ApiState>>, request: Request, next: Next) -> Response {
    let given = request.headers().get("x-request-id").filter(|id| id.len() <= 128).cloned();
    let id = given.unwrap_or_else(|| {
        HeaderValue::from_str(&format!("req-{:016x}", state.fresh())).expect("hex digits are a header value")
    });
    let mut response = next.run(request).await;
    response.headers_mut().insert("x-request-id", id);
    if state.work.leaves() {
        response.headers_mut().insert("connection", HeaderValue::from_static("close"));
    }
    response
}

async fn no_route(request: Request) -> ApiError {
    let why = format!("{} {} is not served here", request.method(), request.uri().path());
    ApiError::new(ErrorCode::NotFound, why)
}

async fn no_method(request: Request) -> ApiError {
    let why = format!("{} does not take {}", request.uri().path(), request.method());
    ApiError::new(ErrorCode::MethodNotAllowed, why)
}

/// Every route of the gateway.
pub(crate) fn router(state: Arc<ApiState>, body_bytes_max: usize) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(entry::chat))
        .route("/v1/completions", post(entry::completions))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{id}", get(models::one))
        .route("/health", get(probes::health))
        .route("/ready", get(probes::ready))
        .route("/metrics", get(probes::metrics))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .layer(from_fn_with_state(state.clone(), authenticate))
        .layer(from_fn_with_state(state.clone(), identify))
        .with_state(state)
}
