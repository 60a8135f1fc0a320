//! A model folder in Hugging Face layout, or a GGUF file, opened but not yet loaded.

use crate::formats::{gguf, safetensors};
use crate::{DtypeChoice, ModelError, ModelSpec, NumericDtype, StoredDtype, WeightFiles, families};
use conclave_types::{Digest, ExpertKey};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// An opened model folder or GGUF file.
pub struct ModelFolder {
    /// Where it is, as it was given.
    pub path: PathBuf,
    /// The model, described.
    pub spec: ModelSpec,
    /// Its weights, mapped.
    pub files: WeightFiles,
    /// What is computed in.
    pub dtype: NumericDtype,
    /// generation_config.json, or what a GGUF file says of it; may be empty.
    pub generation: Map<String, Value>,
    /// What computes it; see [`Self::with_backend`].
    pub backend: crate::Backend,
    /// In what forms matrices are kept; see [`Self::with_weights`].
    pub weights: crate::WeightDtypes,
    /// Where those are held that a file has in their form; see [`Self::with_residency`].
    pub residency: crate::Residency,
    /// Matrices that are packed already; see [`Self::with_pack`].
    pub pack: Option<std::sync::Arc<crate::PackFile>>,
    /// Who hears how far reading, loading and packing are; see [`Self::with_progress`].
    pub progress: crate::Progress,
    pub(crate) config_digest: Digest,
    name: String,
}

pub(crate) fn read_json(path: &Path) -> Result<Map<String, Value>, ModelError> {
    let text = std::fs::read(path).map_err(|error| ModelError::File { file: path.to_owned(), error })?;
    serde_json::from_slice(&text).map_err(|error| ModelError::Json { file: path.to_owned(), error })
}

impl ModelFolder {
    /// Reads the configuration and maps the weights; loads nothing.
    ///
    /// - `path`: a folder in Hugging Face layout, a GGUF file, or a folder with one GGUF model and no config.json.
    pub fn open(path: &Path, dtype: DtypeChoice) -> Result<Self, ModelError> {
        if !path.exists() {
            return Err(ModelError::NoFolder(path.to_owned()));
        }
        let (name, spec, generation, files) = match gguf::open(path)? {
            Some(model) => (model.name, model.spec, model.generation, model.files),
            None => hugging_face(path)?,
        };
        let stored = files.dtype(crate::spec::EMBEDDING)?;
        let dtype = match dtype {
            DtypeChoice::F32 => NumericDtype::F32,
            DtypeChoice::Bf16 => NumericDtype::Bf16,
            // Beside quantised experts, f32 for the rest would be precision without use.
            DtypeChoice::Auto if files.are_quantised() => NumericDtype::Bf16,
            DtypeChoice::Auto if stored == StoredDtype::Bf16 => NumericDtype::Bf16,
            DtypeChoice::Auto => NumericDtype::F32,
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
            backend: crate::Backend::default(),
            weights: crate::WeightDtypes::default(),
            residency: crate::Residency::default(),
            pack: None,
            progress: crate::Progress::default(),
            config_digest,
            name,
        })
    }

    /// The model's name: the folder's, or that of the GGUF file without its ending.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// Loads experts for `backend`; a trunk has the backend of its `Compute`.
    pub fn with_backend(mut self, backend: crate::Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Tells `progress` how far reading, loading and packing are.
    pub fn with_progress(mut self, progress: crate::Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Has `supply` bring what is not in the files yet.
    pub fn with_supply(mut self, supply: std::sync::Arc<dyn crate::Supply>) -> Self {
        self.files.set_supply(supply);
        self
    }

    /// Brings the experts `keys` from where the model is kept, if they are not here and are wanted as stored.
    pub fn bring_experts<'a>(&self, keys: impl IntoIterator<Item = &'a ExpertKey>) -> Result<(), ModelError> {
        self.files.bring(self.stored_tensors(keys))
    }

    /// The tensors of the experts `keys` that are read as stored: those that no pack file has.
    pub fn stored_tensors<'a>(&self, keys: impl IntoIterator<Item = &'a ExpertKey>) -> Vec<String> {
        let tensors = keys.into_iter().flat_map(|key| self.spec.expert_tensors(*key));
        tensors.filter(|tensor| !self.is_packed(tensor)).collect()
    }

    /// Stored bytes of `tensors`; what is missing is found out when it is read.
    pub(crate) fn stored_bytes<S: AsRef<str>>(&self, tensors: impl IntoIterator<Item = S>) -> u64 {
        tensors.into_iter().map(|tensor| self.files.len(tensor.as_ref()).unwrap_or(0)).sum()
    }

    /// Stored bytes of the experts `keys`.
    pub fn expert_bytes<'a>(&self, keys: impl IntoIterator<Item = &'a ExpertKey>) -> u64 {
        self.stored_bytes(keys.into_iter().flat_map(|key| self.spec.expert_tensors(*key)))
    }

    /// The file that describes the model.
    pub(crate) fn config_file(&self) -> PathBuf {
        if self.path.is_dir() { self.path.join("config.json") } else { self.path.clone() }
    }
}

type Parts = (String, ModelSpec, Map<String, Value>, WeightFiles);

fn hugging_face(path: &Path) -> Result<Parts, ModelError> {
    let config = read_json(&path.join("config.json"))?;
    let mut spec = families::describe(&config)?;
    let generation_file = path.join("generation_config.json");
    let generation = if generation_file.exists() { read_json(&generation_file)? } else { Map::new() };
    let eos = crate::config::eos_of(&generation);
    if !eos.is_empty() {
        spec.eos = eos;
    }
    let folder = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name =
        folder.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned());
    Ok((name, spec, generation, safetensors::open(path)?))
}
