//! `GET /health` (the process lives), `GET /ready` (it can answer) and `GET /metrics` (Prometheus).

use super::ApiState;
use super::error::ApiError;
use crate::peers::class_text;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use conclave_types::ErrorCode;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) async fn health() -> Response {
    axum::Json(json!({"status": "ok"})).into_response()
}

pub(super) async fn ready(State(state): State<Arc<ApiState>>) -> Result<Response, ApiError> {
    if state.work.drains() {
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
    let stats = state.engine.load().stats;
    metrics::gauge!("conclave_requests_waiting").set(stats.waiting);
    metrics::gauge!("conclave_requests_running").set(stats.running);
    metrics::gauge!("conclave_kv_blocks_free").set(stats.blocks_free);
    metrics::gauge!("conclave_kv_blocks_cached").set(stats.blocks_cached);
    metrics::gauge!("conclave_kv_blocks").set(stats.blocks_total);
    metrics::counter!("conclave_preemptions_total").absolute(stats.preemptions);
    metrics::gauge!("conclave_requests_in_flight").set(state.work.load() as f64);
    if let Some(peers) = &state.peers {
        metrics::gauge!("conclave_peer_gateways_ready").set(peers.ready() as f64);
    }
    state.metrics.run_upkeep();
    state.metrics.render()
}
