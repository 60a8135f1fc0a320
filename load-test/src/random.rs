//! Seeded random numbers: the same seed gives the same test on every machine and in every version.
//!
//! SplitMix64 (Steele, Lea and Flood 2014) underneath; gamma by Marsaglia and Tsang (2000).

use crate::units::Span;

/// A generator; `stream` keeps apart what must not depend on each other.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self(mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ mix(stream.wrapping_mul(2).wrapping_add(1)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Between 0 and 1, never either.
    pub(crate) fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// One of `0..count`; `count` must not be 0.
    pub(crate) fn below(&mut self, count: u64) -> u64 {
        // The bias of the product is below 2^-32 for every count that a test has.
        ((u128::from(self.next()) * u128::from(count)) >> 64) as u64
    }

    /// A whole number of the span, each as likely.
    pub(crate) fn whole(&mut self, span: Span) -> u64 {
        let (from, to) = (span.from as u64, span.to as u64);
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// A number of the span.
    pub(crate) fn real(&mut self, span: Span) -> f64 {
        span.from + (span.to - span.from) * self.unit()
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Gamma with this shape and mean 1: shape 1 is exponential, below is burstier, above is more even.
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = self.unit().powf(1.0 / shape);
            // Gamma(shape + 1) has mean shape + 1 before it is scaled.
            return self.gamma(shape + 1.0) * (shape + 1.0) * boost / shape;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.unit().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v / shape;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gamma_has_mean_one_and_variance_one_over_shape() {
        for shape in [0.25, 1.0, 4.0] {
            let mut random = Random::new(7, 0);
            let values: Vec<f64> = (0..40_000).map(|_| random.gamma(shape)).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
            assert!((mean - 1.0).abs() < 0.03, "shape {shape}: mean {mean}");
            assert!((variance * shape - 1.0).abs() < 0.06, "shape {shape}: variance {variance}");
        }
    }

    #[test]
    fn a_span_is_met_wholly_and_evenly() {
        let mut random = Random::new(1, 1);
        let mut counts = [0; 4];
        (0..4000).for_each(|_| counts[random.whole(Span { from: 3.0, to: 6.0 }) as usize - 3] += 1);
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let first = |seed, stream| Random::new(seed, stream).next();
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(1, 3));
        assert_ne!(first(1, 2), first(2, 2));
    }
}
