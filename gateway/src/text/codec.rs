//! A model's tokenizer and chat template, as one thing.
//!
//! Keeps true: every token it makes is in the model's vocabulary; only the template, never a message,
//! writes special tokens into a chat prompt. Does not know which tokens end a sequence.

use super::guard::{Guard, Piece, Specials};
use super::settings::Settings;
use super::template::ChatTemplate;
use super::{StreamDecoder, TextError};
use conclave_types::TokenId;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use tokenizers::Tokenizer;

/// Turns text into a model's tokens and back. Cheap to clone.
#[derive(Clone)]
pub struct TextCodec {
    inner: Arc<Inner>,
}

struct Inner {
    /// Parses special tokens in text.
    parsing: Tokenizer,
    /// Takes special tokens in text for text.
    plain: Tokenizer,
    specials: Specials,
    special_ids: HashSet<TokenId>,
    template: Option<ChatTemplate>,
    named_tokens: BTreeMap<&'static str, String>,
}

impl TextCodec {
    /// Reads those of the model at `path`: of a folder `tokenizer.json`, and where given `tokenizer_config.json` and
    /// `chat_template.jinja`; of a GGUF file, or a folder with one, its metadata.
    ///
    /// - `vocab_size`: tokens of the model, rows of its embedding.
    /// - Errors: a file is missing, unreadable or malformed; the tokenizer has a token that the model has not.
    pub fn load(path: &Path, vocab_size: u32) -> Result<Self, TextError> {
        let Settings { tokenizer: parsing, template, named_tokens } = Settings::read(path, vocab_size)?;
        let template = template.map(|(path, source)| ChatTemplate::compile(source, &path)).transpose()?;
        let mut plain = parsing.clone();
        plain.set_encode_special_tokens(true);
        let (special_ids, special_texts): (HashSet<_>, Vec<_>) = parsing
            .get_added_tokens_decoder()
            .into_iter()
            .filter(|(_, token)| token.special)
            .map(|(id, token)| (TokenId(id), token.content))
            .unzip();
        let specials = Specials::new(special_texts);
        Ok(Self { inner: Arc::new(Inner { parsing, plain, specials, special_ids, template, named_tokens }) })
    }

    /// The tokens of `text`, nothing added.
    ///
    /// - `allow_special`: whether the text of a special token becomes that token, or plain text.
    pub fn encode(&self, text: &str, allow_special: bool) -> Result<Vec<TokenId>, TextError> {
        let tokenizer = if allow_special { &self.inner.parsing } else { &self.inner.plain };
        encode(tokenizer, text, false)
    }

    /// The tokens of a raw prompt: special tokens are parsed, and what the tokenizer puts around a text (a
    /// beginning-of-sequence token, in many models) is added.
    pub fn encode_prompt(&self, text: &str) -> Result<Vec<TokenId>, TextError> {
        encode(&self.inner.parsing, text, true)
    }

    /// The tokens of a chat prompt.
    ///
    /// - `messages`: OpenAI messages; `content` is a text, null, or a list of text parts, which are joined by newlines.
    /// - `add_generation_prompt`: whether to open the assistant's turn.
    /// - `extra`: further variables of the template, such as `tools`; they cannot replace the ones above.
    /// - Special tokens come from the template only: their text in `messages` or `extra` is encoded as plain text.
    /// - Errors: `NoTemplate`, `NotText`, `Refused`, `Render`, all the client's.
    pub fn encode_chat(
        &self,
        messages: &[Value],
        add_generation_prompt: bool,
        extra: &Map<String, Value>,
    ) -> Result<Vec<TokenId>, TextError> {
        let template = self.template()?;
        let mut given = extra.clone();
        given.insert("messages".into(), flat(messages)?);
        let guard =
            Guard::new(&self.inner.specials, &given, &template.source).ok_or_else(|| TextError::Refused {
                why: "the messages hold every private-use character there is; leave one out".into(),
            })?;
        let marked = given.into_iter().map(|(name, value)| (name, guard.protect(value))).collect();
        let rendered = template.render(&self.variables(marked, add_generation_prompt))?;
        let mut tokens = Vec::new();
        for piece in guard.pieces(&rendered) {
            tokens.extend(match piece {
                Piece::Parsed(text) => self.encode(&text, true)?,
                Piece::Plain(text) => self.encode(&text, false)?,
            });
        }
        Ok(tokens)
    }

    /// The text of a chat prompt, for people to read. Not for `encode`: a message could forge a role in it; that is
    /// what `encode_chat` is for. Arguments and errors are the same.
    pub fn render_chat(
        &self,
        messages: &[Value],
        add_generation_prompt: bool,
        extra: &Map<String, Value>,
    ) -> Result<String, TextError> {
        let mut given = extra.clone();
        given.insert("messages".into(), flat(messages)?);
        self.template()?.render(&self.variables(given, add_generation_prompt))
    }

    /// The text of `tokens`; special tokens have none.
    pub fn decode(&self, tokens: &[TokenId]) -> Result<String, TextError> {
        let ids: Vec<u32> = tokens.iter().map(|token| token.0).collect();
        self.inner.parsing.decode(&ids, true).map_err(tokenizer_error)
    }

    /// The text of one token on its own, of a special one too; for showing tokens, as in logprobs.
    pub fn token_text(&self, token: TokenId) -> Result<String, TextError> {
        self.inner.parsing.decode(&[token.0], false).map_err(tokenizer_error)
    }

    /// The id of a token given by its text in the vocabulary.
    pub fn token_id(&self, text: &str) -> Option<TokenId> {
        self.inner.parsing.token_to_id(text).map(TokenId)
    }

    /// The tokenizer's own end-of-sequence token. The model may have others.
    pub fn eos_token(&self) -> Option<TokenId> {
        self.token_id(self.inner.named_tokens.get("eos_token")?)
    }

    /// Whether the model has a chat template.
    pub fn has_chat_template(&self) -> bool {
        self.inner.template.is_some()
    }

    /// Whether `token` is a special one, without text of its own.
    pub fn is_special(&self, token: TokenId) -> bool {
        self.inner.special_ids.contains(&token)
    }

    /// A decoder for an answer that is a text of its own, as in a chat.
    pub fn stream_decoder(&self) -> StreamDecoder {
        StreamDecoder::new(self.clone(), &[])
    }

    /// A decoder for an answer that goes on from `prompt`, so that a space between the two is kept.
    pub fn stream_decoder_after(&self, prompt: &[TokenId]) -> StreamDecoder {
        // A few tokens are context enough, and the cost of every first chunk.
        const CONTEXT: usize = 6;
        StreamDecoder::new(self.clone(), &prompt[prompt.len().saturating_sub(CONTEXT)..])
    }

    fn template(&self) -> Result<&ChatTemplate, TextError> {
        self.inner.template.as_ref().ok_or(TextError::NoTemplate)
    }

    fn variables(&self, given: Map<String, Value>, add_generation_prompt: bool) -> Map<String, Value> {
        let named =
            self.inner.named_tokens.iter().map(|(name, text)| (name.to_string(), text.clone().into()));
        let mut variables = given;
        variables.extend(named);
        variables.insert("add_generation_prompt".into(), add_generation_prompt.into());
        variables
    }
}

fn encode(tokenizer: &Tokenizer, text: &str, add_special_tokens: bool) -> Result<Vec<TokenId>, TextError> {
    let encoding = tokenizer.encode_fast(text, add_special_tokens).map_err(tokenizer_error)?;
    Ok(encoding.get_ids().iter().copied().map(TokenId).collect())
}

fn tokenizer_error(error: tokenizers::Error) -> TextError {
    TextError::Tokenizer { why: error.to_string() }
}

/// The messages with every list of text parts made one text, which every template can handle.
fn flat(messages: &[Value]) -> Result<Value, TextError> {
    let flat = messages.iter().enumerate().map(|(index, message)| {
        let mut message = message.clone();
        if let Some(Value::Array(parts)) = message.get("content") {
            let texts = parts.iter().map(|part| part_text(part, index)).collect::<Result<Vec<_>, _>>()?;
            message["content"] = texts.join("\n").into();
        }
        Ok(message)
    });
    flat.collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn part_text(part: &Value, index: usize) -> Result<&str, TextError> {
    let text = match part["type"].as_str() {
        Some("text") => part["text"].as_str(),
        _ => part.as_str(),
    };
    text.ok_or_else(|| TextError::NotText {
        index,
        kind: part["type"].as_str().unwrap_or("unknown").to_owned(),
    })
}

#[cfg(test)]
mod tests;
