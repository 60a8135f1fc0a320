//! How many calls may be made that would not be needed if nodes were always quick. Pure.

/// What each needed call earns: extra calls are at most a tenth.
const SHARE: f32 = 0.1;
/// The most that is saved up, in calls; a gateway begins with it.
const SAVED_MAX: f32 = 10.0;

/// A bucket of tokens, one for each extra call.
#[derive(Debug)]
pub(super) struct Budget {
    tokens: f32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { tokens: SAVED_MAX }
    }
}

impl Budget {
    /// `calls` that are needed were made.
    pub(super) fn earn(&mut self, calls: usize) {
        self.tokens = (self.tokens + calls as f32 * SHARE).min(SAVED_MAX);
    }

    /// Whether `calls` extra ones may be made; then they count as made.
    pub(super) fn spend(&mut self, calls: usize) -> bool {
        let enough = self.tokens >= calls as f32;
        if enough {
            self.tokens -= calls as f32;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_all_calls_may_be_extra_and_ten_at_once() {
        let mut budget = Budget::default();
        assert!(budget.spend(10) && !budget.spend(1));
        budget.earn(9);
        assert!(!budget.spend(1));
        budget.earn(2);
        assert!(budget.spend(1) && !budget.spend(1));
        budget.earn(1_000_000);
        assert!(!budget.spend(11), "no more than ten are saved up");
        let extra = (0..10_000).filter(|_| {
            budget.earn(1);
            budget.spend(1)
        });
        assert!((1_000..=1_010).contains(&extra.count()));
    }
}
