//! What each request asks: prompts, lengths, turns, shared prefixes, cancellations. Pure.
//!
//! Keeps true: what a session asks depends on the seed and its number only, not on who asks it or when.

use crate::prompts::{Prompt, TraceEntry, user};
use crate::random::Random;
use crate::units::Span;
use crate::words::{ANCHOR, Costs};
use clap::ValueEnum;
use serde_json::{Map, Value, json};

/// Where requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Endpoint {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/completions`
    Completions,
}

impl Endpoint {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
        }
    }
}

/// Groups of sessions whose prompts begin with the same tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SharedPrefix {
    pub(crate) groups: u64,
    pub(crate) tokens: u64,
}

/// Clients that leave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cancellation {
    pub(crate) share: f64,
    /// After the request was sent. Unit: seconds.
    pub(crate) after_s: Span,
}

/// Where prompts come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    /// So many tokens, as the server counts them.
    Synthetic(Span),
    /// One after another, from the first again after the last.
    Given(Vec<Prompt>),
    /// One for each session.
    Trace(Vec<TraceEntry>),
}

/// What all requests have in common.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) endpoint: Endpoint,
    pub(crate) model: String,
    pub(crate) source: Source,
    pub(crate) costs: Costs,
    pub(crate) prefix: Option<SharedPrefix>,
    pub(crate) cancellation: Option<Cancellation>,
    pub(crate) max_tokens: Span,
    pub(crate) turns: u32,
    /// Of prompts and draws.
    pub(crate) seed: u64,
    /// Sent along: each request gets another one that depends on this.
    pub(crate) sampling_seed: Option<u64>,
    pub(crate) temperature: Option<f64>,
    pub(crate) ignore_eos: bool,
    /// Further fields of each request.
    pub(crate) extra: Map<String, Value>,
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ask {
    pub(crate) path: &'static str,
    pub(crate) body: Value,
    /// When the client leaves, after the request was sent.
    pub(crate) cancel_after_s: Option<f64>,
}

/// What has been said so far in a session.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    messages: Vec<Value>,
}

impl History {
    /// Takes the answer into the next turn's prompt.
    pub(crate) fn answered(&mut self, text: &str) {
        self.messages.push(json!({"role": "assistant", "content": text}));
    }
}

impl Workload {
    fn random(&self, session: u64, turn: u32) -> Random {
        // Above the streams that schedules use.
        Random::new(self.seed, (session + 1) << 16 | u64::from(turn))
    }

    /// The next request of a session; `history` grows by what it asks.
    pub(crate) fn ask(&self, session: u64, turn: u32, history: &mut History) -> Ask {
        let mut random = self.random(session, turn);
        let mut max_tokens = random.whole(self.max_tokens);
        let prompt = match &self.source {
            Source::Synthetic(tokens) => {
                let tokens = random.whole(*tokens);
                Prompt::Text(self.synthetic(tokens, session, turn, &mut random))
            }
            Source::Given(prompts) => prompts[(session as usize + turn as usize) % prompts.len()].clone(),
            Source::Trace(entries) => {
                let entry = &entries[session as usize % entries.len()];
                max_tokens = entry.output_tokens;
                match &entry.prompt {
                    Some(prompt) => prompt.clone(),
                    None => Prompt::Text(self.synthetic(entry.prompt_tokens, session, turn, &mut random)),
                }
            }
        };
        match prompt {
            Prompt::Text(text) => history.messages.push(user(&text)),
            Prompt::Messages(messages) => history.messages.extend(messages),
        }
        let leaves = self.cancellation.filter(|cancellation| random.unit() < cancellation.share);
        Ask {
            path: self.endpoint.path(),
            body: self.body(&history.messages, max_tokens, session, turn),
            cancel_after_s: leaves.map(|cancellation| random.real(cancellation.after_s)),
        }
    }

    /// A request for the cost of a text: one token.
    pub(crate) fn probe(&self, text: &str) -> Ask {
        let body = self.body(&[user(text)], 1, 0, 0);
        Ask { path: self.endpoint.path(), body, cancel_after_s: None }
    }

    fn synthetic(&self, tokens: u64, session: u64, turn: u32, random: &mut Random) -> String {
        let mut text = ANCHOR.to_owned();
        if let Some(prefix) = self.prefix
            && turn == 0
        {
            let group = Random::new(self.seed, session << 16 | 0xffff).below(prefix.groups);
            text.push_str(&self.costs.text(prefix.tokens, &mut Random::new(self.seed, group << 16 | 0xfffe)));
        }
        text.push_str(&self.costs.text(tokens.saturating_sub(self.costs.base), random));
        text
    }

    fn body(&self, messages: &[Value], max_tokens: u64, session: u64, turn: u32) -> Value {
        let mut body = json!({
            "model": self.model, "stream": true, "stream_options": {"include_usage": true}, "max_tokens": max_tokens,
        });
        match self.endpoint {
            Endpoint::Chat => body["messages"] = json!(messages),
            Endpoint::Completions => {
                let contents = messages.iter().map(|message| message["content"].as_str().unwrap_or_default());
                body["prompt"] = json!(contents.collect::<Vec<_>>().join("\n"));
            }
        }
        if let Some(seed) = self.sampling_seed {
            body["seed"] = json!((seed + session * 64 + u64::from(turn)) & 0x7fff_ffff);
        }
        if let Some(temperature) = self.temperature {
            body["temperature"] = json!(temperature);
        }
        if self.ignore_eos {
            body["ignore_eos"] = json!(true);
        }
        for (key, value) in &self.extra {
            body[key] = value.clone();
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts::exactly;

    fn workload() -> Workload {
        Workload {
            endpoint: Endpoint::Chat,
            model: "m".to_owned(),
            source: Source::Synthetic(exactly(20)),
            costs: Costs::guess(),
            prefix: None,
            cancellation: None,
            max_tokens: exactly(8),
            turns: 1,
            seed: 1,
            sampling_seed: None,
            temperature: None,
            ignore_eos: false,
            extra: Map::new(),
        }
    }

    fn first(workload: &Workload, session: u64) -> Ask {
        workload.ask(session, 0, &mut History::default())
    }

    fn content(ask: &Ask) -> String {
        ask.body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_session_asks_the_same_at_every_time_and_another_something_else() {
        assert_eq!(first(&workload(), 3), first(&workload(), 3));
        assert_ne!(content(&first(&workload(), 3)), content(&first(&workload(), 4)));
        // The base is part of the wanted tokens.
        assert_eq!(content(&first(&workload(), 3)).split_whitespace().count(), 1 + 12);
    }

    #[test]
    fn a_later_turn_contains_the_earlier_ones_and_their_answers() {
        let mut history = History::default();
        let one = content(&workload().ask(0, 0, &mut history));
        history.answered("fine");
        let two = workload().ask(0, 1, &mut history);
        let messages = two.body["messages"].as_array().unwrap();
        assert_eq!((messages.len(), &messages[0]["content"]), (3, &json!(one)));
        assert_eq!(messages[1], json!({"role": "assistant", "content": "fine"}));
        let completions = Workload { endpoint: Endpoint::Completions, ..workload() };
        let prompt = completions.ask(0, 1, &mut history).body["prompt"].as_str().unwrap().to_owned();
        assert!(prompt.starts_with(&one) && prompt.contains("\nfine\n"));
    }

    #[test]
    fn sessions_of_a_group_share_their_beginning_and_nothing_else() {
        let prefix = Some(SharedPrefix { groups: 3, tokens: 50 });
        let workload = Workload { prefix, ..workload() };
        let begin = |session| {
            content(&first(&workload, session)).split_whitespace().take(51).collect::<Vec<_>>().join(" ")
        };
        let begins: std::collections::BTreeSet<String> = (0..60).map(begin).collect();
        assert_eq!(begins.len(), 3);
        let wholes: std::collections::BTreeSet<String> =
            (0..60).map(|session| content(&first(&workload, session))).collect();
        assert_eq!(wholes.len(), 60);
    }

    #[test]
    fn the_wanted_share_of_clients_leaves_within_the_wanted_time() {
        let cancellation = Some(Cancellation { share: 0.3, after_s: Span { from: 0.1, to: 0.2 } });
        let workload = Workload { cancellation, ..workload() };
        let leaves: Vec<f64> =
            (0..1000).filter_map(|session| first(&workload, session).cancel_after_s).collect();
        assert!((250..350).contains(&leaves.len()), "{}", leaves.len());
        assert!(leaves.iter().all(|after| (0.1..0.2).contains(after)));
    }

    #[test]
    fn fields_are_sent_only_when_asked_for() {
        let plain = first(&workload(), 0).body;
        for key in ["seed", "temperature", "ignore_eos"] {
            assert_eq!(plain.get(key), None);
        }
        let extra = json!({"top_k": 3}).as_object().unwrap().clone();
        let body = first(&Workload { ignore_eos: true, sampling_seed: Some(5), extra, ..workload() }, 0).body;
        assert_eq!(
            (&body["ignore_eos"], &body["seed"], &body["top_k"]),
            (&json!(true), &json!(5), &json!(3))
        );
    }

    #[test]
    fn a_trace_says_what_each_session_asks() {
        let entry = |prompt, prompt_tokens| TraceEntry { at_s: 0.0, prompt, prompt_tokens, output_tokens: 7 };
        let source = Source::Trace(vec![entry(Some(Prompt::Text("hi".to_owned())), 0), entry(None, 12)]);
        let workload = Workload { source, ..workload() };
        assert_eq!(
            (content(&first(&workload, 0)).as_str(), &first(&workload, 0).body["max_tokens"]),
            ("hi", &json!(7))
        );
        assert_eq!(content(&first(&workload, 1)).split_whitespace().count(), 1 + 4);
    }
}
