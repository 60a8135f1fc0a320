//! The monitoring port: `GET /health`, `/ready` and `/metrics`, the same for every role.
//!
//! Keeps true: it tells counts, times and names of the cluster's own parts, never what anybody asked; it needs no key, so
//! it belongs in a network that clients do not reach. Knows no role: what is ready and what is measured it is told.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;

/// Settings of the monitoring port.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct MonitorOptions {
    /// Address of `GET /health`, `/ready` and `/metrics`, for probes and Prometheus. It asks for no key: keep clients
    /// away from it. Default: none.
    #[arg(long, env = "CONCLAVE_MONITOR_LISTEN")]
    pub monitor_listen: Option<SocketAddr>,
}

/// What the monitoring port tells of one role.
#[derive(Clone)]
pub struct Monitor {
    /// The role's name, a label of `conclave_ready`.
    pub role: &'static str,
    /// Whether the role can do its work now; if not, what it waits for.
    pub ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// The metrics in Prometheus's text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

impl Monitor {
    /// Answers on the address that `options` names, if they name one, until the runtime ends.
    ///
    /// - Returns the address, with the port that the system chose if 0 was asked for.
    pub async fn start(self, options: &MonitorOptions) -> std::io::Result<Option<SocketAddr>> {
        let Some(address) = options.monitor_listen else { return Ok(None) };
        let named = |error: std::io::Error| {
            let why = format!("cannot listen on {address}: {error}; choose another --monitor-listen");
            std::io::Error::new(error.kind(), why)
        };
        let listener = tokio::net::TcpListener::bind(address).await.map_err(named)?;
        let address = listener.local_addr()?;
        tracing::info!(%address, "monitoring port");
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, self.router()).await {
                tracing::error!(%error, "the monitoring port broke");
            }
        });
        Ok(Some(address))
    }

    fn router(self) -> Router {
        Router::new()
            .route("/health", get(async || axum::Json(json!({"status": "ok"}))))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self)
    }
}

async fn ready(State(monitor): State<Monitor>) -> Response {
    match (monitor.ready)() {
        Ok(()) => axum::Json(json!({"status": "ready"})).into_response(),
        Err(why) => {
            let body = axum::Json(json!({"status": "not ready", "waiting_for": why}));
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}

async fn metrics(State(monitor): State<Monitor>) -> Response {
    let ready = (monitor.ready)().is_ok();
    metrics::gauge!("conclave_ready", "role" => monitor.role).set(if ready { 1.0 } else { 0.0 });
    ([("content-type", "text/plain; version=0.0.4; charset=utf-8")], (monitor.metrics)()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn readiness_follows_the_role_and_health_does_not() {
        let loaded = Arc::new(AtomicBool::new(false));
        let is = loaded.clone();
        let ready = move || is.load(Ordering::Relaxed).then_some(()).ok_or("experts".to_owned());
        let monitor =
            Monitor { role: "test", ready: Arc::new(ready), metrics: Arc::new(|| "a 1\n".to_owned()) };
        let options = MonitorOptions { monitor_listen: Some("127.0.0.1:0".parse().unwrap()) };
        let address = monitor.start(&options).await.unwrap().unwrap();
        let not = get(address, "/ready").await;
        assert!(not.starts_with("HTTP/1.1 503") && not.ends_with(r#""waiting_for":"experts"}"#), "{not}");
        assert!(get(address, "/health").await.starts_with("HTTP/1.1 200"));
        loaded.store(true, Ordering::Relaxed);
        assert!(get(address, "/ready").await.starts_with("HTTP/1.1 200"));
        assert!(get(address, "/metrics").await.ends_with("a 1\n"));
        assert!(get(address, "/v1/models").await.starts_with("HTTP/1.1 404"));
    }

    #[tokio::test]
    async fn without_an_address_nothing_listens() {
        let monitor = Monitor { role: "test", ready: Arc::new(|| Ok(())), metrics: Arc::new(String::new) };
        assert_eq!(monitor.start(&MonitorOptions::default()).await.unwrap(), None);
    }
}
