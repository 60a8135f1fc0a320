//! The scheduler's rules as transcripts: commands, then everything that must follow from them.
//!
//! `pool budget=8 seqs=4 queue=4 block=2 blocks=8 context=64` makes a scheduler; `submit a prompt=4 max=3` a sequence
//! whose prompt is like no other, `submit a says=once max=3` one whose tokens are those letters; further `tenant=1`,
//! `priority=5`, `deadline=100`; `submit abc` three choices of one request. With `queued=9` a pool lets those who wait need
//! that many blocks, and shows how many they do; with `beside=6` six tokens of prompts may be computed beside one answer, three
//! beside two. `step` plans and commits with a token for each sampling sequence; `step stop=a` lets a's
//! token end it; `fail` / `fail end=a` fails the step; `plan` leaves it outstanding until `commit`; `abort a`;
//! `time 100`. `+4` beside a slice: four tokens of the prompt came from the prefix cache.

mod support;

use conclave_scheduler::{Event, SchedulerOptions, StepOutcome, StepPlan, Submission, TenantId};
use conclave_types::{Millis, RequestId};
use expect_test::{Expect, expect};
use std::fmt::Write;
use support::Engine;

fn name(id: RequestId) -> char {
    char::from(b'a' + id.0 as u8)
}

fn id(name: &str) -> RequestId {
    RequestId(u64::from(name.as_bytes()[0] - b'a'))
}

fn show(plan: &StepPlan) -> String {
    let slices = plan.slices.iter().map(|s| {
        let cached = plan.admitted.iter().find(|(id, cached)| *id == s.id && *cached > 0);
        let cached = cached.map_or(String::new(), |(_, cached)| format!("+{cached}"));
        let sampled = if s.samples { "!" } else { "" };
        format!("{}[{}..{}]{sampled}{cached}", name(s.id), s.start, s.start + s.len)
    });
    slices.collect::<Vec<_>>().join(" ")
}

fn ends(events: Vec<Event>, out: &mut String) {
    for event in events {
        if let Event::Finished(id, reason) = event {
            write!(out, " | {} ends: {reason:?}", name(id)).unwrap();
        }
    }
}

fn check(script: &str, expected: Expect) {
    let mut out = String::new();
    let mut engine: Option<Engine> = None;
    let mut held: Option<StepPlan> = None;
    let mut shows_need = false;
    let mut most_beside = u32::MAX;
    for command in script.split('|').map(str::trim) {
        let mut words = command.split_whitespace();
        let verb = words.next().unwrap();
        let words: Vec<&str> = words.collect();
        let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        let number = |key: &str, default: u32| value(key).map_or(default, |text| text.parse().unwrap());
        if verb == "pool" {
            shows_need = value("queued").is_some();
            most_beside = number("beside", u32::MAX);
            engine = Some(Engine::new(SchedulerOptions {
                step_tokens_max: number("budget", 8),
                sequences_max: number("seqs", 4),
                queue_max: number("queue", 4),
                queue_blocks_max: number("queued", 99).into(),
                block_size: number("block", 2),
                blocks: number("blocks", 8),
                context_max: number("context", 64),
                prefix_cache: number("cache", 1) == 1,
            }));
            continue;
        }
        let engine = engine.as_mut().unwrap();
        let beside = |answers: u32| most_beside / answers;
        write!(out, "{command}: ").unwrap();
        match verb {
            "submit" => {
                let prompt = number("prompt", 1) as usize;
                let text = value("says").map_or_else(|| words[0][..1].repeat(prompt), str::to_owned);
                let choice = |(at, _)| Submission {
                    tenant: TenantId(number("tenant", 0).into()),
                    priority: number("priority", 0) as i32,
                    deadline: value("deadline").map(|time| Millis(time.parse().unwrap())),
                    ..Submission::new(id(&words[0][at..]), 0, number("max", 9))
                };
                match engine.submit_all(words[0].char_indices().map(choice).collect(), text.as_bytes()) {
                    Ok(()) => out.push_str("ok"),
                    Err(error) => write!(out, "{error}").unwrap(),
                }
            }
            "abort" => write!(out, "{}", engine.scheduler.abort(id(words[0]))).unwrap(),
            "time" => {
                out.push_str("it is");
                ends(engine.scheduler.expire(Millis(words[0].parse().unwrap())), &mut out);
            }
            "plan" => {
                held = engine.scheduler.schedule(beside);
                out.push_str(&held.as_ref().map_or("nothing".to_owned(), show));
            }
            "commit" => {
                let plan = held.take().unwrap();
                engine.compute(&plan);
                let outcome = engine.sample(&plan, None);
                write!(out, "{:?}", engine.scheduler.commit(plan, outcome)).unwrap();
            }
            "step" | "fail" => match engine.scheduler.schedule(beside) {
                None => out.push_str("nothing"),
                Some(plan) => {
                    out.push_str(&show(&plan));
                    let outcome = if verb == "fail" {
                        StepOutcome::Failed { ended: value("end").map(id).into_iter().collect() }
                    } else {
                        engine.compute(&plan);
                        engine.sample(&plan, value("stop").map(id))
                    };
                    ends(engine.scheduler.commit(plan, outcome), &mut out);
                }
            },
            other => panic!("unknown command {other}"),
        }
        let stats = engine.scheduler.stats();
        let cached = match stats.blocks_cached {
            0 => String::new(),
            cached => format!(", {cached} cached"),
        };
        let need = if shows_need { format!(" for {}", stats.waiting.blocks) } else { String::new() };
        let waiting = stats.waiting.sequences;
        writeln!(out, " (free {}{cached}, waiting {waiting}{need})", stats.blocks_free).unwrap();
    }
    expected.assert_eq(&out);
}

#[test]
fn prompts_are_cut_where_answers_would_wait_for_them() {
    check(
        "pool beside=6 budget=16 blocks=40 | submit a prompt=12 max=9 | step | submit b prompt=9 max=9 | \
         submit c prompt=5 max=9 | step | step | step | step | step | submit d prompt=9 max=1 | step",
        expect![[r#"
            submit a prompt=12 max=9: ok (free 40, waiting 1)
            step: a[0..12]! (free 34, waiting 0)
            submit b prompt=9 max=9: ok (free 34, waiting 1)
            submit c prompt=5 max=9: ok (free 34, waiting 2)
            step: a[12..13]! b[0..6] (free 28, waiting 1)
            step: a[13..14]! b[6..9]! c[0..3] (free 25, waiting 0)
            step: a[14..15]! b[9..10]! c[3..5]! (free 24, waiting 0)
            step: a[15..16]! b[10..11]! c[5..6]! (free 23, waiting 0)
            step: a[16..17]! b[11..12]! c[6..7]! (free 21, waiting 0)
            submit d prompt=9 max=1: ok (free 21, waiting 1)
            step: a[17..18]! b[12..13]! c[7..8]! d[0..2] (free 15, waiting 0)
        "#]],
    );
}

#[test]
fn a_prompt_is_computed_then_decoded_token_by_token() {
    check(
        "pool | submit a prompt=3 max=3 | step | step | step | step",
        expect![[r#"
            submit a prompt=3 max=3: ok (free 8, waiting 1)
            step: a[0..3]! (free 6, waiting 0)
            step: a[3..4]! (free 6, waiting 0)
            step: a[4..5]! | a ends: Length (free 8, 2 cached, waiting 0)
            step: nothing (free 8, 2 cached, waiting 0)
        "#]],
    );
}

#[test]
fn a_long_prompt_is_cut_and_never_delays_a_running_answer() {
    check(
        "pool budget=4 | submit a prompt=2 | step | submit b prompt=6 | step | step | step",
        expect![[r#"
            submit a prompt=2: ok (free 8, waiting 1)
            step: a[0..2]! (free 7, waiting 0)
            submit b prompt=6: ok (free 7, waiting 1)
            step: a[2..3]! b[0..3] (free 3, waiting 0)
            step: a[3..4]! b[3..6]! (free 3, waiting 0)
            step: a[4..5]! b[6..7]! (free 1, waiting 0)
        "#]],
    );
}

#[test]
fn a_failed_step_gives_its_tokens_back() {
    check(
        "pool | submit a prompt=4 | fail | step | fail | step stop=a",
        expect![[r#"
            submit a prompt=4: ok (free 8, waiting 1)
            fail: a[0..4]! (free 6, waiting 0)
            step: a[0..4]! (free 6, waiting 0)
            fail: a[4..5]! (free 5, waiting 0)
            step stop=a: a[4..5]! | a ends: Stop (free 8, 2 cached, waiting 0)
        "#]],
    );
}

#[test]
fn a_failed_step_ends_only_those_it_names() {
    check(
        "pool | submit a prompt=2 | submit b prompt=2 | fail end=b | step",
        expect![[r#"
            submit a prompt=2: ok (free 8, waiting 1)
            submit b prompt=2: ok (free 8, waiting 2)
            fail end=b: a[0..2]! b[0..2]! | b ends: Failed (free 7, waiting 0)
            step: a[0..2]! (free 7, waiting 0)
        "#]],
    );
}

#[test]
fn the_latest_arrival_makes_room_and_is_computed_again() {
    check(
        "pool blocks=4 | submit a prompt=2 max=5 | submit b prompt=4 max=3 | step | step | step | step | step | step | step",
        expect![[r#"
            submit a prompt=2 max=5: ok (free 4, waiting 1)
            submit b prompt=4 max=3: ok (free 4, waiting 2)
            step: a[0..2]! b[0..4]! (free 1, waiting 0)
            step: a[2..3]! (free 2, 2 cached, waiting 1)
            step: a[3..4]! (free 2, 2 cached, waiting 1)
            step: a[4..5]! (free 1, 1 cached, waiting 1)
            step: a[5..6]! | a ends: Length (free 4, 4 cached, waiting 1)
            step: b[2..5]! (free 1, 1 cached, waiting 0)
            step: b[5..6]! | b ends: Length (free 4, 4 cached, waiting 0)
        "#]],
    );
}

#[test]
fn an_aborted_sequence_frees_its_blocks_when_its_step_is_over() {
    check(
        "pool | submit a prompt=4 | plan | abort a | commit | abort a",
        expect![[r#"
            submit a prompt=4: ok (free 8, waiting 1)
            plan: a[0..4]! (free 6, waiting 0)
            abort a: true (free 6, waiting 0)
            commit: [] (free 8, waiting 0)
            abort a: false (free 8, waiting 0)
        "#]],
    );
}

#[test]
fn what_cannot_be_served_is_refused_at_once() {
    check(
        "pool queue=1 blocks=2 context=8 | submit a prompt=8 | submit a prompt=4 max=9 | submit a prompt=0 | submit a prompt=2 max=3 | submit b prompt=2 max=3",
        expect![[r#"
            submit a prompt=8: the prompt has 8 tokens, the context 8, and at least one is the answer's (free 2, waiting 0)
            submit a prompt=4 max=9: 8 tokens of prompt and answer need 4 KV blocks, and the gateway has 2; shorten the prompt, ask for fewer tokens, or raise the gateway's KV memory (free 2, waiting 0)
            submit a prompt=0: prompt and answer need at least one token each (free 2, waiting 0)
            submit a prompt=2 max=3: ok (free 2, waiting 1)
            submit b prompt=2 max=3: 1 requests wait already (queue_max 1); retry later (free 2, waiting 1)
        "#]],
    );
}

#[test]
fn what_waits_is_bounded_by_the_blocks_it_will_need() {
    check(
        "pool seqs=1 blocks=4 queued=8 queue=9 | submit a prompt=2 max=3 | step | submit b prompt=3 max=6 | submit c prompt=3 max=4 | submit d prompt=2 max=3 | submit d prompt=1 max=2 | step | step | submit d prompt=3 max=4 | step | submit d prompt=3 max=4",
        expect![[r#"
            submit a prompt=2 max=3: ok (free 4, waiting 1 for 2)
            step: a[0..2]! (free 3, waiting 0 for 0)
            submit b prompt=3 max=6: ok (free 3, waiting 1 for 4)
            submit c prompt=3 max=4: ok (free 3, waiting 2 for 7)
            submit d prompt=2 max=3: waiting requests need 7 of at most 8 KV blocks already, and this one needs 2; retry later (free 3, waiting 2 for 7)
            submit d prompt=1 max=2: ok (free 3, waiting 3 for 8)
            step: a[2..3]! (free 2, waiting 3 for 8)
            step: a[3..4]! | a ends: Length (free 4, 2 cached, waiting 3 for 8)
            submit d prompt=3 max=4: waiting requests need 8 of at most 8 KV blocks already, and this one needs 3; retry later (free 4, 2 cached, waiting 3 for 8)
            step: b[0..3]! (free 2, 2 cached, waiting 2 for 4)
            submit d prompt=3 max=4: ok (free 2, 2 cached, waiting 3 for 7)
        "#]],
    );
}

#[test]
fn a_prefix_of_several_who_wait_is_needed_once() {
    check(
        "pool seqs=1 blocks=8 queued=8 queue=9 | submit abc says=onceupon max=1 | submit d says=onceagain max=1 | submit e says=onceupon max=3 | abort d | submit f says=onceupon max=3 | step | step",
        expect![[r#"
            submit abc says=onceupon max=1: ok (free 8, waiting 3 for 4)
            submit d says=onceagain max=1: ok (free 8, waiting 4 for 7)
            submit e says=onceupon max=3: ok (free 8, waiting 5 for 8)
            abort d: true (free 8, waiting 4 for 5)
            submit f says=onceupon max=3: ok (free 8, waiting 5 for 6)
            step: a[0..8]! | a ends: Length (free 8, 4 cached, waiting 4 for 6)
            step: b[6..8]!+6 | b ends: Length (free 8, 4 cached, waiting 3 for 6)
        "#]],
    );
}

#[test]
fn choices_are_taken_together_or_not_at_all() {
    check(
        "pool queue=3 blocks=8 queued=8 cache=0 | submit abcd prompt=2 max=1 | submit abc prompt=4 max=3 | submit abc prompt=2 max=3 | submit d prompt=2 max=1 | step",
        expect![[r#"
            submit abcd prompt=2 max=1: 4 choices at once need 4 KV blocks, and the queue takes 3 sequences and 8 blocks in all; ask for fewer choices, or for fewer tokens (free 8, waiting 0 for 0)
            submit abc prompt=4 max=3: 3 choices at once need 9 KV blocks, and the queue takes 3 sequences and 8 blocks in all; ask for fewer choices, or for fewer tokens (free 8, waiting 0 for 0)
            submit abc prompt=2 max=3: ok (free 8, waiting 3 for 6)
            submit d prompt=2 max=1: 3 requests wait already (queue_max 3); retry later (free 8, waiting 3 for 6)
            step: a[0..2]! b[0..2]! c[0..2]! (free 5, waiting 0 for 0)
        "#]],
    );
}

#[test]
fn who_makes_room_counts_among_those_who_wait() {
    check(
        "pool blocks=4 queued=4 | submit a prompt=2 max=5 | step | submit b prompt=2 max=3 | step | step | step | submit c prompt=4 max=3 | submit c prompt=2 max=2",
        expect![[r#"
            submit a prompt=2 max=5: ok (free 4, waiting 1 for 3)
            step: a[0..2]! (free 3, waiting 0 for 0)
            submit b prompt=2 max=3: ok (free 3, waiting 1 for 2)
            step: a[2..3]! b[0..2]! (free 1, waiting 0 for 0)
            step: a[3..4]! b[2..3]! (free 0, waiting 0 for 0)
            step: a[4..5]! (free 1, 1 cached, waiting 1 for 2)
            submit c prompt=4 max=3: waiting requests need 2 of at most 4 KV blocks already, and this one needs 3; retry later (free 1, 1 cached, waiting 1 for 2)
            submit c prompt=2 max=2: ok (free 1, 1 cached, waiting 2 for 4)
        "#]],
    );
}

#[test]
fn what_was_computed_once_is_not_computed_again() {
    check(
        "pool | submit a says=onceupon max=1 | step | submit b says=onceagain max=1 | step | submit c says=onceupon max=1 | step",
        expect![[r#"
            submit a says=onceupon max=1: ok (free 8, waiting 1)
            step: a[0..8]! | a ends: Length (free 8, 4 cached, waiting 0)
            submit b says=onceagain max=1: ok (free 8, 4 cached, waiting 1)
            step: b[4..9]!+4 | b ends: Length (free 8, 6 cached, waiting 0)
            submit c says=onceupon max=1: ok (free 8, 6 cached, waiting 1)
            step: c[6..8]!+6 | c ends: Length (free 8, 6 cached, waiting 0)
        "#]],
    );
}

#[test]
fn an_answer_is_part_of_the_next_prompt() {
    check(
        "pool | submit a says=hi max=4 | step | step | step | step | submit b says=hiAAAAyes max=1 | step",
        expect![[r#"
            submit a says=hi max=4: ok (free 8, waiting 1)
            step: a[0..2]! (free 7, waiting 0)
            step: a[2..3]! (free 6, waiting 0)
            step: a[3..4]! (free 6, waiting 0)
            step: a[4..5]! | a ends: Length (free 8, 2 cached, waiting 0)
            submit b says=hiAAAAyes max=1: ok (free 8, 2 cached, waiting 1)
            step: b[4..9]!+4 | b ends: Length (free 8, 4 cached, waiting 0)
        "#]],
    );
}

#[test]
fn the_same_prompt_several_times_is_computed_once() {
    check(
        "pool budget=4 blocks=20 | submit a says=onceupon max=2 | submit b says=onceupon max=2 | submit c says=other max=2 | step | step | step",
        expect![[r#"
            submit a says=onceupon max=2: ok (free 20, waiting 1)
            submit b says=onceupon max=2: ok (free 20, waiting 2)
            submit c says=other max=2: ok (free 20, waiting 3)
            step: a[0..4] (free 16, waiting 2)
            step: a[4..8]! (free 16, waiting 2)
            step: a[8..9]! b[6..8]!+6 c[0..1] | a ends: Length (free 13, 1 cached, waiting 0)
        "#]],
    );
}

#[test]
fn without_the_cache_everything_is_computed() {
    check(
        "pool cache=0 | submit a says=once max=1 | step | submit b says=once max=1 | step",
        expect![[r#"
            submit a says=once max=1: ok (free 8, waiting 1)
            step: a[0..4]! | a ends: Length (free 8, waiting 0)
            submit b says=once max=1: ok (free 8, waiting 1)
            step: b[0..4]! | b ends: Length (free 8, waiting 0)
        "#]],
    );
}

#[test]
fn the_longest_unused_makes_room_in_the_cache() {
    check(
        "pool blocks=4 | submit a says=aabb max=1 | step | submit b says=ccdd max=1 | step | submit c says=eeff max=1 | step | submit a says=aabbx max=1 | step | submit b says=ccddx max=1 | step",
        expect![[r#"
            submit a says=aabb max=1: ok (free 4, waiting 1)
            step: a[0..4]! | a ends: Length (free 4, 2 cached, waiting 0)
            submit b says=ccdd max=1: ok (free 4, 2 cached, waiting 1)
            step: b[0..4]! | b ends: Length (free 4, 4 cached, waiting 0)
            submit c says=eeff max=1: ok (free 4, 4 cached, waiting 1)
            step: c[0..4]! | c ends: Length (free 4, 4 cached, waiting 0)
            submit a says=aabbx max=1: ok (free 4, 4 cached, waiting 1)
            step: a[0..5]! | a ends: Length (free 4, 3 cached, waiting 0)
            submit b says=ccddx max=1: ok (free 4, 3 cached, waiting 1)
            step: b[0..5]! | b ends: Length (free 4, 3 cached, waiting 0)
        "#]],
    );
}

#[test]
fn who_is_preempted_finds_its_own_blocks_again() {
    check(
        "pool blocks=5 | submit a says=abcd max=5 | submit b says=efgh max=3 | step | step | step | step | step | step | step",
        expect![[r#"
            submit a says=abcd max=5: ok (free 5, waiting 1)
            submit b says=efgh max=3: ok (free 5, waiting 2)
            step: a[0..4]! b[0..4]! (free 1, waiting 0)
            step: a[4..5]! (free 2, 2 cached, waiting 1)
            step: a[5..6]! (free 2, 2 cached, waiting 1)
            step: a[6..7]! (free 1, 1 cached, waiting 1)
            step: a[7..8]! | a ends: Length (free 5, 5 cached, waiting 1)
            step: b[2..5]! (free 2, 2 cached, waiting 0)
            step: b[5..6]! | b ends: Length (free 5, 5 cached, waiting 0)
        "#]],
    );
}

#[test]
fn the_tenant_that_got_least_is_next() {
    check(
        "pool seqs=1 queue=9 | submit a prompt=4 max=1 tenant=1 | submit b prompt=4 max=1 tenant=1 | submit c prompt=4 max=1 tenant=1 | submit d prompt=2 max=1 tenant=2 | submit e prompt=2 max=1 tenant=2 | step | step | step | step | step",
        expect![[r#"
            submit a prompt=4 max=1 tenant=1: ok (free 8, waiting 1)
            submit b prompt=4 max=1 tenant=1: ok (free 8, waiting 2)
            submit c prompt=4 max=1 tenant=1: ok (free 8, waiting 3)
            submit d prompt=2 max=1 tenant=2: ok (free 8, waiting 4)
            submit e prompt=2 max=1 tenant=2: ok (free 8, waiting 5)
            step: a[0..4]! | a ends: Length (free 8, 2 cached, waiting 4)
            step: d[0..2]! | d ends: Length (free 8, 3 cached, waiting 3)
            step: e[0..2]! | e ends: Length (free 8, 4 cached, waiting 2)
            step: b[0..4]! | b ends: Length (free 8, 6 cached, waiting 1)
            step: c[0..4]! | c ends: Length (free 8, 8 cached, waiting 0)
        "#]],
    );
}

#[test]
fn idleness_earns_no_credit() {
    check(
        "pool seqs=1 queue=9 | submit a prompt=8 max=1 tenant=1 | submit b prompt=8 max=1 tenant=1 | step | submit c prompt=8 max=1 tenant=2 | submit d prompt=8 max=1 tenant=2 | submit e prompt=8 max=1 tenant=1 | step | step | step | step",
        expect![[r#"
            submit a prompt=8 max=1 tenant=1: ok (free 8, waiting 1)
            submit b prompt=8 max=1 tenant=1: ok (free 8, waiting 2)
            step: a[0..8]! | a ends: Length (free 8, 4 cached, waiting 1)
            submit c prompt=8 max=1 tenant=2: ok (free 8, 4 cached, waiting 2)
            submit d prompt=8 max=1 tenant=2: ok (free 8, 4 cached, waiting 3)
            submit e prompt=8 max=1 tenant=1: ok (free 8, 4 cached, waiting 4)
            step: b[0..8]! | b ends: Length (free 8, 8 cached, waiting 3)
            step: c[0..8]! | c ends: Length (free 8, 8 cached, waiting 2)
            step: d[0..8]! | d ends: Length (free 8, 8 cached, waiting 1)
            step: e[0..8]! | e ends: Length (free 8, 8 cached, waiting 0)
        "#]],
    );
}

#[test]
fn a_smaller_priority_number_goes_first_and_takes_the_room_of_greater_ones() {
    check(
        "pool seqs=2 | submit a prompt=2 priority=5 max=3 | submit b prompt=2 priority=5 max=3 | step | submit c prompt=2 priority=1 max=1 | step | step | step",
        expect![[r#"
            submit a prompt=2 priority=5 max=3: ok (free 8, waiting 1)
            submit b prompt=2 priority=5 max=3: ok (free 8, waiting 2)
            step: a[0..2]! b[0..2]! (free 6, waiting 0)
            submit c prompt=2 priority=1 max=1: ok (free 6, waiting 1)
            step: c[0..2]! a[2..3]! | c ends: Length (free 6, 2 cached, waiting 1)
            step: a[3..4]! b[2..3]! | a ends: Length (free 6, 3 cached, waiting 0)
            step: b[3..4]! | b ends: Length (free 8, 5 cached, waiting 0)
        "#]],
    );
}

#[test]
fn a_deadline_ends_what_waits_and_what_runs() {
    check(
        "pool seqs=1 | submit a prompt=2 deadline=50 | submit b prompt=2 deadline=90 | submit c prompt=2 | step | time 49 | time 50 | step | time 90 | step",
        expect![[r#"
            submit a prompt=2 deadline=50: ok (free 8, waiting 1)
            submit b prompt=2 deadline=90: ok (free 8, waiting 2)
            submit c prompt=2: ok (free 8, waiting 3)
            step: a[0..2]! (free 7, waiting 2)
            time 49: it is (free 7, waiting 2)
            time 50: it is | a ends: Deadline (free 8, 1 cached, waiting 2)
            step: b[0..2]! (free 7, 1 cached, waiting 1)
            time 90: it is | b ends: Deadline (free 8, 2 cached, waiting 1)
            step: c[0..2]! (free 7, 2 cached, waiting 0)
        "#]],
    );
}
