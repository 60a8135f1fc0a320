//! Log lines, spans that follow a call from process to process, metrics, and where all of it can be read.
//!
//! Keeps true: without an OTLP endpoint no span is made at all; spans carry counts, ids and times, never text of
//! prompts or answers.

mod metric;
mod monitor;
mod sampling;
mod share;
mod span;

pub use metric::{METRICS, Metric, MetricKind, install_metrics};
pub use monitor::{Monitor, MonitorOptions};
pub use share::NodeShare;
pub use span::{Span, SpanPlace, SpanRole};

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use sampling::Sampling;
use std::io::IsTerminal;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

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
    /// The share of requests that are exported, 0 to 1, of those whose caller does not decide; with each its steps.
    pub otlp_sample: f64,
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
    /// The share of traces.
    #[error("otlp_sample is {0}; it can be 0 to 1, such as 0.01 for a hundredth of the traces")]
    Sample(f64),
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
    if !(0.0..=1.0).contains(&options.otlp_sample) {
        return Err(TelemetryError::Sample(options.otlp_sample));
    }
    let export = options.otlp_endpoint.as_deref().map(|endpoint| exporter(endpoint, options)).transpose()?;
    if let Some((provider, _)) = &export {
        span::export_with(provider.tracer("conclave"));
    }
    tracing_subscriber::registry().with(lines).init();
    Ok(Telemetry { export })
}

/// The exporter has a runtime of its own: it must go on while the service's own runtime ends.
fn exporter(
    endpoint: &str,
    options: &TelemetryOptions,
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
    let resource = Resource::builder().with_service_name(options.service.clone()).build();
    let sampling = Sampling::of(options.otlp_sample);
    let provider = SdkTracerProvider::builder().with_sampler(sampling).with_batch_exporter(exporter);
    Ok((provider.with_resource(resource).build(), runtime))
}
