//! `GET /health` (the process lives), `GET /ready` (it can answer) and `GET /metrics` (Prometheus).

use super::ApiState;
use super::error::ApiError;
use crate::peers::class_text;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use conclave_telemetry::Monitor;
use conclave_types::ErrorCode;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) async fn health() -> Response {
    axum::Json(json!({"status": "ok"})).into_response()
}

pub(super) async fn ready(State(state): State<Arc<ApiState>>) -> Result<Response, ApiError> {
    if state.work.leaves() {
        return Err(ApiError::new(ErrorCode::Unavailable, "this gateway is stopping; use another one"));
    }
    if state.ready.load(Ordering::Relaxed) {
        return Ok(axum::Json(json!({
            "status": "ready",
            "in_flight": state.work.load(),
            "class": class_text(state.class),
        }))
        .into_response());
    }
    Err(ApiError::new(ErrorCode::Unavailable, "the model is not ready yet; retry"))
}

pub(super) async fn metrics(State(state): State<Arc<ApiState>>) -> String {
    render(&state)
}

/// The same for the monitoring port.
pub(crate) fn monitor(state: Arc<ApiState>) -> Monitor {
    let is = state.clone();
    let ready = move || match (is.work.leaves(), is.ready.load(Ordering::Relaxed)) {
        (true, _) => Err("its end: it was told to stop".to_owned()),
        (false, false) => Err("a home for every expert".to_owned()),
        (false, true) => Ok(()),
    };
    Monitor { role: "gateway", ready: Arc::new(ready), metrics: Arc::new(move || render(&state)) }
}

/// Counters that alarms watch exist from the start: a rate needs a value before the first event.
pub(crate) fn count_from_zero() {
    for name in [
        "conclave_prompt_tokens_total",
        "conclave_generated_tokens_total",
        "conclave_prefix_cached_tokens_total",
        "conclave_step_tokens_total",
        "conclave_micro_batches_total",
        "conclave_expert_calls_total",
        "conclave_expert_calls_failed_total",
    ] {
        metrics::counter!(name).increment(0);
    }
    for endpoint in ["chat.completion", "text_completion"] {
        metrics::counter!("conclave_requests_total", "endpoint" => endpoint).increment(0);
    }
    for by in ["client", "gateway"] {
        metrics::counter!("conclave_streams_resumed_total", "by" => by).increment(0);
    }
    for code in ErrorCode::ALL {
        metrics::counter!("conclave_request_errors_total", "code" => code.name()).increment(0);
        metrics::counter!("conclave_stream_errors_total", "code" => code.name()).increment(0);
    }
}

fn render(state: &ApiState) -> String {
    let stats = state.engine.load().stats;
    let bytes = |blocks: u64| (blocks * state.block_bytes.0) as f64;
    metrics::gauge!("conclave_kv_bytes_used").set(bytes((stats.blocks_total - stats.blocks_free).into()));
    metrics::gauge!("conclave_kv_bytes_waiting").set(bytes(stats.waiting.blocks));
    metrics::gauge!("conclave_body_bytes").set(state.bodies.held() as f64);
    metrics::gauge!("conclave_requests_waiting").set(stats.waiting.sequences);
    metrics::gauge!("conclave_requests_running").set(stats.running);
    metrics::gauge!("conclave_kv_blocks_free").set(stats.blocks_free);
    metrics::gauge!("conclave_kv_blocks_cached").set(stats.blocks_cached);
    metrics::gauge!("conclave_kv_blocks").set(stats.blocks_total);
    metrics::counter!("conclave_preemptions_total").absolute(stats.preemptions);
    metrics::gauge!("conclave_requests_in_flight").set(state.work.load() as f64);
    if let Some(peers) = &state.peers {
        metrics::gauge!("conclave_peer_gateways_ready").set(peers.ready() as f64);
    }
    state.dispatcher.tell();
    state.metrics.run_upkeep();
    state.metrics.render()
}
