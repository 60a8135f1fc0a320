//! A model folder in Hugging Face layout, opened but not yet loaded.

use crate::families;
use crate::{DtypeChoice, ModelError, ModelSpec, NumericDtype, StoredDtype, WeightFiles};
use conclave_types::Digest;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// An opened model folder.
pub struct ModelFolder {
    /// Where it is.
    pub path: PathBuf,
    /// The model, described.
    pub spec: ModelSpec,
    /// Its weights, mapped.
    pub files: WeightFiles,
    /// What is computed in.
    pub dtype: NumericDtype,
    /// generation_config.json, or empty.
    pub generation: Map<String, Value>,
    /// In what forms matrices are kept; see [`Self::with_weights`].
    pub weights: crate::WeightDtypes,
    /// Matrices that are packed already; see [`Self::with_pack`].
    pub pack: Option<std::sync::Arc<crate::PackFile>>,
    pub(crate) config_digest: Digest,
}

pub(crate) fn read_json(path: &Path) -> Result<Map<String, Value>, ModelError> {
    let text = std::fs::read(path).map_err(|error| ModelError::File { file: path.to_owned(), error })?;
    serde_json::from_slice(&text).map_err(|error| ModelError::Json { file: path.to_owned(), error })
}

impl ModelFolder {
    /// Reads the configuration and maps the weights; loads nothing.
    pub fn open(path: &Path, dtype: DtypeChoice) -> Result<Self, ModelError> {
        if !path.is_dir() {
            return Err(ModelError::NoFolder(path.to_owned()));
        }
        let config = read_json(&path.join("config.json"))?;
        let mut spec = families::describe(&config)?;
        let generation_file = path.join("generation_config.json");
        let generation = if generation_file.exists() { read_json(&generation_file)? } else { Map::new() };
        let eos = crate::config::eos_of(&generation);
        if !eos.is_empty() {
            spec.eos = eos;
        }
        let files = WeightFiles::open(path)?;
        let stored = files.dtype("model.embed_tokens.weight")?;
        let dtype = match (dtype, stored) {
            (DtypeChoice::F32, _) | (DtypeChoice::Auto, StoredDtype::F32 | StoredDtype::F16) => {
                NumericDtype::F32
            }
            (DtypeChoice::Bf16, _) | (DtypeChoice::Auto, StoredDtype::Bf16) => NumericDtype::Bf16,
        };
        // Only what decides the computation is hashed, so that comments and key order do not matter.
        let mut described = spec.clone();
        described.eos.clear();
        let config_digest = Digest::of(format!("{described:?}").as_bytes());
        Ok(Self {
            path: path.to_owned(),
            spec,
            files,
            dtype,
            generation,
            weights: crate::WeightDtypes::default(),
            pack: None,
            config_digest,
        })
    }

    /// The model's name: the folder's.
    pub fn name(&self) -> String {
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        path.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
    }
}
