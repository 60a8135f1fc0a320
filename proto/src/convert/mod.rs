//! Conversions between messages and domain types: one file per protocol, and one for what operators ask.

pub mod coordinator;
pub mod expert;
pub mod operator;
