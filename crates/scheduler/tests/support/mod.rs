//! A pretend engine: it stores tokens where a real one stores their keys and values, and complains when a sequence
//! would read something else than its own tokens.

use conclave_scheduler::{
    BlockHash, Event, SampledToken, Scheduler, SchedulerOptions, StepOutcome, StepPlan, Submission,
    SubmitError,
};
use conclave_types::RequestId;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

pub(crate) struct Engine {
    pub(crate) scheduler: Scheduler,
    options: SchedulerOptions,
    texts: BTreeMap<RequestId, Vec<u8>>,
    /// For each block its tokens.
    memory: Vec<Vec<Option<u8>>>,
    /// Tokens computed so far.
    pub(crate) computed: u64,
}

/// The hashes of the full blocks of `text`.
pub(crate) fn hashes(text: &[u8], block_size: u32) -> Vec<BlockHash> {
    let mut hasher = DefaultHasher::new();
    let chain = text.chunks_exact(block_size as usize).map(|block| {
        block.hash(&mut hasher);
        BlockHash(hasher.finish().into())
    });
    chain.collect()
}

impl Engine {
    pub(crate) fn new(options: SchedulerOptions) -> Self {
        let memory = vec![vec![None; options.block_size as usize]; options.blocks as usize];
        Self { scheduler: Scheduler::new(options), options, texts: BTreeMap::new(), memory, computed: 0 }
    }

    #[allow(dead_code, reason = "each test binary uses its own part")]
    /// Submits a prompt whose tokens are the bytes of `text`; length and hashes of `new` are set from it.
    pub(crate) fn submit(&mut self, new: Submission, text: &[u8]) -> Result<(), SubmitError> {
        self.submit_all(vec![new], text)
    }

    /// The same for the choices of one request, which have one prompt.
    pub(crate) fn submit_all(&mut self, group: Vec<Submission>, text: &[u8]) -> Result<(), SubmitError> {
        let hashes = hashes(text, self.options.block_size);
        let ids: Vec<RequestId> = group.iter().map(|new| new.id).collect();
        let prompt_tokens = text.len() as u32;
        let group = group.into_iter().map(|new| Submission { prompt_tokens, hashes: hashes.clone(), ..new });
        self.scheduler.submit_all(group.collect())?;
        ids.into_iter().for_each(|id| drop(self.texts.insert(id, text.to_vec())));
        Ok(())
    }

    /// Computes a plan: checks what it reads, then writes.
    pub(crate) fn compute(&mut self, plan: &StepPlan) {
        assert!(plan.tokens() <= self.options.step_tokens_max, "over budget: {plan:?}");
        let size = self.options.block_size;
        for slice in &plan.slices {
            for at in slice.start..slice.start + slice.len {
                let block = slice.block_table[(at / size) as usize];
                self.memory[block.0 as usize][(at % size) as usize] =
                    Some(self.texts[&slice.id][at as usize]);
            }
            self.computed += u64::from(slice.len);
        }
        for slice in &plan.slices {
            for at in 0..slice.start + slice.len {
                let block = slice.block_table[(at / size) as usize];
                let found = self.memory[block.0 as usize][(at % size) as usize];
                let own = Some(self.texts[&slice.id][at as usize]);
                assert_eq!(found, own, "{:?} reads another token at {at}: {plan:?}", slice.id);
            }
        }
    }

    /// The outcome of a computed plan: each sampling sequence says its own number; `stop` ends with it.
    pub(crate) fn sample(&mut self, plan: &StepPlan, stop: Option<RequestId>) -> StepOutcome {
        let mut sampled = Vec::new();
        for slice in plan.slices.iter().filter(|slice| slice.samples) {
            let text = self.texts.get_mut(&slice.id).unwrap();
            text.push(b'A' + (slice.id.0 % 26) as u8);
            let full = text.len().is_multiple_of(self.options.block_size as usize);
            let fills = full.then(|| *hashes(text, self.options.block_size).last().unwrap());
            sampled.push(SampledToken { id: slice.id, stop: stop == Some(slice.id), fills });
        }
        StepOutcome::Done(sampled)
    }

    /// One whole step; `None` if there is nothing to do.
    #[allow(dead_code, reason = "each test binary uses its own part")]
    pub(crate) fn step(&mut self) -> Option<(StepPlan, Vec<Event>)> {
        let plan = self.scheduler.schedule(|_| u32::MAX)?;
        self.compute(&plan);
        let outcome = self.sample(&plan, None);
        let copy = StepPlan {
            step: plan.step,
            answers: plan.answers,
            slices: plan.slices.clone(),
            admitted: plan.admitted.clone(),
        };
        Some((copy, self.scheduler.commit(plan, outcome)))
    }
}
