//! Hugging Face safetensors, single or sharded.
//!
//! Keeps true: headers are checked in full (ranges, overlaps, file size) before any tensor is handed out.

use super::MappedFile;
use super::files::{RowOrder, Stored};
use super::{StoredDtype, WeightFiles};
use crate::ModelError;
use safetensors::{Dtype, SafeTensors};
use std::path::{Path, PathBuf};

/// Maps `model.safetensors`, or the shards that `model.safetensors.index.json` lists.
pub(crate) fn open(folder: &Path) -> Result<WeightFiles, ModelError> {
    let mut files = WeightFiles::new(folder);
    let index = folder.join("model.safetensors.index.json");
    if index.exists() {
        let json = crate::folder::read_json(&index)?;
        let map = json.get("weight_map").and_then(|map| map.as_object()).ok_or_else(|| {
            ModelError::Corrupt { file: index.clone(), why: "`weight_map` is missing".to_owned() }
        })?;
        let mut names: Vec<&str> = map.values().filter_map(|value| value.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            // A shard is a file of the folder, never a path out of it.
            if Path::new(name).file_name() != Some(std::ffi::OsStr::new(name)) {
                let why = format!("shard name `{name}` is not a plain file name");
                return Err(ModelError::Corrupt { file: index, why });
            }
            add(&mut files, folder.join(name))?;
        }
        if let Some(tensor) = map.keys().find(|tensor| !files.contains(tensor)) {
            return Err(ModelError::NoTensor { tensor: tensor.clone(), folder: folder.to_owned() });
        }
    } else {
        add(&mut files, folder.join("model.safetensors"))?;
    }
    Ok(files)
}

fn add(files: &mut WeightFiles, path: PathBuf) -> Result<(), ModelError> {
    let file = MappedFile::open(path)?;
    let map = file.bytes.clone();
    let view = SafeTensors::deserialize(&map)
        .map_err(|error| ModelError::Corrupt { file: file.path.clone(), why: error.to_string() })?;
    let tensors = view.tensors().into_iter().map(|(name, tensor)| {
        let start = tensor.data().as_ptr() as usize - map.as_ptr() as usize;
        let dtype = match tensor.dtype() {
            Dtype::F32 => Ok(StoredDtype::F32),
            Dtype::F16 => Ok(StoredDtype::F16),
            Dtype::BF16 => Ok(StoredDtype::Bf16),
            other => Err(format!("{other:?}")),
        };
        let range = start..start + tensor.data().len();
        (name, Stored { file: 0, dtype, shape: tensor.shape().to_vec(), range, rows: RowOrder::Plain })
    });
    files.add(file, tensors)
}
