//! Whether all members and this executable are of one version, and the cluster uses what they all know.

use std::collections::BTreeMap;

use super::around::Around;
use super::finding::Finding;

/// This executable's.
const OWN: &str = env!("CARGO_PKG_VERSION");

pub(super) fn check(around: &Around) -> Vec<Finding> {
    let mut by_version: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut levels: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for status in around.statuses() {
        let id = status.member_id.to_string();
        by_version.entry(&status.version).or_default().push(id.clone());
        levels.entry(status.feature_level).or_default().push(id);
    }
    let Some(newest) = by_version.keys().max_by_key(|version| numbers(version)).copied() else {
        return vec![Finding::ok(
            "this client",
            format!("is {OWN}; no member says what it is"),
        )];
    };
    let mut found = Vec::new();
    for (version, members) in &by_version {
        let about = format!("member {}", members.join(", "));
        match *version == newest {
            true => found.push(Finding::ok(about, format!("is {version}"))),
            false => found.push(Finding::warning(
                about,
                format!("is {version}, others are {newest}"),
                "Finish the upgrade: what is new in a version is used only when every member knows it.",
            )),
        }
    }
    found.extend(client(newest));
    if levels.len() > 1 {
        let what = format!("members are at different feature levels: {}", told(&levels));
        let remedy = "Passing while one catches up; if it stays, see `quorum` above.";
        found.push(Finding::warning("the cluster", what, remedy));
    }
    found
}

fn told(levels: &BTreeMap<u32, Vec<String>>) -> String {
    let one = |(level, members): (&u32, &Vec<String>)| format!("{level} (member {})", members.join(", "));
    levels.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn client(newest: &str) -> Option<Finding> {
    (OWN != newest).then(|| {
        let what = format!("is {OWN}, the members are {newest}");
        Finding::warning(
            "this client",
            what,
            "Install the members' version here: an older client does not know all that they do.",
        )
    })
}

/// `0.10.0` after `0.9.9`.
fn numbers(version: &str) -> Vec<u64> {
    version
        .split(['.', '-'])
        .map(|part| part.parse().unwrap_or(0))
        .collect()
}

#[cfg(test)]
mod tests {
    use proto::cluster::v1::ClusterStatus;

    use super::super::around::with;
    use super::super::finding::Severity;
    use super::*;

    fn member(
        member_id: u64,
        version: &str,
        feature_level: u32,
    ) -> Result<ClusterStatus, crate::error::CliError> {
        Ok(ClusterStatus {
            member_id,
            version: version.into(),
            feature_level,
            ..Default::default()
        })
    }

    #[test]
    fn one_version_everywhere_is_well() {
        let found = check(&with(vec![member(1, OWN, 8), member(2, OWN, 8)]));
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].severity, found[0].subject.as_str()),
            (Severity::Ok, "member 1, 2")
        );
    }

    /// 0.10 is newer than 0.9, although it sorts before it.
    #[test]
    fn a_member_that_is_left_behind_and_a_client_too_are_warned_of() {
        let found = check(&with(vec![member(1, "0.9.0", 6), member(2, "0.10.1", 7)]));
        let old = found.iter().find(|f| f.subject == "member 1").unwrap();
        assert_eq!(old.severity, Severity::Warning);
        assert!(old.what.contains("others are 0.10.1"), "{old:?}");
        assert!(
            found
                .iter()
                .any(|f| f.subject == "this client" && f.severity == Severity::Warning)
        );
        assert!(
            found
                .iter()
                .any(|f| f.what.contains("6 (member 1); 7 (member 2)")),
            "{found:?}"
        );
    }

    #[test]
    fn without_members_this_client_still_says_what_it_is() {
        assert!(check(&with(Vec::new()))[0].what.contains(OWN));
    }
}
