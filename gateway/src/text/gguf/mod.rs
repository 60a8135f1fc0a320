//! A tokenizer and a chat template from the metadata of a GGUF file.
//!
//! Keeps true: a token keeps its id; what the metadata ask for and is not known is an error that names it. The
//! tokenizer is built to be the one of the model's own `tokenizer.json`, which the file was made from.

mod byte_level;
mod sentence_piece;

use super::TextError;
use super::settings::Settings;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::path::Path;
use tokenizers::models::bpe::Vocab;
use tokenizers::processors::template::{SpecialToken, TemplateProcessing};
use tokenizers::{AddedToken, Tokenizer};

/// Named tokens: the variable of a chat template, the key of the id within `tokenizer.ggml`.
const NAMED_TOKENS: [(&str, &str); 7] = [
    ("bos_token", "bos_token_id"),
    ("eos_token", "eos_token_id"),
    ("unk_token", "unknown_token_id"),
    ("sep_token", "seperator_token_id"),
    ("pad_token", "padding_token_id"),
    ("cls_token", "cls_token_id"),
    ("mask_token", "mask_token_id"),
];

/// What the metadata of `file` say about text.
pub(super) fn settings(file: &Path, metadata: &Map<String, Value>) -> Result<Settings, TextError> {
    let metadata = Metadata { file, values: metadata };
    let model = metadata.text("model")?;
    let vocabulary = Vocabulary::read(&metadata)?;
    let (mut tokenizer, bos) = match model {
        "gpt2" => byte_level::tokenizer(&metadata, &vocabulary)?,
        "llama" => (sentence_piece::tokenizer(&metadata, &vocabulary)?, true),
        other => {
            let why = format!("`tokenizer.ggml.model` is `{other}`; supported: gpt2, llama");
            return Err(metadata.unsupported(why));
        }
    };
    let malformed = |error: tokenizers::Error| metadata.malformed(error);
    let added = vocabulary
        .tokens
        .iter()
        .filter(|token| token.kind != Kind::Plain)
        .map(|token| AddedToken::from(token.text, token.kind == Kind::Special).normalized(false));
    tokenizer.add_tokens(added).map_err(malformed)?;
    frame(&metadata, &vocabulary, bos, &mut tokenizer)?;
    let template = metadata.values.get("tokenizer.chat_template").and_then(Value::as_str);
    let named = NAMED_TOKENS
        .into_iter()
        .filter_map(|(name, key)| Some((name, vocabulary.text(metadata.id(key)?)?.to_owned())));
    Ok(Settings {
        tokenizer,
        template: template.map(|source| (file.to_owned(), source.to_owned())),
        named_tokens: named.collect(),
    })
}

/// Sets what the tokenizer puts around a raw prompt.
///
/// - `bos`: whether a beginning is marked if the metadata do not say.
fn frame(
    metadata: &Metadata<'_>,
    vocabulary: &Vocabulary<'_>,
    bos: bool,
    tokenizer: &mut Tokenizer,
) -> Result<(), TextError> {
    let mut template = vec!["$A"];
    let mut tokens = Vec::new();
    for (name, by_default) in [("bos", bos), ("eos", false)] {
        let asked = metadata.flag(&format!("add_{name}_token"))?;
        if !asked.unwrap_or(by_default) {
            continue;
        }
        let id = metadata.id(&format!("{name}_token_id"));
        let Some((id, text)) = id.and_then(|id| Some((id, vocabulary.text(id)?))) else {
            if asked.is_none() {
                continue;
            }
            let why =
                format!("`tokenizer.ggml.add_{name}_token` is true, and `{name}_token_id` names no token");
            return Err(metadata.malformed(why));
        };
        template.insert(if name == "bos" { 0 } else { template.len() }, name);
        let token = SpecialToken::new(name.to_owned(), vec![id], vec![text.to_owned()]);
        tokens.push(token.map_err(|error| metadata.malformed(error))?);
    }
    if !tokens.is_empty() {
        let mut builder = TemplateProcessing::builder();
        builder.try_single(template).map_err(|error| metadata.malformed(error))?;
        let frame = builder.special_tokens(tokens).build().map_err(|error| metadata.malformed(error))?;
        tokenizer.with_post_processor(Some(frame));
    }
    Ok(())
}

/// The `tokenizer.ggml` keys of a file.
struct Metadata<'a> {
    file: &'a Path,
    values: &'a Map<String, Value>,
}

impl<'a> Metadata<'a> {
    fn malformed(&self, why: impl ToString) -> TextError {
        TextError::Malformed { path: self.file.to_owned(), why: why.to_string() }
    }

    fn unsupported(&self, why: String) -> TextError {
        TextError::Unsupported { path: self.file.to_owned(), why }
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.values.get(&format!("tokenizer.ggml.{key}"))
    }

    fn wrong(&self, key: &str, needed: &str) -> TextError {
        self.malformed(format!("`tokenizer.ggml.{key}` is missing or is no {needed}"))
    }

    fn text(&self, key: &str) -> Result<&'a str, TextError> {
        self.get(key).and_then(Value::as_str).ok_or_else(|| self.wrong(key, "text"))
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, TextError> {
        self.get(key).map(|value| value.as_bool().ok_or_else(|| self.wrong(key, "flag"))).transpose()
    }

    /// A token's id; one that is not given, or is outside any vocabulary, names none.
    fn id(&self, key: &str) -> Option<u32> {
        self.get(key)?.as_u64()?.try_into().ok()
    }

    fn list<T>(&self, key: &str, item: fn(&'a Value) -> Option<T>) -> Result<Option<Vec<T>>, TextError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let list = value.as_array().and_then(|values| values.iter().map(item).collect());
        list.map(Some).ok_or_else(|| self.wrong(key, "list of its kind"))
    }
}

/// How a token comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// By the tokenizer's model.
    Plain,
    /// Wherever its text stands.
    Added,
    /// By its text, but only where special tokens are allowed; it has no text in an answer.
    Special,
}

struct Token<'a> {
    id: u32,
    text: &'a str,
    kind: Kind,
    /// Whether the model may make it of other tokens.
    is_normal: bool,
}

/// The tokens of a file, without those that are only there to fill the embedding.
struct Vocabulary<'a> {
    tokens: Vec<Token<'a>>,
}

impl<'a> Vocabulary<'a> {
    fn read(metadata: &Metadata<'a>) -> Result<Self, TextError> {
        let texts =
            metadata.list("tokens", Value::as_str)?.ok_or_else(|| metadata.wrong("tokens", "list"))?;
        let kinds = metadata.list("token_type", Value::as_u64)?.unwrap_or_else(|| vec![1; texts.len()]);
        if kinds.len() != texts.len() {
            let why = format!("it has {} tokens and {} token types", texts.len(), kinds.len());
            return Err(metadata.malformed(why));
        }
        // What begins or ends a text is special, also in files that do not say so.
        let ends = ["bos", "eos", "eot", "eom"].map(|name| metadata.id(&format!("{name}_token_id")));
        let mut seen = HashSet::new();
        let mut tokens = Vec::with_capacity(texts.len());
        for (id, (text, kind)) in texts.into_iter().zip(kinds).enumerate() {
            let id = id as u32;
            const UNKNOWN: u64 = 2;
            const CONTROL: u64 = 3;
            const USER_DEFINED: u64 = 4;
            const UNUSED: u64 = 5;
            if text.is_empty() || kind == UNUSED {
                continue;
            }
            if !seen.insert(text) {
                return Err(metadata.malformed(format!("token `{text}` is there twice")));
            }
            let is_special = matches!(kind, UNKNOWN | CONTROL) || ends.contains(&Some(id));
            let kind_of = match kind {
                _ if is_special => Kind::Special,
                USER_DEFINED => Kind::Added,
                _ => Kind::Plain,
            };
            tokens.push(Token { id, text, kind: kind_of, is_normal: kind == 1 });
        }
        Ok(Self { tokens })
    }

    /// The text of token `id`.
    fn text(&self, id: u32) -> Option<&'a str> {
        // In order of ids, with gaps.
        let at = self.tokens.binary_search_by_key(&id, |token| token.id).ok()?;
        Some(self.tokens[at].text)
    }

    fn ids(&self) -> Vocab {
        self.tokens.iter().map(|token| (token.text.to_owned(), token.id)).collect()
    }
}

#[cfg(test)]
mod tests;
