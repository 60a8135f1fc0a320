//! One request from its schedule to its end, and the times that are derived from it. Pure.
//!
//! Keeps true: every time is in seconds since the test began, on one clock; nothing here holds a prompt or an answer.

use serde_json::{Value, json};

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FailureKind {
    /// No connection.
    Connect,
    /// Not done within the time limit.
    Timeout,
    /// A status that is not 200.
    Http,
    /// The stream ended before the answer did.
    Stream,
    /// The server said in the stream that something went wrong.
    Event,
    /// An answer that is not what the protocol promises.
    Protocol,
}

impl FailureKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Http => "http",
            Self::Stream => "stream",
            Self::Event => "event",
            Self::Protocol => "protocol",
        }
    }
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// HTTP status and the error's code, as far as they are known.
    pub(crate) code: String,
    pub(crate) message: String,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Status {
    /// The whole answer came.
    Ok,
    /// The client closed the connection, as the test demanded.
    Cancelled,
    /// The server had no room: 429, or 503 with Retry-After.
    Refused { code: u16, retry_after_s: Option<f64> },
    /// Something went wrong.
    Failed(Failure),
    /// The test ended before the request did.
    Unfinished,
}

impl Status {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Cancelled => "cancelled",
            Self::Refused { .. } => "refused",
            Self::Failed(_) => "failed",
            Self::Unfinished => "unfinished",
        }
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// In the order of sending.
    pub(crate) id: u64,
    /// The level of a sweep; 0 without one.
    pub(crate) level: usize,
    pub(crate) session: u64,
    /// From 0, within the session.
    pub(crate) turn: u32,
    /// When it should have been sent; closed loop: when it was.
    pub(crate) scheduled_s: f64,
    pub(crate) sent_s: f64,
    /// When each chunk with text came.
    pub(crate) arrivals_s: Vec<f64>,
    pub(crate) done_s: f64,
    /// As the server counts.
    pub(crate) prompt_tokens: Option<u64>,
    /// As the server counts; `None`: chunks are counted.
    pub(crate) usage_tokens: Option<u64>,
    pub(crate) status: Status,
}

impl Record {
    pub(crate) fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }

    /// Tokens of the answer.
    pub(crate) fn output_tokens(&self) -> u64 {
        self.usage_tokens.unwrap_or(self.arrivals_s.len() as u64)
    }

    pub(crate) fn first_s(&self) -> Option<f64> {
        self.arrivals_s.first().copied()
    }

    /// Time to the first token, from the scheduled send.
    pub(crate) fn ttft_s(&self) -> Option<f64> {
        Some(self.first_s()? - self.scheduled_s)
    }

    /// The whole time, from the scheduled send.
    pub(crate) fn e2e_s(&self) -> f64 {
        self.done_s - self.scheduled_s
    }

    /// Time per output token after the first; `None` if there is no second.
    pub(crate) fn tpot_s(&self) -> Option<f64> {
        let tokens = self.output_tokens();
        (tokens > 1).then_some(())?;
        Some((self.e2e_s() - self.ttft_s()?) / (tokens - 1) as f64)
    }

    /// The whole time per output token.
    pub(crate) fn ntpot_s(&self) -> Option<f64> {
        let tokens = self.output_tokens();
        (tokens > 0).then(|| self.e2e_s() / tokens as f64)
    }

    /// Gaps between chunks.
    pub(crate) fn itl_s(&self) -> impl Iterator<Item = f64> {
        self.arrivals_s.windows(2).map(|pair| pair[1] - pair[0])
    }

    /// Output tokens that came in `from_s..to_s`. A chunk counts for as many tokens as the answer has per chunk.
    pub(crate) fn tokens_within(&self, from_s: f64, to_s: f64) -> f64 {
        let within = self.arrivals_s.iter().filter(|at| (from_s..to_s).contains(*at)).count();
        within as f64 * self.tokens_per_chunk()
    }

    pub(crate) fn tokens_per_chunk(&self) -> f64 {
        match self.usage_tokens {
            Some(tokens) if !self.arrivals_s.is_empty() => tokens as f64 / self.arrivals_s.len() as f64,
            _ => 1.0,
        }
    }

    /// For programs: times to the microsecond.
    pub(crate) fn json(&self) -> Value {
        let micro = |seconds: f64| (seconds * 1e6).round() / 1e6;
        let itl: Vec<f64> = self.itl_s().map(|gap| (gap * 1e6).round() / 1e3).collect();
        let mut value = json!({
            "id": self.id, "level": self.level, "session": self.session, "turn": self.turn,
            "status": self.status.name(),
            "scheduled_s": micro(self.scheduled_s), "sent_s": micro(self.sent_s),
            "first_s": self.first_s().map(micro), "done_s": micro(self.done_s),
            "prompt_tokens": self.prompt_tokens, "output_tokens": self.output_tokens(),
            "tokens_counted_by": if self.usage_tokens.is_some() { "usage" } else { "chunks" },
            "itl_ms": itl,
        });
        match &self.status {
            Status::Refused { code, retry_after_s } => {
                value["refused"] = json!({"code": code, "retry_after_s": retry_after_s});
            }
            Status::Failed(failure) => {
                value["failure"] =
                    json!({"kind": failure.kind.name(), "code": failure.code, "message": failure.message});
            }
            Status::Ok | Status::Cancelled | Status::Unfinished => {}
        }
        value
    }
}

/// Records made by hand, for tests.
#[cfg(test)]
pub(crate) mod made {
    use super::*;

    /// An answered request: sent at `sent_s`, a token at each of `arrivals_s`, done with the last.
    pub(crate) fn answered(id: u64, sent_s: f64, arrivals_s: &[f64]) -> Record {
        Record {
            id,
            level: 0,
            session: id,
            turn: 0,
            scheduled_s: sent_s,
            sent_s,
            arrivals_s: arrivals_s.to_vec(),
            done_s: *arrivals_s.last().unwrap(),
            prompt_tokens: Some(10),
            usage_tokens: Some(arrivals_s.len() as u64),
            status: Status::Ok,
        }
    }

    /// A request that ended so at `done_s`, without a token.
    pub(crate) fn ended(id: u64, sent_s: f64, done_s: f64, status: Status) -> Record {
        let record = answered(id, sent_s, &[done_s]);
        Record { arrivals_s: Vec::new(), usage_tokens: None, prompt_tokens: None, status, ..record }
    }

    pub(crate) fn failed(kind: FailureKind, code: &str, message: &str) -> Status {
        Status::Failed(Failure { kind, code: code.to_owned(), message: message.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::made::*;
    use super::*;

    #[test]
    fn times_follow_their_definitions() {
        let record = answered(0, 1.0, &[1.5, 1.6, 1.9]);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
        near(record.ttft_s().unwrap(), 0.5);
        near(record.e2e_s(), 0.9);
        near(record.tpot_s().unwrap(), 0.2);
        near(record.ntpot_s().unwrap(), 0.3);
        let gaps: Vec<f64> = record.itl_s().collect();
        near(gaps[0], 0.1);
        near(gaps[1], 0.3);
    }

    #[test]
    fn an_open_loop_counts_from_the_scheduled_time() {
        let late = Record { scheduled_s: 0.25, ..answered(0, 1.0, &[1.5, 2.0]) };
        assert_eq!((late.ttft_s(), late.e2e_s()), (Some(1.25), 1.75));
    }

    #[test]
    fn usage_counts_tokens_and_chunks_only_stand_in_for_it() {
        let merged = Record { usage_tokens: Some(6), ..answered(0, 0.0, &[1.0, 2.0, 3.0]) };
        assert_eq!((merged.output_tokens(), merged.tokens_within(0.0, 2.5)), (6, 4.0));
        let counted = Record { usage_tokens: None, ..merged };
        assert_eq!((counted.output_tokens(), counted.tokens_within(0.0, 2.5)), (3, 2.0));
        assert_eq!(counted.json()["tokens_counted_by"], "chunks");
    }

    #[test]
    fn one_token_has_no_time_between_tokens() {
        let one = answered(0, 0.0, &[1.0]);
        assert_eq!((one.tpot_s(), one.itl_s().count(), one.ntpot_s()), (None, 0, Some(1.0)));
    }
}
