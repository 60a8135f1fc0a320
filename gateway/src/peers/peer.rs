//! One other gateway: how it is, how much it has to do, and calls to it.
//!
//! Keeps true: a gateway whose process died is known at the first call or probe that fails, one that froze within
//! two and a half seconds; calls to it end then. A call has a connection of its own, so its fate is the call's alone.

use super::LOAD;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use bytes::{Bytes, BytesMut};
use conclave_transport::{ConnectError, Connector};
use conclave_types::Digest;
use futures::{Stream, StreamExt};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// How often a peer is asked how it is.
const PROBE: Duration = Duration::from_millis(500);
/// How long a connection for a call may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a probe's answer may take: a gateway with all it can carry needs some 50 ms.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);
/// So many probes in a row without an answer mean that the peer is down.
const SILENT_MAX: u32 = 2;
/// The most that the answer to a probe may hold. Unit: bytes.
const PROBE_BYTES_MAX: usize = 64 << 10;

/// What a peer is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    /// Nothing: it does not answer, or gives other answers.
    Down,
    /// What it has begun: it drains, or lacks experts.
    Leaving,
    /// Everything.
    Ready,
}

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerError {
    #[error("no connection: {0}")]
    Connect(#[from] ConnectError),
    #[error("no connection in time")]
    Timeout,
    #[error("the call broke: {0}")]
    Call(#[from] hyper::Error),
    #[error("the answer broke: {0}")]
    Body(#[from] axum::Error),
    #[error("no answer in time")]
    Late,
    #[error("the answer is too long")]
    Long,
    #[error("it is down")]
    Down,
}

/// What is known of a peer's load.
#[derive(Debug, Default)]
struct Load {
    /// As it last said.
    reported: u32,
    /// Requests sent from here less those that ended, since it said so.
    since: i64,
    /// Requests sent from here that have not ended.
    ours: u32,
}

impl Load {
    fn estimate(&self) -> u32 {
        let told = i64::from(self.reported) + self.since;
        told.max(i64::from(self.ours)).try_into().unwrap_or(u32::MAX)
    }
}

pub(crate) struct Peer {
    /// HOST:PORT.
    authority: String,
    connector: Connector,
    identity: u64,
    health: watch::Sender<Health>,
    load: Mutex<Load>,
}

/// The number by which all gateways know the one at `authority`.
pub(super) fn identity(authority: &str) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = Digest::of(authority.as_bytes()).0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// An answer under way; the connection ends with it.
pub(crate) struct PeerAnswer {
    pub(crate) head: axum::http::response::Parts,
    body: Incoming,
    connection: AbortOnDropHandle<()>,
    counted: Counted,
}

/// One request of ours at a peer.
struct Counted(Arc<Peer>);

impl Drop for Counted {
    fn drop(&mut self) {
        let mut load = self.0.load.lock().expect("no panic holds this lock");
        load.since -= 1;
        load.ours -= 1;
    }
}

impl PeerAnswer {
    /// The body as it comes; ends with an error if the peer goes down.
    pub(crate) fn frames(self) -> impl Stream<Item = Result<Bytes, PeerError>> + Send + use<> {
        let mut health = self.counted.0.health.subscribe();
        let down = async move {
            // The sender lives as long as the peer, which `counted` holds.
            let _ = health.wait_for(|health| *health == Health::Down).await;
        };
        let frames = Body::new(self.body).into_data_stream().map(|frame| frame.map_err(PeerError::Body));
        let kept = (self.connection, self.counted);
        let down = futures::stream::once(down).map(|()| Err(PeerError::Down));
        // The end of either is the end: an answer that is whole needs no healthy peer.
        let ends = frames.map(Some).chain(futures::stream::iter([None]));
        futures::stream::select(ends, down.map(Some))
            .take_while(|frame| std::future::ready(frame.is_some()))
            .map(move |frame| {
                let _ = &kept;
                frame.expect("taken while there is one")
            })
    }

    /// The whole body.
    pub(crate) async fn whole(self, bytes_max: usize) -> Result<Bytes, PeerError> {
        let mut whole = BytesMut::new();
        let mut frames = std::pin::pin!(self.frames());
        while let Some(frame) = frames.next().await {
            whole.extend_from_slice(&frame?);
            if whole.len() > bytes_max {
                return Err(PeerError::Long);
            }
        }
        Ok(whole.freeze())
    }
}

impl Peer {
    pub(super) fn new(authority: String, connector: Connector) -> Self {
        let identity = identity(&authority);
        // Not used before its first probe.
        let (health, load) = (watch::Sender::new(Health::Down), Mutex::default());
        Self { authority, connector, identity, health, load }
    }

    /// HOST:PORT.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) fn identity(&self) -> u64 {
        self.identity
    }

    pub(super) fn is_ready(&self) -> bool {
        *self.health.borrow() == Health::Ready
    }

    /// Requests that it likely answers now.
    pub(super) fn load(&self) -> u32 {
        self.load.lock().expect("no panic holds this lock").estimate()
    }

    fn reported(&self, load: u32) {
        let mut known = self.load.lock().expect("no panic holds this lock");
        known.reported = load;
        known.since = 0;
    }

    fn set(&self, health: Health, why: &str) {
        if self.health.send_replace(health) != health {
            let (gateway, health) = (&self.authority, format!("{health:?}").to_lowercase());
            tracing::info!(gateway, health, why, "another gateway");
        }
    }

    /// A connection of its own, which ends with the handle.
    async fn connect(&self) -> Result<(http1::SendRequest<Body>, AbortOnDropHandle<()>), PeerError> {
        let stream = self.connector.open(&self.authority).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(async move {
            // Whoever waits for the answer gets the same error.
            let _ = connection.await;
        });
        Ok((sender, AbortOnDropHandle::new(connection)))
    }

    /// Sends `request`; the answer's head.
    pub(crate) async fn call(self: &Arc<Self>, request: Request<Body>) -> Result<PeerAnswer, PeerError> {
        let counted = {
            let mut load = self.load.lock().expect("no panic holds this lock");
            load.since += 1;
            load.ours += 1;
            Counted(self.clone())
        };
        let connected = tokio::time::timeout(PATIENCE, self.connect()).await;
        let late = || Err(PeerError::Timeout);
        let (mut sender, connection) = connected.unwrap_or_else(|_| late()).inspect_err(|error| {
            self.set(Health::Down, &error.to_string());
        })?;
        let mut health = self.health.subscribe();
        // A probe is sent to a peer that is down; every other call ends when it goes down.
        let alive = *health.borrow_and_update() != Health::Down;
        let response: Response<Incoming> = tokio::select! {
            response = sender.send_request(request) => response?,
            _ = health.wait_for(|health| *health == Health::Down), if alive => return Err(PeerError::Down),
        };
        let (head, body) = response.into_parts();
        let load = head.headers.get(LOAD).and_then(|load| load.to_str().ok()?.parse().ok());
        if let Some(load) = load {
            self.reported(load);
        }
        Ok(PeerAnswer { head, body, connection, counted })
    }

    /// Follows the peer's health for ever.
    pub(super) async fn probe(self: Arc<Self>, class: u32) {
        let mut silent = 0;
        loop {
            match tokio::time::timeout(PROBE_PATIENCE, self.ask()).await.unwrap_or(Err(PeerError::Late)) {
                Ok((status, said)) => {
                    silent = 0;
                    self.heard(status, &said, class);
                }
                Err(error @ (PeerError::Connect(_) | PeerError::Timeout)) => {
                    self.set(Health::Down, &error.to_string())
                }
                Err(error) => {
                    silent += 1;
                    if silent >= SILENT_MAX {
                        self.set(Health::Down, &error.to_string());
                    } else if matches!(error, PeerError::Late) {
                        // It was waited for long enough.
                        continue;
                    }
                }
            }
            tokio::time::sleep(PROBE).await;
        }
    }

    async fn ask(&self) -> Result<(StatusCode, Value), PeerError> {
        let (mut sender, _connection) = self.connect().await?;
        let request = Request::get("/ready").header("host", &self.authority).body(Body::empty());
        let request = request.expect("an authority is a header value");
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = axum::body::to_bytes(Body::new(body), PROBE_BYTES_MAX).await?;
        Ok((head.status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// What an answer to a probe says of the peer.
    fn heard(&self, status: StatusCode, said: &Value, class: u32) {
        if status != StatusCode::OK {
            return self.set(Health::Leaving, "it is not ready");
        }
        if said["class"].as_str() != Some(&class_text(class)) {
            let why = "it gives other answers; give all gateways the same model, dtypes and --kv-dtype";
            return self.set(Health::Down, why);
        }
        if let Some(load) = said["in_flight"].as_u64() {
            self.reported(load.try_into().unwrap_or(u32::MAX));
        }
        self.set(Health::Ready, "it is ready");
    }
}

/// How `GET /ready` writes the class of a gateway's answers.
pub(crate) fn class_text(class: u32) -> String {
    format!("{class:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_load_is_what_the_peer_said_and_what_was_sent_since() {
        let mut load = Load { reported: 3, since: 2, ours: 2 };
        assert_eq!(load.estimate(), 5);
        load.since = -4;
        assert_eq!(load.estimate(), 2, "never less than what is known to run there");
    }

    #[test]
    fn only_a_ready_peer_of_the_same_class_is_used() {
        let connector =
            conclave_transport::Credentials::default().connector(conclave_transport::Role::Gateway);
        let peer = Peer::new("a:1".to_owned(), connector);
        let ready = json!({"status": "ready", "in_flight": 7, "class": "0000000a"});
        assert!(!peer.is_ready(), "not before its first probe");
        peer.heard(StatusCode::OK, &ready, 10);
        assert!(peer.is_ready());
        assert_eq!(peer.load(), 7);
        peer.heard(StatusCode::OK, &ready, 11);
        assert_eq!(*peer.health.borrow(), Health::Down);
        peer.heard(StatusCode::SERVICE_UNAVAILABLE, &json!({}), 10);
        assert_eq!(*peer.health.borrow(), Health::Leaving);
    }
}
