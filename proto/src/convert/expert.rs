//! Expert calls, answers and refusals.
//!
//! Keeps true: what is decoded from what was encoded is equal; whatever a peer sends gives a value or
//! `ExpertError::Protocol`, never a panic.

use crate::expert::expert_reply::Outcome;
use crate::expert::refusal::Kind;
use crate::expert::{ExpertReply, ExpertRequest, Refusal, RowDtype as WireDtype};
use bytes::{Bytes, BytesMut};
use conclave_expert::{ExpertBatch, ExpertError, ExpertOutput, ExpertRows, Lane, RowDtype, Rows};
use conclave_types::{Digest, ExpertIdx, LayerIdx, PlacementEpoch};
use std::time::Duration;

fn millis(duration: Duration) -> u32 {
    duration.as_millis().clamp(1, u128::from(u32::MAX)) as u32
}

fn digest(bytes: &[u8]) -> Result<Digest, ExpertError> {
    let exact = bytes.try_into();
    exact.map(Digest).map_err(|_| ExpertError::Protocol(format!("a digest of {} bytes", bytes.len())))
}

/// The message of a call.
pub fn request(call_id: u64, batch: &ExpertBatch) -> ExpertRequest {
    let dtype = match batch.rows.dtype {
        RowDtype::F32 => WireDtype::F32,
        RowDtype::Bf16 => WireDtype::Bf16,
        RowDtype::Q8 => WireDtype::Q8,
    };
    ExpertRequest {
        call_id,
        model_digest: batch.model.0.to_vec().into(),
        epoch: batch.epoch.0,
        layer: batch.layer.0,
        deadline_ms: batch.deadline.map_or(0, millis),
        dtype: dtype.into(),
        row_count: batch.rows.count as u32,
        row_width: batch.rows.width as u32,
        rows: batch.rows.data.clone(),
        experts: batch.experts.iter().map(|expert| expert.expert.0).collect(),
        expert_row_counts: batch.experts.iter().map(|expert| expert.rows.len() as u32).collect(),
        row_indices: batch.experts.iter().flat_map(|expert| expert.rows.iter().copied()).collect(),
        traceparent: batch.traceparent.clone(),
        cancel: false,
        reply_bytes_max: 0,
    }
}

/// The call of a message that came in on `lane`; its parts fit each other.
pub fn batch(message: ExpertRequest, lane: Lane) -> Result<ExpertBatch, ExpertError> {
    let dtype = match message.dtype() {
        WireDtype::F32 => RowDtype::F32,
        WireDtype::Bf16 => RowDtype::Bf16,
        WireDtype::Q8 => RowDtype::Q8,
        WireDtype::Unspecified => return Err(ExpertError::Protocol(format!("row dtype {}", message.dtype))),
    };
    if message.experts.len() != message.expert_row_counts.len() {
        let (experts, counts) = (message.experts.len(), message.expert_row_counts.len());
        return Err(ExpertError::Protocol(format!("{experts} experts with {counts} row counts")));
    }
    let mut left = message.row_indices.as_slice();
    let mut experts = Vec::with_capacity(message.experts.len());
    for (expert, count) in message.experts.iter().zip(&message.expert_row_counts) {
        let Some((rows, rest)) = left.split_at_checked(*count as usize) else {
            return Err(ExpertError::Protocol(format!(
                "expert {expert} has {count} rows, {} are left",
                left.len()
            )));
        };
        experts.push(ExpertRows { expert: ExpertIdx(*expert), rows: rows.to_vec() });
        left = rest;
    }
    if !left.is_empty() {
        return Err(ExpertError::Protocol(format!("{} row indices belong to no expert", left.len())));
    }
    let batch = ExpertBatch {
        model: digest(&message.model_digest)?,
        epoch: PlacementEpoch(message.epoch),
        layer: LayerIdx(message.layer),
        lane,
        deadline: (message.deadline_ms > 0).then(|| Duration::from_millis(message.deadline_ms.into())),
        rows: Rows {
            dtype,
            width: message.row_width as usize,
            count: message.row_count as usize,
            data: message.rows,
        },
        experts,
        traceparent: message.traceparent,
    };
    batch.check()?;
    Ok(batch)
}

fn refusal(error: &ExpertError) -> Refusal {
    let mut refusal = Refusal { detail: error.to_string(), ..Refusal::default() };
    refusal.set_kind(match error {
        ExpertError::Stale { .. } => Kind::Stale,
        ExpertError::NotHeld { .. } => Kind::NotHeld,
        ExpertError::Draining => Kind::Draining,
        ExpertError::Busy { .. } => Kind::Busy,
        ExpertError::WrongModel { .. } => Kind::WrongModel,
        ExpertError::Protocol(_) => Kind::Invalid,
        ExpertError::Deadline(_) => Kind::Deadline,
        // A node that cannot reach somebody cannot answer.
        ExpertError::Unreachable(_) | ExpertError::Failed(_) => Kind::Failed,
    });
    match error {
        ExpertError::Stale { have, .. } => refusal.have_epoch = have.0,
        ExpertError::NotHeld { experts, .. } => {
            refusal.experts = experts.iter().map(|expert| expert.0).collect()
        }
        ExpertError::Busy { retry_after } => refusal.retry_after_ms = millis(*retry_after),
        ExpertError::WrongModel { have, .. } => refusal.have_digest = have.0.to_vec().into(),
        ExpertError::Deadline(after) => refusal.retry_after_ms = millis(*after),
        ExpertError::Protocol(why) | ExpertError::Failed(why) => refusal.detail = why.clone(),
        _ => {}
    }
    refusal
}

/// The messages of an answer, with at most `bytes_max` of rows in each; 0: all in one.
pub fn replies(
    call_id: u64,
    result: Result<ExpertOutput, ExpertError>,
    bytes_max: u32,
) -> impl Iterator<Item = ExpertReply> {
    let (mut rest, last) = match result {
        Ok(ExpertOutput { rows, queue_us, compute_us }) => {
            (rows.data, ExpertReply { call_id, queue_us, compute_us, ..ExpertReply::default() })
        }
        Err(error) => {
            let outcome = Some(Outcome::Refusal(refusal(&error)));
            (Bytes::new(), ExpertReply { call_id, outcome, ..ExpertReply::default() })
        }
    };
    let most = if bytes_max == 0 { usize::MAX } else { bytes_max as usize };
    let mut last = Some(last);
    std::iter::from_fn(move || {
        if rest.len() > most {
            let outcome = Some(Outcome::Rows(rest.split_to(most)));
            return Some(ExpertReply { call_id, outcome, more: true, ..ExpertReply::default() });
        }
        let mut reply = last.take()?;
        reply.outcome.get_or_insert_with(|| Outcome::Rows(std::mem::take(&mut rest)));
        Some(reply)
    })
}

/// The replies of one answer as they come, one after the other.
#[derive(Debug)]
pub struct Replies {
    expected: usize,
    rows: BytesMut,
}

impl Replies {
    /// Of the call `asked`.
    pub fn to(asked: &Asked) -> Self {
        Self { expected: asked.bytes(), rows: BytesMut::new() }
    }

    /// Whether to wait for more after `reply`, whose rows are kept then. Of rows that are too many none is kept.
    pub fn wait_after(&mut self, reply: &ExpertReply) -> bool {
        let Some(Outcome::Rows(rows)) = reply.outcome.as_ref().filter(|_| reply.more) else { return false };
        let fit = rows.len() <= self.expected - self.rows.len();
        if fit {
            self.rows.reserve(self.expected - self.rows.len());
            self.rows.extend_from_slice(rows);
        }
        fit
    }

    /// `last` with all rows that came before it.
    pub fn whole(mut self, last: ExpertReply) -> ExpertReply {
        match last.outcome {
            Some(Outcome::Rows(rows)) if !self.rows.is_empty() => {
                self.rows.extend_from_slice(&rows);
                ExpertReply { outcome: Some(Outcome::Rows(self.rows.freeze())), ..last }
            }
            outcome => ExpertReply { outcome, ..last },
        }
    }
}

/// What a caller needs to keep of its call to read the answer.
#[derive(Clone, Debug)]
pub struct Asked {
    dtype: RowDtype,
    width: usize,
    output_rows: usize,
    layer: LayerIdx,
    epoch: PlacementEpoch,
    model: Digest,
}

impl Asked {
    /// Bytes of the answer's rows.
    fn bytes(&self) -> usize {
        self.output_rows * self.dtype.row_bytes(self.width)
    }
}

impl From<&ExpertBatch> for Asked {
    fn from(batch: &ExpertBatch) -> Self {
        Self {
            dtype: batch.rows.dtype,
            width: batch.rows.width,
            output_rows: batch.output_rows(),
            layer: batch.layer,
            epoch: batch.epoch,
            model: batch.model,
        }
    }
}

/// The answer of a message to the call `asked`.
pub fn output(message: ExpertReply, asked: &Asked) -> Result<ExpertOutput, ExpertError> {
    match message.outcome {
        Some(Outcome::Rows(data)) => {
            let expected = asked.bytes();
            if data.len() != expected {
                return Err(ExpertError::Protocol(format!(
                    "{} bytes of rows instead of {expected}",
                    data.len()
                )));
            }
            let rows = Rows { dtype: asked.dtype, width: asked.width, count: asked.output_rows, data };
            Ok(ExpertOutput { rows, queue_us: message.queue_us, compute_us: message.compute_us })
        }
        Some(Outcome::Refusal(refusal)) => Err(refused(refusal, asked)?),
        None => Err(ExpertError::Protocol("a reply without outcome".to_owned())),
    }
}

fn refused(refusal: Refusal, asked: &Asked) -> Result<ExpertError, ExpertError> {
    let after = Duration::from_millis(refusal.retry_after_ms.into());
    Ok(match refusal.kind() {
        Kind::Stale => ExpertError::Stale { have: PlacementEpoch(refusal.have_epoch), want: asked.epoch },
        Kind::NotHeld => {
            let experts = refusal.experts.into_iter().map(ExpertIdx).collect();
            ExpertError::NotHeld { layer: asked.layer, experts }
        }
        Kind::Draining => ExpertError::Draining,
        Kind::Busy => ExpertError::Busy { retry_after: after },
        Kind::WrongModel => {
            ExpertError::WrongModel { have: digest(&refusal.have_digest)?, want: asked.model }
        }
        Kind::Invalid => ExpertError::Protocol(refusal.detail),
        Kind::Deadline => ExpertError::Deadline(after),
        Kind::Failed => ExpertError::Failed(refusal.detail),
        Kind::Unspecified => ExpertError::Protocol(format!("refusal kind {}", refusal.kind)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> ExpertBatch {
        ExpertBatch {
            model: Digest([7; 32]),
            epoch: PlacementEpoch(3),
            layer: LayerIdx(2),
            lane: Lane::Decode,
            deadline: Some(Duration::from_millis(250)),
            rows: Rows::from_f32(RowDtype::Bf16, 2, &[1.0, 2.0, 3.0, 4.0]),
            experts: vec![
                ExpertRows { expert: ExpertIdx(1), rows: vec![0, 1] },
                ExpertRows { expert: ExpertIdx(5), rows: vec![1] },
            ],
            traceparent: String::new(),
        }
    }

    #[test]
    fn a_call_survives_the_wire() {
        assert_eq!(batch(request(9, &call()), Lane::Decode).unwrap(), call());
    }

    #[test]
    fn every_refusal_survives_the_wire() {
        let (digest, layer) = (Digest([8; 32]), LayerIdx(2));
        for error in [
            ExpertError::Stale { have: PlacementEpoch(1), want: PlacementEpoch(3) },
            ExpertError::NotHeld { layer, experts: vec![ExpertIdx(5)] },
            ExpertError::Draining,
            ExpertError::Busy { retry_after: Duration::from_millis(40) },
            ExpertError::WrongModel { have: digest, want: Digest([7; 32]) },
            ExpertError::Protocol("odd".to_owned()),
            ExpertError::Deadline(Duration::from_millis(250)),
            ExpertError::Failed("NaN".to_owned()),
        ] {
            let sent: Vec<ExpertReply> = replies(9, Err(error.clone()), 1).collect();
            assert_eq!(output(received(sent), &Asked::from(&call())), Err(error));
        }
    }

    /// What a caller makes of the replies to [`call`].
    fn received(sent: Vec<ExpertReply>) -> ExpertReply {
        let mut before = Replies::to(&Asked::from(&call()));
        let last = sent.into_iter().find(|reply| !before.wait_after(reply));
        before.whole(last.expect("one reply is the last"))
    }

    fn answer(values: &[f32]) -> ExpertOutput {
        ExpertOutput { rows: Rows::from_f32(RowDtype::Bf16, 2, values), queue_us: 3, compute_us: 4 }
    }

    #[test]
    fn an_answer_in_several_replies_is_the_same_answer() {
        // Three rows of four bytes.
        let whole = answer(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        for (bytes_max, count) in [(0, 1), (12, 1), (8, 2), (4, 3), (5, 3), (1, 12)] {
            let sent: Vec<ExpertReply> = replies(9, Ok(whole.clone()), bytes_max).collect();
            assert_eq!(sent.len(), count, "at most {bytes_max} bytes each");
            assert_eq!(output(received(sent), &Asked::from(&call())), Ok(whole.clone()));
        }
    }

    #[test]
    fn a_node_that_breaks_off_or_never_ends_is_refused() {
        let sent: Vec<ExpertReply> = replies(9, Ok(answer(&[0.0; 6])), 4).collect();
        let failed = replies(9, Err(ExpertError::Failed("NaN".to_owned())), 4).next().unwrap();
        let broken = received(vec![sent[0].clone(), failed]);
        let asked = Asked::from(&call());
        assert_eq!(output(broken, &asked), Err(ExpertError::Failed("NaN".to_owned())));
        let endless = received(vec![sent[0].clone(); 9]);
        assert!(matches!(output(endless, &asked), Err(ExpertError::Protocol(_))));
        let missing = received(vec![sent[0].clone(), sent[2].clone()]);
        assert!(matches!(output(missing, &asked), Err(ExpertError::Protocol(_))));
    }

    #[test]
    fn a_broken_call_is_refused_not_believed() {
        let breaks: [fn(&mut ExpertRequest); 8] = [
            |m| m.dtype = 77,
            |m| m.model_digest = vec![1].into(),
            |m| m.rows = vec![0; 3].into(),
            |m| m.row_count = u32::MAX,
            |m| m.experts = vec![5, 1],
            |m| m.expert_row_counts = vec![3],
            |m| m.expert_row_counts = vec![u32::MAX, 1],
            |m| m.row_indices = vec![0, 1, 9],
        ];
        for (at, broken) in breaks.into_iter().enumerate() {
            let mut message = request(1, &call());
            broken(&mut message);
            assert!(matches!(batch(message, Lane::Decode), Err(ExpertError::Protocol(_))), "break {at}");
        }
    }

    #[test]
    fn an_answer_of_the_wrong_size_is_refused() {
        let short = replies(1, Ok(answer(&[0.0; 4])), 0).collect();
        assert!(matches!(output(received(short), &Asked::from(&call())), Err(ExpertError::Protocol(_))));
    }
}
