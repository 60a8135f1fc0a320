//! `POST /v1/completions`.

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

/// The length of an answer that asks for none, as OpenAI has it.
const TOKENS_DEFAULT: u32 = 16;

struct Completion;

fn logprobs(tokens: &[TokenInfo]) -> Value {
    if tokens.is_empty() {
        return Value::Null;
    }
    let top = |token: &TokenInfo| {
        token.top.iter().map(|(text, logprob)| (text.clone(), json!(logprob))).collect::<Map<_, _>>()
    };
    let mut end = 0;
    let offsets = tokens.iter().map(|token| {
        let start = end;
        end += token.text.chars().count();
        start
    });
    json!({
        "text_offset": offsets.collect::<Vec<_>>(),
        "tokens": tokens.iter().map(|token| &token.text).collect::<Vec<_>>(),
        "token_logprobs": tokens.iter().map(|token| token.logprob).collect::<Vec<_>>(),
        "top_logprobs": tokens.iter().map(top).collect::<Vec<_>>(),
    })
}

impl Shape for Completion {
    fn id_prefix(&self) -> &'static str {
        "cmpl"
    }

    fn decoder(&self, codec: &TextCodec, prompt: &[TokenId]) -> StreamDecoder {
        codec.stream_decoder_after(prompt)
    }

    fn objects(&self) -> (&'static str, &'static str) {
        ("text_completion", "text_completion")
    }

    fn choice(&self, index: u32, text: &str, tokens: &[TokenInfo], finish: &str) -> Value {
        json!({"index": index, "text": text, "logprobs": logprobs(tokens), "finish_reason": finish})
    }

    fn first_chunk(&self, _index: u32) -> Option<Value> {
        None
    }

    fn chunk(&self, index: u32, piece: &Piece) -> Value {
        let logprobs = logprobs(piece.token.as_slice());
        json!({"index": index, "text": piece.text, "logprobs": logprobs, "finish_reason": piece.finish})
    }
}

fn prompt(state: &ApiState, fields: &Fields) -> Result<Vec<TokenId>, ApiError> {
    let bad = |why: String| ApiError::value("prompt", why);
    let wanted = || bad("`prompt` must be a text or a list of token ids (one prompt a request)".to_owned());
    let text = match fields.get("prompt").ok_or_else(wanted)? {
        Value::String(text) => text.as_str(),
        Value::Array(list) if list.len() == 1 && list[0].is_string() => list[0].as_str().unwrap_or_default(),
        Value::Array(list) if !list.is_empty() => {
            let id = |id: &Value| {
                id.as_u64().filter(|id| *id < u64::from(state.vocab)).map(|id| TokenId(id as u32))
            };
            return list.iter().map(id).collect::<Option<_>>().ok_or_else(|| {
                bad(format!(
                    "`prompt` as a list must hold token ids below {}; one prompt a request",
                    state.vocab
                ))
            });
        }
        _ => return Err(wanted()),
    };
    let ids = state.codec.encode_prompt(text)?;
    if ids.is_empty() { Err(bad("`prompt` is empty; send at least one token".to_owned())) } else { Ok(ids) }
}

fn job(state: &ApiState, call: Call, body: &[u8]) -> Result<Job, ApiError> {
    let fields = Fields::parse(body)?;
    let common = fields.common(&state.defaults, state.vocab, call.begin.name.nonce)?;
    fields.refuse(&["echo", "suffix", "best_of"])?;
    let logprobs = fields.whole("logprobs", 0, 20)?.map(|count| count as u32);
    let prompt = prompt(state, &fields)?;
    let tokens_max = common.tokens_max.unwrap_or(TOKENS_DEFAULT);
    Ok(Job { common, prompt, tokens_max, logprobs, call })
}

pub(super) async fn answer(state: Arc<ApiState>, call: Call, body: Body) -> Result<Response, ApiError> {
    let job = job(&state, call, &body.bytes)?;
    // What waits is kept as tokens.
    drop(body);
    respond(state, Completion, job).await
}
