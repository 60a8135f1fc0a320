//! `GET /v1/models` and `GET /v1/models/{id}`.

use super::ApiState;
use super::error::ApiError;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use conclave_types::ErrorCode;
use serde_json::{Value, json};
use std::sync::Arc;

fn model(state: &ApiState) -> Value {
    json!({
        "id": state.model,
        "object": "model",
        "created": state.started,
        "owned_by": "conclave",
        "root": state.model,
        "max_model_len": state.context_max,
    })
}

pub(super) async fn list(State(state): State<Arc<ApiState>>) -> Response {
    axum::Json(json!({"object": "list", "data": [model(&state)]})).into_response()
}

pub(super) async fn one(
    State(state): State<Arc<ApiState>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    if id == state.model {
        return Ok(axum::Json(model(&state)).into_response());
    }
    let why =
        format!("model_not_found: the model `{id}` is not served here; this server has `{}`", state.model);
    Err(ApiError::new(ErrorCode::ModelNotFound, why))
}
