//! What one event of a streamed answer says, for both endpoints. Pure.

use serde::Deserialize;
use serde_json::Value;

/// Tokens as the server counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Usage {
    #[serde(default)]
    pub(crate) prompt_tokens: u64,
    #[serde(default)]
    pub(crate) completion_tokens: u64,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    text: Option<String>,
    delta: Option<Delta>,
    finish_reason: Option<Value>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
    // Two names of the same thing, among servers that let a model think.
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    tool_calls: Option<Value>,
}

/// An error's code and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErrorBody {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// Longer messages are cut: they go into reports.
const MESSAGE_MAX: usize = 200;

impl ErrorBody {
    /// Of the `error` of an answer or event, whatever its shape.
    pub(crate) fn of(error: &Value) -> Self {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let code = [&error["code"], &error["type"]].into_iter().map(text).find(|code| !code.is_empty());
        let message = if error["message"].is_null() { text(error) } else { text(&error["message"]) };
        Self { code: code.unwrap_or_default(), message: message.chars().take(MESSAGE_MAX).collect() }
    }

    /// Of the body of an answer that is not 200.
    pub(crate) fn of_body(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) if !value["error"].is_null() => Self::of(&value["error"]),
            Ok(value) => Self::of(&value),
            Err(_) => {
                let message = String::from_utf8_lossy(body).chars().take(MESSAGE_MAX).collect();
                Self { code: String::new(), message }
            }
        }
    }
}

/// What one event says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Chunk {
    /// Text that the model wrote; thinking and tool calls too.
    pub(crate) text: String,
    /// Whether a token came: some text, or a piece of a tool call.
    pub(crate) has_token: bool,
    pub(crate) finished: bool,
    pub(crate) usage: Option<Usage>,
    pub(crate) error: Option<ErrorBody>,
}

impl Chunk {
    /// `None`: this is no JSON of the protocol.
    pub(crate) fn of(data: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(data).ok()?;
        let mut chunk =
            Self { usage: wire.usage, error: wire.error.as_ref().map(ErrorBody::of), ..Self::default() };
        for choice in wire.choices {
            chunk.finished |= choice.finish_reason.is_some_and(|reason| !reason.is_null());
            chunk.text.extend(choice.text);
            if let Some(delta) = choice.delta {
                chunk.text.extend(
                    [delta.reasoning_content.or(delta.reasoning), delta.content].into_iter().flatten(),
                );
                let calls =
                    delta.tool_calls.and_then(|calls| calls.as_array().map(|calls| !calls.is_empty()));
                chunk.has_token |= calls.unwrap_or(false);
            }
        }
        chunk.has_token |= !chunk.text.is_empty();
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_in_every_dialect() {
        let cases = [
            (r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#, "", false),
            (r#"{"choices":[{"delta":{"content":"a"},"finish_reason":null}],"usage":null}"#, "a", true),
            (r#"{"choices":[{"delta":{"reasoning_content":"b"}}]}"#, "b", true),
            (r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#, "", true),
            (r#"{"choices":[{"text":"c"}]}"#, "c", true),
            (r#"{"choices":[{"text":"","finish_reason":"length"}]}"#, "", false),
        ];
        for (data, text, has_token) in cases {
            let chunk = Chunk::of(data.as_bytes()).unwrap();
            assert_eq!((chunk.text.as_str(), chunk.has_token), (text, has_token), "{data}");
            assert_eq!(chunk.finished, data.contains("length"), "{data}");
        }
        assert_eq!(Chunk::of(b"[1"), None);
    }

    #[test]
    fn the_usage_chunk_has_no_choices() {
        let chunk =
            Chunk::of(br#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7}}"#).unwrap();
        assert_eq!(chunk.usage, Some(Usage { prompt_tokens: 5, completion_tokens: 7 }));
    }

    #[test]
    fn errors_have_a_code_and_a_message_whatever_their_shape() {
        let error = |body: &str| {
            let ErrorBody { code, message } = ErrorBody::of_body(body.as_bytes());
            (code, message)
        };
        let pair = |code: &str, message: &str| (code.to_owned(), message.to_owned());
        assert_eq!(
            error(r#"{"error":{"code":"queue_full","type":"x","message":"m"}}"#),
            pair("queue_full", "m")
        );
        assert_eq!(error(r#"{"error":{"code":null,"type":"x","message":"m"}}"#), pair("x", "m"));
        assert_eq!(error(r#"{"error":"plain"}"#), pair("", "plain"));
        assert_eq!(error(r#"{"code":404,"message":"m"}"#), pair("404", "m"));
        assert_eq!(error("<html>"), pair("", "<html>"));
    }
}
