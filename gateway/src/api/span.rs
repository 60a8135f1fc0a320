//! One span for each request, from its head to the last byte of its answer, named as OpenTelemetry's conventions for
//! generative AI have it.

use super::entry::Endpoint;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use conclave_telemetry::{Span, SpanPlace, SpanRole};
use conclave_types::ErrorCode;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

/// W3C's header that names the caller's span.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The span of one request, held by whoever works on it; it ends with the last of them. Nothing where nobody will see it.
#[derive(Clone)]
pub(crate) struct RequestSpan(Option<Arc<Mutex<Open>>>);

struct Open {
    span: Span,
    began: Instant,
    /// Tokens of each choice so far.
    tokens: Vec<u32>,
    /// Why each choice that has ended did.
    finishes: Vec<&'static str>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.tokens.is_empty() {
            self.span.set("gen_ai.usage.output_tokens", i64::from(self.tokens.iter().sum::<u32>()));
        }
        if !self.finishes.is_empty() {
            self.span.set_texts("gen_ai.response.finish_reasons", &self.finishes);
        }
    }
}

impl RequestSpan {
    /// The span of a request for an answer of `model`, below the caller's if its headers name one.
    pub(super) fn begin(endpoint: Endpoint, model: &str, headers: &HeaderMap) -> Self {
        let operation = match endpoint {
            Endpoint::Chat => "chat",
            Endpoint::Completions => "text_completion",
        };
        let parent = headers.get(TRACEPARENT).and_then(|value| SpanPlace::parse(value.to_str().ok()?));
        let name = || format!("{operation} {model}");
        let mut span = Span::begin(SpanRole::Answers, name, parent.as_ref(), []);
        if !span.is_seen() {
            return Self(None);
        }
        span.set("gen_ai.operation.name", operation);
        span.set("gen_ai.provider.name", "conclave");
        span.set("gen_ai.request.model", model.to_owned());
        let open = Open { span, began: Instant::now(), tokens: Vec::new(), finishes: Vec::new() };
        Self(Some(Arc::new(Mutex::new(open))))
    }

    fn open(&self) -> Option<MutexGuard<'_, Open>> {
        Some(self.0.as_ref()?.lock().expect("no panic holds this lock"))
    }

    /// Where it is, for what is done for the request.
    pub(crate) fn place(&self) -> Option<SpanPlace> {
        self.open()?.span.place()
    }

    /// Names it in the head of a request that is passed on.
    pub(super) fn pass_on(&self, headers: &mut HeaderMap) {
        if let Some(place) = self.place() {
            let value =
                HeaderValue::try_from(place.to_string()).expect("digits and dashes are a header value");
            headers.insert(TRACEPARENT, value);
        }
    }

    /// The request was read: its answer's id, how long its prompt is, and how much it asks for.
    pub(super) fn read(&self, id: impl FnOnce() -> String, prompt: u32, tokens_max: u32, choices: u32) {
        let Some(mut open) = self.open() else { return };
        open.tokens = vec![0; choices as usize];
        open.span.set("gen_ai.response.id", id());
        open.span.set("gen_ai.usage.input_tokens", i64::from(prompt));
        open.span.set("gen_ai.request.max_tokens", i64::from(tokens_max));
        open.span.set("gen_ai.request.choice.count", i64::from(choices));
    }

    /// The first token is there; so much of the prompt had been computed before.
    pub(super) fn started(&self, cached_tokens: u32) {
        let Some(mut open) = self.open() else { return };
        let seconds = open.began.elapsed().as_secs_f64();
        open.span.set("gen_ai.response.time_to_first_chunk", seconds);
        open.span.set("gen_ai.usage.cache_read.input_tokens", i64::from(cached_tokens));
    }

    /// A choice has so many tokens now, and has ended if there is a reason.
    pub(super) fn answered(&self, choice: u32, tokens: u32, finish: Option<&'static str>) {
        let Some(mut open) = self.open() else { return };
        open.tokens[choice as usize] = tokens;
        open.finishes.extend(finish);
    }

    /// The request failed.
    pub(super) fn failed(&self, code: ErrorCode) {
        if let Some(mut open) = self.open() {
            open.span.failed(code.name());
        }
    }
}
