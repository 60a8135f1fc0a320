//! A model's place as one thing to read from, whoever keeps it.
//!
//! Keeps true: what is read is the version that was described first, or an error says that it changed.

use crate::client::{Connector, checked, is_loopback};
use crate::source::Place;
use crate::{DeliveryError, RemoteSource};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{ClientConfigKey, ClientOptions, GetOptions, GetRange, ObjectStore, RetryConfig};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Where the hub is, unless HF_ENDPOINT says otherwise.
const HUB: &str = "https://huggingface.co";

/// A file of the place, as it was when it was described.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Bytes.
    pub(crate) size: u64,
    /// The server's word for this very content, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<String>,
    /// Of the content, if the place knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
}

/// An opened place.
pub(crate) struct Remote {
    store: Arc<dyn ObjectStore>,
    /// The folder of the model in the store.
    folder: Path,
    /// The source, at a revision that does not move if it has revisions.
    pub(crate) source: RemoteSource,
    /// All files, where the place tells them by itself.
    listed: Option<BTreeMap<String, Entry>>,
}

/// Variables of the process's environment that stores read: `AWS_*`, `GOOGLE_*`, `HF_*`.
pub type Environment = BTreeMap<String, String>;

impl Remote {
    /// Finds the place; asks it for its revision if it has such.
    pub(crate) async fn open(
        source: &RemoteSource,
        environment: &Environment,
    ) -> Result<Self, DeliveryError> {
        match &source.place {
            Place::Hub { repo, revision } => Self::hub(source, repo, revision, environment).await,
            Place::S3 { bucket, folder } => {
                let mut builder = AmazonS3Builder::new()
                    .with_http_connector(Connector::default())
                    .with_retry(retries())
                    .with_bucket_name(bucket);
                for (key, value) in environment {
                    if key.starts_with("AWS_")
                        && let Ok(key) = key.to_ascii_lowercase().parse()
                    {
                        builder = builder.with_config(key, value);
                    }
                }
                let endpoint = environment.get("AWS_ENDPOINT_URL").or(environment.get("AWS_ENDPOINT"));
                if endpoint
                    .and_then(|endpoint| url::Url::parse(endpoint).ok())
                    .is_some_and(|url| is_loopback(&url))
                {
                    builder = builder.with_allow_http(true);
                }
                Self::bucket(source, builder.build(), folder)
            }
            Place::Gcs { bucket, folder } => {
                let mut builder = GoogleCloudStorageBuilder::new()
                    .with_http_connector(Connector::default())
                    .with_retry(retries())
                    .with_bucket_name(bucket);
                for (key, value) in environment {
                    if key.starts_with("GOOGLE_")
                        && let Ok(key) = key.to_ascii_lowercase().parse()
                    {
                        builder = builder.with_config(key, value);
                    }
                }
                Self::bucket(source, builder.build(), folder)
            }
            Place::Web { url } => {
                let url = checked(url)?;
                let store = web(&url, None).map_err(|error| setting(source, &error))?;
                Ok(Self { store, folder: Path::default(), source: source.clone(), listed: None })
            }
        }
    }

    fn bucket<S: ObjectStore>(
        source: &RemoteSource,
        store: object_store::Result<S>,
        folder: &str,
    ) -> Result<Self, DeliveryError> {
        let store: Arc<dyn ObjectStore> = Arc::new(store.map_err(|error| setting(source, &error))?);
        Ok(Self { store, folder: Path::from(folder), source: source.clone(), listed: None })
    }

    /// A repository: which commit its revision is, and which files that has.
    async fn hub(
        source: &RemoteSource,
        repo: &str,
        revision: &str,
        environment: &Environment,
    ) -> Result<Self, DeliveryError> {
        let endpoint = environment.get("HF_ENDPOINT").map_or(HUB, String::as_str);
        let url = checked(endpoint.trim_end_matches('/'))?;
        let token = environment.get("HF_TOKEN").filter(|token| !token.is_empty()).cloned();
        let store = web(&url, token).map_err(|error| setting(source, &error))?;
        let mut remote = Self { store, folder: Path::default(), source: source.clone(), listed: None };
        let about: Revision = remote.json(&format!("api/models/{repo}/revision/{revision}")).await?;
        let within = source.gguf.as_deref().and_then(|file| Some(file.rsplit_once('/')?.0));
        let within = within.map_or_else(String::new, |folder| format!("/{folder}"));
        let tree = format!("api/models/{repo}/tree/{}{within}", about.sha);
        let files: Vec<TreeEntry> = remote.json(&tree).await?;
        let listed = files.into_iter().filter(|file| file.kind == "file").map(|file| {
            let sha256 = file.lfs.map(|lfs| lfs.oid);
            (file.path, Entry { size: file.size, etag: None, sha256 })
        });
        remote.listed = Some(listed.collect());
        remote.folder = Path::from(format!("{repo}/resolve/{}", about.sha));
        remote.source = source.at(&about.sha);
        Ok(remote)
    }

    async fn json<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Result<T, DeliveryError> {
        let bytes =
            async { self.store.get_opts(&Path::from(path), GetOptions::default()).await?.bytes().await };
        let bytes = bytes.await.map_err(|error| self.failed(path, &error))?;
        serde_json::from_slice(&bytes).map_err(|error| DeliveryError::Unreachable {
            source_text: self.source.to_string(),
            why: format!("{path}: the answer is not what the hub answers: {error}"),
        })
    }

    /// Describes `file`; `None` if the place has none.
    pub(crate) async fn describe(&self, file: &str) -> Result<Option<Entry>, DeliveryError> {
        if let Some(listed) = &self.listed {
            return Ok(listed.get(file).cloned());
        }
        let head = GetOptions { head: true, ..GetOptions::default() };
        match self.store.get_opts(&self.path(file), head).await {
            // A weak tag is no condition for a part of a file.
            Ok(found) => Ok(Some(Entry {
                size: found.meta.size,
                etag: found.meta.e_tag.filter(|tag| !tag.starts_with("W/")),
                sha256: None,
            })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(file, &error)),
        }
    }

    /// Reads `range` of `file`, which was described as `entry`, in pieces as they come.
    pub(crate) async fn read(
        &self,
        file: &str,
        entry: &Entry,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Vec<u8>, DeliveryError>>, DeliveryError> {
        let whole = range == (0..entry.size);
        let options = GetOptions {
            // Servers may give small files only whole.
            range: (!whole).then(|| GetRange::Bounded(range.clone())),
            if_match: entry.etag.clone(),
            ..GetOptions::default()
        };
        let found = self.store.get_opts(&self.path(file), options).await;
        let found = found.map_err(|error| self.failed(file, &error))?;
        if found.meta.size != entry.size || (entry.etag.is_some() && found.meta.e_tag != entry.etag) {
            return Err(self.changed(file));
        }
        let (text, name) = (self.source.to_string(), file.to_owned());
        let stream = found.into_stream().map_ok(|bytes| bytes.to_vec());
        Ok(stream.map_err(move |error| failed(&text, &name, &error)).boxed())
    }

    fn path(&self, file: &str) -> Path {
        self.folder.parts().chain(Path::from(file).parts()).collect()
    }

    fn changed(&self, file: &str) -> DeliveryError {
        DeliveryError::Changed { source_text: self.source.to_string(), file: file.to_owned() }
    }

    fn failed(&self, file: &str, error: &object_store::Error) -> DeliveryError {
        failed(&self.source.to_string(), file, error)
    }
}

#[derive(Deserialize)]
struct Revision {
    sha: String,
}

#[derive(Deserialize)]
struct TreeEntry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    oid: String,
}

fn web(url: &url::Url, bearer: Option<String>) -> object_store::Result<Arc<dyn ObjectStore>> {
    let plain = if url.scheme() == "http" { "true" } else { "false" };
    let options = ClientOptions::new().with_config(ClientConfigKey::AllowHttp, plain);
    let builder =
        HttpBuilder::new().with_url(url.as_str().trim_end_matches('/')).with_client_options(options);
    Ok(Arc::new(builder.with_http_connector(Connector { bearer }).with_retry(retries()).build()?))
}

/// Few and soon: parts are asked for again by who wants them.
fn retries() -> RetryConfig {
    RetryConfig { max_retries: 2, retry_timeout: Duration::from_secs(30), ..RetryConfig::default() }
}

fn setting(source: &RemoteSource, error: &object_store::Error) -> DeliveryError {
    DeliveryError::Settings(format!("{source}: {error}"))
}

fn failed(source: &str, file: &str, error: &object_store::Error) -> DeliveryError {
    let (source_text, file) = (source.to_owned(), file.to_owned());
    match error {
        object_store::Error::NotFound { .. } => DeliveryError::Missing { source_text, what: file },
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            DeliveryError::Refused { source_text, file }
        }
        object_store::Error::Precondition { .. } => DeliveryError::Changed { source_text, file },
        object_store::Error::NotSupported { .. } => DeliveryError::NoParts { file },
        error => {
            tracing::debug!(%error, source, file, "not read");
            // The outer errors tell of requests and retries; the innermost why.
            let mut innermost: &dyn std::error::Error = error;
            while let Some(inner) = innermost.source() {
                innermost = inner;
            }
            DeliveryError::Unreachable { source_text, why: format!("{file}: {innermost}") }
        }
    }
}
