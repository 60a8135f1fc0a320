//! The HTTP face: routes, keys, limits. To add an endpoint: one file and one line in [`router`].
//!
//! Keeps true: every answer that is not 2xx has OpenAI's error body; no request is worked on before it is
//! wholly read and checked; prompts and answers are never logged.

mod answer;
mod body;
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
mod span;

use crate::dispatch::Dispatcher;
use crate::engine::EngineHandle;
use crate::held::held_by;
use crate::keys::{Excess, Key, Keys, Scope};
use crate::peers::Peers;
use crate::text::TextCodec;
use crate::work::Work;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use conclave_scheduler::TenantId;
use conclave_types::{Bytes, Digest, ErrorCode, TokenId};
use error::ApiError;
use metrics_exporter_prometheus::PrometheusHandle;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use body::Bodies;
pub(crate) use probes::{count_from_zero, monitor};
pub(crate) use request::Defaults;
pub(crate) use resume::short;

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
    pub(crate) keys: Keys,
    /// Most tokens of one sequence: the context, or what the KV cache holds.
    pub(crate) sequence_max: u32,
    /// Memory of one KV block.
    pub(crate) block_bytes: Bytes,
    pub(crate) bodies: Bodies,
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

    /// `error`, with the time after which there may be room, as the pace of answers lets expect.
    fn later(&self, error: ApiError) -> ApiError {
        ApiError { retry_after: Some(self.engine.load().retry_after()), ..error }
    }
}

/// Seconds since 1970, for `created`.
pub(crate) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
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
    let open = ROUTES.iter().any(|route| route.scope.is_none() && route.path == request.uri().path());
    let headers = request.headers();
    let bearer =
        headers.get("authorization").and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    let key = bearer.or_else(|| headers.get("x-api-key").and_then(|value| value.to_str().ok()));
    let known = key.and_then(|key| state.keys.find(key));
    if open || !state.keys.asked() || known.is_some() {
        let caller = known.as_ref().map_or_else(Caller::anybody, |key| Caller::with(&key.line.digest));
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(known);
        return next.run(request).await;
    }
    let why = if key.is_some() { "the API key is not known here" } else { "an API key is needed" };
    ApiError::new(ErrorCode::InvalidApiKey, format!("{why}; send `Authorization: Bearer KEY`"))
        .into_response()
}

/// Lets a request through if its key opens the route and has not asked for too much.
async fn admit(State(scope): State<Scope>, request: Request, next: Next) -> Response {
    // Without a key: none is asked for, or it would have been refused before.
    let Some(key) = request.extensions().get::<Option<Arc<Key>>>().cloned().flatten() else {
        return next.run(request).await;
    };
    if !key.opens(scope) {
        let why =
            format!("the key `{}` does not have the scope `{scope}`, which this route needs", key.line.name);
        return ApiError::new(ErrorCode::InsufficientScope, why).into_response();
    }
    if scope != Scope::Infer {
        return next.run(request).await;
    }
    match key.begin() {
        Ok(running) => held_by(next.run(request).await, running),
        Err(Excess { what, retry_after }) => {
            let error = ApiError::new(ErrorCode::RateLimited, what);
            ApiError { retry_after: Some(retry_after), ..error }.into_response()
        }
    }
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

/// One route: what it is, what opens it, who answers.
struct Route {
    method: Method,
    path: &'static str,
    /// `None`: it is open to anybody.
    scope: Option<Scope>,
    handler: fn(MethodFilter) -> MethodRouter<Arc<ApiState>>,
}

const fn route(
    method: Method,
    path: &'static str,
    scope: Option<Scope>,
    handler: fn(MethodFilter) -> MethodRouter<Arc<ApiState>>,
) -> Route {
    Route { method, path, scope, handler }
}

/// Every route of the gateway; SECURITY.md has the same table.
static ROUTES: [Route; 7] = [
    route(Method::POST, "/v1/chat/completions", Some(Scope::Infer), |method| on(method, entry::chat)),
    route(Method::POST, "/v1/completions", Some(Scope::Infer), |method| on(method, entry::completions)),
    route(Method::GET, "/v1/models", Some(Scope::Read), |method| on(method, models::list)),
    route(Method::GET, "/v1/models/{id}", Some(Scope::Read), |method| on(method, models::one)),
    route(Method::GET, "/health", None, |method| on(method, probes::health)),
    route(Method::GET, "/ready", None, |method| on(method, probes::ready)),
    route(Method::GET, "/metrics", Some(Scope::Admin), |method| on(method, probes::metrics)),
];

/// The routes behind their keys and limits.
pub(crate) fn router(state: Arc<ApiState>) -> Router {
    let routes = ROUTES.iter().fold(Router::new(), |router, route| {
        let method = route.method.clone().try_into().expect("the table's methods are routable");
        let handler = (route.handler)(method);
        let handler = match route.scope {
            Some(scope) => handler.route_layer(from_fn_with_state(scope, admit)),
            None => handler,
        };
        router.route(route.path, handler)
    });
    routes
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(state.clone(), authenticate))
        .layer(from_fn_with_state(state.clone(), identify))
        .with_state(state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_transport::{RULES, Role};
    use std::path::Path;

    #[test]
    fn the_table_of_routes_in_the_security_page_is_the_routers() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../SECURITY.md");
        let page = std::fs::read_to_string(page).unwrap();
        let table = page.split("<!-- routes -->\n").nth(1).and_then(|rest| rest.split("<!-- end -->").next());
        let told: Vec<&str> = table.expect("the page has the table").lines().skip(2).collect();
        let routes = ROUTES.iter().map(|route| {
            let who = route.scope.map_or("anybody".to_owned(), |scope| format!("a key with `{scope}`"));
            format!("| API | `{} {}` | {who} |", route.method, route.path)
        });
        let methods = RULES.iter().map(|rule| {
            let roles: Vec<&str> = rule.roles.iter().map(|role| Role::name(*role)).collect();
            format!("| cluster | `{}` | {} |", rule.method, roles.join(", "))
        });
        let is: Vec<String> = routes.chain(methods).collect();
        assert_eq!(told, is);
    }
}
