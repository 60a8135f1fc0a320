//! Event ids: how a lost stream is found again, at any gateway.
//!
//! Keeps true: an id and the request's body are all that a replay needs; an id that does not fit the request is
//! refused, never guessed at. Generates nothing: who resumes runs the request from its start and leaves out what
//! the client has.

use super::error::ApiError;
use super::generate::Job;
use super::{ApiState, now_seconds};
use axum::http::HeaderMap;
use conclave_types::Digest;
use std::fmt;
use std::str::FromStr;

/// The header in which a client names the last event it got.
pub(crate) const LAST_EVENT_ID: &str = "last-event-id";

/// The name that one answer has on every gateway, whoever goes on with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnswerName {
    /// The digits of the answer's `id`, and the seed of a request that names none.
    pub(crate) nonce: u64,
    /// `created`. Unit: seconds since 1970; the 32 bits last until 2106.
    pub(crate) created: u32,
}

/// What the client has of a stream: in text `NAME-C0.C1...`, with a `u` at the end once it has the usage.
///
/// NAME is nonce, time and check in hexadecimal; C0, C1, ... count the events of each choice, because how the
/// choices interleave depends on timing and is not replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventId {
    pub(crate) name: AnswerName,
    /// Digest of what the stream is a function of, so that no other request goes on with it by mistake.
    pub(crate) check: u32,
    /// Events of each choice.
    pub(crate) events: Vec<u32>,
    /// Whether the usage was sent.
    pub(crate) usage: bool,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:08x}{:08x}", self.name.nonce, self.name.created, self.check)?;
        for (choice, events) in self.events.iter().enumerate() {
            write!(f, "{}{events}", if choice == 0 { '-' } else { '.' })?;
        }
        f.write_str(if self.usage { "u" } else { "" })
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (name, events) = text.split_once('-').ok_or(())?;
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if name.len() != 32 || !name.bytes().all(digit) {
            return Err(());
        }
        let number = |at: std::ops::Range<usize>| u64::from_str_radix(&name[at], 16).map_err(|_| ());
        let (events, usage) = events.strip_suffix('u').map_or((events, false), |events| (events, true));
        // `parse` alone would take a sign.
        let count = |text: &str| if text.starts_with('+') { Err(()) } else { text.parse().map_err(|_| ()) };
        Ok(Self {
            name: AnswerName { nonce: number(0..16)?, created: number(16..24)? as u32 },
            check: number(24..32)? as u32,
            events: events.split('.').map(count).collect::<Result<_, _>>()?,
            usage,
        })
    }
}

/// Where an answer begins: at its start, or after the events that the client has.
#[derive(Clone, Debug)]
pub(crate) struct Begin {
    pub(crate) name: AnswerName,
    after: Option<EventId>,
}

fn refusal(why: &str) -> ApiError {
    let what = "send the id of the last event you got as it came, with the body of the request that it \
                answered, or leave the header out to begin anew";
    ApiError::value("Last-Event-ID", format!("`Last-Event-ID` {why}; {what}"))
}

impl Begin {
    /// What the headers of a request say.
    pub(crate) fn of(headers: &HeaderMap, state: &ApiState) -> Result<Self, ApiError> {
        // Event sources send an empty id when they have seen none.
        let Some(id) = headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()) else {
            let name = AnswerName { nonce: state.fresh(), created: now_seconds() as u32 };
            return Ok(Self { name, after: None });
        };
        let id = id.to_str().ok().and_then(|id| id.parse::<EventId>().ok());
        let id = id.ok_or_else(|| refusal("is no event id of this API"))?;
        Ok(Self { name: id.name, after: Some(id) })
    }

    /// Whether the client has a part of the answer already.
    pub(crate) fn resumes(&self) -> bool {
        self.after.is_some()
    }

    /// What the client of `job` has; its events come after.
    ///
    /// - Errors: the id belongs to another request, or claims what no answer can have.
    pub(crate) fn had(&self, check: u32, job: &Job) -> Result<EventId, ApiError> {
        let Some(id) = &self.after else {
            let events = vec![0; job.common.n as usize];
            return Ok(EventId { name: self.name, check, events, usage: false });
        };
        if !job.common.stream {
            return Err(refusal("is for streams, and `stream` is not true"));
        }
        if id.check != check {
            return Err(refusal("belongs to another request or another model"));
        }
        // One event before the first token and one after the last.
        let most = job.tokens_max.saturating_add(2);
        if id.events.len() != job.common.n as usize || id.events.iter().any(|events| *events > most) {
            return Err(refusal("counts events that this answer cannot have"));
        }
        Ok(id.clone())
    }
}

/// The client claims more events than the answer has.
pub(crate) fn beyond_the_end() -> ApiError {
    refusal("counts more events than this answer has")
}

/// Digest of all that the events of a stream are a function of.
///
/// - `class`: what does not come with the request, see [`ApiState::class`]; `object`: the endpoint's.
pub(crate) fn check(class: u32, object: &str, job: &Job) -> u32 {
    let Job { common, prompt, tokens_max, logprobs, .. } = job;
    // By `Debug`, so that no parameter to come can be forgotten here.
    let mut text = format!(
        "{class} {object} {tokens_max} {logprobs:?} {} {} {:?} {:?}\n",
        common.n, common.ignore_eos, common.stop, common.sampling
    )
    .into_bytes();
    prompt.iter().for_each(|token| text.extend(token.0.to_le_bytes()));
    short(&Digest::of(&text))
}

/// The first 32 bits of a digest: enough against mistakes, not against malice.
pub(crate) fn short(digest: &Digest) -> u32 {
    let [a, b, c, d, ..] = digest.0;
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(events: &[u32], usage: bool) -> EventId {
        let name = AnswerName { nonce: 0x5eed, created: 0x6744_ab12 };
        EventId { name, check: 0x9c1d_2e3f, events: events.to_vec(), usage }
    }

    #[test]
    fn an_id_is_the_answers_name_and_a_count_for_each_choice() {
        assert_eq!(id(&[12], false).to_string(), "0000000000005eed6744ab129c1d2e3f-12");
        assert_eq!(id(&[3, 0, 7], true).to_string(), "0000000000005eed6744ab129c1d2e3f-3.0.7u");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let name = "0000000000005eed6744ab129c1d2e3f";
        let broken = [
            String::new(),
            "-".to_owned(),
            "12".to_owned(),
            name.to_owned(),
            format!("{name}-"),
            format!("{name}-u"),
            format!("{name}-1."),
            format!("{name}-1.x"),
            format!("{name}-+1"),
            format!("{name}--1"),
            format!("{name}-1uu"),
            format!("{name}-99999999999"),
            format!("{}-1", name.to_uppercase()),
            format!("{name}0-1"),
            "é".repeat(16) + "-1",
        ];
        for text in broken {
            assert!(text.parse::<EventId>().is_err(), "`{text}` was taken");
        }
    }

    proptest! {
        #[test]
        fn an_id_survives_its_text(
            nonce: u64, created: u32, check: u32, usage: bool,
            events in prop::collection::vec(any::<u32>(), 1..17),
        ) {
            let id = EventId { name: AnswerName { nonce, created }, check, events, usage };
            prop_assert_eq!(id.to_string().parse::<EventId>(), Ok(id));
        }
    }
}
