//! A request that another gateway answers: passed on one hop, and taken back if that gateway cannot end it.
//!
//! Keeps true: what a client gets does not depend on who answers, nor on whether that one dies meanwhile: the stream
//! goes on here, by replay, after the last whole event that was passed on. Bodies are kept for that and never logged.

use super::body::Body;
use super::entry::{Call, Endpoint};
use super::error::ApiError;
use super::outlet::event_stream;
use super::request::Fields;
use super::resume::{Begin, LAST_EVENT_ID};
use super::span::RequestSpan;
use super::{ApiState, Caller};
use crate::peers::{Event, EventSplitter, FORWARDED, LOAD, Peer, PeerAnswer, PeerError};
use crate::work::Ticket;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use conclave_types::{Digest, ErrorCode};
use futures::StreamExt;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::mpsc;

/// How much of a prompt decides where it goes: about 256 tokens, of text or of ids with four bytes each.
const PREFIX_BYTES: usize = 1024;
/// The longest answer that is no stream. Unit: bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Headers that belong to one connection.
const HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
];

/// The hash of what requests with a common prefix have in common; `None` if the body is not understood.
///
/// A conversation grows at its end and should stay where it began, so it is known by all up to its first user
/// message; that, or a plain prompt, counts up to a length that most system prompts reach.
pub(super) fn prefix(endpoint: Endpoint, body: &[u8]) -> Option<u64> {
    let fields = Fields::parse(body).ok()?;
    let mut prefix = Vec::new();
    match endpoint {
        Endpoint::Chat => {
            for message in fields.get("messages")?.as_array()? {
                let role = message["role"].as_str()?;
                prefix.extend(role.bytes().chain([0]));
                match &message["content"] {
                    Value::String(text) => prefix.extend(text.bytes()),
                    Value::Array(parts) => {
                        parts
                            .iter()
                            .for_each(|part| prefix.extend(part["text"].as_str().unwrap_or("").bytes()));
                    }
                    _ => {}
                }
                if role == "user" || prefix.len() >= PREFIX_BYTES {
                    break;
                }
            }
        }
        Endpoint::Completions => match fields.get("prompt")? {
            Value::String(text) => prefix.extend(text.bytes()),
            Value::Array(list) => {
                for part in list.iter().take(PREFIX_BYTES / 4) {
                    match part {
                        Value::String(text) => prefix.extend(text.bytes()),
                        id => prefix.extend((id.as_u64()? as u32).to_le_bytes()),
                    }
                }
            }
            _ => return None,
        },
    }
    prefix.truncate(PREFIX_BYTES);
    let [a, b, c, d, e, f, g, h, ..] = Digest::of(&prefix).0;
    Some(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

/// Why a stream that another gateway answered did not come to its end.
enum Broken {
    /// The gateway, with what it cannot do.
    Peer(String),
    /// The client left.
    Client,
    /// This gateway stops.
    Over,
}

/// A request as it came.
pub(super) struct Forward {
    pub(super) state: Arc<ApiState>,
    pub(super) endpoint: Endpoint,
    pub(super) caller: Caller,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) ticket: Ticket,
    pub(super) span: RequestSpan,
}

fn count(outcome: &'static str) {
    metrics::counter!("conclave_requests_forwarded_total", "outcome" => outcome).increment(1);
}

fn unavailable(message: &str) -> ApiError {
    ApiError::new(ErrorCode::Unavailable, message)
}

impl Forward {
    /// Lets `peer` answer; gives the request back if it does not.
    pub(super) async fn to(self, peer: &Arc<Peer>) -> Result<Response, Self> {
        match self.ask(peer).await {
            Ok(answer) if answer.head.status == StatusCode::OK && self.streams(&answer) => {
                Ok(self.pass_on(peer.clone(), answer))
            }
            // What is wrong with a request is wrong everywhere.
            Ok(answer) if passes(answer.head.status) => {
                let head = answer.head.clone();
                match answer.whole(ANSWER_BYTES_MAX).await {
                    Ok(body) => {
                        count("answered");
                        let mut response = Response::new(axum::body::Body::from(body));
                        *response.status_mut() = head.status;
                        *response.headers_mut() = end_to_end(&head.headers);
                        Ok(response)
                    }
                    Err(error) => Err(self.back(peer, "failed", &error.to_string())),
                }
            }
            Ok(answer) => {
                let why = match answer.head.status {
                    StatusCode::UNAUTHORIZED => "it does not know the API key; give all gateways the same",
                    _ => "it has no room or is not ready",
                };
                Err(self.back(peer, "refused", why))
            }
            Err(error) => Err(self.back(peer, "failed", &error.to_string())),
        }
    }

    fn back(self, peer: &Peer, outcome: &'static str, why: &str) -> Self {
        count(outcome);
        tracing::debug!(gateway = peer.authority(), outcome, why, "answering here instead");
        self
    }

    async fn ask(&self, peer: &Arc<Peer>) -> Result<PeerAnswer, PeerError> {
        let request =
            Request::post(self.endpoint.path()).body(axum::body::Body::from(self.body.bytes.clone()));
        let mut request = request.expect("the path is one");
        *request.headers_mut() = end_to_end(&self.headers);
        let host = HeaderValue::from_str(peer.authority()).expect("an authority is a header value");
        request.headers_mut().insert(header::HOST, host);
        request.headers_mut().insert(FORWARDED, HeaderValue::from_static("1"));
        peer.call(request).await
    }

    fn streams(&self, answer: &PeerAnswer) -> bool {
        let kind = answer.head.headers.get(header::CONTENT_TYPE);
        kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
    }

    /// The stream that `answer` is, whoever ends it.
    fn pass_on(self, peer: Arc<Peer>, answer: PeerAnswer) -> Response {
        let (sender, receiver) = mpsc::channel(64);
        tokio::spawn(async move {
            let mut last_id = None;
            match pass(&self.state, answer, &sender, &mut last_id).await {
                Ok(()) => count("answered"),
                Err(Broken::Client) => count("abandoned"),
                Err(Broken::Over) => {
                    let why = "this gateway is stopping; send the request with Last-Event-ID to another one";
                    let _ = sender.try_send(error_event(&unavailable(why)));
                }
                Err(Broken::Peer(why)) => {
                    count("continued");
                    metrics::counter!("conclave_streams_resumed_total", "by" => "gateway").increment(1);
                    tracing::info!(gateway = peer.authority(), why, "going on with its stream here");
                    self.go_on(last_id, sender).await;
                }
            }
        });
        let events = tokio_stream::wrappers::ReceiverStream::new(receiver);
        event_stream(axum::body::Body::from_stream(events.map(Ok::<_, std::convert::Infallible>)))
    }

    /// Answers here what comes after `last_id`.
    async fn go_on(mut self, last_id: Option<HeaderValue>, sender: mpsc::Sender<Bytes>) {
        if let Some(id) = last_id {
            self.headers.insert(LAST_EVENT_ID, id);
        }
        let answer = async {
            let begin = Begin::of(&self.headers, &self.state)?;
            let call = Call { caller: self.caller, begin, ticket: self.ticket, span: self.span };
            self.endpoint.answer(self.state.clone(), call, self.body).await
        };
        // A client that leaves during the replay ends it.
        let answer = tokio::select! {
            answer = answer => answer,
            () = sender.closed() => return,
        };
        match answer {
            Ok(response) => {
                let mut frames = response.into_body().into_data_stream();
                while let Some(Ok(frame)) = frames.next().await {
                    if sender.send(frame).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                let _ = sender.send(error_event(&error)).await;
            }
        }
    }
}

fn error_event(error: &ApiError) -> Bytes {
    metrics::counter!("conclave_stream_errors_total", "code" => error.code.name()).increment(1);
    format!("data: {}\n\n", error.body()).into()
}

/// Whether an answer with this status is the client's, whoever answers.
fn passes(status: StatusCode) -> bool {
    let elsewhere = [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_success() || status.is_client_error() && !elsewhere.contains(&status)
}

/// The headers that are not one connection's own.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| !HOP.contains(name) && name.as_str() != LOAD);
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Passes whole events on until the last one; `last_id` is that of the last one with an id.
async fn pass(
    state: &ApiState,
    answer: PeerAnswer,
    sender: &mpsc::Sender<Bytes>,
    last_id: &mut Option<HeaderValue>,
) -> Result<(), Broken> {
    let mut frames = std::pin::pin!(answer.frames());
    let mut splitter = EventSplitter::default();
    loop {
        let frame = tokio::select! {
            frame = frames.next() => frame,
            () = sender.closed() => return Err(Broken::Client),
            () = state.work.over() => return Err(Broken::Over),
        };
        let frame = frame.ok_or_else(|| Broken::Peer("the stream ended early".to_owned()))?;
        let frame = frame.map_err(|error| Broken::Peer(error.to_string()))?;
        splitter.push(&frame).map_err(|()| Broken::Peer("an event is too long".to_owned()))?;
        while let Some(event) = splitter.next() {
            let code = event.error_code();
            if code.as_deref() == Some(ErrorCode::Unavailable.name()) {
                return Err(Broken::Peer("it is stopping".to_owned()));
            }
            let id = event.id().and_then(|id| HeaderValue::from_bytes(id).ok());
            let ends = event.is_done() || code.is_some();
            let Event(bytes) = event;
            tokio::select! {
                sent = sender.send(bytes) => sent.map_err(|_| Broken::Client)?,
                () = state.work.over() => return Err(Broken::Over),
            }
            *last_id = id.or(last_id.take());
            if ends {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chat(messages: Value) -> Option<u64> {
        prefix(Endpoint::Chat, json!({"messages": messages}).to_string().as_bytes())
    }

    #[test]
    fn a_conversation_keeps_its_prefix_as_it_grows() {
        let system = json!({"role": "system", "content": "Be kind."});
        let user = |text: &str| json!({"role": "user", "content": text});
        let begun = chat(json!([system, user("hi")]));
        assert!(begun.is_some());
        let grown = json!([system, user("hi"), {"role": "assistant", "content": "hello"}, user("more")]);
        assert_eq!(chat(grown), begun);
        let parts = json!([system, {"role": "user", "content": [{"type": "text", "text": "hi"}]}]);
        assert_eq!(chat(parts), begun);
        assert_ne!(chat(json!([system, user("ho")])), begun);
    }

    #[test]
    fn long_prompts_are_known_by_their_beginning_and_bad_bodies_by_nothing() {
        let prompt =
            |text: String| prefix(Endpoint::Completions, json!({"prompt": text}).to_string().as_bytes());
        let long = "x".repeat(4000);
        assert_eq!(prompt(long.clone() + "a"), prompt(long + "b"));
        assert_eq!(prefix(Endpoint::Completions, b"{"), None);
        assert_eq!(prefix(Endpoint::Completions, br#"{"prompt": [1, -2]}"#), None);
        assert!(prefix(Endpoint::Completions, br#"{"prompt": [1, 2]}"#).is_some());
    }
}
