//! Weight formats: one file each.

pub(crate) mod safetensors;
