//! A decorator that fails on demand, for tests of whoever calls experts.

use crate::{ExpertBackend, ExpertBatch, ExpertError, ExpertFuture};
use std::collections::VecDeque;
use std::sync::Mutex;

/// Answers with the planned errors first, then as the inner backend.
pub struct Faulty<B> {
    inner: B,
    faults: Mutex<VecDeque<ExpertError>>,
}

impl<B: ExpertBackend> Faulty<B> {
    /// Plans `faults` for the next calls.
    pub fn new(inner: B, faults: impl IntoIterator<Item = ExpertError>) -> Self {
        Self { inner, faults: Mutex::new(faults.into_iter().collect()) }
    }
}

impl<B: ExpertBackend> ExpertBackend for Faulty<B> {
    fn run(&self, batch: ExpertBatch) -> ExpertFuture<'_> {
        match self.faults.lock().expect("no panic holds this lock").pop_front() {
            Some(fault) => Box::pin(async move { Err(fault) }),
            None => self.inner.run(batch),
        }
    }
}
