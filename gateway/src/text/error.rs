//! What can go wrong between text and tokens.

use conclave_types::ErrorCode;
use std::path::PathBuf;

/// Why text did not become tokens, or tokens text.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The checkpoint has no tokenizer.
    #[error("{path} is missing; the checkpoint needs the `tokenizer.json` of its model")]
    NoTokenizer {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file is there and cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is read and not understood.
    #[error("{path} is malformed: {why}; fetch it again from the model's origin")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The model's file cannot be read at all.
    #[error(transparent)]
    Model(#[from] conclave_model::ModelError),
    /// The tokenizer is of a kind that is not known.
    #[error("{path}: {why}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it asks for and what there is.
        why: String,
    },
    /// The tokenizer is of another model than the weights.
    #[error(
        "{path}: token `{token}` has id {id}, but the model's vocabulary has {vocab_size} tokens; use the tokenizer of this model"
    )]
    VocabMismatch {
        /// The tokenizer file.
        path: PathBuf,
        /// The first token that does not fit.
        token: String,
        /// Its id.
        id: u32,
        /// Rows of the model's embedding.
        vocab_size: u32,
    },
    /// The model takes no chat.
    #[error("this model has no chat template; use /v1/completions")]
    NoTemplate,
    /// The chat template raised an exception.
    #[error("the model's chat template refuses these messages: {why}")]
    Refused {
        /// The template's own words.
        why: String,
    },
    /// The chat template cannot handle these messages.
    #[error("the model's chat template cannot render these messages: {why}")]
    Render {
        /// What the template engine said.
        why: String,
    },
    /// A message has content that is not text.
    #[error("messages[{index}].content has a part of type `{kind}`; this model takes only `text`")]
    NotText {
        /// Which message.
        index: usize,
        /// The type of the part.
        kind: String,
    },
    /// The tokenizer gave up.
    #[error("the tokenizer cannot handle the text: {why}")]
    Tokenizer {
        /// What the tokenizer said.
        why: String,
    },
}

impl TextError {
    /// The code a client sees.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NoTemplate | Self::Refused { .. } | Self::Render { .. } | Self::NotText { .. } => {
                ErrorCode::InvalidRequest
            }
            Self::NoTokenizer { .. }
            | Self::Read { .. }
            | Self::Malformed { .. }
            | Self::Model(_)
            | Self::Unsupported { .. }
            | Self::VocabMismatch { .. }
            | Self::Tokenizer { .. } => ErrorCode::Internal,
        }
    }
}
