//! gRPC messages in HTTP/2 bodies, without copies of their rows.
//!
//! Keeps true: what is sent is what any gRPC peer sends and reads, up to the order of a message's fields, which protobuf
//! leaves open; long rows leave in a chunk of their own, as they lie in memory, and arrive as a slice of what was read.
//! Through tonic's codec they are copied once on either side, cold, which for sixteen rows takes as long as the way itself.

use crate::MESSAGE_BYTES_MAX;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use conclave_proto::expert::expert_reply::Outcome;
use conclave_proto::expert::{ExpertReply, ExpertRequest};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tonic::Status;
use tonic::codegen::http::HeaderMap;

/// A byte that says whether the message is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// Rows below this are copied: a chunk more costs more.
const APART_BYTES_MIN: usize = 16 << 10;

/// A message with rows.
pub(crate) trait Rowed: prost::Message + Default {
    /// The number of their field.
    const ROWS: u32;
    /// Takes them out; what is left says nothing of them, unless they are empty.
    fn take_rows(&mut self) -> Bytes;
}

impl Rowed for ExpertRequest {
    const ROWS: u32 = 9;

    fn take_rows(&mut self) -> Bytes {
        std::mem::take(&mut self.rows)
    }
}

impl Rowed for ExpertReply {
    const ROWS: u32 = 4;

    fn take_rows(&mut self) -> Bytes {
        match self.outcome.take() {
            Some(Outcome::Rows(rows)) if !rows.is_empty() => rows,
            outcome => {
                self.outcome = outcome;
                Bytes::new()
            }
        }
    }
}

/// The bytes of a message: all of it, or all but its rows, and these.
fn chunks<M: Rowed>(mut message: M) -> (Bytes, Option<Bytes>) {
    let rows = message.take_rows();
    let fields = message.encoded_len();
    let head = if rows.is_empty() { 0 } else { key_len(M::ROWS) + encoded_len_varint(rows.len() as u64) };
    let len = fields + head + rows.len();
    let apart = rows.len() >= APART_BYTES_MIN;
    let mut first = BytesMut::with_capacity(PREFIX_BYTES + if apart { fields + head } else { len });
    first.put_u8(0);
    first.put_u32(u32::try_from(len).expect("MESSAGE_BYTES_MAX is less"));
    message.encode(&mut first).expect("there is room");
    if !rows.is_empty() {
        encode_key(M::ROWS, WireType::LengthDelimited, &mut first);
        encode_varint(rows.len() as u64, &mut first);
    }
    if apart {
        return (first.freeze(), Some(rows));
    }
    first.put(rows);
    (first.freeze(), None)
}

/// The body that sends messages as they come, and then `trailers`.
pub(crate) struct Outgoing<M> {
    messages: mpsc::Receiver<M>,
    rows: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl<M> Outgoing<M> {
    pub(crate) fn new(messages: mpsc::Receiver<M>, trailers: Option<HeaderMap>) -> Self {
        Self { messages, rows: None, trailers }
    }
}

impl<M: Rowed> Body for Outgoing<M> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if let Some(rows) = this.rows.take() {
            return Poll::Ready(Some(Ok(Frame::data(rows))));
        }
        this.messages.poll_recv(context).map(|message| match message {
            Some(message) => {
                let (first, rows) = chunks(message);
                this.rows = rows;
                Some(Ok(Frame::data(first)))
            }
            None => this.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))),
        })
    }
}

/// The messages of a body as they come.
pub(crate) struct Incoming<B> {
    body: B,
    read: Chunks,
    /// Bytes of the next message, once its prefix is there.
    len: Option<usize>,
}

impl<B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin> Incoming<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body, read: Chunks::default(), len: None }
    }

    /// The next message; `None` at an end that the peer meant. May be dropped and called again.
    ///
    /// - Errors: the stream broke off, its peer's status is none of success, or this is no message; nothing follows then.
    pub(crate) async fn next<M: Rowed>(&mut self) -> Result<Option<M>, Status> {
        loop {
            if self.len.is_none() && self.read.remaining() >= PREFIX_BYTES {
                self.len = Some(length(&mut self.read)?);
            }
            if let Some(len) = self.len
                && self.read.remaining() >= len
            {
                self.len = None;
                let message = M::decode((&mut self.read).take(len));
                return message
                    .map(Some)
                    .map_err(|error| Status::internal(format!("this is no message: {error}")));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.read.push(data),
                    Err(frame) => ended(frame.trailers_ref())?,
                },
                Some(Err(error)) => {
                    return Err(Status::unavailable(format!("the stream broke off: {error}")));
                }
                None if self.len.is_none() && !self.read.has_remaining() => return Ok(None),
                None => return Err(Status::internal("the stream ends within a message")),
            }
        }
    }
}

/// Takes a message's prefix: its length.
fn length(read: &mut Chunks) -> Result<usize, Status> {
    if read.get_u8() != 0 {
        return Err(Status::unimplemented("compressed messages are not read"));
    }
    let len = read.get_u32() as usize;
    if len > MESSAGE_BYTES_MAX {
        return Err(Status::out_of_range(format!(
            "a message of {len} bytes, of at most {MESSAGE_BYTES_MAX}"
        )));
    }
    Ok(len)
}

/// Whether headers or trailers say that all is well, or nothing yet.
pub(crate) fn ended(headers: Option<&HeaderMap>) -> Result<(), Status> {
    match headers.and_then(Status::from_header_map) {
        Some(status) if status.code() != tonic::Code::Ok => Err(status),
        _ => Ok(()),
    }
}

/// What was read and not yet taken.
#[derive(Default)]
struct Chunks {
    parts: VecDeque<Bytes>,
    len: usize,
}

impl Chunks {
    fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.len += part.len();
            self.parts.push_back(part);
        }
    }
}

impl Buf for Chunks {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.parts.front().map(|part| &**part).unwrap_or_default()
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.len, "{count} of {} bytes", self.len);
        self.len -= count;
        while count > 0 {
            let part = self.parts.front_mut().expect("`len` counts them");
            let here = count.min(part.len());
            part.advance(here);
            if part.is_empty() {
                self.parts.pop_front();
            }
            count -= here;
        }
    }

    /// A slice where one part holds all of it.
    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        let whole = self.parts.front().and_then(|part| (part.len() >= len).then(|| part.slice(..len)));
        match whole {
            Some(whole) => {
                self.advance(len);
                whole
            }
            None => {
                let mut copy = BytesMut::with_capacity(len);
                copy.put(self.take(len));
                copy.freeze()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use futures::stream;
    use http_body_util::StreamBody;
    use prost::Message;

    const LONG: usize = 3 * APART_BYTES_MIN;

    fn request(call_id: u64, rows: usize) -> ExpertRequest {
        let rows = (0..rows).map(|i| i as u8).collect::<Vec<u8>>().into();
        ExpertRequest {
            call_id,
            model_digest: vec![7; 32].into(),
            layer: 3,
            rows,
            ..ExpertRequest::default()
        }
    }

    fn reply(outcome: Option<Outcome>) -> ExpertReply {
        ExpertReply { call_id: 9, compute_us: 4, outcome, more: true, ..ExpertReply::default() }
    }

    /// All that is sent of `messages`, chunk by chunk.
    fn sent<M: Rowed>(messages: Vec<M>) -> Vec<Bytes> {
        let (sender, receiver) = mpsc::channel(messages.len().max(1));
        messages.into_iter().for_each(|message| sender.try_send(message).expect("there is room"));
        drop(sender);
        let mut body = Outgoing::new(receiver, Some(HeaderMap::new()));
        let frames = std::iter::from_fn(|| block_on(body.frame()));
        frames.filter_map(|frame| frame.unwrap().into_data().ok()).collect()
    }

    /// What is read of `chunks`, up to the first error or the end.
    fn read<M: Rowed>(chunks: Vec<Bytes>) -> (Vec<M>, Option<Status>) {
        let frames = chunks.into_iter().map(|chunk| Ok::<_, Infallible>(Frame::data(chunk)));
        let mut incoming = Incoming::new(StreamBody::new(stream::iter(frames)));
        let mut messages = Vec::new();
        loop {
            match block_on(incoming.next()) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return (messages, None),
                Err(status) => return (messages, Some(status)),
            }
        }
    }

    fn cut(bytes: &Bytes, size: usize) -> Vec<Bytes> {
        bytes.chunks(size).map(|part| bytes.slice_ref(part)).collect()
    }

    #[test]
    fn messages_arrive_however_the_bytes_are_cut() {
        let messages =
            vec![request(1, 0), request(2, 100), request(3, LONG), request(4, APART_BYTES_MIN - 1)];
        let bytes: Bytes = sent(messages.clone()).concat().into();
        for size in [1, 2, 5, 7, 1000, LONG - 1, LONG, bytes.len()] {
            let (arrived, error) = read::<ExpertRequest>(cut(&bytes, size));
            assert_eq!(arrived, messages, "in parts of {size}");
            assert!(error.is_none(), "in parts of {size}: {error:?}");
        }
    }

    #[test]
    fn any_other_peer_reads_and_writes_the_same() {
        let refusal = Outcome::Refusal(conclave_proto::expert::Refusal {
            detail: "no".to_owned(),
            ..Default::default()
        });
        for outcome in [
            None,
            Some(Outcome::Rows(Bytes::new())),
            Some(Outcome::Rows(vec![1; LONG].into())),
            Some(refusal),
        ] {
            let message = reply(outcome);
            let ours = sent(vec![message.clone()]).concat();
            assert_eq!(ExpertReply::decode(&ours[PREFIX_BYTES..]).unwrap(), message);
            assert_eq!(ours.len(), PREFIX_BYTES + message.encoded_len());
            let mut theirs = vec![0; PREFIX_BYTES];
            theirs[1..].copy_from_slice(&(message.encoded_len() as u32).to_be_bytes());
            message.encode(&mut theirs).unwrap();
            assert_eq!(read::<ExpertReply>(vec![theirs.into()]).0, [message]);
        }
    }

    #[test]
    fn long_rows_are_copied_on_neither_side() {
        let rows = Bytes::from(vec![1; LONG]);
        let chunks = sent(vec![reply(Some(Outcome::Rows(rows.clone())))]);
        assert_eq!(chunks.len(), 2);
        assert_eq!(chunks[1].as_ptr(), rows.as_ptr());
        let (arrived, _) = read::<ExpertReply>(chunks);
        let Some(Outcome::Rows(read)) = &arrived[0].outcome else { panic!("{arrived:?}") };
        assert_eq!(read.as_ptr(), rows.as_ptr());
        assert_eq!(sent(vec![request(1, 100)]).len(), 1, "a chunk for each would cost more");
    }

    #[test]
    fn what_is_no_message_ends_the_stream_with_a_reason() {
        let whole = sent(vec![request(1, 100)]).concat();
        let broken = |change: fn(&mut Vec<u8>)| {
            let mut bytes = whole.clone();
            change(&mut bytes);
            let (messages, error) = read::<ExpertRequest>(vec![bytes.into()]);
            assert_eq!(messages, []);
            error.expect("it is no message").code()
        };
        assert_eq!(broken(|bytes| bytes[0] = 1), tonic::Code::Unimplemented);
        assert_eq!(broken(|bytes| bytes[1] = 0xff), tonic::Code::OutOfRange);
        assert_eq!(broken(|bytes| bytes.truncate(bytes.len() - 1)), tonic::Code::Internal);
        assert_eq!(broken(|bytes| bytes.truncate(3)), tonic::Code::Internal);
        assert_eq!(broken(|bytes| bytes[PREFIX_BYTES] = 0xff), tonic::Code::Internal);
    }

    #[test]
    fn a_peer_that_says_why_it_ends_is_heard() {
        let trailers = Status::resource_exhausted("enough").into_http::<()>().headers().clone();
        let frames = [Ok::<_, Infallible>(Frame::trailers(trailers))];
        let mut incoming = Incoming::new(StreamBody::new(stream::iter(frames)));
        let status = block_on(incoming.next::<ExpertReply>()).unwrap_err();
        assert_eq!((status.code(), status.message()), (tonic::Code::ResourceExhausted, "enough"));
    }
}
