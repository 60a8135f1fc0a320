//! What can be wrong with a model folder or file, with the file, the value and the remedy.

use conclave_types::Digest;
use std::path::PathBuf;

/// A model that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The folder is not there.
    #[error(
        "model folder {0} does not exist; pass --model a folder with config.json and safetensors files, a .gguf file, or hf:ORG/NAME"
    )]
    NoFolder(PathBuf),
    /// A file is missing or unreadable.
    #[error("{file}: {error}; a model folder needs it")]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A JSON file cannot be parsed.
    #[error("{file}: not valid JSON: {error}")]
    Json {
        /// The file.
        file: PathBuf,
        /// Why.
        error: serde_json::Error,
    },
    /// The family is not supported.
    #[error("config.json: model_type `{found}` is not supported; supported: {supported}")]
    Family {
        /// What the config says.
        found: String,
        /// What there is.
        supported: String,
    },
    /// A config value is missing.
    #[error("config.json: `{key}` is missing; {family} needs it")]
    Missing {
        /// The key.
        key: String,
        /// The family.
        family: &'static str,
    },
    /// A config value is not supported.
    #[error("config.json: `{key}` is {found}; supported: {supported}")]
    Unsupported {
        /// The key.
        key: String,
        /// The value.
        found: String,
        /// What there is.
        supported: String,
    },
    /// A config key is unknown, so it may change the model's maths.
    #[error(
        "config.json: `{key}` is not known for {family} and may change the model's maths; remove it if it does not"
    )]
    UnknownKey {
        /// The key.
        key: String,
        /// The family.
        family: &'static str,
    },
    /// A weight file breaks its format.
    #[error("{file}: {why}; the file is truncated or corrupt, fetch it again")]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A GGUF file holds what is not supported.
    #[error("{file}: {why}")]
    Gguf {
        /// The file.
        file: PathBuf,
        /// What it holds and what is supported.
        why: String,
    },
    /// The metadata of a GGUF file describe no model that is supported.
    #[error("{file}: its metadata, read as a config.json: {error}")]
    GgufConfig {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        error: Box<ModelError>,
    },
    /// A tensor is missing.
    #[error("tensor `{tensor}` is in no weight file of {folder}; a shard may be missing")]
    NoTensor {
        /// The tensor.
        tensor: String,
        /// The model folder.
        folder: PathBuf,
    },
    /// A tensor has an unexpected shape.
    #[error("{file}: tensor `{tensor}` is {found:?}, the configuration asks for {expected:?}")]
    Shape {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape by the config.
        expected: Vec<usize>,
    },
    /// A tensor has an unsupported dtype.
    #[error(
        "{file}: tensor `{tensor}` is {found}; supported: F32, F16, BF16, and in GGUF Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K"
    )]
    Dtype {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its dtype.
        found: String,
    },
    /// A tensor's content is not what the manifest says.
    #[error(
        "{file}: tensor `{tensor}` has digest {found}, the manifest says {expected}; fetch the file again"
    )]
    WrongDigest {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// By the manifest.
        expected: Digest,
        /// Of the bytes.
        found: Digest,
    },
    /// A pack file was asked for, but no weights are quantised.
    #[error("{}: in these forms nothing is quantised, and what stays as stored is mapped as it is; pass --experts-dtype or --trunk-dtype with q8 or q4", .0.display())]
    NothingToPack(PathBuf),
    /// A pack file was made from other weights or in other forms.
    #[error("{}: made from other files or in other forms; run `conclave pack` again", .0.display())]
    StalePack(PathBuf),
    /// Weights that are not on this machine cannot be had.
    #[error("{0}")]
    Supply(Box<dyn std::error::Error + Send + Sync>),
    /// A backend cannot be opened.
    #[error(
        "backend `{backend}` cannot be used: {why}; build with `cargo build --release --features {backend}` where its \
         toolkit and device are, or choose --backend cpu"
    )]
    Device {
        /// The option's word.
        backend: &'static str,
        /// By candle.
        why: String,
    },
    /// The backend failed.
    #[error("compute: {0}")]
    Compute(#[from] crate::ComputeError),
}
