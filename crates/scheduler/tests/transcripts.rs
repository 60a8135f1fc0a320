//! The scheduler's rules as transcripts: commands, then everything that must follow from them.
//!
//! `pool budget=8 seqs=4 queue=4 block=2 blocks=8 context=64` makes a scheduler; `submit a prompt=4 max=3`;
//! `step` plans and commits with a token for each sampling sequence; `step stop=a` lets a's token end it;
//! `fail` / `fail end=a` fails the step; `plan` leaves it outstanding until `commit`; `abort a`.

use conclave_scheduler::{SampledToken, Scheduler, SchedulerOptions, StepOutcome, StepPlan, Submission};
use conclave_types::RequestId;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use std::fmt::Write;

fn name(id: RequestId) -> char {
    char::from(b'a' + id.0 as u8)
}

fn id(name: &str) -> RequestId {
    RequestId(u64::from(name.as_bytes()[0] - b'a'))
}

fn show(plan: &StepPlan) -> String {
    let slices = plan.slices.iter().map(|s| {
        format!("{}[{}..{}]{}", name(s.id), s.start, s.start + s.len, if s.samples { "!" } else { "" })
    });
    slices.collect::<Vec<_>>().join(" ")
}

fn done(plan: &StepPlan, stop: Option<RequestId>) -> StepOutcome {
    let sampling = plan.slices.iter().filter(|slice| slice.samples);
    StepOutcome::Done(sampling.map(|s| SampledToken { id: s.id, stop: stop == Some(s.id) }).collect())
}

fn check(script: &str, expected: Expect) {
    let mut out = String::new();
    let mut scheduler: Option<Scheduler> = None;
    let mut held: Option<StepPlan> = None;
    for command in script.split('|').map(str::trim) {
        let mut words = command.split_whitespace();
        let verb = words.next().unwrap();
        let words: Vec<&str> = words.collect();
        let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        let number = |key: &str, default: u32| value(key).map_or(default, |text| text.parse().unwrap());
        if verb == "pool" {
            scheduler = Some(Scheduler::new(SchedulerOptions {
                step_tokens_max: number("budget", 8),
                sequences_max: number("seqs", 4),
                queue_max: number("queue", 4),
                block_size: number("block", 2),
                blocks: number("blocks", 8),
                context_max: number("context", 64),
            }));
            continue;
        }
        let s = scheduler.as_mut().unwrap();
        write!(out, "{command}: ").unwrap();
        match verb {
            "submit" => {
                let new = Submission {
                    id: id(words[0]),
                    prompt_tokens: number("prompt", 1),
                    tokens_max: number("max", 9),
                };
                match s.submit(new) {
                    Ok(()) => out.push_str("ok"),
                    Err(error) => write!(out, "{error}").unwrap(),
                }
            }
            "abort" => write!(out, "{}", s.abort(id(words[0]))).unwrap(),
            "plan" => {
                held = s.schedule();
                out.push_str(&held.as_ref().map_or("nothing".to_owned(), show));
            }
            "commit" => {
                let plan = held.take().unwrap();
                let outcome = done(&plan, None);
                write!(out, "{:?}", s.commit(plan, outcome)).unwrap();
            }
            "step" | "fail" => match s.schedule() {
                None => out.push_str("nothing"),
                Some(plan) => {
                    out.push_str(&show(&plan));
                    let outcome = if verb == "fail" {
                        StepOutcome::Failed { ended: value("end").map(id).into_iter().collect() }
                    } else {
                        done(&plan, value("stop").map(id))
                    };
                    for event in s.commit(plan, outcome) {
                        if let conclave_scheduler::Event::Finished(id, reason) = event {
                            write!(out, " | {} ends: {reason:?}", name(id)).unwrap();
                        }
                    }
                }
            },
            other => panic!("unknown command {other}"),
        }
        let stats = s.stats();
        writeln!(out, " (free {} waiting {})", stats.blocks_free, stats.waiting).unwrap();
    }
    expected.assert_eq(&out);
}

#[test]
fn a_prompt_is_computed_then_decoded_token_by_token() {
    check(
        "pool | submit a prompt=3 max=3 | step | step | step | step",
        expect![[r#"
            submit a prompt=3 max=3: ok (free 8 waiting 1)
            step: a[0..3]! (free 6 waiting 0)
            step: a[3..4]! (free 6 waiting 0)
            step: a[4..5]! | a ends: Length (free 8 waiting 0)
            step: nothing (free 8 waiting 0)
        "#]],
    );
}

#[test]
fn a_long_prompt_is_cut_and_never_delays_a_running_answer() {
    check(
        "pool budget=4 | submit a prompt=2 | step | submit b prompt=6 | step | step | step",
        expect![[r#"
            submit a prompt=2: ok (free 8 waiting 1)
            step: a[0..2]! (free 7 waiting 0)
            submit b prompt=6: ok (free 7 waiting 1)
            step: a[2..3]! b[0..3] (free 3 waiting 0)
            step: a[3..4]! b[3..6]! (free 3 waiting 0)
            step: a[4..5]! b[6..7]! (free 1 waiting 0)
        "#]],
    );
}

#[test]
fn a_failed_step_gives_its_tokens_back() {
    check(
        "pool | submit a prompt=4 | fail | step | fail | step stop=a",
        expect![[r#"
            submit a prompt=4: ok (free 8 waiting 1)
            fail: a[0..4]! (free 6 waiting 0)
            step: a[0..4]! (free 6 waiting 0)
            fail: a[4..5]! (free 5 waiting 0)
            step stop=a: a[4..5]! | a ends: Stop (free 8 waiting 0)
        "#]],
    );
}

#[test]
fn a_failed_step_ends_only_those_it_names() {
    check(
        "pool | submit a prompt=2 | submit b prompt=2 | fail end=b | step",
        expect![[r#"
            submit a prompt=2: ok (free 8 waiting 1)
            submit b prompt=2: ok (free 8 waiting 2)
            fail end=b: a[0..2]! b[0..2]! | b ends: Failed (free 7 waiting 0)
            step: a[0..2]! (free 7 waiting 0)
        "#]],
    );
}

#[test]
fn the_latest_arrival_makes_room_and_is_computed_again() {
    check(
        "pool blocks=4 | submit a prompt=2 max=5 | submit b prompt=4 max=3 | step | step | step | step | step | step | step",
        expect![[r#"
            submit a prompt=2 max=5: ok (free 4 waiting 1)
            submit b prompt=4 max=3: ok (free 4 waiting 2)
            step: a[0..2]! b[0..4]! (free 1 waiting 0)
            step: a[2..3]! (free 2 waiting 1)
            step: a[3..4]! (free 2 waiting 1)
            step: a[4..5]! (free 1 waiting 1)
            step: a[5..6]! | a ends: Length (free 4 waiting 1)
            step: b[0..5]! (free 1 waiting 0)
            step: b[5..6]! | b ends: Length (free 4 waiting 0)
        "#]],
    );
}

#[test]
fn an_aborted_sequence_frees_its_blocks_when_its_step_is_over() {
    check(
        "pool | submit a prompt=4 | plan | abort a | commit | abort a",
        expect![[r#"
            submit a prompt=4: ok (free 8 waiting 1)
            plan: a[0..4]! (free 6 waiting 0)
            abort a: true (free 6 waiting 0)
            commit: [] (free 8 waiting 0)
            abort a: false (free 8 waiting 0)
        "#]],
    );
}

#[test]
fn what_cannot_be_served_is_refused_at_once() {
    check(
        "pool queue=1 blocks=2 context=8 | submit a prompt=8 | submit a prompt=4 max=9 | submit a prompt=0 | submit a prompt=2 max=3 | submit b prompt=2 max=3",
        expect![[r#"
            submit a prompt=8: the prompt has 8 tokens, the context 8, and at least one is the answer's (free 2 waiting 0)
            submit a prompt=4 max=9: 8 tokens need 4 KV blocks, the gateway has 2; raise its KV memory (free 2 waiting 0)
            submit a prompt=0: prompt and answer need at least one token each (free 2 waiting 0)
            submit a prompt=2 max=3: ok (free 2 waiting 1)
            submit b prompt=2 max=3: 1 requests wait already (queue_max 1); retry later (free 2 waiting 1)
        "#]],
    );
}

/// Tokens computed for loads that do not fit together, beside the tokens that had to be computed.
#[test]
fn sequences_that_do_not_fit_together_do_not_push_each_other_out_again_and_again() {
    let mut s = Scheduler::new(SchedulerOptions {
        step_tokens_max: 64,
        sequences_max: 8,
        queue_max: 8,
        block_size: 16,
        blocks: 64,
        context_max: 1024,
    });
    for (at, (prompt_tokens, tokens_max)) in
        [(500, 400), (700, 10), (300, 300), (300, 300)].into_iter().enumerate()
    {
        s.submit(Submission { id: RequestId(at as u64), prompt_tokens, tokens_max }).unwrap();
    }
    let needed = 899 + 709 + 599 + 599;
    let mut computed = 0;
    while let Some(plan) = s.schedule() {
        computed += plan.tokens();
        let outcome = done(&plan, None);
        s.commit(plan, outcome);
    }
    assert!(computed < needed * 2, "{computed} tokens computed for {needed}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever happens: the budget holds, blocks are conserved, no block is shared, positions are computed
    /// in order, and everything that is not aborted ends.
    #[test]
    fn random_loads_keep_every_promise(
        budget in 1_u32..12,
        blocks in 4_u32..12,
        requests in prop::collection::vec((1_u32..6, 1_u32..6), 1..9),
        outcomes in prop::collection::vec(0_u8..10, 0..60),
    ) {
        let options = SchedulerOptions {
            step_tokens_max: budget, sequences_max: 4, queue_max: 99, block_size: 3, blocks, context_max: 12,
        };
        let mut s = Scheduler::new(options);
        let mut computed = vec![0_u32; requests.len()];
        let mut left = 0;
        for (at, (prompt_tokens, tokens_max)) in requests.iter().enumerate() {
            let new = Submission { id: RequestId(at as u64), prompt_tokens: *prompt_tokens, tokens_max: *tokens_max };
            left += usize::from(s.submit(new).is_ok());
        }
        for round in 0..3000 {
            let Some(plan) = s.schedule() else { break };
            prop_assert!(plan.tokens() <= budget);
            let mut seen = std::collections::BTreeSet::new();
            for slice in &plan.slices {
                let done = &mut computed[slice.id.0 as usize];
                // Either it goes on where it was, or it was preempted and starts again.
                prop_assert!(slice.start == *done || slice.start == 0, "{slice:?} after {done}");
                *done = slice.start;
                prop_assert!(slice.block_table.len() as u32 * 3 >= slice.start + slice.len);
                prop_assert!(slice.block_table.iter().all(|block| seen.insert(*block)), "a shared block");
            }
            let outcome = match outcomes.get(round) {
                Some(0) => StepOutcome::Failed { ended: vec![] },
                Some(1) => StepOutcome::Failed { ended: vec![plan.slices[0].id] },
                _ => {
                    for slice in &plan.slices {
                        computed[slice.id.0 as usize] += slice.len;
                    }
                    done(&plan, None)
                }
            };
            let ended = s.commit(plan, outcome);
            left -= ended.iter().filter(|e| matches!(e, conclave_scheduler::Event::Finished(..))).count();
        }
        prop_assert_eq!(left, 0, "something never ended");
        prop_assert_eq!(s.stats().blocks_free, blocks);
    }
}
