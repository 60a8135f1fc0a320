//! What holds for every load, shown on random ones. A failing case prints its numbers and is kept as a seed file.

mod support;

use conclave_scheduler::{Event, SchedulerOptions, StepOutcome, Submission, SubmitError, TenantId, Waiting};
use conclave_types::{Millis, RequestId};
use proptest::prelude::*;
use support::Engine;

#[test]
fn sequences_that_do_not_fit_together_do_not_push_each_other_out_again_and_again() {
    let mut engine = Engine::new(SchedulerOptions {
        step_tokens_max: 64,
        sequences_max: 8,
        queue_max: 8,
        queue_blocks_max: 999,
        block_size: 16,
        blocks: 64,
        context_max: 1024,
        prefix_cache: false,
    });
    for (at, (prompt, tokens_max)) in [(500, 400), (700, 10), (300, 300), (300, 300)].into_iter().enumerate()
    {
        let id = RequestId(at as u64);
        engine.submit(Submission::new(id, 0, tokens_max), &vec![b'a' + at as u8; prompt]).unwrap();
    }
    let needed = 899 + 709 + 599 + 599;
    while engine.step().is_some() {}
    let computed = engine.computed;
    assert!(computed < needed * 2, "{computed} tokens computed for {needed}");
}

/// A request: which story its prompt begins with, how much of it, how much of its own follows, most tokens of the
/// answer, tenant, priority.
type Request = (u8, usize, usize, u32, u64, i32);

fn request() -> impl Strategy<Value = Request> {
    (0_u8..3, 0_usize..7, 1_usize..4, 1_u32..6, 0_u64..3, 0_i32..2)
}

fn prompt(story: u8, shared: usize, own: usize, at: usize) -> Vec<u8> {
    let mut text: Vec<u8> = (0..shared as u8).map(|i| b'0' + story * 10 + i).collect();
    text.extend(std::iter::repeat_n(100 + at as u8, own));
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever happens: the budget holds, and what prompts may have beside answers, blocks are conserved, every sequence reads the keys and values of its own
    /// tokens and of no other (the pretend engine checks both), nothing is taken that makes those who wait need more than
    /// may be needed, and everything that was taken and is not ended from outside ends.
    #[test]
    fn random_loads_keep_every_promise(
        budget in 1_u32..12,
        beside in 1_u32..12,
        blocks in 5_u32..14,
        queued in 1_u64..4,
        prefix_cache in any::<bool>(),
        requests in prop::collection::vec(request(), 1..12),
        happens in prop::collection::vec(0_u8..14, 0..80),
    ) {
        let queue_blocks_max = queued * u64::from(blocks);
        let options = SchedulerOptions {
            step_tokens_max: budget, sequences_max: 4, queue_max: 99, queue_blocks_max, block_size: 3, blocks, context_max: 15, prefix_cache,
        };
        let mut engine = Engine::new(options);
        let mut left = std::collections::BTreeSet::new();
        let mut to_come = requests.into_iter().enumerate();
        let mut arrive = |engine: &mut Engine, left: &mut std::collections::BTreeSet<RequestId>| {
            let Some((at, (story, shared, own, tokens_max, tenant, priority))) = to_come.next() else { return };
            // Every fifth request wants two choices.
            let ids = [at, at + 100].map(|id| RequestId(id as u64));
            let ids = &ids[..1 + usize::from(at % 5 == 4)];
            let new = |id: &RequestId| Submission {
                tenant: TenantId(tenant),
                priority,
                deadline: (at % 4 == 3).then_some(Millis(40)),
                ..Submission::new(*id, 0, tokens_max)
            };
            let before = engine.scheduler.stats().waiting;
            let taken = engine.submit_all(ids.iter().map(new).collect(), &prompt(story, shared, own, at));
            let now = engine.scheduler.stats().waiting;
            match taken {
                Ok(()) => {
                    left.extend(ids);
                    assert!(now.blocks <= queue_blocks_max, "{now:?} wait");
                }
                // Who finds nobody waiting is refused for good, or not at all.
                Err(error) => {
                    assert_eq!(now, before);
                    let later = matches!(error, SubmitError::QueueFull { .. } | SubmitError::QueueOverbooked { .. });
                    assert!(!later || before.sequences > 0, "{error}");
                }
            }
        };
        for _ in 0..3 {
            arrive(&mut engine, &mut left);
        }
        for round in 0..3000 {
            for event in engine.scheduler.expire(Millis(round)) {
                let Event::Finished(id, _) = event else { panic!("{event:?} is no end") };
                prop_assert!(left.remove(&id));
            }
            arrive(&mut engine, &mut left);
            let Some(plan) = engine.scheduler.schedule(|_| beside) else { break };
            let prompts = plan.tokens() - plan.answers;
            prop_assert!(plan.answers == 0 || prompts <= beside, "{prompts} tokens of prompts: {plan:?}");
            let first = plan.slices[0].id;
            let outcome = match happens.get(round as usize) {
                Some(0) => StepOutcome::Failed { ended: vec![] },
                Some(1) => StepOutcome::Failed { ended: vec![first] },
                what => {
                    engine.compute(&plan);
                    if what == Some(&2) {
                        engine.scheduler.abort(first);
                        left.remove(&first);
                    }
                    engine.sample(&plan, (what == Some(&3)).then_some(first))
                }
            };
            for event in engine.scheduler.commit(plan, outcome) {
                if let Event::Finished(id, _) = event {
                    prop_assert!(left.remove(&id), "{id} ended twice");
                }
            }
        }
        prop_assert!(left.is_empty(), "{left:?} never ended");
        let stats = engine.scheduler.stats();
        prop_assert_eq!((stats.blocks_free, stats.waiting), (blocks, Waiting::default()));
    }

    /// Equal tenants that all have work left get equal shares, whatever the lengths of their requests and whoever came
    /// first.
    #[test]
    fn tenants_with_work_are_served_alike(
        lengths in prop::collection::vec((1_usize..20, 1_u32..20), 60),
    ) {
        let mut engine = Engine::new(SchedulerOptions {
            step_tokens_max: 16, sequences_max: 2, queue_max: 999, queue_blocks_max: 9999, block_size: 4, blocks: 40, context_max: 64,
            prefix_cache: false,
        });
        let tenant = |id: RequestId| (id.0 / 20) as usize;
        for (at, (prompt, tokens_max)) in lengths.iter().enumerate() {
            let id = RequestId(at as u64);
            let new = Submission { tenant: TenantId(id.0 / 20), ..Submission::new(id, 0, *tokens_max) };
            engine.submit(new, &vec![1; *prompt]).unwrap();
        }
        let (mut service, mut admitted) = ([0_i64; 3], [0; 3]);
        while admitted.iter().all(|count| *count < 20) {
            let (plan, _) = engine.step().expect("every tenant has work");
            plan.admitted.iter().for_each(|(id, _)| admitted[tenant(*id)] += 1);
            for slice in &plan.slices {
                service[tenant(slice.id)] += i64::from(slice.len) + i64::from(slice.samples);
            }
        }
        // Shares differ by what two running sequences can amount to, at most: each has up to 19 + 2 * 19.
        let (least, most) = (service.iter().min().unwrap(), service.iter().max().unwrap());
        prop_assert!(most - least <= 2 * 57, "{service:?}");
    }
}
