//! How far a long piece of work with weights is: who works tells, who watches decides what to show. Keeps true: every piece
//! that began ends, also by an error; a watcher that is gone holds nobody up. Knows no clock and no screen.

use std::sync::mpsc::Sender;

/// What a piece of work is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of the source files, in whatever form the weights are kept.
    Bytes,
    /// Experts.
    Experts,
}

/// What a watcher hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A piece of work begins; one at a time.
    Begin {
        /// What it is, such as `loading the trunk`.
        what: &'static str,
        /// Its size.
        all: u64,
        /// In what.
        unit: Unit,
    },
    /// So much more of it is done.
    Done(u64),
    /// It is over.
    End,
}

/// Where steps are told, if anywhere.
#[derive(Clone, Debug, Default)]
pub struct Progress(Option<Sender<Step>>);

impl Progress {
    /// Tells `watcher`.
    pub fn to(watcher: Sender<Step>) -> Self {
        Self(Some(watcher))
    }

    /// Begins a piece of work of size `all`, which ends when the returned value is dropped.
    pub fn begin(&self, what: &'static str, all: u64, unit: Unit) -> Piece<'_> {
        self.tell(Step::Begin { what, all, unit });
        Piece(self)
    }

    /// So much more is done.
    pub fn done(&self, amount: u64) {
        self.tell(Step::Done(amount));
    }

    fn tell(&self, step: Step) {
        if let Some(watcher) = &self.0 {
            // Nobody listens any more; the work goes on.
            let _ = watcher.send(step);
        }
    }
}

/// A piece of work that is under way.
#[must_use = "dropping it ends the piece"]
#[derive(Debug)]
pub struct Piece<'a>(&'a Progress);

impl Drop for Piece<'_> {
    fn drop(&mut self) {
        self.0.tell(Step::End);
    }
}
