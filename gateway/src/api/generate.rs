//! The way of a generation request through the API, the same for chat and completions: submit, then one JSON
//! body or a stream of server-sent events. What differs between the two is the [`Shape`].

use super::ApiState;
use super::answer::{Answer, Piece, TokenInfo};
use super::entry::Call;
use super::error::ApiError;
use super::outlet::Outlet;
use super::request::Common;
use super::resume::{self, AnswerName};
use super::span::RequestSpan;
use crate::engine::{Generate, salt};
use crate::text::{StreamDecoder, TextCodec};
use axum::response::{IntoResponse, Response};
use conclave_types::{ErrorCode, TokenId};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};
use std::sync::Arc;

/// The JSON of one endpoint.
pub(crate) trait Shape: Send + Sync + 'static {
    /// Prefix of the answer's id.
    fn id_prefix(&self) -> &'static str;
    /// The answer's id.
    fn id(&self, name: AnswerName) -> String {
        format!("{}-{:016x}", self.id_prefix(), name.nonce)
    }
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
    pub(crate) common: Common,
    pub(crate) prompt: Vec<TokenId>,
    pub(crate) tokens_max: u32,
    pub(crate) logprobs: Option<u32>,
    pub(crate) call: Call,
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
        let why = format!(
            "model_not_found: the model `{name}` is not served here; this server has `{}`",
            state.model
        );
        let error = ApiError::new(ErrorCode::ModelNotFound, why);
        return Err(ApiError { param: Some("model".to_owned()), ..error });
    }
    let prompt_tokens = job.prompt.len() as u32;
    if prompt_tokens >= state.context_max {
        return Err(conclave_scheduler::SubmitError::TooLong {
            prompt_tokens,
            context_max: state.context_max,
        }
        .into());
    }
    let had = job.call.begin.had(resume::check(state.class, shape.objects().0, &job), &job)?;
    let here = state.work.answer();
    let Call { begin, caller, ticket, span } = job.call;
    span.read(|| shape.id(begin.name), prompt_tokens, job.tokens_max, job.common.n);
    metrics::counter!("conclave_requests_total", "endpoint" => shape.objects().0).increment(1);
    metrics::counter!("conclave_prompt_tokens_total").increment(u64::from(prompt_tokens));
    let prompt: Arc<[TokenId]> = job.prompt.into();
    let salt = salt(&[caller.salt.as_slice(), job.common.cache_salt.as_bytes()].concat());
    let choices = (0..job.common.n).map(|index| {
        let mut sampling = job.common.sampling.clone();
        // Choices differ by seed; choice 0 is what n = 1 would give.
        sampling.seed = sampling.seed.wrapping_add(u64::from(index));
        Generate {
            prompt: prompt.clone(),
            tokens_max: job.tokens_max,
            sampling,
            logprobs: job.logprobs,
            eos: if job.common.ignore_eos { Vec::new() } else { state.eos.clone() },
            tenant: caller.tenant,
            priority: job.common.priority,
            timeout: job.common.timeout.unwrap_or(state.timeout_max).min(state.timeout_max),
            salt,
            span: span.place(),
        }
    });
    let stopped = || ApiError::new(ErrorCode::Unavailable, "the server is stopping; retry elsewhere");
    let submitted = state.engine.submit(choices.collect()).await.ok_or_else(stopped)?;
    let generations = submitted.map_err(|error| state.later(error.into()))?;
    let answer = |generation| {
        let decoder = shape.decoder(&state.codec, &prompt);
        Answer::new(generation, state.codec.clone(), decoder, job.common.stop.clone())
    };
    let answers: Vec<Answer> = generations.into_iter().map(answer).collect();
    let name = begin.name;
    if job.common.stream {
        let include_usage = job.common.include_usage;
        let (outlet, opening) = Outlet::open(had);
        let gone = outlet.gone();
        let chunks = Chunks { shape, name, state, include_usage, span };
        tokio::spawn(async move {
            tokio::select! {
                _ = chunks.write(answers, outlet, prompt_tokens) => {}
                // Dropping the answers aborts what still runs, also while it waits for its first token.
                () = gone => {}
            }
            drop((ticket, here));
        });
        opening.response().await
    } else {
        whole(state, shape, name, answers, prompt_tokens, &span).await
    }
}

async fn whole(
    state: Arc<ApiState>,
    shape: impl Shape,
    name: AnswerName,
    mut answers: Vec<Answer>,
    prompt_tokens: u32,
    span: &RequestSpan,
) -> Result<Response, ApiError> {
    let mut choices = Vec::new();
    let mut completion_tokens = 0;
    for (index, answer) in answers.iter_mut().enumerate() {
        let (mut text, mut tokens, mut finish) = (String::new(), Vec::new(), "length");
        while let Some(piece) = answer.next().await {
            let piece = piece?;
            if index == 0 && answer.tokens == 1 {
                span.started(answer.cached_tokens);
            }
            span.answered(index as u32, answer.tokens, piece.finish);
            text.push_str(&piece.text);
            tokens.extend(piece.token);
            finish = piece.finish.unwrap_or(finish);
        }
        completion_tokens += answer.tokens;
        choices.push(shape.choice(index as u32, &text, &tokens, finish));
    }
    // The prompt counts once, and so does what was cached of it before its first choice.
    let cached_tokens = answers[0].cached_tokens;
    let body = json!({
        "id": shape.id(name),
        "object": shape.objects().0,
        "created": name.created,
        "model": state.model,
        "system_fingerprint": state.fingerprint,
        "choices": choices,
        "usage": usage(prompt_tokens, cached_tokens, completion_tokens),
    });
    Ok(axum::Json(body).into_response())
}

/// Everything that the chunks of one stream share.
struct Chunks<S> {
    shape: S,
    name: AnswerName,
    state: Arc<ApiState>,
    include_usage: bool,
    span: RequestSpan,
}

impl<S: Shape> Chunks<S> {
    fn chunk(&self, choices: Vec<Value>, usage: Value) -> Value {
        let mut chunk = json!({
            "id": self.shape.id(self.name),
            "object": self.shape.objects().1,
            "created": self.name.created,
            "model": self.state.model,
            "system_fingerprint": self.state.fingerprint,
            "choices": choices,
        });
        if self.include_usage {
            chunk["usage"] = usage;
        }
        chunk
    }

    async fn piece(&self, outlet: &mut Outlet, index: u32, piece: &Piece) -> Option<()> {
        if piece.text.is_empty() && piece.token.is_none() && piece.finish.is_none() {
            return Some(());
        }
        outlet.choice(index, || self.chunk(vec![self.shape.chunk(index, piece)], Value::Null)).await
    }

    async fn fail(&self, mut outlet: Outlet, error: ApiError) -> Option<()> {
        self.span.failed(error.code);
        outlet.fail(error).await
    }

    /// Writes the whole stream; `None` if the client left.
    async fn write(self, mut answers: Vec<Answer>, mut outlet: Outlet, prompt_tokens: u32) -> Option<()> {
        // Nothing is sent before the first token: until then a failure still gets its HTTP status.
        let first = match answers[0].next().await.transpose() {
            Ok(first) => first,
            Err(error) => return self.fail(outlet, error).await,
        };
        self.span.started(answers[0].cached_tokens);
        for index in 0..answers.len() as u32 {
            if let Some(choice) = self.shape.first_chunk(index) {
                outlet.choice(index, || self.chunk(vec![choice], Value::Null)).await?;
            }
        }
        let cached_tokens = answers[0].cached_tokens;
        let mut counts = vec![0; answers.len()];
        if let Some(piece) = &first {
            counts[0] = answers[0].tokens;
            self.span.answered(0, counts[0], piece.finish);
            self.piece(&mut outlet, 0, piece).await?;
        }
        let all = answers.into_iter().enumerate().map(|(index, answer)| pieces(index as u32, answer).boxed());
        let mut all = stream::select_all(all);
        while let Some((index, piece, tokens)) = all.next().await {
            match piece {
                Ok(piece) => {
                    counts[index as usize] = tokens;
                    self.span.answered(index, tokens, piece.finish);
                    self.piece(&mut outlet, index, &piece).await?;
                }
                Err(error) => return self.fail(outlet, error).await,
            }
        }
        if self.include_usage {
            let usage = usage(prompt_tokens, cached_tokens, counts.iter().sum());
            outlet.usage(|| self.chunk(Vec::new(), usage)).await?;
        }
        outlet.done().await
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
