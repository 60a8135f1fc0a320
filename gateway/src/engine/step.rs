//! One forward step: plan, layers, sampling, commit.

use super::{Engine, EngineError, EngineEvent};
use crate::dispatch::DispatchError;
use conclave_expert::Lane;
use conclave_model::{
    Compute, ComputeError, FeedForward, Routing, Sampled, StepSequence, TrunkError, sample,
};
use conclave_scheduler::{Event, SampledToken, StepOutcome, StepPlan};
use conclave_types::{ErrorCode, LayerIdx, RequestId};
use std::time::Instant;

/// Why a step gave nothing, and who cannot go on.
struct StepFailure {
    ended: Vec<RequestId>,
    error: EngineError,
}

impl<C: Compute> Engine<C> {
    pub(super) fn step(&mut self) {
        let Some(plan) = self.scheduler.schedule() else { return };
        let span = tracing::debug_span!(
            target: conclave_telemetry::TRACE,
            "step",
            step = plan.step,
            tokens = plan.tokens(),
            sequences = plan.slices.len(),
            prefill = plan.is_prefill(),
        );
        // The step runs on this thread from beginning to end, the calls to the nodes included.
        let _inside = span.enter();
        let started = Instant::now();
        let (outcome, sampled) = match self.forward(&plan) {
            Ok(sampled) => {
                let ends = |(id, token): &(RequestId, Sampled)| {
                    let stop = self.running.get(id).is_some_and(|r| r.request.eos.contains(&token.token));
                    SampledToken { id: *id, stop }
                };
                (StepOutcome::Done(sampled.iter().map(ends).collect()), sampled)
            }
            Err(StepFailure { ended, error }) => {
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
        metrics::histogram!("conclave_step_seconds").record(started.elapsed().as_secs_f64());
        metrics::counter!("conclave_step_tokens_total").increment(u64::from(plan.tokens()));
        let mut gone = Vec::new();
        for (id, token) in sampled {
            let Some(running) = self.running.get_mut(&id) else { continue };
            running.answer.push(token.token);
            metrics::counter!("conclave_generated_tokens_total").increment(1);
            if running.events.send(EngineEvent::Token(token)).is_err() {
                gone.push(id);
            }
        }
        for event in self.scheduler.commit(plan, outcome) {
            if let Event::Finished(id, reason) = event
                && let Some(running) = self.running.remove(&id)
            {
                let _ = running.events.send(EngineEvent::Finished(reason));
            }
        }
        for id in gone {
            self.abort(id);
        }
    }

    /// Runs the plan's rows through every layer and samples; a token for each slice that samples.
    fn forward(&mut self, plan: &StepPlan) -> Result<Vec<(RequestId, Sampled)>, StepFailure> {
        let all = || plan.slices.iter().map(|slice| slice.id).collect::<Vec<_>>();
        let internal = |error: String| StepFailure {
            ended: all(),
            error: EngineError { code: ErrorCode::Internal, message: error },
        };
        let compute = |error: ComputeError| internal(error.to_string());
        let mut tokens = Vec::with_capacity(plan.tokens() as usize);
        let mut sequences = Vec::with_capacity(plan.slices.len());
        for slice in &plan.slices {
            let running = &self.running[&slice.id];
            let (start, len) = (slice.start as usize, slice.len as usize);
            tokens.extend((start..start + len).map(|at| running.token(at).0));
            let block_table = slice.block_table.iter().map(|block| block.0).collect();
            sequences.push(StepSequence { start, len, block_table });
        }
        let lane = if plan.is_prefill() { Lane::Prefill } else { Lane::Decode };
        let hidden = self.trunk.spec().hidden;
        let mut x = self.trunk.embed(&tokens).map_err(compute)?;
        for layer in 0..self.trunk.spec().layers {
            x = self.trunk.attend(layer, x, &mut self.kv, &sequences).map_err(compute)?;
            x = match self.trunk.feed_forward(layer, x) {
                Ok(FeedForward::Dense(x)) => x,
                Ok(FeedForward::Sparse { residual, rows, routing }) => {
                    let index = LayerIdx(layer as u32);
                    let call = self.dispatcher.run_layer(index, lane, hidden, &rows, &routing);
                    let combined =
                        self.runtime.block_on(call).map_err(|error| unavailable(plan, &routing, error))?;
                    self.trunk.add(residual, combined).map_err(compute)?
                }
                Err(TrunkError::Route(error)) => {
                    let ended = vec![row_owner(plan, error.row)];
                    let error = EngineError { code: ErrorCode::Internal, message: error.to_string() };
                    return Err(StepFailure { ended, error });
                }
                Err(TrunkError::Compute(error)) => return Err(compute(error)),
            };
        }
        self.sample(plan, &x).map_err(compute)
    }

    fn sample(&self, plan: &StepPlan, x: &C::Act) -> Result<Vec<(RequestId, Sampled)>, ComputeError> {
        let mut last_rows = Vec::new();
        let mut row = 0;
        for slice in &plan.slices {
            row += slice.len as usize;
            if slice.samples {
                last_rows.push(row - 1);
            }
        }
        if last_rows.is_empty() {
            return Ok(Vec::new());
        }
        let logits = self.trunk.logits(x, &last_rows)?;
        let vocab = self.trunk.spec().vocab;
        let sampling = plan.slices.iter().filter(|slice| slice.samples);
        Ok(sampling
            .zip(logits.chunks_exact(vocab))
            .map(|(slice, logits)| {
                let running = &self.running[&slice.id];
                let request = &running.request;
                let position = u64::from(slice.start + slice.len);
                let sampled = sample(
                    logits,
                    &request.sampling,
                    &request.prompt,
                    &running.answer,
                    position,
                    request.logprobs,
                );
                (slice.id, sampled)
            })
            .collect())
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

/// Ends the sequences that need an expert without a live home; the others are tried again.
fn unavailable(plan: &StepPlan, routing: &Routing, error: DispatchError) -> StepFailure {
    let DispatchError::NoReplica { experts, .. } = &error;
    let needs = |row: &usize| {
        routing.experts[row * routing.top_k..(row + 1) * routing.top_k].iter().any(|e| experts.contains(e))
    };
    let mut ended: Vec<RequestId> =
        (0..routing.rows()).filter(needs).map(|row| row_owner(plan, row)).collect();
    ended.dedup();
    StepFailure {
        ended,
        error: EngineError { code: ErrorCode::ExpertUnavailable, message: error.to_string() },
    }
}
