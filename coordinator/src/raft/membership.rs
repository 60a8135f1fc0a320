//! Coordinators come and go while the group works.
//!
//! Keeps true: a new one has nearly all of the log before its vote counts; nobody is taken out if a majority of those
//! who stay would not be there.

use super::{Consensus, Raft};
use openraft::async_runtime::WatchReceiver as _;
use openraft::error::{ClientWriteError, RaftError};
use openraft::{BasicNode, ChangeMembers};
use std::collections::BTreeSet;
use std::time::Duration;

/// Entries that a learner may lack when it gets its vote: it has them a moment later.
const LAG_MAX: u64 = 50;
/// Silence after which a coordinator does not count as being there.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(3);
/// How long a change may take to be committed.
const COMMIT: Duration = Duration::from_secs(2);

/// Why the group did not change.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MembershipError {
    /// Another coordinator leads, at this address if it is known.
    #[error("this coordinator does not lead")]
    NotLeader(Option<String>),
    /// It cannot be.
    #[error("{0}")]
    Refused(String),
    /// Not now.
    #[error("the group could not be changed now: {0}")]
    Unavailable(String),
}

/// How far a new coordinator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joining {
    /// It was told to nobody before now.
    Welcomed,
    /// It gets the log: what it has, and what there is.
    Learns { matched: Option<u64>, last: u64 },
    /// Its vote counts, as of now.
    Promoted,
    /// Its vote has counted for a while.
    Votes,
}

impl Consensus {
    /// Whether `id` at `address` can be added; `true`: it is part of the group already.
    pub(crate) fn may_add(&self, id: u64, address: &str) -> Result<bool, MembershipError> {
        for member in self.members() {
            if member.id == id && member.address == address {
                return Ok(true);
            }
            if member.id == id || member.address == address {
                return Err(MembershipError::Refused(format!(
                    "coordinator {} at {} is part of the group already; remove it first, or choose another id and address",
                    member.id, member.address
                )));
            }
        }
        Ok(false)
    }

    /// Takes the next step of adding `id`: it learns, then it votes. Asked again and again.
    pub(crate) async fn add(&self, id: u64, address: &str) -> Result<Joining, MembershipError> {
        if !self.may_add(id, address)? {
            let nodes = [(id, BasicNode::new(address))].into();
            change(&self.raft, ChangeMembers::AddNodes(nodes)).await?;
            return Ok(Joining::Welcomed);
        }
        let members = self.members();
        let member = members.iter().find(|member| member.id == id);
        if member.is_some_and(|member| member.voter) {
            return Ok(Joining::Votes);
        }
        let last = self.raft.metrics().borrow_watched().last_log_index.unwrap_or_default();
        let matched = member.and_then(|member| member.matched);
        if matched.is_none_or(|matched| matched + LAG_MAX < last) {
            return Ok(Joining::Learns { matched, last });
        }
        change(&self.raft, ChangeMembers::AddVoterIds([id].into())).await?;
        Ok(Joining::Promoted)
    }

    /// Whether `id` can be removed. `grace`: who has not answered yet may still do so, since this leader is new.
    pub(crate) fn may_remove(&self, id: u64, grace: bool) -> Result<(), MembershipError> {
        let members = self.members();
        let Some(member) = members.iter().find(|member| member.id == id) else {
            let there: Vec<String> = members.iter().map(|member| member.id.to_string()).collect();
            let why = format!("there is no coordinator {id}; there are {}", there.join(", "));
            return Err(MembershipError::Refused(why));
        };
        if !member.voter {
            return Ok(());
        }
        let voters: BTreeSet<u64> =
            members.iter().filter(|member| member.voter).map(|member| member.id).collect();
        let there = |silence: Option<Duration>| silence.is_some_and(|silence| silence <= SILENCE_MAX);
        let live = members.iter().filter(|member| there(member.silence)).map(|member| member.id).collect();
        majority_stays(&voters, &live, id).map_err(|why| match grace {
            true => MembershipError::Unavailable(why),
            false => MembershipError::Refused(why),
        })
    }

    /// Removes `id`. A leader that shall go itself first hands over, and the next one is asked again.
    pub(crate) async fn remove(&self, id: u64) -> Result<(), MembershipError> {
        let members = self.members();
        let member = members.iter().find(|member| member.id == id);
        if !member.is_some_and(|member| member.voter) {
            return change(&self.raft, ChangeMembers::RemoveNodes([id].into())).await;
        }
        if id == self.id {
            let others = members.iter().filter(|member| member.voter && member.id != id);
            let heir = others.filter(|member| member.silence.is_some_and(|silence| silence <= SILENCE_MAX));
            let heir = heir.max_by_key(|member| member.matched);
            if let Some(heir) = heir {
                let handed = self.raft.trigger().transfer_leader(heir.id).await;
                handed.map_err(|error| MembershipError::Unavailable(error.to_string()))?;
                tracing::info!(to = heir.id, "hands over, to leave the group");
                return Err(MembershipError::NotLeader(Some(heir.address.clone())));
            }
        }
        change(&self.raft, ChangeMembers::RemoveVoters([id].into())).await
    }

    /// Everybody in the group, if this coordinator surely leads it and is not just changing it.
    pub(crate) fn group(&self) -> Option<Vec<u64>> {
        self.leads()?;
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let committed = metrics.last_applied >= *metrics.membership_config.log_id();
        committed.then(|| metrics.membership_config.nodes().map(|(id, _)| *id).collect())
    }
}

async fn change(raft: &Raft, change: ChangeMembers<u64, BasicNode>) -> Result<(), MembershipError> {
    match tokio::time::timeout(COMMIT, raft.change_membership(change, false)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward)))) => {
            Err(MembershipError::NotLeader(forward.leader_node.map(|node| node.addr)))
        }
        // Another change that is under way, or a majority that is gone.
        Ok(Err(error)) => Err(MembershipError::Unavailable(error.to_string())),
        Err(_) => Err(MembershipError::Unavailable(format!("not committed within {COMMIT:?}"))),
    }
}

/// Whether a majority of `voters` without `gone` is among `live`.
fn majority_stays(voters: &BTreeSet<u64>, live: &BTreeSet<u64>, gone: u64) -> Result<(), String> {
    let staying: Vec<u64> = voters.iter().copied().filter(|voter| *voter != gone).collect();
    if staying.is_empty() {
        return Err(format!("coordinator {gone} is the last one that votes; add another first"));
    }
    let majority = staying.len() / 2 + 1;
    let silent: Vec<String> =
        staying.iter().filter(|voter| !live.contains(voter)).map(u64::to_string).collect();
    if staying.len() - silent.len() < majority {
        return Err(format!(
            "without coordinator {gone} there would be {} that vote, and {} of them would not do: {} silent; start \
             them or remove them first",
            staying.len(),
            staying.len() - silent.len(),
            match &silent[..] {
                [one] => format!("coordinator {one} is"),
                more => format!("coordinators {} are", more.join(", ")),
            }
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::majority_stays;

    fn check(voters: &[u64], live: &[u64], gone: u64) -> String {
        let (voters, live) = (voters.iter().copied().collect(), live.iter().copied().collect());
        majority_stays(&voters, &live, gone).err().unwrap_or_default()
    }

    #[test]
    fn nobody_goes_whose_absence_would_cost_the_majority() {
        assert_eq!(check(&[1, 2, 3], &[1, 2, 3], 3), "");
        assert_eq!(check(&[1, 2, 3], &[1, 2], 3), "", "who is gone already may be taken out");
        assert!(check(&[1, 2, 3], &[1, 2], 2).contains("coordinator 3 is silent"));
        assert_eq!(check(&[1, 2, 3, 4, 5], &[1, 2, 3, 4], 4), "");
        assert!(check(&[1, 2, 3, 4, 5], &[1, 2, 3], 3).contains("coordinators 4, 5 are silent"));
        assert_eq!(check(&[1, 2], &[1, 2], 2), "");
        assert!(check(&[1], &[1], 1).contains("the last one"));
    }
}
