//! Rotary position embedding, half-split as in Hugging Face `transformers` (`rotate_half`).

/// Cosines and sines of every position.
pub struct RopeTable {
    half: usize,
    /// `[positions, half]` of (cos, sin).
    turns: Vec<(f32, f32)>,
}

impl RopeTable {
    /// Angles `p * theta^(-2i / head_dim)` for `p < positions`, `i < head_dim / 2`.
    ///
    /// The frequency is rounded to f32 and multiplied in f32, as the reference does; only cos and sin go
    /// through f64.
    pub fn new(head_dim: usize, theta: f64, positions: usize) -> Self {
        assert_eq!(head_dim % 2, 0, "rope: head_dim is even");
        let half = head_dim / 2;
        let frequencies: Vec<f32> =
            (0..half).map(|i| (1.0 / theta.powf(2.0 * i as f64 / head_dim as f64)) as f32).collect();
        let turns = (0..positions)
            .flat_map(|p| {
                frequencies.iter().map(move |f| {
                    let angle = f64::from(p as f32 * f);
                    (angle.cos() as f32, angle.sin() as f32)
                })
            })
            .collect();
        Self { half, turns }
    }

    /// Rotates `x` `[rows, heads, head_dim]` in place; `positions` has one absolute position per row.
    pub fn apply(&self, x: &mut [f32], positions: &[u32]) {
        if positions.is_empty() {
            return;
        }
        let row_width = x.len() / positions.len();
        assert_eq!(row_width % (2 * self.half), 0, "rope: rows are whole heads");
        for (row, position) in x.chunks_exact_mut(row_width).zip(positions) {
            let at = *position as usize * self.half;
            let turns = &self.turns[at..at + self.half];
            for head in row.chunks_exact_mut(2 * self.half) {
                let (low, high) = head.split_at_mut(self.half);
                for ((a, b), (cos, sin)) in low.iter_mut().zip(high).zip(turns) {
                    let (x, y) = (*a, *b);
                    *a = x * cos - y * sin;
                    *b = y * cos + x * sin;
                }
            }
        }
    }
}
