//! One step: plan, forward pass, sampling, commit.

use super::forward::ForwardError;
use super::{Engine, EngineError, EngineEvent, Running, prefix};
use crate::dispatch::DispatchError;
use conclave_expert::Lane;
use conclave_model::{Compute, Sampled, StepSequence, sample};
use conclave_scheduler::{SampledToken, Slice, StepOutcome, StepPlan};
use conclave_telemetry::{Span, SpanRole};
use conclave_types::{ErrorCode, RequestId, TokenId};
use std::time::Instant;

/// Why a step gave nothing, and who cannot go on.
struct StepFailure {
    ended: Vec<RequestId>,
    error: EngineError,
}

impl<C: Compute> Engine<C> {
    /// The span of a step, if that serves a request whose own will be seen.
    fn span(&self, plan: &StepPlan) -> Span {
        let seen = plan.slices.iter().filter_map(|slice| self.running[&slice.id].request.span.clone());
        let mut seen = seen.peekable();
        match seen.peek() {
            Some(_) => Span::begin(SpanRole::Internal, || "step", None, seen),
            None => Span::default(),
        }
    }

    pub(super) fn step(&mut self) {
        let Some(plan) = self.scheduler.schedule(|answers| self.chunk.tokens(answers)) else { return };
        let mut span = self.span(&plan);
        span.set("step", plan.step as i64);
        span.set("tokens", i64::from(plan.tokens()));
        span.set("sequences", plan.slices.len() as i64);
        span.set("prefill", plan.is_prefill());
        let dispatcher = self.forward.dispatcher().clone();
        let shares = dispatcher.shares().begin(span.place());
        let started = Instant::now();
        for (id, cached_tokens) in &plan.admitted {
            metrics::counter!("conclave_prefix_cached_tokens_total").increment(u64::from(*cached_tokens));
            // A reader that is gone is noticed at its first token.
            let _ = self.running[id].events.send(EngineEvent::Started { cached_tokens: *cached_tokens });
        }
        let (outcome, sampled) = match self.forward(&plan) {
            Ok(sampled) => {
                let prompts = plan.tokens() - plan.answers;
                self.chunk.took(plan.answers, prompts, started.elapsed().as_secs_f64());
                let tokens = sampled.iter().map(|(id, token)| self.append(*id, token.token)).collect();
                (StepOutcome::Done(tokens), sampled)
            }
            Err(StepFailure { ended, error }) => {
                span.failed(error.code.name());
                tracing::warn!(
                    step = plan.step,
                    requests = ended.len(),
                    message = error.message,
                    "a step failed"
                );
                for id in &ended {
                    if let Some(running) = self.running.remove(id) {
                        let _ = running.events.send(EngineEvent::Failed(error.clone()));
                    }
                }
                (StepOutcome::Failed { ended }, Vec::new())
            }
        };
        drop((shares, span));
        metrics::histogram!("conclave_step_seconds").record(started.elapsed().as_secs_f64());
        metrics::counter!("conclave_step_tokens_total").increment(u64::from(plan.tokens()));
        metrics::counter!("conclave_generated_tokens_total").increment(sampled.len() as u64);
        let mut gone = Vec::new();
        for (id, token) in sampled {
            let Some(running) = self.running.get(&id) else { continue };
            if running.events.send(EngineEvent::Token(token)).is_err() {
                gone.push(id);
            }
        }
        let events = self.scheduler.commit(plan, outcome);
        self.finish(events);
        for id in gone {
            self.abort(id);
        }
    }

    /// Adds a sampled token to its sequence; what the scheduler needs to know of it.
    fn append(&mut self, id: RequestId, token: TokenId) -> SampledToken {
        let block_size = self.block_size;
        let running = self.running.get_mut(&id).expect("a sequence of the plan is known");
        running.answer.push(token);
        let waited = std::mem::replace(&mut running.latest, Instant::now()).elapsed().as_secs_f64();
        let first = running.answer.len() == 1;
        let name =
            if first { "conclave_time_to_first_token_seconds" } else { "conclave_inter_token_seconds" };
        metrics::histogram!(name).record(waited);
        let known = running.request.prompt.len() + running.answer.len();
        let fills = known.is_multiple_of(block_size).then(|| {
            let block = (known - block_size..known).map(|at| running.token(at));
            running.last_block = prefix::chained(running.last_block, block);
            running.last_block
        });
        SampledToken { id, stop: running.request.eos.contains(&token), fills }
    }

    /// Runs the plan's rows through every layer and samples; a token for each slice that samples.
    fn forward(&mut self, plan: &StepPlan) -> Result<Vec<(RequestId, Sampled)>, StepFailure> {
        let mut tokens = Vec::with_capacity(plan.tokens() as usize);
        let mut sequences = Vec::with_capacity(plan.slices.len());
        let mut last_rows = Vec::with_capacity(plan.slices.len());
        for slice in &plan.slices {
            let running = &self.running[&slice.id];
            let (start, len) = (slice.start as usize, slice.len as usize);
            tokens.extend((start..start + len).map(|at| running.token(at).0));
            let block_table = slice.block_table.iter().map(|block| block.0).collect();
            sequences.push(StepSequence { start, len, block_table });
            if slice.samples {
                last_rows.push(tokens.len() - 1);
            }
        }
        let lane = if plan.is_prefill() { Lane::Prefill } else { Lane::Decode };
        let logits = self.forward.run(&tokens, &sequences, lane, &last_rows);
        let logits = logits.map_err(|error| failure(plan, error))?;
        let sampling = plan.slices.iter().filter(|slice| slice.samples);
        let rows = logits.chunks_exact(self.forward.spec().vocab);
        Ok(sampling.zip(rows).map(|(slice, logits)| (slice.id, self.sample(slice, logits))).collect())
    }

    /// The token after `slice`, whose last row has these logits.
    fn sample(&self, slice: &Slice, logits: &[f32]) -> Sampled {
        let Running { request, answer, .. } = &self.running[&slice.id];
        let position = u64::from(slice.start + slice.len);
        sample(logits, &request.sampling, &request.prompt, answer, position, request.logprobs)
    }
}

/// The sequence that row `row` of the step belongs to.
fn row_owner(plan: &StepPlan, row: usize) -> RequestId {
    let mut end = 0;
    let owner = plan.slices.iter().find(|slice| {
        end += slice.len as usize;
        row < end
    });
    owner.expect("a row of the step belongs to a slice").id
}

/// Which sequences end with `error`; the others are tried again.
fn failure(plan: &StepPlan, error: ForwardError) -> StepFailure {
    let message = error.to_string();
    let (code, ended) = match error {
        ForwardError::Compute(_) => (ErrorCode::Internal, plan.slices.iter().map(|slice| slice.id).collect()),
        ForwardError::Route(error) => (ErrorCode::Internal, vec![row_owner(plan, error.row)]),
        ForwardError::Unavailable { error: DispatchError::NoReplica { experts, .. }, routing, rows } => {
            let needs = |row: &usize| {
                let chosen = &routing.experts[row * routing.top_k..(row + 1) * routing.top_k];
                chosen.iter().any(|expert| experts.contains(expert))
            };
            let mut ended: Vec<RequestId> =
                (0..routing.rows()).filter(needs).map(|row| row_owner(plan, rows[row])).collect();
            ended.dedup();
            (ErrorCode::ExpertUnavailable, ended)
        }
    };
    StepFailure { ended, error: EngineError { code, message } }
}
