//! Whether there is a leader and a majority, who is missing or behind, and whether all have the same state.

use std::collections::BTreeMap;

use proto::cluster::v1::{ClusterStatus, MemberStatus};

use super::around::Around;
use super::finding::Finding;
use crate::cluster::status::SEEN_MS_MAX;

/// Entries that a member may be behind without a word.
const BEHIND_MAX: u64 = 1000;

pub(super) fn check(around: &Around) -> Vec<Finding> {
    let statuses: Vec<&ClusterStatus> = around.statuses().collect();
    let Some(first) = statuses.first() else {
        return match around.members.is_empty() {
            true => vec![Finding::note("the cluster", "nobody to ask: not looked at")],
            false => vec![nobody(around.members.len())],
        };
    };
    let mut found = Vec::new();
    match statuses
        .iter()
        .find(|status| status.leader_id == status.member_id && status.leader_id != 0)
    {
        Some(leader) => found.extend(by_leader(leader)),
        None => found.push(without_leader(first, &statuses)),
    }
    found.extend(few_voters(first));
    found.extend(other_digests(&statuses));
    found
}

fn nobody(asked: usize) -> Finding {
    let remedy = "If a majority of the hosts is lost for good, `chamois recover` on the one that is furthest; else start them.";
    Finding::error(
        "the cluster",
        format!("none of {asked} member(s) answers"),
        remedy,
    )
}

fn without_leader(status: &ClusterStatus, answers: &[&ClusterStatus]) -> Finding {
    let voters: Vec<&MemberStatus> = status.members.iter().filter(|member| member.voter).collect();
    let answered = |voter: &&&MemberStatus| answers.iter().any(|answer| answer.member_id == voter.id);
    let what = format!(
        "no leader among those that answer: {} of {} voters, and a majority is {}",
        voters.iter().filter(answered).count(),
        voters.len(),
        voters.len() / 2 + 1
    );
    let remedy =
        "Nothing can be written; nodes boot on. Start the members that are away, and see `ports` below.";
    match status.leader_id {
        0 => Finding::error("the cluster", what, remedy),
        leader => Finding::warning(
            "the cluster",
            format!("member {leader} leads, and this host cannot ask it"),
            "See `ports` below; name its address with --endpoints.",
        ),
    }
}

/// What only the leader knows: who answers and how far everybody is.
fn by_leader(leader: &ClusterStatus) -> Vec<Finding> {
    let voters: Vec<&MemberStatus> = leader.members.iter().filter(|member| member.voter).collect();
    let there = voters.iter().filter(|member| is_there(member)).count();
    let summary = format!(
        "member {} leads, {there} of {} voters answer it",
        leader.leader_id,
        voters.len()
    );
    let majority = voters.len() / 2 + 1;
    let mut found = vec![match there {
        there if there < majority => Finding::error(
            "the cluster",
            summary,
            "No majority: start the members that are away.",
        ),
        there if there == majority && voters.len() > 2 => Finding::warning(
            "the cluster",
            summary,
            "One more that is lost, and nothing can be written.",
        ),
        _ => Finding::ok("the cluster", summary),
    }];
    found.extend(
        leader
            .members
            .iter()
            .filter_map(|member| missing_or_behind(leader, member)),
    );
    found
}

fn is_there(member: &MemberStatus) -> bool {
    member.last_seen_ms.is_some_and(|ms| ms <= SEEN_MS_MAX)
}

fn missing_or_behind(leader: &ClusterStatus, member: &MemberStatus) -> Option<Finding> {
    let about = format!("member {}", member.id);
    if !is_there(member) {
        let since = match member.last_seen_ms {
            Some(ms) => format!("has not answered the leader for {} s", ms / 1000),
            None => "has not answered the leader since that leads".to_owned(),
        };
        let remedy = format!(
            "Start it, or if its host is gone: `chamois member replace {id} --with NEW`, `chamois member remove {id}`.",
            id = member.id
        );
        return Some(Finding::error(about, since, remedy));
    }
    let behind = leader
        .last_log_index
        .saturating_sub(member.matched_index.unwrap_or(0));
    (behind > BEHIND_MAX).then(|| {
        let what = format!("is {behind} entries behind");
        Finding::warning(about, what, "Its disk or its network is slow: see `disk` below.")
    })
}

fn few_voters(status: &ClusterStatus) -> Option<Finding> {
    let voters = status.members.iter().filter(|member| member.voter).count();
    let remedy = "Add members until there are three or five voters: `chamois member add`.";
    (voters < 3).then(|| {
        let what = format!("{voters} voter(s): no member can be lost without the cluster's writes");
        Finding::warning("the cluster", what, remedy)
    })
}

/// Equal revisions must have equal digests: a member that is wrong is worse than one that is away.
fn other_digests(statuses: &[&ClusterStatus]) -> Vec<Finding> {
    let mut at: BTreeMap<u64, &ClusterStatus> = BTreeMap::new();
    let mut found = Vec::new();
    for status in statuses {
        let other = at.entry(status.applied_index).or_insert(status);
        if other.digest != status.digest {
            let what = format!(
                "at revision {} its state is another one than member {}'s",
                status.applied_index, other.member_id
            );
            let remedy = "Keep its data-dir, stop it, and join its host anew: `chamois support-bundle` on both, and report it.";
            found.push(Finding::error(
                format!("member {}", status.member_id),
                what,
                remedy,
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::around::with;
    use super::super::finding::Severity;
    use super::*;
    use crate::error::{CliError, Kind};

    fn leader(seen: &[Option<u64>]) -> ClusterStatus {
        let member = |(id, seen): (u64, &Option<u64>)| MemberStatus {
            id,
            voter: true,
            matched_index: Some(5000),
            last_seen_ms: *seen,
            ..Default::default()
        };
        ClusterStatus {
            member_id: 1,
            leader_id: 1,
            last_log_index: 5000,
            members: (1..).zip(seen).map(member).collect(),
            ..Default::default()
        }
    }

    fn severities(statuses: Vec<ClusterStatus>) -> Vec<Severity> {
        let around = with(statuses.into_iter().map(Ok).collect());
        check(&around).iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn three_that_answer_are_well() {
        assert_eq!(
            severities(vec![leader(&[Some(0), Some(5), Some(5)])]),
            [Severity::Ok]
        );
    }

    #[test]
    fn one_of_three_that_is_away_is_an_error_with_both_remedies() {
        let around = with(vec![Ok(leader(&[Some(0), Some(5), Some(60_000)]))]);
        let found = check(&around);
        assert_eq!(
            found[0].severity,
            Severity::Warning,
            "the next one costs the majority"
        );
        assert_eq!(found[1].severity, Severity::Error);
        assert!(found[1].what.contains("60 s"), "{found:?}");
        assert!(found[1].remedy.contains("member replace 3"), "{found:?}");
    }

    #[test]
    fn without_a_majority_it_is_an_error() {
        let found = severities(vec![leader(&[Some(0), None, None])]);
        assert_eq!(found, [Severity::Error; 3]);
    }

    #[test]
    fn no_leader_and_nobody_at_all_are_errors() {
        let lost = ClusterStatus {
            leader_id: 0,
            ..leader(&[None, None, None])
        };
        assert_eq!(severities(vec![lost.clone()]), [Severity::Error]);
        let found = check(&with(vec![Ok(lost)]));
        assert!(
            found[0].what.contains("1 of 3 voters, and a majority is 2"),
            "{found:?}"
        );
        let away = with(vec![Err(CliError::new(Kind::Unavailable, "x"))]);
        assert!(check(&away)[0].what.contains("none of 1"));
    }

    #[test]
    fn a_leader_that_cannot_be_asked_is_named() {
        let follower = ClusterStatus {
            leader_id: 3,
            ..leader(&[None, None, None])
        };
        let around = with(vec![Ok(follower)]);
        assert!(check(&around)[0].what.contains("member 3 leads"));
    }

    #[test]
    fn who_is_behind_and_who_differs_is_named() {
        let mut status = leader(&[Some(0), Some(5), Some(5)]);
        status.members[1].matched_index = Some(0);
        let digest = |member_id, digest: &str| ClusterStatus {
            member_id,
            digest: digest.into(),
            applied_index: 7,
            ..status.clone()
        };
        let around = with(vec![
            Ok(digest(1, "aa")),
            Ok(digest(2, "aa")),
            Ok(digest(3, "bb")),
        ]);
        let found = check(&around);
        assert!(
            found
                .iter()
                .any(|f| f.subject == "member 2" && f.what.contains("5000 entries behind")),
            "{found:?}"
        );
        let differs: Vec<_> = found.iter().filter(|f| f.what.contains("another one")).collect();
        assert_eq!((differs.len(), differs[0].subject.as_str()), (1, "member 3"));
    }

    #[test]
    fn one_voter_alone_is_warned_of() {
        assert_eq!(
            severities(vec![leader(&[Some(0)])]),
            [Severity::Ok, Severity::Warning]
        );
    }
}
