//! Bodies of requests, read whole, and what they may take of this process's memory.
//!
//! Keeps true: all bodies together, those that are still arriving included, hold at most so many bytes; a body counts from
//! its first byte until it is dropped, and what has not arrived counts for nothing, so that slow clients keep nobody out.

use super::ApiState;
use super::error::ApiError;
use axum::body::HttpBody;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use conclave_types::ErrorCode;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The room for bodies.
pub(crate) struct Bodies {
    /// A permit a byte.
    free: Arc<Semaphore>,
    bytes_max: usize,
    /// Largest body of one request. Unit: bytes.
    one_max: usize,
}

impl Bodies {
    /// Room for `bytes_max` in all, and `one_max` for each.
    pub(crate) fn new(bytes_max: usize, one_max: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(bytes_max)), bytes_max, one_max }
    }

    /// Bytes that are held.
    pub(crate) fn held(&self) -> usize {
        self.bytes_max - self.free.available_permits()
    }

    fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let room = self.free.clone().try_acquire_many_owned(u32::try_from(bytes).unwrap_or(u32::MAX));
        room.map_err(|_| {
            let why = format!(
                "the requests at hand hold {} of at most {} bytes (bodies_bytes_max); retry later",
                self.held(),
                self.bytes_max
            );
            ApiError::new(ErrorCode::QueueFull, why)
        })
    }

    /// Reads all of `body`.
    async fn read(&self, mut body: axum::body::Body) -> Result<Body, ApiError> {
        let mut room = self.room(0)?;
        let mut read = BytesMut::new();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let frame = frame.map_err(|error| {
                ApiError::new(ErrorCode::InvalidRequest, format!("the body could not be read: {error}"))
            })?;
            let Ok(data) = frame.into_data() else { continue };
            if read.len() + data.len() > self.one_max {
                return Err(large());
            }
            room.merge(self.room(data.len())?);
            read.extend_from_slice(&data);
        }
        Ok(Body { bytes: read.freeze(), room: Arc::new(room) })
    }
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

fn large() -> ApiError {
    ApiError::new(ErrorCode::RequestTooLarge, "the body is larger than this server takes")
}

/// A body that has been read; clones share it.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    #[expect(dead_code, reason = "held, not read")]
    room: Arc<OwnedSemaphorePermit>,
}

/// A body that says it is JSON, read whole within the limits.
pub(crate) struct Json(pub(crate) Body);

impl FromRequest<Arc<ApiState>> for Json {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<ApiState>) -> Result<Self, ApiError> {
        let kind = header(&request, "content-type").unwrap_or_default();
        if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
            let why = format!("the content type is `{kind}`; send application/json");
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, why));
        }
        let length = header(&request, "content-length").and_then(|value| value.parse().ok());
        if length.is_some_and(|length: usize| length > state.bodies.one_max) {
            return Err(large());
        }
        match tokio::time::timeout(BODY_TIMEOUT, state.bodies.read(request.into_body())).await {
            Ok(Ok(body)) => Ok(Self(body)),
            Ok(Err(error)) if error.code == ErrorCode::QueueFull => Err(state.later(error)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ApiError::new(
                ErrorCode::RequestTimeout,
                "the body did not arrive in time; send it again",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bodies: &Bodies, bytes: usize) -> Result<Body, ErrorCode> {
        let half = || Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; bytes / 2]));
        let body = axum::body::Body::from_stream(futures::stream::iter([half(), half()]));
        futures::executor::block_on(bodies.read(body)).map_err(|error| error.code)
    }

    #[test]
    fn all_bodies_together_are_bounded_until_they_are_dropped() {
        let bodies = Bodies::new(100, 60);
        let first = read(&bodies, 60).unwrap();
        assert_eq!((first.bytes.len(), bodies.held()), (60, 60));
        assert_eq!(read(&bodies, 62).err(), Some(ErrorCode::RequestTooLarge));
        assert_eq!(read(&bodies, 42).err(), Some(ErrorCode::QueueFull));
        assert_eq!(bodies.held(), 60, "what was refused holds nothing");
        let second = first.clone();
        drop(first);
        assert_eq!(bodies.held(), 60, "the other still has it");
        drop(second);
        assert_eq!(read(&bodies, 42).map(|body| body.bytes.len()).ok(), Some(42));
        assert_eq!(bodies.held(), 0);
    }
}
