//! Log lines, spans that follow a call from process to process, metrics, and where all of it can be read.
//!
//! Keeps true: without an OTLP endpoint no span is made at all; spans carry counts, ids and times, never text of
//! prompts or answers.

mod metric;
mod monitor;

pub use metric::{METRICS, Metric, MetricKind, install_metrics};
pub use monitor::{Monitor, MonitorOptions};

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::io::IsTerminal;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::{EnvFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// The target of every span that is exported. Log filters do not enable it.
pub const TRACE: &str = "conclave_trace";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// What is logged and where spans go.
#[derive(Clone, Debug)]
pub struct TelemetryOptions {
    /// As of `EnvFilter`, such as `info`.
    pub filter: String,
    /// Look of the lines.
    pub format: LogFormat,
    /// OTLP endpoint (gRPC), such as `http://127.0.0.1:4317`; `None`: no spans.
    pub otlp_endpoint: Option<String>,
    /// `service.name` of the spans.
    pub service: String,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter.
    #[error("log is `{filter}`: {error}; try `info`")]
    Filter {
        /// As given.
        filter: String,
        /// Why.
        error: tracing_subscriber::filter::ParseError,
    },
    /// The endpoint.
    #[error("otlp_endpoint is `{endpoint}`: {error}; try http://127.0.0.1:4317")]
    Endpoint {
        /// As given.
        endpoint: String,
        /// Why.
        error: String,
    },
}

/// Keeps the export going; dropping it sends what is left.
#[must_use = "dropping it ends the export"]
pub struct Telemetry {
    export: Option<(SdkTracerProvider, tokio::runtime::Runtime)>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some((provider, _runtime)) = &self.export {
            // A collector that is gone is no reason to fail.
            let _ = provider.shutdown();
        }
    }
}

/// Starts logging, and exporting if asked. Lines go to stderr, so that what a command prints can be piped.
pub fn start(options: &TelemetryOptions) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(&options.filter)
        .map_err(|error| TelemetryError::Filter { filter: options.filter.clone(), error })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match options.format {
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).with_filter(filter).boxed(),
    };
    let export =
        options.otlp_endpoint.as_deref().map(|endpoint| exporter(endpoint, &options.service)).transpose()?;
    let spans = export.as_ref().map(|(provider, _)| {
        let tracer = provider.tracer("conclave");
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_filter(Targets::new().with_target(TRACE, tracing::Level::DEBUG))
            .boxed()
    });
    let layers: Vec<_> = std::iter::once(lines).chain(spans).collect();
    tracing_subscriber::registry().with(layers).init();
    Ok(Telemetry { export })
}

/// The exporter has a runtime of its own: it must go on while the service's own runtime ends.
fn exporter(
    endpoint: &str,
    service: &str,
) -> Result<(SdkTracerProvider, tokio::runtime::Runtime), TelemetryError> {
    let failed = |error: String| TelemetryError::Endpoint { endpoint: endpoint.to_owned(), error };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("otlp")
        .enable_all()
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let inside = runtime.enter();
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build();
    let exporter = exporter.map_err(|error| failed(error.to_string()))?;
    drop(inside);
    let resource = Resource::builder().with_service_name(service.to_owned()).build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    Ok((provider, runtime))
}

/// The W3C trace context of `span`, to be sent along; empty if it is not traced.
pub fn traceparent(span: &Span) -> String {
    if span.is_disabled() {
        return String::new();
    }
    let context = span.context();
    let span = context.span();
    let span = span.span_context();
    if !span.is_valid() {
        return String::new();
    }
    format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8())
}

/// Makes `span` a child of the span that `traceparent` names; anything that is no trace context is ignored.
pub fn continue_from(span: &Span, traceparent: &str) {
    if span.is_disabled() {
        return;
    }
    if let Some(parent) = parse(traceparent) {
        // An error would mean that the span has begun already; it then stays a root.
        let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent));
    }
}

fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version != "00" || trace.len() != 32 || span.len() != 16 || flags.len() != 2 {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_context_is_read_and_anything_else_is_not() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = parse(good).unwrap();
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        let zeros = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        for bad in ["", "00", "01-x-y-z", &good[..50], zeros, "00-zz-b7ad6b7169203331-01"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn without_an_exporter_nothing_travels() {
        let span = tracing::debug_span!(target: TRACE, "call");
        assert_eq!(traceparent(&span), "");
        continue_from(&span, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    }
}
