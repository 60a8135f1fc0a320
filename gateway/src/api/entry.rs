//! The door of the endpoints that generate: whether a request is taken, and where its answer begins.
//!
//! Keeps true: a gateway that drains takes nothing; whatever was taken is known until its last byte is handed over.

use super::body::{Body, Json};
use super::error::ApiError;
use super::forward::{self, Forward};
use super::resume::Begin;
use super::span::RequestSpan;
use super::{ApiState, Caller, chat, completions};
use crate::peers::{FORWARDED, LOAD};
use crate::work::Ticket;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use conclave_types::ErrorCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// An endpoint that generates.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Endpoint {
    Chat,
    Completions,
}

impl Endpoint {
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
        }
    }

    /// Answers here.
    pub(crate) async fn answer(
        self,
        state: Arc<ApiState>,
        call: Call,
        body: Body,
    ) -> Result<Response, ApiError> {
        match self {
            Self::Chat => chat::answer(state, call, body).await,
            Self::Completions => completions::answer(state, call, body).await,
        }
    }
}

/// One request under way, beside its body.
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) begin: Begin,
    pub(crate) ticket: Ticket,
    pub(crate) span: RequestSpan,
}

pub(super) async fn chat(
    State(state): State<Arc<ApiState>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, ApiError> {
    enter(state, Endpoint::Chat, caller, headers, body).await
}

pub(super) async fn completions(
    State(state): State<Arc<ApiState>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, ApiError> {
    enter(state, Endpoint::Completions, caller, headers, body).await
}

async fn enter(
    state: Arc<ApiState>,
    endpoint: Endpoint,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let span = RequestSpan::begin(endpoint, &state.model, &headers);
    let answer = take(state, endpoint, caller, headers, body, span.clone()).await;
    if let Err(error) = &answer {
        span.failed(error.code);
    }
    answer
}

async fn take(
    state: Arc<ApiState>,
    endpoint: Endpoint,
    caller: Caller,
    mut headers: HeaderMap,
    body: Body,
    span: RequestSpan,
) -> Result<Response, ApiError> {
    let ticket = state.work.begin().ok_or_else(|| {
        ApiError::new(ErrorCode::Unavailable, "this gateway is stopping; send the request to another one")
    })?;
    let begin = Begin::of(&headers, &state)?;
    if begin.resumes() {
        metrics::counter!("conclave_streams_resumed_total", "by" => "client").increment(1);
    }
    let load = state.ready.load(Ordering::Relaxed).then(|| state.work.load());
    let forwarded = headers.contains_key(FORWARDED);
    let peers = state.peers.as_ref().filter(|_| !forwarded);
    let peer = peers.and_then(|peers| peers.choose(forward::prefix(endpoint, &body.bytes)?, load));
    let (ticket, body) = match peer {
        None => (ticket, body),
        Some(peer) => {
            span.pass_on(&mut headers);
            let span = span.clone();
            let forward = Forward { state: state.clone(), endpoint, caller, headers, body, ticket, span };
            match Box::pin(forward.to(&peer)).await {
                Ok(response) => return Ok(response),
                Err(back) => (back.ticket, back.body),
            }
        }
    };
    let call = Call { caller, begin, ticket, span: span.clone() };
    let answer = match state.engine.full() {
        // Refused before it is read: under overload, refusals must not cost what answers need.
        Some(error) => Err(state.later(error.into())),
        None => endpoint.answer(state.clone(), call, body).await,
    };
    if let Err(error) = &answer {
        span.failed(error.code);
    }
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    if forwarded {
        response.headers_mut().insert(LOAD, HeaderValue::from(state.work.load()));
    }
    Ok(response)
}
