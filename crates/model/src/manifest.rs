//! The manifest: the digest of every tensor, so that each role verifies exactly what it loads.

use crate::spec::EMBEDDING;
use crate::{ModelError, ModelFolder, Unit, WeightDtype, WeightDtypes};
use conclave_types::{Digest, ModelDigest};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The contents of a model folder, by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of config.json.
    pub config: Digest,
    /// Of each tensor's stored bytes.
    pub tensors: BTreeMap<String, Digest>,
}

impl Manifest {
    /// Reads and hashes every tensor of the folder, with all cores.
    pub fn compute(folder: &ModelFolder) -> Result<Self, ModelError> {
        let names: Vec<&str> = folder.files.names().collect();
        folder.files.bring_all()?;
        let bytes = folder.stored_bytes(&names);
        let _piece = folder.progress.begin("reading and hashing the weights", bytes, Unit::Bytes);
        let digest = |name: &&str| {
            let digest = folder.files.digest(name)?;
            folder.progress.done(folder.stored_bytes([name]));
            Ok(digest)
        };
        let digests: Result<Vec<Digest>, ModelError> = names.par_iter().map(digest).collect();
        let tensors = names.into_iter().map(str::to_owned).zip(digests?).collect();
        Ok(Self { config: folder.config_digest, tensors })
    }

    /// Reads a manifest file.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let text = std::fs::read(path).map_err(|error| ModelError::File { file: path.to_owned(), error })?;
        serde_json::from_slice(&text).map_err(|error| ModelError::Json { file: path.to_owned(), error })
    }

    /// Writes a manifest file, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), ModelError> {
        let failed = |error| ModelError::File { file: path.to_owned(), error };
        let text = serde_json::to_vec_pretty(self).expect("a manifest has a JSON form");
        let partial = path.with_extension("partial");
        std::fs::write(&partial, text).map_err(failed)?;
        std::fs::rename(&partial, path).map_err(failed)
    }

    /// The digest that names the model in calls and in the cluster state: equal for two nodes exactly if they
    /// compute the same function.
    pub fn model_digest(&self, folder: &ModelFolder) -> ModelDigest {
        let mut text = format!("conclave model 1\n{}\n{}\n", folder.dtype.name(), self.config);
        let WeightDtypes { experts, trunk } = folder.weights;
        if (experts, trunk) != (WeightDtype::AsStored, WeightDtype::AsStored) {
            text.push_str(&format!("experts {experts}, trunk {trunk}\n"));
        }
        for (name, digest) in &self.tensors {
            text.push_str(&format!("{name} {digest}\n"));
        }
        Digest::of(text.as_bytes())
    }

    /// Refuses a folder whose config.json describes another computation than the manifest's.
    pub fn verify_config(&self, folder: &ModelFolder) -> Result<(), ModelError> {
        if self.config == folder.config_digest {
            return Ok(());
        }
        Err(ModelError::WrongDigest {
            file: folder.config_file(),
            tensor: "(the configuration)".to_owned(),
            expected: self.config,
            found: folder.config_digest,
        })
    }

    /// Refuses a folder whose trunk, which is every tensor that is no expert's, is not the manifest's.
    pub fn verify_trunk(&self, folder: &ModelFolder) -> Result<(), ModelError> {
        let experts: std::collections::BTreeSet<String> =
            folder.spec.expert_keys().flat_map(|key| folder.spec.expert_tensors(key)).collect();
        let trunk: Vec<&String> = self
            .tensors
            .keys()
            .filter(|name| !experts.contains(*name))
            // What is packed has a digest of its own; but the embedding is read as plain numbers beside.
            .filter(|name| *name == EMBEDDING || !folder.is_packed(name))
            .collect();
        folder.files.bring(&trunk)?;
        let _piece = folder.progress.begin("checking the trunk", folder.stored_bytes(&trunk), Unit::Bytes);
        trunk.par_iter().try_for_each(|name| {
            self.verify(folder, name)?;
            folder.progress.done(folder.stored_bytes([name]));
            Ok(())
        })
    }

    /// Refuses `tensor` if its bytes are not those of the manifest.
    pub fn verify(&self, folder: &ModelFolder, tensor: &str) -> Result<(), ModelError> {
        let missing = || ModelError::NoTensor { tensor: tensor.to_owned(), folder: folder.path.clone() };
        let expected = *self.tensors.get(tensor).ok_or_else(missing)?;
        let found = folder.files.digest(tensor)?;
        if found != expected {
            let file = folder.files.file(tensor)?.to_owned();
            return Err(ModelError::WrongDigest { file, tensor: tensor.to_owned(), expected, found });
        }
        Ok(())
    }
}
