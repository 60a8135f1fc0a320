//! What can go wrong between a model's place and this machine.

use std::io;
use std::path::{Path, PathBuf};

/// A model that cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// Nobody answers, or something else than was asked for.
    #[error("{source_text}: {why}; is it reachable from here? What is fetched already is kept in the cache")]
    Unreachable {
        /// The source.
        source_text: String,
        /// Why.
        why: String,
    },
    /// The credentials do not suffice.
    #[error("{source_text}: access to {file} is refused; {}", credentials_hint(source_text))]
    Refused {
        /// The source.
        source_text: String,
        /// What was asked for.
        file: String,
    },
    /// There is no such model, or a part of it is missing.
    #[error("{source_text}: there is no {what}")]
    Missing {
        /// The source.
        source_text: String,
        /// What was looked for, and what to do.
        what: String,
    },
    /// The source has another file than when fetching began.
    #[error(
        "{source_text}: {file} has changed there since it was fetched in part; start again to fetch the new one"
    )]
    Changed {
        /// The source.
        source_text: String,
        /// The file.
        file: String,
    },
    /// A file is not what the source says it is.
    #[error("{}: its SHA-256 is {found}, {source_text} says {expected}; `conclave model remove {source_text}` and fetch it again", file.display())]
    WrongSha {
        /// The source.
        source_text: String,
        /// The file in the cache.
        file: PathBuf,
        /// What the source says.
        expected: String,
        /// Of the bytes.
        found: String,
    },
    /// A file of the source breaks its format.
    #[error("{source_text}: {file}: {why}")]
    Damaged {
        /// The source.
        source_text: String,
        /// The file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The cache cannot be read or written.
    #[error("model cache {}: {error}; make room, or name another folder with --model-cache", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A server gives no part of a file; who reads takes the whole.
    #[error("{file}: the server gives files only whole")]
    NoParts {
        /// The file.
        file: String,
    },
    /// A setting of the store or of the cache is wrong.
    #[error("{0}")]
    Settings(String),
}

fn credentials_hint(source: &str) -> &'static str {
    match source.split(':').next() {
        Some("hf") => "a private or gated repository needs HF_TOKEN, and its terms accepted on its page",
        Some("s3") => {
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for a public bucket"
        }
        Some("gs") => "set GOOGLE_APPLICATION_CREDENTIALS, or GOOGLE_SKIP_SIGNATURE=true for a public bucket",
        _ => "the server wants credentials, for which a web URL has no place",
    }
}

impl DeliveryError {
    pub(crate) fn cache(path: &Path) -> impl Fn(io::Error) -> Self {
        move |error| Self::Cache { path: path.to_owned(), error }
    }

    /// Whether the source might answer at another time.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}
