//! The way of a generation request through the API, the same for chat and completions: submit, then one JSON
//! body or a stream of server-sent events. What differs between the two is the [`Shape`].

use super::answer::{Answer, Piece, TokenInfo};
use super::error::ApiError;
use super::request::Common;
use super::{ApiState, Caller, now_seconds};
use crate::engine::{Generate, salt};
use crate::text::{StreamDecoder, TextCodec};
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use conclave_types::{ErrorCode, TokenId};
use futures::future::join_all;
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};
use std::sync::Arc;

/// The JSON of one endpoint.
pub(crate) trait Shape: Send + Sync + 'static {
    /// Prefix of the answer's id.
    fn id_prefix(&self) -> &'static str;
    /// The decoder of an answer: a completion goes on in the middle of a text, a chat answer begins one.
    fn decoder(&self, codec: &TextCodec, prompt: &[TokenId]) -> StreamDecoder;
    /// `object` of a whole answer and of a chunk.
    fn objects(&self) -> (&'static str, &'static str);
    /// One finished choice.
    fn choice(&self, index: u32, text: &str, tokens: &[TokenInfo], finish: &str) -> Value;
    /// A chunk before the first text, if the endpoint has one.
    fn first_chunk(&self, index: u32) -> Option<Value>;
    /// One piece as a chunk's choice.
    fn chunk(&self, index: u32, piece: &Piece) -> Value;
}

/// A request, read and encoded.
pub(crate) struct Job {
    pub(crate) caller: Caller,
    pub(crate) common: Common,
    pub(crate) prompt: Vec<TokenId>,
    pub(crate) tokens_max: u32,
    pub(crate) logprobs: Option<u32>,
}

fn usage(prompt: u32, cached: u32, completion: u32) -> Value {
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    })
}

/// Runs `job` and answers in the shape of the endpoint.
pub(crate) async fn respond(state: Arc<ApiState>, shape: impl Shape, job: Job) -> Result<Response, ApiError> {
    if let Some(name) = job.common.model.as_deref().filter(|name| *name != state.model) {
        return Err(ApiError {
            code: ErrorCode::ModelNotFound,
            message: format!(
                "model_not_found: the model `{name}` is not served here; this server has `{}`",
                state.model
            ),
            param: Some("model".to_owned()),
            retry_after: None,
        });
    }
    let prompt_tokens = job.prompt.len() as u32;
    if prompt_tokens >= state.context_max {
        return Err(conclave_scheduler::SubmitError::TooLong {
            prompt_tokens,
            context_max: state.context_max,
        }
        .into());
    }
    metrics::counter!("conclave_requests_total", "endpoint" => shape.objects().0).increment(1);
    metrics::counter!("conclave_prompt_tokens_total").increment(u64::from(prompt_tokens));
    let prompt: Arc<[TokenId]> = job.prompt.into();
    let salt = salt(&[job.caller.salt.as_slice(), job.common.cache_salt.as_bytes()].concat());
    let submissions = (0..job.common.n).map(|index| {
        let mut sampling = job.common.sampling.clone();
        // Choices differ by seed; choice 0 is what n = 1 would give.
        sampling.seed = sampling.seed.wrapping_add(u64::from(index));
        state.engine.submit(Generate {
            prompt: prompt.clone(),
            tokens_max: job.tokens_max,
            sampling,
            logprobs: job.logprobs,
            eos: if job.common.ignore_eos { Vec::new() } else { state.eos.clone() },
            tenant: job.caller.tenant,
            priority: job.common.priority,
            timeout: job.common.timeout.unwrap_or(state.timeout_max).min(state.timeout_max),
            salt,
        })
    });
    let mut answers = Vec::new();
    // All at once: the engine looks at its inbox once a step.
    for submitted in join_all(submissions).await {
        let stopped = || ApiError::new(ErrorCode::Unavailable, "the server is stopping; retry elsewhere");
        let generation = submitted.ok_or_else(stopped)?.map_err(|error| ApiError {
            retry_after: Some(state.engine.load().retry_after()),
            ..error.into()
        })?;
        let decoder = shape.decoder(&state.codec, &prompt);
        answers.push(Answer::new(generation, state.codec.clone(), decoder, job.common.stop.clone()));
    }
    let id = format!("{}-{:016x}", shape.id_prefix(), state.fresh());
    if job.common.stream {
        streamed(state, shape, id, answers, prompt_tokens, job.common.include_usage).await
    } else {
        whole(state, shape, id, answers, prompt_tokens).await
    }
}

async fn whole(
    state: Arc<ApiState>,
    shape: impl Shape,
    id: String,
    mut answers: Vec<Answer>,
    prompt_tokens: u32,
) -> Result<Response, ApiError> {
    let mut choices = Vec::new();
    let (mut completion_tokens, mut cached_tokens) = (0, 0);
    for (index, answer) in answers.iter_mut().enumerate() {
        let (mut text, mut tokens, mut finish) = (String::new(), Vec::new(), "length");
        while let Some(piece) = answer.next().await {
            let piece = piece?;
            text.push_str(&piece.text);
            tokens.extend(piece.token);
            finish = piece.finish.unwrap_or(finish);
        }
        completion_tokens += answer.tokens;
        // The prompt counts once, and so does what was cached of it before its first choice.
        if index == 0 {
            cached_tokens = answer.cached_tokens;
        }
        choices.push(shape.choice(index as u32, &text, &tokens, finish));
    }
    let body = json!({
        "id": id,
        "object": shape.objects().0,
        "created": now_seconds(),
        "model": state.model,
        "system_fingerprint": state.fingerprint,
        "choices": choices,
        "usage": usage(prompt_tokens, cached_tokens, completion_tokens),
    });
    Ok(axum::Json(body).into_response())
}

fn event(value: &Value) -> Bytes {
    Bytes::from(format!("data: {value}\n\n"))
}

/// Everything that the chunks of one stream share.
struct Chunks<S> {
    shape: S,
    id: String,
    created: u64,
    state: Arc<ApiState>,
    include_usage: bool,
}

impl<S: Shape> Chunks<S> {
    fn chunk(&self, choices: Vec<Value>, usage: Value) -> Bytes {
        let mut chunk = json!({
            "id": self.id,
            "object": self.shape.objects().1,
            "created": self.created,
            "model": self.state.model,
            "system_fingerprint": self.state.fingerprint,
            "choices": choices,
        });
        if self.include_usage {
            chunk["usage"] = usage;
        }
        event(&chunk)
    }

    fn piece(&self, index: u32, piece: &Piece) -> Option<Bytes> {
        let nothing = piece.text.is_empty() && piece.token.is_none() && piece.finish.is_none();
        (!nothing).then(|| self.chunk(vec![self.shape.chunk(index, piece)], Value::Null))
    }
}

/// A choice's pieces with its index; the answer comes back at the end for its count.
fn pieces(index: u32, answer: Answer) -> impl futures::Stream<Item = (u32, Result<Piece, ApiError>, u32)> {
    stream::unfold(answer, move |mut answer| async move {
        let piece = answer.next().await?;
        let tokens = answer.tokens;
        Some(((index, piece, tokens), answer))
    })
}

async fn streamed(
    state: Arc<ApiState>,
    shape: impl Shape,
    id: String,
    mut answers: Vec<Answer>,
    prompt_tokens: u32,
    include_usage: bool,
) -> Result<Response, ApiError> {
    // A failure before the first token still gets its HTTP status, so that clients retry as they should.
    let first = answers[0].next().await.transpose()?;
    let cached_tokens = answers[0].cached_tokens;
    let chunks = Chunks { shape, id, created: now_seconds(), state, include_usage };
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(64);
    let write = async move {
        let mut counts = vec![0; answers.len()];
        for index in 0..answers.len() as u32 {
            if let Some(choice) = chunks.shape.first_chunk(index) {
                sender.send(chunks.chunk(vec![choice], Value::Null)).await.ok()?;
            }
        }
        if let Some(piece) = &first {
            counts[0] = answers[0].tokens;
            if let Some(event) = chunks.piece(0, piece) {
                sender.send(event).await.ok()?;
            }
        }
        let all = answers.into_iter().enumerate().map(|(index, answer)| pieces(index as u32, answer).boxed());
        let mut all = stream::select_all(all);
        loop {
            // Dropping `all` aborts what still runs, also while it waits for its first token.
            let next = tokio::select! {
                next = all.next() => next,
                () = sender.closed() => return None,
            };
            match next {
                Some((index, Ok(piece), tokens)) => {
                    counts[index as usize] = tokens;
                    if let Some(event) = chunks.piece(index, &piece) {
                        sender.send(event).await.ok()?;
                    }
                }
                Some((_, Err(error), _)) => {
                    metrics::counter!("conclave_stream_errors_total", "code" => error.code.name())
                        .increment(1);
                    return sender.send(event(&error.body())).await.ok();
                }
                None => break,
            }
        }
        if chunks.include_usage {
            sender
                .send(chunks.chunk(Vec::new(), usage(prompt_tokens, cached_tokens, counts.iter().sum())))
                .await
                .ok()?;
        }
        sender.send(Bytes::from_static(b"data: [DONE]\n\n")).await.ok()
    };
    tokio::spawn(write);
    let body = Body::from_stream(
        tokio_stream::wrappers::ReceiverStream::new(receiver).map(Ok::<_, std::convert::Infallible>),
    );
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, body).into_response())
}
