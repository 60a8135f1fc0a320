//! Levels the predicted work of the nodes, layer by layer, and moves as little as it can.
//!
//! What has homes keeps them; what lacks some finds them, the largest pieces first. Then, from the layer with the
//! worst prediction on, the node with most to do hands something to one with little: a further copy of an expert if
//! there is spare memory, else a home, else two homes change places. Each step is kept only if the prediction gets
//! better by it, so any number of steps is worth having, and the limit on moves may end them anywhere.

use super::PlanError;
use super::draft::{Draft, Fill};
use super::facts::{At, Facts};
use super::predict::{Levels, Work};
use crate::ExpertLoads;

/// A layer whose slowest node is predicted less than this above the mean is left alone.
const GOOD: f64 = 0.02;
/// A node that has less than this part of the mean to do gets more, even if the slowest stays as slow.
const IDLE: f64 = 0.5;
/// An expert gets a further copy while the rows of each are above this part of a node's mean.
const PIECE: f64 = 0.5;
/// Experts of the busiest node, and quiet nodes for each, that are tried at a step.
const TRIES: usize = 6;
const QUIET: usize = 3;

/// Places what lacks homes and improves the rest by at most `moves_max` loads.
pub(super) fn place<'a, 'b>(
    facts: &'a Facts<'b>,
    loads: &ExpertLoads,
    moves_max: usize,
) -> Result<Draft<'a, 'b>, PlanError> {
    let rows: Vec<f64> = facts.input.keys.iter().map(|key| loads.rows(*key) as f64).collect();
    let mut wanted = vec![facts.replicas; rows.len()];
    for layer in &facts.layers {
        copies(facts, &rows[layer.clone()], &mut wanted[layer.clone()]);
    }
    let mut draft = Draft::keep(facts, |key| wanted[key].max(facts.replicas));
    for (nth, layer) in facts.layers.iter().enumerate() {
        let pieces = layer.clone().map(|key| rows[key] / wanted[key].max(1) as f64).collect();
        let fresh = |key: usize| facts.current[key].is_empty();
        // Copies of what is placed already are moves; they are weighed below.
        let homes = layer.clone().map(|key| if fresh(key) { wanted[key] } else { facts.replicas }).collect();
        let fill = Fill { pieces, homes, shares: vec![1.0; facts.nodes()] };
        let later = layer.end..rows.len();
        let later = later.filter(|key| draft.homes[*key].len() < facts.replicas).count();
        draft.fill(nth, &fill, later)?;
    }
    let mut layers: Vec<Layer> = (0..facts.layers.len()).map(|nth| Layer::new(&draft, nth, &rows)).collect();
    layers.sort_by(|a, b| b.excess().total_cmp(&a.excess()));
    draft.mend();
    let mut moves = moves_max;
    for layer in &mut layers {
        while moves > 0 {
            match layer.step(&mut draft, moves) {
                Some(cost) => moves -= cost,
                None => break,
            }
        }
    }
    Ok(draft)
}

/// How many homes each expert of a layer shall have: `replicas`, and more for those whose pieces are largest.
fn copies(facts: &Facts<'_>, rows: &[f64], homes: &mut [usize]) {
    let accepting = (0..facts.nodes()).filter(|at| facts.accepts(*at)).count();
    let piece_min = PIECE * rows.iter().sum::<f64>() / accepting.max(1) as f64;
    for _ in 0..facts.extras(rows.len()) {
        let piece = |nth: usize| rows[nth] / homes[nth].max(1) as f64;
        let open = (0..rows.len()).filter(|nth| homes[*nth] < accepting);
        let Some(most) = open.reduce(|most, nth| if piece(nth) > piece(most) { nth } else { most }) else {
            break;
        };
        if piece(most) <= piece_min {
            break;
        }
        homes[most] += 1;
    }
}

/// A layer being improved.
struct Layer {
    /// Its first expert.
    start: usize,
    end: usize,
    work: Work,
    levels: Levels,
    /// Rows on average at the nodes that accept experts.
    mean: f64,
    /// Extra copies that it may still get.
    extras: usize,
}

impl Layer {
    fn new(draft: &Draft<'_, '_>, nth: usize, rows: &[f64]) -> Self {
        let facts = draft.facts;
        let layer = facts.layers[nth].clone();
        let homes = &draft.homes[layer.clone()];
        let work = Work::new(rows[layer.clone()].to_vec(), homes, facts.nodes());
        let levels = work.levels(homes);
        let accepting = (0..facts.nodes()).filter(|at| facts.accepts(*at)).count();
        let used: usize = homes.iter().map(|homes| homes.len().saturating_sub(facts.replicas)).sum();
        let extras = facts.extras(layer.len()).saturating_sub(used);
        let mean = levels.sum / accepting.max(1) as f64;
        Self { start: layer.start, end: layer.end, work, levels, mean, extras }
    }

    fn excess(&self) -> f64 {
        self.levels.max - self.mean
    }

    /// Makes one step for the better; the loads it costs, at most `moves`. `None`: there is none, or no need.
    fn step(&mut self, draft: &mut Draft<'_, '_>, moves: usize) -> Option<usize> {
        let facts = draft.facts;
        let levels = &self.levels.of;
        let mut quiet: Vec<usize> = (0..levels.len()).filter(|at| facts.accepts(*at)).collect();
        quiet.sort_unstable_by(|a, b| levels[*a].total_cmp(&levels[*b]).then(a.cmp(b)));
        let idle =
            quiet.iter().any(|at| levels[*at] < IDLE * self.mean && draft.held[*at] < facts.rooms[*at]);
        if self.levels.max <= (1.0 + GOOD) * self.mean && !idle {
            return None;
        }
        let hot = *quiet.last()?;
        let mut there: Vec<(usize, f64)> = Vec::new();
        self.work.pour(&draft.homes[self.start..self.end], |expert, at, rows| {
            if at == hot && rows > 0.0 {
                match there.last_mut() {
                    Some((last, sum)) if *last == expert => *sum += rows,
                    _ => there.push((expert, rows)),
                }
            }
        });
        there.sort_by(|a, b| b.1.total_cmp(&a.1));
        there.truncate(TRIES);
        for (expert, _) in &there {
            let key = self.start + expert;
            let open: Vec<usize> =
                quiet.iter().copied().filter(|at| *at != hot && draft.may(key, *at)).take(QUIET).collect();
            for to in &open {
                if self.hand_over(draft, *expert, hot, *to) {
                    return Some(1);
                }
                if self.copy(draft, *expert, *to) {
                    return Some(1);
                }
            }
        }
        if moves >= 2 {
            for (expert, rows) in &there {
                if self.trade(draft, *expert, *rows, hot, &quiet) {
                    return Some(2);
                }
            }
        }
        (moves >= facts.replicas).then(|| self.change_class(draft, &there, &quiet)).flatten()
    }

    /// Keeps what was changed if the prediction is better.
    fn keeps(&mut self, draft: &Draft<'_, '_>) -> bool {
        let levels = self.work.levels(&draft.homes[self.start..self.end]);
        let better = levels.better(&self.levels);
        if better {
            self.levels = levels;
        }
        better
    }

    /// Whether `key` could have a home at `to` instead of `from` and stay as spread over domains and classes.
    fn may_replace(draft: &Draft<'_, '_>, key: usize, from: usize, to: usize) -> bool {
        let facts = draft.facts;
        if facts.pinned(key, from) {
            return false;
        }
        let before = facts.spread_of(&draft.homes[key]);
        let mut homes = draft.homes[key].clone();
        homes.retain(|home| *home != from as At);
        // What is mixed since before may stay so; what had to be mixed now is only moved to mend that.
        let mixed = facts.classes_of(&facts.current[key]).max(1);
        homes.push(to as At);
        // Homes at nodes that have not said how much memory they give are no place for extra copies.
        let stated = facts.rooms[to] != u64::MAX || homes.len() <= facts.replicas;
        facts.spread_of(&homes) >= before.min(facts.spread) && facts.classes_of(&homes) <= mixed && stated
    }

    /// The home at `hot` goes to `to`.
    fn hand_over(&mut self, draft: &mut Draft<'_, '_>, expert: usize, hot: usize, to: usize) -> bool {
        let key = self.start + expert;
        if !Self::may_replace(draft, key, hot, to) {
            return false;
        }
        draft.remove(key, hot);
        draft.add(key, to);
        if self.keeps(draft) {
            return true;
        }
        draft.remove(key, to);
        draft.add(key, hot);
        false
    }

    /// `to` gets a copy too.
    fn copy(&mut self, draft: &mut Draft<'_, '_>, expert: usize, to: usize) -> bool {
        let key = self.start + expert;
        if self.extras == 0 || !draft.may_extra(key, to) {
            return false;
        }
        draft.add(key, to);
        self.work.reorder(&draft.homes[self.start..self.end], expert);
        if self.keeps(draft) {
            self.extras -= 1;
            return true;
        }
        draft.remove(key, to);
        self.work.reorder(&draft.homes[self.start..self.end], expert);
        false
    }

    /// The home at `hot` changes places with that of an expert with fewer rows at a quiet node: for full nodes.
    fn trade(
        &mut self,
        draft: &mut Draft<'_, '_>,
        expert: usize,
        rows: f64,
        hot: usize,
        quiet: &[usize],
    ) -> bool {
        let key = self.start + expert;
        for to in quiet.iter().copied().filter(|at| *at != hot).take(QUIET) {
            if draft.holds(key, to) || draft.held[to] == 0 || !Self::may_replace(draft, key, hot, to) {
                continue;
            }
            let lighter = |other: &usize| {
                draft.holds(*other, to)
                    && !draft.holds(*other, hot)
                    && self.work.rows(*other - self.start) / (draft.homes[*other].len() as f64) < rows
                    && Self::may_replace(draft, *other, to, hot)
            };
            let mut others: Vec<usize> = (self.start..self.end).filter(lighter).collect();
            let gap = (self.levels.of[hot] - self.levels.of[to]) / 2.0;
            let miss = |other: &usize| {
                let other = self.work.rows(*other - self.start) / draft.homes[*other].len() as f64;
                (rows - other - gap).abs()
            };
            others.sort_by(|a, b| miss(a).total_cmp(&miss(b)));
            others.truncate(TRIES);
            for other in others {
                let swap = |draft: &mut Draft<'_, '_>, from: usize, to: usize| {
                    draft.remove(key, from);
                    draft.remove(other, to);
                    draft.add(key, to);
                    draft.add(other, from);
                };
                swap(draft, hot, to);
                if self.keeps(draft) {
                    return true;
                }
                swap(draft, to, hot);
            }
        }
        false
    }

    /// All homes of an expert go to quiet nodes of another numerics class: one alone would mix classes.
    fn change_class(
        &mut self,
        draft: &mut Draft<'_, '_>,
        there: &[(usize, f64)],
        quiet: &[usize],
    ) -> Option<usize> {
        let facts = draft.facts;
        for (expert, _) in there.iter().filter(|_| facts.classes_len > 1) {
            let key = self.start + expert;
            let before = draft.homes[key].clone();
            if before.len() != facts.replicas || !facts.pins[key].is_empty() {
                continue;
            }
            for class in 0..facts.classes_len {
                let mut homes: Vec<At> = Vec::new();
                for at in
                    quiet.iter().copied().filter(|at| facts.classes[*at] == class && draft.may(key, *at))
                {
                    let twin = homes.iter().any(|home| draft.same_domain(*home as usize, at));
                    let twins_left = facts.replicas - facts.spread_open;
                    let twins = homes.len() - facts.spread_of(&homes);
                    if homes.len() < facts.replicas && (!twin || twins < twins_left) {
                        homes.push(at as At);
                    }
                }
                if homes.len() < facts.replicas
                    || facts.spread_of(&homes) < facts.spread_of(&before).min(facts.spread)
                {
                    continue;
                }
                let put = |draft: &mut Draft<'_, '_>, from: &[At], to: &[At]| {
                    from.iter().for_each(|home| draft.remove(key, *home as usize));
                    to.iter().for_each(|home| draft.add(key, *home as usize));
                };
                put(draft, &before, &homes);
                if self.keeps(draft) {
                    return Some(homes.len());
                }
                put(draft, &homes, &before);
            }
        }
        None
    }
}
