//! The client: one request at a time, timed as its bytes arrive.
//!
//! Keeps true: a time is taken when a read returns, before anything in it is looked at; all chunks of one read have the
//! same. A client that leaves closes its connection.

use crate::chunk::{Chunk, ErrorBody, Usage};
use crate::record::{Failure, FailureKind, Status};
use crate::sse::Sse;
use crate::workload::Ask;
use bytes::Bytes;
use conclave_transport::{TrustOptions, explain_https};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client as Pool, Error, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// An error's body is read up to so many bytes, for so long.
const ERROR_BYTES_MAX: usize = 64 << 10;
const ERROR_READ: Duration = Duration::from_secs(5);

/// The test's clock: seconds since it began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now_s(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    /// When the clock shows this; far in the future for times that never come.
    pub(crate) fn instant(self, at_s: f64) -> Instant {
        self.0 + Duration::try_from_secs_f64(at_s.clamp(0.0, 1e9)).unwrap_or_default()
    }
}

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) sent_s: f64,
    pub(crate) arrivals_s: Vec<f64>,
    pub(crate) done_s: f64,
    pub(crate) usage: Option<Usage>,
    /// The answer, for the next turn; in no record.
    pub(crate) text: String,
    pub(crate) status: Status,
}

/// A server, and the connections to it.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    authorization: Option<HeaderValue>,
    timeout: Duration,
}

fn failed(kind: FailureKind, code: impl Into<String>, message: impl Into<String>) -> Status {
    Status::Failed(Failure { kind, code: code.into(), message: message.into() })
}

/// The innermost reason of an error.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| explain_https(error), root)
}

fn unsent(error: &Error) -> Status {
    let kind = if error.is_connect() { FailureKind::Connect } else { FailureKind::Stream };
    failed(kind, "", root(error))
}

impl Client {
    /// - `base`: `http://host:port` or `https://host:port`, without a slash at its end.
    /// - `trust`: whose certificates a server may show.
    pub(crate) fn new(
        base: String,
        key: Option<&str>,
        timeout: Duration,
        trust: &TrustOptions,
    ) -> Result<Self, String> {
        let authorization = key.map(|key| {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
                .map_err(|_| "the API key cannot be a header")?;
            value.set_sensitive(true);
            Ok::<_, &str>(value)
        });
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(timeout.min(Duration::from_secs(10))));
        let tls = trust.client().map_err(|error| error.to_string())?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let pool =
            Pool::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(60)).build(connector);
        Ok(Self { pool, base, authorization: authorization.transpose()?, timeout })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        Ok(request)
    }

    /// The name of the first model that the server has.
    pub(crate) async fn first_model(&self) -> Result<String, String> {
        let request =
            self.request(Method::GET, "/v1/models", Bytes::new()).map_err(|error| error.to_string())?;
        let answer = tokio::time::timeout(self.timeout, self.pool.request(request)).await;
        let answer = answer.map_err(|_| "no answer in time")?.map_err(|error| root(&error))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| root(&error))?.to_bytes();
        if status != StatusCode::OK {
            return Err(format!("{status}: {}", ErrorBody::of_body(&body).message));
        }
        let models: Value = serde_json::from_slice(&body).unwrap_or_default();
        let first = models.pointer("/data/0/id").and_then(Value::as_str).map(str::to_owned);
        first.ok_or_else(|| "GET /v1/models names no model; use --model".to_owned())
    }

    /// Asks and reads the whole answer; `on_token` hears of each chunk with text. Ends at once when `cut` is cancelled.
    pub(crate) async fn ask(
        &self,
        ask: &Ask,
        clock: Clock,
        cut: &CancellationToken,
        mut on_token: impl FnMut(&[f64]),
    ) -> Reply {
        let body = Bytes::from(ask.body.to_string());
        let now = clock.now_s();
        let mut reply = Reply {
            sent_s: now,
            arrivals_s: Vec::new(),
            done_s: now,
            usage: None,
            text: String::new(),
            status: Status::Unfinished,
        };
        let request = match self.request(Method::POST, ask.path, body) {
            Ok(request) => request,
            Err(error) => {
                reply.status = failed(FailureKind::Protocol, "", error.to_string());
                return reply;
            }
        };
        let leave = async {
            match ask.cancel_after_s {
                Some(after) => tokio::time::sleep(Duration::from_secs_f64(after)).await,
                None => std::future::pending().await,
            }
        };
        let mut done_s = None;
        let status = tokio::select! {
            status = self.read(request, clock, &mut reply, &mut done_s, &mut on_token) => status,
            () = leave => Status::Cancelled,
            () = tokio::time::sleep(self.timeout) => {
                failed(FailureKind::Timeout, "", format!("not done after {} s", self.timeout.as_secs_f64()))
            }
            () = cut.cancelled() => Status::Unfinished,
        };
        reply.done_s = done_s.unwrap_or_else(|| clock.now_s());
        reply.status = status;
        reply
    }

    async fn read(
        &self,
        request: Request<Full<Bytes>>,
        clock: Clock,
        reply: &mut Reply,
        done_s: &mut Option<f64>,
        on_token: &mut impl FnMut(&[f64]),
    ) -> Status {
        let response = match self.pool.request(request).await {
            Ok(response) => response,
            Err(error) => return unsent(&error),
        };
        if response.status() != StatusCode::OK {
            *done_s = Some(clock.now_s());
            return refusal(response).await;
        }
        let mut body = response.into_body();
        let mut sse = Sse::default();
        let (mut ended, mut finished, mut problem) = (false, false, None);
        while let Some(frame) = body.frame().await {
            let now = clock.now_s();
            let bytes = match frame {
                Ok(frame) => frame.into_data().unwrap_or_default(),
                // What comes after the end does not matter.
                Err(_) if ended => break,
                Err(error) => return failed(FailureKind::Stream, "", root(&error)),
            };
            sse.push(&bytes, |data| {
                if data == b"[DONE]" {
                    ended = true;
                    done_s.get_or_insert(now);
                    return;
                }
                let Some(chunk) = Chunk::of(data) else {
                    problem.get_or_insert_with(|| {
                        failed(FailureKind::Protocol, "", "an event that is no chunk")
                    });
                    return;
                };
                if chunk.has_token {
                    reply.arrivals_s.push(now);
                    let from = reply.arrivals_s.len().saturating_sub(2);
                    on_token(&reply.arrivals_s[from..]);
                }
                reply.text.push_str(&chunk.text);
                reply.usage = chunk.usage.or(reply.usage);
                finished |= chunk.finished;
                if let Some(error) = chunk.error {
                    problem.get_or_insert_with(|| failed(FailureKind::Event, error.code, error.message));
                }
            });
            if problem.is_some() {
                break;
            }
        }
        match problem {
            Some(problem) => problem,
            None if ended || finished => Status::Ok,
            None => failed(FailureKind::Stream, "", "the stream ended before the answer did"),
        }
    }
}

/// What an answer that is not 200 means.
async fn refusal(response: Response<Incoming>) -> Status {
    let status = response.status();
    let after =
        response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap_or_default().to_owned());
    let room = status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::SERVICE_UNAVAILABLE && after.is_some();
    let read = http_body_util::Limited::new(response.into_body(), ERROR_BYTES_MAX).collect();
    let body = match tokio::time::timeout(ERROR_READ, read).await {
        Ok(Ok(body)) => body.to_bytes(),
        _ => Bytes::new(),
    };
    if room {
        return Status::Refused {
            code: status.as_u16(),
            retry_after_s: after.and_then(|after| after.parse().ok()),
        };
    }
    let ErrorBody { code, message } = ErrorBody::of_body(&body);
    failed(FailureKind::Http, format!("{} {code}", status.as_u16()).trim(), message)
}
