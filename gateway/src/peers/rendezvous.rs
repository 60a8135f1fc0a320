//! Which gateway answers which prefix: rendezvous hashing with bounded load.
//!
//! Keeps true: equal prefixes prefer the same gateway; when a gateway leaves, only what it had moves; none gets a
//! request while it has more than its share. Pure: loads come in, a choice goes out.
//!
//! Every pair of prefix and gateway has a weight; the gateways by falling weight are the prefix's order of
//! preference. Against a ring with virtual nodes the shares are even without tuning, and what one gateway has too
//! much of spreads over all others instead of falling to its neighbour.

/// A gateway that could answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// The same at every gateway.
    pub(super) identity: u64,
    /// Requests it answers now.
    pub(super) load: u32,
}

/// So many requests are no load: they share each step, and a cached prefix is worth more than balance.
const LOAD_FREE: u32 = 4;

/// The load from which on a gateway gets no more: five quarters of the mean, this request counted in.
fn bound(candidates: &[Candidate]) -> u32 {
    let total: u64 = candidates.iter().map(|candidate| u64::from(candidate.load)).sum();
    let share = (5 * (total + 1)).div_ceil(4 * candidates.len().max(1) as u64);
    LOAD_FREE.max(share.try_into().unwrap_or(u32::MAX))
}

/// A well mixed number of both (the finalizer of splitmix64).
fn weight(key: u64, identity: u64) -> u64 {
    let mut x = key ^ identity.rotate_left(32);
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        x = (x ^ (x >> 30)).wrapping_mul(factor);
    }
    x ^ (x >> 31)
}

/// The candidate to answer a request whose prefix has hash `key`; `None` if there is none.
pub(super) fn choose(key: u64, candidates: &[Candidate]) -> Option<usize> {
    let bound = bound(candidates);
    // Not all can be above their share, so one is found wherever there is one.
    let free = candidates.iter().enumerate().filter(|(_, candidate)| candidate.load < bound);
    free.max_by_key(|(_, candidate)| (weight(key, candidate.identity), candidate.identity)).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn idle(identities: &[u64]) -> Vec<Candidate> {
        identities.iter().map(|identity| Candidate { identity: *identity, load: 0 }).collect()
    }

    /// Different identities, as digests of different URLs are.
    fn identities(from: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u64>> {
        prop::collection::btree_set(any::<u64>(), from).prop_map(|set| set.into_iter().collect())
    }

    #[test]
    fn without_gateways_there_is_no_choice() {
        assert_eq!(choose(1, &[]), None);
    }

    #[test]
    fn a_few_requests_stay_with_their_prefix_and_more_spread() {
        let mut gateways = idle(&[11, 22, 33]);
        let first = choose(5, &gateways).unwrap();
        for _ in 0..LOAD_FREE {
            assert_eq!(choose(5, &gateways), Some(first));
            gateways[first].load += 1;
        }
        assert_ne!(choose(5, &gateways), Some(first));
    }

    #[test]
    fn prefixes_spread_evenly() {
        let gateways = idle(&[3, 1 << 40, u64::MAX, 12345]);
        let mut shares = [0; 4];
        (0..40_000_u64).for_each(|key| shares[choose(weight(key, 0), &gateways).unwrap()] += 1);
        assert!(shares.iter().all(|share| (9_500..10_500).contains(share)), "{shares:?}");
    }

    proptest! {
        #[test]
        fn when_a_gateway_leaves_only_its_prefixes_move(
            identities in identities(2..12), leaver: prop::sample::Index, keys in prop::collection::vec(any::<u64>(), 64),
        ) {
            let before = idle(&identities);
            let mut after = before.clone();
            let gone = after.remove(leaver.index(before.len())).identity;
            for key in keys {
                let (old, new) = (choose(key, &before).unwrap(), choose(key, &after).unwrap());
                let (old, new) = (before[old].identity, after[new].identity);
                prop_assert!(old == new || old == gone, "key {key} moved from {old} to {new}, {gone} left");
            }
        }

        #[test]
        fn the_choice_does_not_depend_on_the_order_of_the_list(identities in identities(1..12), key: u64) {
            let there = idle(&identities);
            let back: Vec<Candidate> = there.iter().rev().copied().collect();
            let chosen = |list: &[Candidate]| list[choose(key, list).unwrap()].identity;
            prop_assert_eq!(chosen(&there), chosen(&back));
        }

        #[test]
        fn no_gateway_gets_more_than_its_share(
            identities in identities(1..9),
            // A few prefixes that everybody sends, and requests that end again.
            requests in prop::collection::vec((0..3_u64, any::<prop::sample::Index>(), prop::bool::weighted(0.3)), 1..400),
        ) {
            let mut gateways = idle(&identities);
            for (key, other, ends) in requests {
                let limit = bound(&gateways);
                let chosen = choose(key, &gateways);
                let chosen = chosen.expect("there is always one below the bound");
                gateways[chosen].load += 1;
                prop_assert!(gateways[chosen].load <= limit, "{gateways:?} with {limit}");
                if ends {
                    let ended = &mut gateways[other.index(identities.len())];
                    ended.load = ended.load.saturating_sub(1);
                }
            }
        }
    }
}
