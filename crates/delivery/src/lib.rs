//! Models that are not on this machine: a hub's, an object store's or a web server's, fetched by the tensor.
//!
//! Keeps true: nothing is fetched twice, also after a crash and by several processes at once; a model's files look as if they
//! were all here, and what is read of them is brought first; contents are one version of the source, never a mixture. Knows no
//! expert and no node: who reads a tensor says so through [`conclave_model::Supply`].

mod cache;
mod client;
mod delivery;
mod error;
mod fetch;
mod remote;
mod source;

pub use delivery::{Delivery, DeliveryOptions, Destination, Kept, MANIFEST, Supplier, kept, kept_at, remove};
pub use error::DeliveryError;
pub use remote::Environment;
pub use source::{RemoteSource, Source, SourceError};
