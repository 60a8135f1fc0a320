//! Conversions between messages and domain types: one file per protocol.

pub mod coordinator;
pub mod expert;
