//! What a model says about text, wherever it says it: in the files of a folder or in the metadata of a GGUF file.
//!
//! Keeps true: the tokenizer fits the model's vocabulary. Reads once, at start; knows no message.

use super::{TextError, folder, gguf};
use conclave_model::gguf::Metadata;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokenizers::Tokenizer;

/// A tokenizer and what chat templates need.
pub(super) struct Settings {
    pub(super) tokenizer: Tokenizer,
    /// The chat template's source and the file it is from.
    pub(super) template: Option<(PathBuf, String)>,
    /// The texts of `bos_token`, `eos_token` and so on, where given.
    pub(super) named_tokens: BTreeMap<&'static str, String>,
}

impl Settings {
    /// Reads those of the model at `path`.
    pub(super) fn read(path: &Path, vocab_size: u32) -> Result<Self, TextError> {
        let (file, settings) = match conclave_model::gguf::metadata(path)? {
            Some(Metadata { file, values }) => {
                let settings = gguf::settings(&file, &values)?;
                (file, settings)
            }
            None => (path.join("tokenizer.json"), folder::settings(path)?),
        };
        let outside = settings.tokenizer.get_vocab(true).into_iter().filter(|(_, id)| *id >= vocab_size);
        match outside.min_by_key(|(_, id)| *id) {
            Some((token, id)) => Err(TextError::VocabMismatch { path: file, token, id, vocab_size }),
            None => Ok(settings),
        }
    }
}
