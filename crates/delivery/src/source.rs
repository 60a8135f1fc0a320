//! Where a model is: a folder or file of this machine, or a place that it is fetched from.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What `--model` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder or a GGUF file of this machine.
    Local(PathBuf),
    /// Somewhere else.
    Remote(RemoteSource),
}

/// A model that is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSource {
    /// Whose it is and where.
    pub(crate) place: Place,
    /// The GGUF file that it is, below the place; `None`: a folder in Hugging Face layout.
    pub(crate) gguf: Option<String>,
    /// The model's name: the repository's or the last folder's.
    pub(crate) name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A repository of the Hugging Face hub, or of a server that speaks its protocol.
    Hub { repo: String, revision: String },
    /// A bucket of S3 or of what speaks its protocol, and the folder in it.
    S3 { bucket: String, folder: String },
    /// A bucket of Google Cloud Storage, and the folder in it.
    Gcs { bucket: String, folder: String },
    /// A folder of a web server: its URL without a slash at the end.
    Web { url: String },
}

/// A text that names no source.
#[derive(Debug, thiserror::Error)]
#[error("model `{text}`: {why}")]
pub struct SourceError {
    text: String,
    why: &'static str,
}

impl RemoteSource {
    /// The same source at a revision that does not move.
    pub(crate) fn at(&self, commit: &str) -> Self {
        let mut pinned = self.clone();
        if let Place::Hub { revision, .. } = &mut pinned.place {
            commit.clone_into(revision);
        }
        pinned
    }

    /// Whether what it names never changes.
    pub(crate) fn is_pinned(&self) -> bool {
        let commit = |revision: &str| {
            revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        matches!(&self.place, Place::Hub { revision, .. } if commit(revision))
    }
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let fail = |why| Err(SourceError { text: text.to_owned(), why });
        let (scheme, rest) = match text.split_once(':') {
            Some(("hf", rest)) => ("hf", rest),
            Some((scheme @ ("s3" | "gs" | "https" | "http"), rest)) => match rest.strip_prefix("//") {
                Some(rest) => (scheme, rest),
                None => return fail("after the colon come two slashes"),
            },
            _ if text.contains("://") => {
                return fail("it can be a folder, a .gguf file, hf:ORG/NAME, s3://, gs:// or https://");
            }
            _ => return Ok(Self::Local(PathBuf::from(text))),
        };
        if rest.contains(['?', '#']) {
            return fail(
                "a query or fragment has no place in it; use a public URL, or credentials of the store",
            );
        }
        let rest = rest.trim_end_matches('/');
        let (rest, revision) = match rest.rsplit_once('@') {
            Some((rest, revision)) if scheme == "hf" => (rest, Some(revision)),
            _ => (rest, None),
        };
        let mut parts: Vec<&str> = rest.split('/').collect();
        if parts.iter().any(|part| part.is_empty() || *part == "." || *part == "..") {
            return fail("a part of the path is empty or has only dots");
        }
        let gguf = parts.last().filter(|last| last.ends_with(".gguf")).map(|file| (*file).to_owned());
        let remote = if scheme == "hf" {
            let revision = revision.unwrap_or("main");
            if parts.len() < 2 || revision.is_empty() || revision.contains(['/', '%']) {
                return fail(
                    "a model of the hub is hf:ORG/NAME, hf:ORG/NAME@REVISION or hf:ORG/NAME/FILE.gguf",
                );
            }
            if parts.len() > 2 && gguf.is_none() {
                return fail("behind hf:ORG/NAME there can be only a .gguf file");
            }
            let repo = parts[..2].join("/");
            let gguf = gguf.map(|_| parts[2..].join("/"));
            let place = Place::Hub { repo, revision: revision.to_owned() };
            RemoteSource { place, gguf, name: parts[1].to_owned() }
        } else {
            if gguf.is_some() {
                parts.pop();
            }
            let Some((host, folders)) = parts.split_first() else {
                return fail("it names no host or bucket");
            };
            let (bucket, folder) = ((*host).to_owned(), folders.join("/"));
            let place = match scheme {
                "s3" => Place::S3 { bucket, folder },
                "gs" => Place::Gcs { bucket, folder },
                _ => Place::Web { url: format!("{scheme}://{}", parts.join("/")) },
            };
            let name = folders.last().unwrap_or(host);
            RemoteSource { place, gguf, name: (*name).to_owned() }
        };
        Ok(Self::Remote(remote))
    }
}

impl fmt::Display for RemoteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = |f: &mut fmt::Formatter<'_>, scheme: &str, bucket: &str, folder: &str| {
            write!(f, "{scheme}://{bucket}{}{folder}", if folder.is_empty() { "" } else { "/" })
        };
        match &self.place {
            Place::Hub { repo, .. } => write!(f, "hf:{repo}")?,
            Place::S3 { bucket, folder: at } => folder(f, "s3", bucket, at)?,
            Place::Gcs { bucket, folder: at } => folder(f, "gs", bucket, at)?,
            Place::Web { url } => f.write_str(url)?,
        }
        if let Some(file) = &self.gguf {
            write!(f, "/{file}")?;
        }
        match &self.place {
            Place::Hub { revision, .. } if revision != "main" => write!(f, "@{revision}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(text: &str) -> RemoteSource {
        match text.parse() {
            Ok(Source::Remote(remote)) => remote,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_source_is_shown_as_it_is_written() {
        for text in [
            "hf:allenai/OLMoE-1B-7B-0924",
            "hf:org/name@v1.0",
            "hf:org/name/quants/model-q4.gguf@v1",
            "s3://bucket/models/olmoe",
            "s3://bucket",
            "gs://bucket/a/b.gguf",
            "https://example.org/models/olmoe",
            "http://127.0.0.1:9000/olmoe",
        ] {
            assert_eq!(remote(text).to_string(), text);
        }
        assert_eq!(remote("s3://bucket/olmoe/").to_string(), "s3://bucket/olmoe");
        assert_eq!(remote("hf:org/name@main").to_string(), "hf:org/name");
    }

    #[test]
    fn a_model_is_called_as_its_repository_or_folder() {
        let name = |text: &str| remote(text).name;
        assert_eq!(name("hf:org/name@v1"), "name");
        assert_eq!(name("s3://bucket/models/olmoe"), "olmoe");
        assert_eq!(name("s3://bucket/models/olmoe/q4.gguf"), "olmoe");
        assert_eq!(name("https://example.org"), "example.org");
    }

    #[test]
    fn a_path_is_a_path() {
        for text in ["models/tiny", "./x:y", "/m/q4.gguf", "org/name", "C:model"] {
            assert_eq!(text.parse::<Source>().unwrap(), Source::Local(PathBuf::from(text)));
        }
    }

    #[test]
    fn what_is_no_source_is_answered_with_what_is() {
        for (text, why) in [
            ("hf:name", "hf:ORG/NAME"),
            ("hf:org/name@", "hf:ORG/NAME"),
            ("hf:org/name/folder", "only a .gguf file"),
            ("s3:bucket/x", "two slashes"),
            ("ftp://host/x", "it can be a folder"),
            ("https://host/x?token=1", "no place"),
            ("s3://bucket/../x", "dots"),
            ("https:///x", "empty"),
        ] {
            let error = text.parse::<Source>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn only_a_commit_does_not_move() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert!(remote(&format!("hf:org/name@{commit}")).is_pinned());
        assert!(!remote("hf:org/name@v1").is_pinned());
        assert!(!remote("s3://bucket/x").is_pinned());
        assert_eq!(remote("hf:org/name").at(commit).to_string(), format!("hf:org/name@{commit}"));
    }
}
