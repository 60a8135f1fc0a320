//! A stream of server-sent events cut into whole events.
//!
//! Keeps true: what comes out, joined, is what went in, up to the last whole event. Reads of an event only what a
//! gateway needs that passes it on.

use bytes::{Bytes, BytesMut};

/// The most that may come without an end of an event; more is no stream of ours.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// Collects bytes until an event is whole.
#[derive(Default)]
pub(crate) struct EventSplitter {
    buffer: BytesMut,
    /// How much of the buffer holds no end of an event.
    seen: usize,
}

/// One event as it came, its empty line included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event(pub(crate) Bytes);

impl EventSplitter {
    /// Takes the next bytes.
    ///
    /// - Errors: an event is too long.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), ()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() > EVENT_BYTES_MAX { Err(()) } else { Ok(()) }
    }

    /// The next whole event.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let from = self.seen.saturating_sub(1);
        match self.buffer[from..].windows(2).position(|two| two == b"\n\n") {
            Some(at) => {
                self.seen = 0;
                Some(Event(self.buffer.split_to(from + at + 2).freeze()))
            }
            None => {
                self.seen = self.buffer.len();
                None
            }
        }
    }
}

impl Event {
    fn field(&self, name: &str) -> Option<&[u8]> {
        self.0.split(|byte| *byte == b'\n').find_map(|line| {
            line.strip_prefix(name.as_bytes())?.strip_prefix(b":").map(|value| value.trim_ascii_start())
        })
    }

    /// Its id, from which the stream can be resumed.
    pub(crate) fn id(&self) -> Option<&[u8]> {
        self.field("id")
    }

    /// Whether it is the last one of a whole stream.
    pub(crate) fn is_done(&self) -> bool {
        self.field("data") == Some(b"[DONE]")
    }

    /// The code of the error that it is.
    pub(crate) fn error_code(&self) -> Option<String> {
        // Chunks have ids and errors have none: no chunk is parsed.
        if self.id().is_some() {
            return None;
        }
        let value: serde_json::Value = serde_json::from_slice(self.field("data")?).ok()?;
        value["error"]["code"].as_str().map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_event_tells_its_id_its_error_and_the_end() {
        let event = |text: &'static str| Event(Bytes::from_static(text.as_bytes()));
        let chunk = event("id: ab-1\ndata: {\"error\":{\"code\":\"x\"}}\n\n");
        assert_eq!((chunk.id(), chunk.error_code(), chunk.is_done()), (Some(&b"ab-1"[..]), None, false));
        let error = event("data: {\"error\":{\"code\":\"unavailable\"}}\n\n");
        assert_eq!((error.id(), error.error_code()), (None, Some("unavailable".to_owned())));
        let done = event("data: [DONE]\n\n");
        assert_eq!((done.error_code(), done.is_done()), (None, true));
    }

    proptest! {
        #[test]
        fn events_come_out_whole_however_the_bytes_arrive(
            events in prop::collection::vec("id: [a-f0-9]{1,9}\ndata: [ -~]{0,20}\n\n", 0..8),
            rest in "[ -~]{0,10}\n?",
            size in 1_usize..40,
        ) {
            let text = events.concat() + &rest;
            let mut splitter = EventSplitter::default();
            let mut found = Vec::new();
            for part in text.as_bytes().chunks(size) {
                splitter.push(part).unwrap();
                while let Some(event) = splitter.next() {
                    found.push(String::from_utf8(event.0.to_vec()).unwrap());
                }
            }
            prop_assert_eq!(found, events);
        }
    }
}
