//! Prompts and traces from files. Pure: it sees their text, never the file.

use crate::schedule::Arrivals;
use crate::units::Span;
use serde_json::{Value, json};

/// What a request asks, before it becomes one of an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Prompt {
    Text(String),
    /// OpenAI's messages.
    Messages(Vec<Value>),
}

impl Prompt {
    /// `{"prompt": …}` or `{"messages": […]}`.
    fn of(value: &Value) -> Option<Self> {
        match (&value["prompt"], &value["messages"]) {
            (Value::String(text), _) => Some(Self::Text(text.clone())),
            (_, Value::Array(messages)) => Some(Self::Messages(messages.clone())),
            _ => None,
        }
    }
}

/// The prompts of a file: a JSON array in ShareGPT's shape, JSONL of `prompt` or `messages`, or one prompt a line.
pub(crate) fn prompts(text: &str) -> Result<Vec<Prompt>, String> {
    if let Ok(Value::Array(conversations)) = serde_json::from_str(text) {
        let all: Option<Vec<Prompt>> = conversations.iter().filter_map(share_gpt).collect();
        let all = all.ok_or(
            "a conversation has neither `conversations` with from and value, nor prompt, nor messages",
        )?;
        return if all.is_empty() { Err("no conversation begins with a person".to_owned()) } else { Ok(all) };
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let jsonl = lines.first().is_some_and(|line| line.starts_with('{'));
    let prompts: Result<Vec<Prompt>, String> = lines
        .iter()
        .enumerate()
        .map(|(number, line)| match jsonl {
            false => Ok(Prompt::Text((*line).to_owned())),
            true => {
                let value =
                    serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1))?;
                Prompt::of(&value)
                    .ok_or_else(|| format!("line {}: neither `prompt` nor `messages`", number + 1))
            }
        })
        .collect();
    match prompts {
        Ok(prompts) if prompts.is_empty() => Err("it is empty".to_owned()),
        prompts => prompts,
    }
}

/// The first turn of a conversation; `None`: to be left out, `Some(None)`: not understood.
fn share_gpt(value: &Value) -> Option<Option<Prompt>> {
    let Some(turns) = value["conversations"].as_array() else { return Some(Prompt::of(value)) };
    let is_person = |turn: &Value| matches!(turn["from"].as_str(), Some("human" | "user"));
    let first = turns.iter().find(|turn| turn["from"].as_str() != Some("system"))?;
    // Many conversations of such files begin in the middle.
    is_person(first).then(|| first["value"].as_str().map(|text| Prompt::Text(text.to_owned())))
}

/// One request of a trace.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TraceEntry {
    /// Since the first.
    pub(crate) at_s: f64,
    /// `None`: a synthetic prompt of so many tokens.
    pub(crate) prompt: Option<Prompt>,
    pub(crate) prompt_tokens: u64,
    pub(crate) output_tokens: u64,
}

/// A trace in JSONL: `timestamp` in milliseconds, `output_length`, and `input_length`, `prompt` or `messages`.
pub(crate) fn trace(text: &str, speed: f64) -> Result<Vec<TraceEntry>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let entry = |(number, line): (usize, &str)| {
        let at = |problem: String| format!("line {}: {problem}", number + 1);
        let value: Value = serde_json::from_str(line).map_err(|error| at(error.to_string()))?;
        let timestamp = value["timestamp"].as_f64().ok_or_else(|| at("no `timestamp`".to_owned()))?;
        let prompt = Prompt::of(&value);
        let prompt_tokens = value["input_length"].as_u64();
        if prompt.is_none() && prompt_tokens.is_none() {
            return Err(at("neither `input_length` nor `prompt` nor `messages`".to_owned()));
        }
        let output_tokens =
            value["output_length"].as_u64().ok_or_else(|| at("no `output_length`".to_owned()))?;
        Ok(TraceEntry {
            at_s: timestamp / 1e3,
            prompt,
            prompt_tokens: prompt_tokens.unwrap_or(0),
            output_tokens: output_tokens.max(1),
        })
    };
    let mut entries: Vec<TraceEntry> = lines.map(entry).collect::<Result<_, String>>()?;
    entries.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    let first = entries.first().ok_or("it is empty")?.at_s;
    entries.iter_mut().for_each(|entry| entry.at_s = (entry.at_s - first) / speed);
    Ok(entries)
}

/// When an open loop sends.
#[derive(Clone, Debug)]
pub(crate) enum Times {
    Drawn(Arrivals),
    Trace(std::vec::IntoIter<f64>),
}

impl Iterator for Times {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        match self {
            Self::Drawn(arrivals) => arrivals.next(),
            Self::Trace(times) => times.next(),
        }
    }
}

/// A user's message.
pub(crate) fn user(content: &str) -> Value {
    json!({"role": "user", "content": content})
}

/// The fixed lengths of a range for tests and traces.
pub(crate) fn exactly(tokens: u64) -> Span {
    Span { from: tokens as f64, to: tokens as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Prompt {
        Prompt::Text(text.to_owned())
    }

    #[test]
    fn a_file_has_one_prompt_a_line_in_text_or_json() {
        assert_eq!(prompts("one\n\n two\n"), Ok(vec![text("one"), text(" two")]));
        let jsonl = "{\"prompt\":\"one\"}\n{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}\n";
        assert_eq!(prompts(jsonl), Ok(vec![text("one"), Prompt::Messages(vec![user("hi")])]));
        assert!(prompts("{\"prompt\":\"one\"}\n{\"text\":1}").unwrap_err().contains("line 2"));
        assert!(prompts("\n").is_err());
    }

    #[test]
    fn a_share_gpt_file_gives_the_first_words_of_people() {
        let file = r#"[
            {"conversations": [{"from": "human", "value": "one"}, {"from": "gpt", "value": "x"}]},
            {"conversations": [{"from": "gpt", "value": "left out"}, {"from": "human", "value": "x"}]},
            {"conversations": [{"from": "system", "value": "s"}, {"from": "user", "value": "two"}]}
        ]"#;
        assert_eq!(prompts(file), Ok(vec![text("one"), text("two")]));
        assert!(prompts(r#"[{"a": 1}]"#).is_err());
    }

    #[test]
    fn a_trace_begins_at_its_first_request_and_can_be_sped_up() {
        let file = "{\"timestamp\": 3000, \"input_length\": 9, \"output_length\": 4}\n\
                    {\"timestamp\": 1000, \"prompt\": \"hi\", \"output_length\": 0}\n";
        let entries = trace(file, 2.0).unwrap();
        assert_eq!(entries.iter().map(|entry| entry.at_s).collect::<Vec<_>>(), [0.0, 1.0]);
        assert_eq!((&entries[0].prompt, entries[0].output_tokens), (&Some(text("hi")), 1));
        assert_eq!((entries[1].prompt_tokens, entries[1].output_tokens), (9, 4));
        assert!(trace("{\"timestamp\": 1}", 1.0).unwrap_err().contains("input_length"));
        assert!(trace("", 1.0).is_err());
    }
}
