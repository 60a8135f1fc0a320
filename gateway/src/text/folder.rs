//! The text files of a checkpoint folder: which there are, and what they say.
//!
//! Keeps true: every problem is told with the file it is in. Reads once, at start; knows no message.

use super::TextError;
use super::settings::Settings;
use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tokenizers::Tokenizer;

/// Named special tokens that chat templates refer to, as variables of these names.
const NAMED_TOKENS: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// What the folder says about text.
pub(super) fn settings(dir: &Path) -> Result<Settings, TextError> {
    let tokenizer = tokenizer(dir.join("tokenizer.json"))?;
    let config_path = dir.join("tokenizer_config.json");
    let config = match text(&config_path)? {
        Some(text) => serde_json::from_str(&text).map_err(|error| malformed(&config_path, error))?,
        None => Value::Null,
    };
    let template_path = dir.join("chat_template.jinja");
    // The file of its own is the newer way and wins, as in `transformers`.
    let template = match text(&template_path)? {
        Some(source) => Some((template_path, source)),
        None => template_of(&config, &config_path)?.map(|source| (config_path, source)),
    };
    // Older checkpoints name their tokens in a file of their own.
    let map_path = dir.join("special_tokens_map.json");
    let map = match text(&map_path)? {
        Some(text) => serde_json::from_str(&text).map_err(|error| malformed(&map_path, error))?,
        None => Value::Null,
    };
    let of = |name: &str| token_text(&config[name]).or_else(|| token_text(&map[name]));
    let named = NAMED_TOKENS.into_iter().filter_map(|name| Some((name, of(name)?)));
    Ok(Settings { tokenizer, template, named_tokens: named.collect() })
}

fn malformed(path: &Path, why: impl ToString) -> TextError {
    TextError::Malformed { path: path.to_owned(), why: why.to_string() }
}

fn text(path: &Path) -> Result<Option<String>, TextError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TextError::Read { path: path.to_owned(), source }),
    }
}

fn tokenizer(path: PathBuf) -> Result<Tokenizer, TextError> {
    let Some(json) = text(&path)? else { return Err(TextError::NoTokenizer { path }) };
    let mut tokenizer = Tokenizer::from_bytes(json).map_err(|error| malformed(&path, error))?;
    // Settings of somebody's training run: left on, they would cut or pad prompts in silence.
    tokenizer.with_truncation(None).map_err(|error| malformed(&path, error))?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

/// `chat_template` is the source, or a list of `{name, template}` of which `default` counts.
fn template_of(config: &Value, path: &Path) -> Result<Option<String>, TextError> {
    match &config["chat_template"] {
        Value::Null => Ok(None),
        Value::String(source) => Ok(Some(source.clone())),
        Value::Array(named) => named
            .iter()
            .find(|entry| entry["name"] == "default")
            .map(|entry| entry["template"].as_str().map(str::to_owned))
            .map(|source| {
                source.ok_or_else(|| malformed(path, "chat template `default` has no text `template`"))
            })
            .transpose(),
        _ => Err(malformed(path, "`chat_template` is neither a text nor a list of {name, template}")),
    }
}

/// A token is given as its text, or as an object with `content`.
fn token_text(value: &Value) -> Option<String> {
    value.as_str().or_else(|| value["content"].as_str()).map(str::to_owned)
}
