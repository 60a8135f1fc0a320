//! `POST /v1/chat/completions`.

use super::ApiState;
use super::answer::{Piece, TokenInfo};
use super::body::Body;
use super::entry::Call;
use super::error::ApiError;
use super::generate::{Job, Shape, respond};
use super::request::Fields;
use crate::text::{StreamDecoder, TextCodec};
use axum::response::Response;
use conclave_types::TokenId;
use serde_json::{Map, Value, json};
use std::sync::Arc;

struct Chat;

/// One entry of `logprobs.content`.
fn entry(text: &str, logprob: f32) -> Value {
    json!({"token": text, "logprob": logprob, "bytes": text.as_bytes()})
}

fn logprobs(tokens: &[TokenInfo]) -> Value {
    if tokens.is_empty() {
        return Value::Null;
    }
    let content = tokens.iter().map(|token| {
        let mut value = entry(&token.text, token.logprob);
        value["top_logprobs"] = token.top.iter().map(|(text, logprob)| entry(text, *logprob)).collect();
        value
    });
    json!({"content": content.collect::<Vec<_>>(), "refusal": null})
}

impl Shape for Chat {
    fn id_prefix(&self) -> &'static str {
        "chatcmpl"
    }

    fn decoder(&self, codec: &TextCodec, _prompt: &[TokenId]) -> StreamDecoder {
        codec.stream_decoder()
    }

    fn objects(&self) -> (&'static str, &'static str) {
        ("chat.completion", "chat.completion.chunk")
    }

    fn choice(&self, index: u32, text: &str, tokens: &[TokenInfo], finish: &str) -> Value {
        json!({
            "index": index,
            "message": {"role": "assistant", "content": text, "refusal": null},
            "logprobs": logprobs(tokens),
            "finish_reason": finish,
        })
    }

    fn first_chunk(&self, index: u32) -> Option<Value> {
        let delta = json!({"role": "assistant", "content": "", "refusal": null});
        Some(json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": null}))
    }

    fn chunk(&self, index: u32, piece: &Piece) -> Value {
        let delta = if piece.text.is_empty() { json!({}) } else { json!({"content": piece.text}) };
        json!({
            "index": index,
            "delta": delta,
            "logprobs": logprobs(piece.token.as_slice()),
            "finish_reason": piece.finish,
        })
    }
}

/// The messages, checked: role and text content.
fn messages(fields: &Fields) -> Result<Vec<Value>, ApiError> {
    let bad = |why: String| ApiError::value("messages", why);
    let list = fields
        .get("messages")
        .and_then(Value::as_array)
        .filter(|list| !list.is_empty())
        .ok_or_else(|| bad("`messages` must be a list of at least one message".to_owned()))?;
    let message = |(at, message): (usize, &Value)| {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        if !matches!(role, "system" | "developer" | "user" | "assistant") {
            return Err(bad(format!(
                "messages[{at}].role is `{role}`; it can be system, developer, user or assistant"
            )));
        }
        let content = match message.get("content") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => parts
                .iter()
                .map(|part| {
                    let text = part.get("text").and_then(Value::as_str);
                    text.filter(|_| part.get("type").and_then(Value::as_str) == Some("text"))
                })
                .collect::<Option<String>>()
                .ok_or_else(|| bad(format!("messages[{at}].content may hold parts of type text only")))?,
            Some(Value::Null) | None if role == "assistant" => String::new(),
            _ => return Err(bad(format!("messages[{at}].content must be a text"))),
        };
        // Templates know `system`; `developer` is OpenAI's newer word for it.
        let role = if role == "developer" { "system" } else { role };
        Ok(json!({"role": role, "content": content}))
    };
    list.iter().enumerate().map(message).collect()
}

fn job(state: &ApiState, call: Call, body: &[u8]) -> Result<Job, ApiError> {
    let fields = Fields::parse(body)?;
    let common = fields.common(&state.defaults, state.vocab, call.begin.name.nonce)?;
    fields.refuse(&["tools", "functions", "tool_choice", "response_format", "audio", "prediction"])?;
    let logprobs = if fields.flag("logprobs")? {
        Some(fields.whole("top_logprobs", 0, 20)?.unwrap_or(0) as u32)
    } else {
        None
    };
    let extra = match fields.get("chat_template_kwargs") {
        None => Map::new(),
        Some(Value::Object(extra)) => extra.clone(),
        Some(_) => {
            return Err(ApiError::value("chat_template_kwargs", "`chat_template_kwargs` must be an object"));
        }
    };
    let named = |error: ApiError| ApiError { param: Some("messages".to_owned()), ..error };
    let prompt =
        state.codec.encode_chat(&messages(&fields)?, true, &extra).map_err(|error| named(error.into()))?;
    let left = state.sequence_max.saturating_sub(prompt.len() as u32).max(1);
    let tokens_max = common.tokens_max.unwrap_or(left);
    Ok(Job { common, prompt, tokens_max, logprobs, call })
}

pub(super) async fn answer(state: Arc<ApiState>, call: Call, body: Body) -> Result<Response, ApiError> {
    let job = job(&state, call, &body.bytes)?;
    // What waits is kept as tokens.
    drop(body);
    respond(state, Chat, job).await
}
