//! The rule of sixteen virtual lanes: how every sum along K is formed.
//!
//! Lane `j` takes the elements `16 i + j` in ascending `i` with fused multiply-add; a tail is padded with
//! zeros; the lanes are added in one fixed tree. Sixteen is one AVX-512 register, or two of AVX2.

/// The number of virtual lanes.
pub(crate) const LANES: usize = 16;

/// Sixteen partial sums.
pub(crate) type Lanes = [f32; LANES];

/// Adds the lanes in the fixed tree: halves, quarters, eighths, pairs.
#[inline(always)]
pub(crate) fn reduce(lanes: &Lanes) -> f32 {
    let mut sum = *lanes;
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sum[lane] += sum[lane + width];
        }
        width /= 2;
    }
    sum[0]
}

/// The largest lane, of numbers.
#[inline(always)]
pub(crate) fn reduce_max(lanes: &Lanes) -> f32 {
    let mut most = *lanes;
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            let (a, b) = (most[lane], most[lane + width]);
            // This way round, because it is one instruction.
            most[lane] = if b > a { b } else { a };
        }
        width /= 2;
    }
    most[0]
}

/// Below this `exp` is 0, above `EXP_HIGH` it is infinite.
pub(crate) const EXP_LOW: f32 = -87.3;
pub(crate) const EXP_HIGH: f32 = 88.7;
/// Adding and subtracting 1.5 * 2^23 rounds to the nearest integer without a call.
pub(crate) const EXP_ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts, so that the reduced argument keeps its low bits.
pub(crate) const EXP_LN2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// The polynomial, highest power first.
pub(crate) const EXP_TERMS: [f32; 7] = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];

/// `e^x` by range reduction and a polynomial of degree six, the same operations on every machine.
///
/// Relative error below 3e-7 on the normal range; 0 below -87.3, infinity above 88.7; NaN stays NaN.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let bounded = x.clamp(EXP_LOW, EXP_HIGH);
    let n = bounded.mul_add(std::f32::consts::LOG2_E, EXP_ROUND) - EXP_ROUND;
    let r = n.mul_add(-EXP_LN2[1], n.mul_add(-EXP_LN2[0], bounded));
    let mut p = EXP_TERMS[0];
    for term in &EXP_TERMS[1..] {
        p = p.mul_add(r, *term);
    }
    let y = times_power_of_two(p, n);
    if x > EXP_HIGH {
        f32::INFINITY
    } else if x < EXP_LOW {
        0.0
    } else {
        y
    }
}

/// `y * 2^n` in two steps, for whole `n` in -126..=128, because 2^128 alone would overflow.
#[inline(always)]
pub(crate) fn times_power_of_two(y: f32, n: f32) -> f32 {
    let half = (n as i32) >> 1;
    let low = f32::from_bits(((half + 127) << 23) as u32);
    let high = f32::from_bits(((n as i32 - half + 127) << 23) as u32);
    y * low * high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_to_the_true_value_everywhere() {
        let mut worst = 0.0_f64;
        for step in -87_000..88_000 {
            let x = step as f32 / 1000.0;
            let truth = f64::from(x).exp();
            worst = worst.max(((f64::from(exp(x)) - truth) / truth).abs());
        }
        assert!(worst < 3e-7, "worst relative error {worst:e}");
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1000.0), 0.0);
        assert_eq!(exp(1000.0), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
    }
}
