//! The arithmetic of `eval`: how likely a token was, and how far two distributions are apart. Pure; sums in f64.

use conclave_model::argmax;

/// Logits as a distribution, natural logarithms.
struct Distribution<'a> {
    logits: &'a [f32],
    log_sum: f64,
}

impl<'a> Distribution<'a> {
    fn of(logits: &'a [f32]) -> Self {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|logit| f64::from(logit - max).exp()).sum();
        Self { logits, log_sum: f64::from(max) + sum.ln() }
    }

    fn log(&self, token: usize) -> f64 {
        f64::from(self.logits[token]) - self.log_sum
    }
}

/// How well the tokens of a text were foreseen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Score {
    loss: f64,
    tokens: u64,
}

impl Score {
    /// The text went on with `token` where the model gave `logits`.
    pub(super) fn add(&mut self, logits: &[f32], token: u32) {
        self.loss -= Distribution::of(logits).log(token as usize);
        self.tokens += 1;
    }

    pub(super) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Mean negative log likelihood of a token, in nats.
    pub(super) fn nll(&self) -> f64 {
        self.loss / self.tokens as f64
    }

    pub(super) fn perplexity(&self) -> f64 {
        self.nll().exp()
    }
}

/// How far a model's distributions are from a reference's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Difference {
    rows: u64,
    agreed: u64,
    kl: f64,
    kl_max: f64,
    logit_max: f32,
}

impl Difference {
    /// One position: what the reference gave and what the tested model gave.
    pub(super) fn add(&mut self, reference: &[f32], tested: &[f32]) {
        let (p, q) = (Distribution::of(reference), Distribution::of(tested));
        let term = |token: usize| p.log(token).exp() * (p.log(token) - q.log(token));
        // Rounding can make the sum of nearly equal distributions a little negative, which no divergence is.
        let kl = (0..reference.len()).map(term).sum::<f64>().max(0.0);
        self.rows += 1;
        self.agreed += u64::from(argmax(reference) == argmax(tested));
        self.kl += kl;
        self.kl_max = self.kl_max.max(kl);
        let gaps = reference.iter().zip(tested).map(|(a, b)| (a - b).abs());
        self.logit_max = gaps.fold(self.logit_max, f32::max);
    }

    /// Share of the positions whose most likely token is the same.
    pub(super) fn agreement(&self) -> f64 {
        self.agreed as f64 / self.rows as f64
    }

    /// Mean divergence of the tested model from the reference, in nats.
    pub(super) fn kl(&self) -> f64 {
        self.kl / self.rows as f64
    }

    pub(super) fn kl_max(&self) -> f64 {
        self.kl_max
    }

    pub(super) fn logit_max(&self) -> f32 {
        self.logit_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_distribution_over_four_has_perplexity_four() {
        let mut score = Score::default();
        score.add(&[7.0; 4], 2);
        score.add(&[-1.0; 4], 0);
        assert!((score.perplexity() - 4.0).abs() < 1e-12);
        assert!((score.nll() - 4.0_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn divergence_is_that_of_the_textbook() {
        let mut difference = Difference::default();
        // (1/2, 1/2) against (1/4, 3/4): 1/2 ln 2 + 1/2 ln 2/3.
        difference.add(&[0.0, 0.0], &[0.0, 3.0_f32.ln()]);
        let expected = 0.5 * 2.0_f64.ln() + 0.5 * (2.0_f64 / 3.0).ln();
        assert!((difference.kl() - expected).abs() < 1e-7, "{}", difference.kl());
        assert_eq!(difference.agreement(), 0.0);
        difference.add(&[1.0, 0.0], &[1.0, 0.0]);
        assert_eq!((difference.agreement(), difference.kl_max()), (0.5, difference.kl() * 2.0));
        assert_eq!(difference.logit_max(), 3.0_f32.ln());
    }
}
