//! The wall clock, for people. Leases run on the monotonic one.

use conclave_types::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now. A clock set before 1970 reads as unknown.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(since.as_millis() as u64)
}
