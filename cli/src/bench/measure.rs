//! The loops that measure: prompts and decoding, through the forward pass that serves.

use super::BenchOptions;
use super::cost::Cost;
use super::figure::{Figure, Test, Work};
use crate::whole::{Whole, blocks};
use conclave_expert::Lane;
use conclave_kernels::Pool;
use conclave_model::{SamplingParams, StepSequence, sample};
use conclave_types::TokenId;
use std::time::Instant;

/// Most rows of one step of a prompt.
const STEP_TOKENS_MAX: usize = 512;

/// A loaded model and the sequences that decode on it.
pub(crate) struct Bench {
    whole: Whole,
    cost: Cost,
    seed: u64,
    context: usize,
    same_context: bool,
    steps: usize,
    runs: usize,
    /// The first token after the context of each sequence whose context is in the KV cache.
    filled: Vec<u32>,
}

impl Bench {
    pub(crate) fn new(whole: Whole, options: &BenchOptions) -> anyhow::Result<Self> {
        let cost = Cost::of(&whole.folder, whole.kv, whole.expert_bytes)?;
        let BenchOptions { seed, context, same_context, steps, runs, .. } = *options;
        Ok(Self { whole, cost, seed, context, same_context, steps, runs, filled: Vec::new() })
    }

    pub(crate) fn model(&self) -> &Whole {
        &self.whole
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.whole.pool
    }

    /// A prompt of `tokens`, up to the logits after its last token. One run before the counted ones warms up.
    pub(crate) fn prefill(&mut self, tokens: usize) -> anyhow::Result<Figure> {
        let prompt = self.random(0, tokens);
        let table: Vec<u32> = (0..blocks(tokens) as u32).collect();
        let mut work = Work::default();
        let mut seconds = Vec::new();
        for run in 0..=self.runs {
            self.whole.asked.take();
            let started = Instant::now();
            let done = self.prompt(&prompt, &table)?.0;
            if run > 0 {
                seconds.push(started.elapsed().as_secs_f64());
            }
            work = done;
            work += self.cost.experts(self.whole.asked.take());
        }
        // What the prompt wrote lies where the decoders keep theirs.
        self.filled.clear();
        Ok(Figure::rate(Test::Prefill(tokens), work, &seconds))
    }

    /// `sequences` sequences that get one token a step, greedily, after their context.
    pub(crate) fn decode(&mut self, sequences: usize) -> anyhow::Result<Figure> {
        for sequence in self.filled.len()..sequences {
            let own = 1 + sequence as u64;
            let prompt = self.random(if self.same_context { 1 } else { own }, self.context);
            let next = self.prompt(&prompt, &self.table(sequence))?.1;
            self.filled.push(next);
        }
        self.decode_steps(sequences, 1)?;
        let mut work = Work::default();
        let mut seconds = Vec::new();
        for _ in 0..self.runs {
            self.whole.asked.take();
            let started = Instant::now();
            work = self.decode_steps(sequences, self.steps)?;
            seconds.push(started.elapsed().as_secs_f64());
            work += self.cost.experts(self.whole.asked.take());
        }
        Ok(Figure::rate(Test::Decode(sequences), work, &seconds))
    }

    fn decode_steps(&mut self, sequences: usize, steps: usize) -> anyhow::Result<Work> {
        let mut tokens = self.filled[..sequences].to_vec();
        // Greedily, sequences with the same context would all say the same.
        let random: Option<Vec<Vec<u32>>> = self
            .same_context
            .then(|| (0..sequences).map(|sequence| self.random(1 + sequence as u64, steps)).collect());
        let rows: Vec<usize> = (0..sequences).collect();
        let mut batch: Vec<StepSequence> = rows
            .iter()
            .map(|row| StepSequence { start: self.context, len: 1, block_table: self.table(*row) })
            .collect();
        let mut work = Work::default();
        for step in 0..steps {
            if let Some(random) = &random {
                tokens = random.iter().map(|tokens| tokens[step]).collect();
            }
            let logits = (self.whole.forward)(&tokens, &batch, Lane::Decode, &rows)?;
            let vocab = self.whole.folder.spec.vocab;
            let next = logits.chunks_exact(vocab).zip(&batch);
            tokens = next.map(|(logits, sequence)| greedy(logits, sequence.start + 1)).collect();
            work += self.cost.step(batch.iter().map(|sequence| (sequence.start, 1, true)));
            batch.iter_mut().for_each(|sequence| sequence.start += 1);
        }
        Ok(work)
    }

    /// Runs a whole prompt; the work of the trunk and the token after it.
    fn prompt(&mut self, prompt: &[u32], table: &[u32]) -> anyhow::Result<(Work, u32)> {
        let mut work = Work::default();
        let mut next = 0;
        for (step, chunk) in prompt.chunks(STEP_TOKENS_MAX).enumerate() {
            let start = step * STEP_TOKENS_MAX;
            let sequence = StepSequence { start, len: chunk.len(), block_table: table.to_vec() };
            let last = start + chunk.len() == prompt.len();
            let wanted: &[usize] = if last { &[chunk.len() - 1] } else { &[] };
            let logits = (self.whole.forward)(chunk, &[sequence], Lane::Prefill, wanted)?;
            if last {
                next = greedy(&logits, prompt.len());
            }
            work += self.cost.step([(start, chunk.len(), last)].into_iter());
        }
        Ok((work, next))
    }

    /// The KV blocks of a decoding sequence.
    fn table(&self, sequence: usize) -> Vec<u32> {
        let each = blocks(self.context + self.steps);
        (sequence * each..(sequence + 1) * each).map(|block| block as u32).collect()
    }

    /// Random tokens, the same for the same seed and stream.
    fn random(&self, stream: u64, tokens: usize) -> Vec<u32> {
        let vocab = self.whole.folder.spec.vocab as u64;
        // splitmix64, Steele, Lea and Flood 2014.
        let mut state = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream.rotate_left(32);
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ (word >> 31)
        };
        (0..tokens).map(|_| (next() % vocab) as u32).collect()
    }
}

/// The token that a greedy request gets at `position`.
fn greedy(logits: &[f32], position: usize) -> u32 {
    let params = SamplingParams {
        temperature: 0.0,
        top_p: 1.0,
        top_k: 0,
        min_p: 0.0,
        frequency_penalty: 0.0,
        presence_penalty: 0.0,
        repetition_penalty: 1.0,
        logit_bias: Default::default(),
        seed: 0,
    };
    let TokenId(token) = sample(logits, &params, &[], &[], position as u64, None).token;
    token
}

/// The most memory that this process ever held, in bytes; `None` where the system does not tell.
pub(crate) fn memory_peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024.0)
}
