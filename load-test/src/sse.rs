//! Server-sent events from bytes as they arrive. Pure.
//!
//! Keeps true: how the bytes are cut into reads changes nothing.

/// The unfinished part of a stream.
#[derive(Debug, Default)]
pub(crate) struct Sse {
    /// Of the line that has not ended yet.
    line: Vec<u8>,
    /// Of the event that has not ended yet.
    data: Vec<u8>,
}

impl Sse {
    /// Takes what arrived; `on_event` sees the data of each event that it completes.
    pub(crate) fn push(&mut self, bytes: &[u8], mut on_event: impl FnMut(&[u8])) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
            if line.is_empty() {
                if !self.data.is_empty() {
                    on_event(&self.data);
                    self.data.clear();
                }
            } else if let Some(data) = line.strip_prefix(b"data:") {
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
            }
            self.line.clear();
        }
        self.line.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(reads: &[&[u8]]) -> Vec<String> {
        let (mut sse, mut events) = (Sse::default(), Vec::new());
        for read in reads {
            sse.push(read, |data| events.push(String::from_utf8(data.to_vec()).unwrap()));
        }
        events
    }

    #[test]
    fn several_events_in_one_read_and_one_in_several_are_the_same() {
        let stream =
            b": hello\r\ndata: {\"a\":1}\r\n\r\nevent: x\ndata:two\ndata: lines\n\n\n\ndata: [DONE]\n\n";
        let whole = events(&[stream]);
        assert_eq!(whole, ["{\"a\":1}", "two\nlines", "[DONE]"]);
        for size in 1..stream.len() {
            assert_eq!(events(&stream.chunks(size).collect::<Vec<_>>()), whole, "reads of {size} bytes");
        }
    }

    #[test]
    fn an_event_that_has_not_ended_is_none() {
        assert!(events(&[b"data: x\n"]).is_empty());
    }
}
