//! The end of a stream that writes server-sent events.
//!
//! Keeps true: every chunk carries the id from which the stream can be resumed after it; what the client of a
//! resumed stream has already is not sent again; a failure before the first event still gets its HTTP status, so
//! that clients retry as they should. Knows no tokens and no JSON of its own.

use super::error::ApiError;
use super::resume::{EventId, beyond_the_end};
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use conclave_types::ErrorCode;
use futures::StreamExt;
use serde_json::Value;
use std::fmt::Write;
use tokio::sync::{mpsc, oneshot};

/// Events that wait for a slow client before the answer waits too.
const EVENTS_MAX: usize = 64;

/// The writing end; every method gives `None` once the client is gone.
pub(crate) struct Outlet {
    sender: mpsc::Sender<Bytes>,
    begun: Option<oneshot::Sender<Result<(), ApiError>>>,
    /// What the client has.
    had: EventId,
    /// Events of each choice so far, those that the client had before included.
    made: Vec<u32>,
}

/// The reading end.
pub(crate) struct Opening {
    receiver: mpsc::Receiver<Bytes>,
    begun: oneshot::Receiver<Result<(), ApiError>>,
}

impl Outlet {
    /// A stream whose client has `had`.
    pub(crate) fn open(had: EventId) -> (Self, Opening) {
        let (sender, receiver) = mpsc::channel(EVENTS_MAX);
        let (begun, begins) = oneshot::channel();
        let made = vec![0; had.events.len()];
        (Self { sender, begun: Some(begun), had, made }, Opening { receiver, begun: begins })
    }

    /// Resolves when the client is gone.
    pub(crate) fn gone(&self) -> impl Future<Output = ()> + use<> {
        let sender = self.sender.clone();
        async move { sender.closed().await }
    }

    /// The next event of `choice`.
    pub(crate) async fn choice(&mut self, choice: u32, chunk: impl FnOnce() -> Value) -> Option<()> {
        let (made, had) = (&mut self.made[choice as usize], &mut self.had.events[choice as usize]);
        *made += 1;
        if *made <= *had {
            return Some(());
        }
        *had = *made;
        self.event(&chunk()).await
    }

    /// The usage, after every choice.
    pub(crate) async fn usage(&mut self, chunk: impl FnOnce() -> Value) -> Option<()> {
        if std::mem::replace(&mut self.had.usage, true) {
            return Some(());
        }
        self.event(&chunk()).await
    }

    async fn event(&mut self, value: &Value) -> Option<()> {
        let mut event = String::with_capacity(512);
        write!(event, "id: {}\ndata: {value}\n\n", self.had).expect("a text takes what is written");
        self.send(event.into()).await
    }

    async fn send(&mut self, event: Bytes) -> Option<()> {
        if let Some(begun) = self.begun.take() {
            begun.send(Ok(())).ok()?;
        }
        self.sender.send(event).await.ok()
    }

    /// The end of a whole answer. An answer that was shorter than the client said is none.
    pub(crate) async fn done(&mut self) -> Option<()> {
        if self.made != self.had.events {
            return self.fail(beyond_the_end()).await;
        }
        self.send(Bytes::from_static(b"data: [DONE]\n\n")).await
    }

    /// The end of an answer that cannot go on. Its event has no id: the last one stays what to resume from.
    pub(crate) async fn fail(&mut self, error: ApiError) -> Option<()> {
        if let Some(begun) = self.begun.take() {
            return begun.send(Err(error)).ok();
        }
        metrics::counter!("conclave_stream_errors_total", "code" => error.code.name()).increment(1);
        self.sender.send(format!("data: {}\n\n", error.body()).into()).await.ok()
    }
}

impl Opening {
    /// The answer, once its first event is there.
    pub(crate) async fn response(self) -> Result<Response, ApiError> {
        let ended = |_| ApiError::new(ErrorCode::Unavailable, "the server is stopping; retry elsewhere");
        self.begun.await.map_err(ended)??;
        let events = tokio_stream::wrappers::ReceiverStream::new(self.receiver);
        Ok(event_stream(Body::from_stream(events.map(Ok::<_, std::convert::Infallible>))))
    }
}

/// `body`, said to be server-sent events.
pub(crate) fn event_stream(body: Body) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::super::resume::AnswerName;
    use super::*;
    use serde_json::json;

    fn had(events: &[u32]) -> EventId {
        let name = AnswerName { nonce: 1, created: 2 };
        EventId { name, check: 3, events: events.to_vec(), usage: false }
    }

    /// What a stream sends that has three events of choice 0, two of choice 1, and its usage.
    async fn sent(had: EventId) -> Result<Vec<String>, ErrorCode> {
        let (mut outlet, mut opening) = Outlet::open(had);
        for (choice, event) in [(0, "a"), (1, "x"), (0, "b"), (1, "y"), (0, "c")] {
            outlet.choice(choice, || json!(event)).await.unwrap();
        }
        outlet.usage(|| json!("usage")).await.unwrap();
        outlet.done().await.unwrap();
        drop(outlet);
        opening.begun.await.unwrap().map_err(|error| error.code)?;
        let mut events = Vec::new();
        while let Some(event) = opening.receiver.recv().await {
            let name = "id: 00000000000000010000000200000003-";
            let event = String::from_utf8(event.to_vec()).unwrap().replace(name, "");
            events.push(event.replace("\ndata: ", " ").trim().to_owned());
        }
        Ok(events)
    }

    #[tokio::test]
    async fn every_chunk_tells_how_much_of_each_choice_came() {
        let whole = [
            r#"1.0 "a""#,
            r#"1.1 "x""#,
            r#"2.1 "b""#,
            r#"2.2 "y""#,
            r#"3.2 "c""#,
            r#"3.2u "usage""#,
            "data: [DONE]",
        ];
        assert_eq!(sent(had(&[0, 0])).await.unwrap(), whole);
    }

    #[tokio::test]
    async fn a_resumed_stream_sends_what_the_client_lacks() {
        let rest = [r#"2.2 "y""#, r#"3.2 "c""#, r#"3.2u "usage""#, "data: [DONE]"];
        assert_eq!(sent(had(&[2, 1])).await.unwrap(), rest);
        let ended = EventId { usage: true, ..had(&[3, 2]) };
        assert_eq!(sent(ended).await.unwrap(), ["data: [DONE]"]);
    }

    #[tokio::test]
    async fn more_events_than_there_are_is_an_error_with_a_status() {
        assert_eq!(sent(EventId { usage: true, ..had(&[4, 2]) }).await, Err(ErrorCode::InvalidRequest));
    }
}
