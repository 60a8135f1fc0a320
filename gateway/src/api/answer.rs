//! One choice of an answer: from the engine's tokens to text, stop texts and log probabilities.

use super::error::ApiError;
use crate::engine::{EngineEvent, Generation};
use crate::text::{StopMatcher, StreamDecoder, TextCodec};
use conclave_model::Sampled;
use conclave_scheduler::FinishReason;
use conclave_types::{ErrorCode, TokenId};

/// A token with everything that a log probability entry shows.
#[derive(Clone, Debug)]
pub(crate) struct TokenInfo {
    pub(crate) text: String,
    pub(crate) logprob: f32,
    pub(crate) top: Vec<(String, f32)>,
}

/// What came with one token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) token: Option<TokenInfo>,
    /// `stop` or `length` on the last piece.
    pub(crate) finish: Option<&'static str>,
}

pub(crate) struct Answer {
    generation: Option<Generation>,
    codec: TextCodec,
    /// Both until the last piece.
    text: Option<(StreamDecoder, StopMatcher)>,
    /// Tokens so far.
    pub(crate) tokens: u32,
    /// Tokens of the prompt that had been computed before; known from the first piece on.
    pub(crate) cached_tokens: u32,
}

impl Answer {
    pub(crate) fn new(
        generation: Generation,
        codec: TextCodec,
        decoder: StreamDecoder,
        stop: Vec<String>,
    ) -> Self {
        let text = Some((decoder, StopMatcher::new(stop)));
        Self { generation: Some(generation), codec, text, tokens: 0, cached_tokens: 0 }
    }

    fn info(&self, sampled: &Sampled) -> Result<Option<TokenInfo>, ApiError> {
        let Some(logprob) = sampled.logprob else { return Ok(None) };
        let text = |token: TokenId| self.codec.token_text(token);
        let top = sampled.top.iter().map(|entry| Ok((text(entry.token)?, entry.logprob)));
        let top = top.collect::<Result<_, crate::text::TextError>>()?;
        Ok(Some(TokenInfo { text: text(sampled.token)?, logprob, top }))
    }

    /// The piece of one token.
    fn token(&mut self, sampled: &Sampled) -> Result<Piece, ApiError> {
        self.tokens += 1;
        let token = self.info(sampled)?;
        let Some((decoder, stop)) = &mut self.text else { return Ok(Piece::default()) };
        let step = stop.push(&decoder.push(sampled.token)?);
        if step.stopped {
            // Dropping the generation aborts it.
            self.generation = None;
        }
        Ok(Piece { text: step.text, token, finish: step.stopped.then_some("stop") })
    }

    /// The piece after the last token: what was held back.
    fn last(&mut self, reason: FinishReason) -> Result<Piece, ApiError> {
        self.generation = None;
        let Some((decoder, mut stop)) = self.text.take() else { return Ok(Piece::default()) };
        let step = stop.push(&decoder.finish()?);
        let held = if step.stopped { String::new() } else { stop.finish() };
        let finish = if step.stopped || reason == FinishReason::Stop { "stop" } else { "length" };
        Ok(Piece { text: step.text + &held, token: None, finish: Some(finish) })
    }

    /// The next piece; `None` after the last. A failure is the last.
    pub(crate) async fn next(&mut self) -> Option<Result<Piece, ApiError>> {
        let events = &mut self.generation.as_mut()?.events;
        let mut event = events.recv().await;
        if let Some(EngineEvent::Started { cached_tokens }) = event {
            self.cached_tokens = cached_tokens;
            event = events.recv().await;
        }
        Some(match event {
            Some(EngineEvent::Started { .. }) => unreachable!("a sequence starts once"),
            Some(EngineEvent::Token(sampled)) => self.token(&sampled),
            Some(EngineEvent::Finished(reason)) => self.last(reason),
            Some(EngineEvent::Failed(error)) => {
                self.generation = None;
                Err(error.into())
            }
            None => {
                self.generation = None;
                Err(ApiError::new(ErrorCode::Unavailable, "the server is stopping; retry elsewhere"))
            }
        })
    }
}
