//! How good a placement is; less is better, part by part.

use super::by_count::weights;
use super::facts::{At, Facts};
use super::predict::Work;
use super::{Aim, PlanInput};

/// Ordered by importance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Score {
    /// Homes that are missing, too many, at nodes that may hold nothing or not where they are pinned, and experts above a
    /// node's memory.
    wrong: u64,
    /// Failure domains that experts are not in, though there are as many.
    domains: u64,
    /// Unevenness within the layers. By count: the sum of count squared over weight. By load: the slowest nodes' rows.
    layers: u128,
    /// Unevenness of the nodes as a whole. By load: the sum of squares.
    nodes: u128,
}

impl Score {
    /// Whether this lacks fewer homes or domains than `other`.
    pub(super) fn covers_more(&self, other: &Self) -> bool {
        (self.wrong, self.domains) < (other.wrong, other.domains)
    }
}

/// Scores `homes`; `strangers`: homes of the placement that are at no node of the input.
pub(super) fn score(facts: &Facts<'_>, homes: &[Vec<At>], strangers: u64) -> Score {
    let mut score = Score { wrong: strangers, domains: 0, layers: 0, nodes: 0 };
    let mut totals = vec![0_u64; facts.nodes()];
    for layer in &facts.layers {
        let mut extras = 0;
        for (homes, pins) in homes[layer.clone()].iter().zip(&facts.pins[layer.clone()]) {
            score.wrong += pins.iter().filter(|pin| !homes.contains(pin)).count() as u64;
            homes.iter().for_each(|home| totals[*home as usize] += 1);
            score.wrong += facts.replicas.saturating_sub(homes.len()) as u64;
            extras += homes.len().saturating_sub(facts.replicas);
            score.domains += facts.spread.saturating_sub(facts.spread_of(homes)) as u64;
        }
        score.wrong += extras.saturating_sub(facts.extras(layer.len())) as u64;
    }
    score.wrong +=
        totals.iter().zip(&facts.rooms).map(|(held, room)| held.saturating_sub(*room)).sum::<u64>();
    match &facts.input.aim {
        Aim::Cover => {}
        Aim::Even => {
            let uneven = even(facts.input);
            for layer in &facts.layers {
                let mut counts = vec![0_u64; facts.nodes()];
                homes[layer.clone()].iter().flatten().for_each(|home| counts[*home as usize] += 1);
                score.layers += uneven(&counts);
            }
            score.nodes = uneven(&totals);
        }
        Aim::Load(loads) => {
            for layer in &facts.layers {
                let rows =
                    facts.input.keys[layer.clone()].iter().map(|key| loads.rows(*key) as f64).collect();
                let homes = &homes[layer.clone()];
                let levels = Work::new(rows, homes, facts.nodes()).levels(homes);
                score.layers += (levels.max * f64::from(1 << 10)) as u128;
                score.nodes += levels.squares as u128;
            }
        }
    }
    score
}

fn even(input: &PlanInput) -> impl Fn(&[u64]) -> u128 {
    let weights = weights(&input.nodes);
    let weight_sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    move |counts| {
        let part = |(count, weight): (&u64, &u64)| {
            u128::from(count * count) * ((weight_sum << 20) / u128::from(*weight))
        };
        counts.iter().zip(&weights).map(part).sum()
    }
}
