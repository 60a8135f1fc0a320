//! Spans: what took how long for whom, from process to process.
//!
//! Keeps true: where nothing is exported, or a trace is not sampled, a span is nothing and costs a comparison.

use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags,
    TraceId, TraceState, Tracer as _,
};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, Span as SdkSpan};
use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;
use std::time::SystemTime;

/// What makes this process's spans, if they are exported.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// From now on spans are made.
pub(crate) fn export_with(tracer: SdkTracer) {
    // A second exporter of one process, as tests have it, changes nothing.
    let _ = TRACER.set(tracer);
}

/// Whose time a span tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanRole {
    /// Of this process alone.
    Internal,
    /// Of somebody who is asked by it.
    Asks,
    /// Of an answer to somebody else.
    Answers,
}

/// Where a span is, for those that belong to it.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanPlace(SpanContext);

impl SpanPlace {
    /// The place that a W3C `traceparent` names; `None` for anything else.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if version != "00" || trace.len() != 32 || span.len() != 16 || flags.len() != 2 {
            return None;
        }
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        let context = SpanContext::new(trace, span, flags, true, TraceState::default());
        context.is_valid().then_some(Self(context))
    }
}

/// As a W3C `traceparent`.
impl fmt::Display for SpanPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(at) = self;
        write!(f, "00-{}-{}-{:02x}", at.trace_id(), at.span_id(), at.trace_flags().to_u8())
    }
}

/// A span under way, which ends when it is dropped.
#[derive(Debug, Default)]
pub struct Span(Option<SdkSpan>);

impl Span {
    /// A span that begins now, below `parent` or at the root of a trace, and concerns those at `links` too.
    pub fn begin<N: Into<Cow<'static, str>>>(
        role: SpanRole,
        name: impl FnOnce() -> N,
        parent: Option<&SpanPlace>,
        links: impl IntoIterator<Item = SpanPlace>,
    ) -> Self {
        let Some(tracer) = TRACER.get() else { return Self(None) };
        let kind = match role {
            SpanRole::Internal => SpanKind::Internal,
            SpanRole::Asks => SpanKind::Client,
            SpanRole::Answers => SpanKind::Server,
        };
        let links = links.into_iter().map(|SpanPlace(at)| Link::with_context(at)).collect();
        let builder = SpanBuilder::from_name(name()).with_kind(kind).with_links(links);
        let above = match parent {
            Some(SpanPlace(at)) => Context::new().with_remote_span_context(at.clone()),
            None => Context::new(),
        };
        let span = tracer.build_with_context(builder, &above);
        Self(span.is_recording().then_some(span))
    }

    /// Where it is; `None` if nobody will see it.
    pub fn place(&self) -> Option<SpanPlace> {
        self.0.as_ref().map(|span| SpanPlace(span.span_context().clone()))
    }

    /// Whether somebody will see it, so that it pays to find out what to say of it.
    pub fn is_seen(&self) -> bool {
        self.0.is_some()
    }

    /// Says something of it.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(key, value));
        }
    }

    /// Says something of it that has several parts.
    pub fn set_texts(&mut self, key: &'static str, texts: &[&'static str]) {
        let texts = texts.iter().map(|text| StringValue::from(*text)).collect();
        self.set(key, Value::Array(Array::String(texts)));
    }

    /// Says that it failed with an error of this kind, which is one of a few and no text of anybody's.
    pub fn failed(&mut self, kind: &'static str) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new("error.type", kind));
            span.set_status(Status::error(kind));
        }
    }

    /// Ends it as of `when`.
    pub fn end_at(mut self, when: SystemTime) {
        if let Some(span) = &mut self.0 {
            span.end_with_timestamp(when);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_context_is_read_and_anything_else_is_not() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let place = SpanPlace::parse(good).unwrap();
        assert!(place.0.is_sampled() && place.0.is_remote());
        assert_eq!(place.to_string(), good);
        let zeros = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        for bad in ["", "00", "01-x-y-z", &good[..50], zeros, "00-zz-b7ad6b7169203331-01"] {
            assert!(SpanPlace::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn without_an_exporter_a_span_is_nothing() {
        let name = || -> &str { panic!("nobody asks for its name") };
        let mut span = Span::begin(SpanRole::Internal, name, None, []);
        span.set("rows", 3);
        span.failed("busy");
        assert!(!span.is_seen() && span.place().is_none());
    }
}
