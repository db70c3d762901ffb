//! Which verbs have `--dry-run`, in one place: whatever writes is here, has a flag of its own, or says why it cannot be tried out.

use clap::{Args as _, Command};

use super::DryRun;

/// Verbs whose writes the cluster can try out; sorted.
const TRIED: &[&str] = &[
    "bmc assign",
    "bmc credential delete",
    "bmc credential put",
    "bmc delete",
    "bmc trust",
    "boot config delete",
    "boot config set",
    "boot params delete",
    "boot params set",
    "boot rollback",
    "boot rollout delete",
    "boot rollout pause",
    "boot rollout resume",
    "boot rollout skip",
    "boot rollout start",
    "boot rollout stop",
    "cloud-init defaults delete",
    "cloud-init defaults set",
    "cloud-init group delete",
    "cloud-init group put",
    "cloud-init node delete",
    "cloud-init node renew",
    "cloud-init node set",
    "cloud-init profile delete",
    "cloud-init profile put",
    "component add",
    "component delete",
    "component set",
    "configure template delete",
    "configure template grant",
    "configure template put",
    "configure template rollback",
    "dhcp adopt",
    "dhcp delete-held",
    "dhcp delete-lease",
    "dhcp policy delete",
    "dhcp policy put",
    "discover rule delete",
    "discover rule put",
    "group add",
    "group create",
    "group delete",
    "group remove",
    "iface add",
    "iface delete",
    "iface set",
    "image pin",
    "image remove",
    "image unpin",
    "policy delete",
    "policy put",
    "policy role delete",
    "policy role put",
    "rfe add",
    "rfe delete",
    "rfe set",
    "subnet delete",
    "subnet put",
];

/// Gives the flag to the verbs below a noun that write, and to the noun itself if it is one of them. Verbs that take [`DryRun`] among
/// their arguments have it already.
pub(crate) fn add_flag(noun: Command) -> Command {
    let name = noun.get_name().to_owned();
    below(&name, noun)
}

fn below(path: &str, command: Command) -> Command {
    let has_flag = command.get_arguments().any(|arg| arg.get_id() == super::ID);
    match TRIED.binary_search(&path) {
        Ok(_) if !has_flag => DryRun::augment_args(command),
        _ => command.mut_subcommands(|verb| {
            let path = format!("{path} {}", verb.get_name());
            below(&path, verb)
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;
    use crate::args::Cli;

    /// Verbs that read, or only write files of this host: known by their last word.
    const READS: &[&str] = &[
        "accesses",
        "call",
        "check",
        "completion",
        "convert",
        "data",
        "diff",
        "doctor",
        "explain",
        "export",
        "failover-safe",
        "follow",
        "get",
        "held",
        "history",
        "inspect",
        "leases",
        "list",
        "observed",
        "openapi",
        "plan",
        "render",
        "revisions",
        "scan",
        "script",
        "servers",
        "show",
        "status",
        "support-bundle",
        "targets",
        "test",
        "unknown",
        "verify",
        "view",
        "wait",
        "watch",
    ];
    /// Nouns of which nothing is a write of the cluster's state, with the reason.
    const NOUNS: &[(&str, &str)] = &[
        ("address-helper", "a process"),
        ("address-watchdog", "a process"),
        ("audit", "reads"),
        ("authz-worker", "a process"),
        ("bench", "clusters of its own"),
        (
            "break-glass",
            "files of a member's host, for when nothing else works",
        ),
        ("complete-names", "reads"),
        ("config", "the client's own file"),
        ("console", "a stream"),
        ("demo", "a cluster of its own"),
        ("discover-worker", "a process"),
        ("init", "files of this host"),
        ("join", "files of this host, and the membership"),
        ("login", "a session, not the state"),
        ("logout", "a session, not the state"),
        ("man", "files of this host"),
        ("migrate", "reads"),
        ("nodeset", "reads"),
        ("recover", "files of a member's host"),
        ("scale-worker", "a process"),
        ("serve", "a process"),
        ("snapshot", "files"),
    ];
    /// Verbs that change something and cannot be tried out: their methods cannot.
    const NOT_TRIED: &[(&str, &str)] = &[
        ("bmc credential rotate", "starts a job at BMCs"),
        ("certificate issue", "a certificate is given, or it is not"),
        ("certificate renew", "a certificate is given, or it is not"),
        ("certificate revoke", "RevokeTokens cannot be tried out"),
        (
            "certificate rotate-ca",
            "several steps over days; it shows the next one",
        ),
        ("configure apply", "has its own: files of this host"),
        ("configure rollback", "files of this host"),
        ("discover start crawl", "starts a job at BMCs"),
        ("discover start scan", "starts a job at BMCs"),
        ("file delete", "boot files are not part of the state"),
        ("file put", "boot files are not part of the state"),
        ("firmware update", "starts a job at BMCs"),
        ("image add", "boot files are not part of the state"),
        ("job cancel", "a job ends, or it does not"),
        ("job delete", "a job is forgotten, or it is not"),
        ("member add", "the membership"),
        ("member promote", "the membership"),
        ("member remove", "the membership"),
        ("member replace", "the membership"),
        ("member set-address", "the membership"),
        ("member transfer-leader", "the membership"),
        ("oidc delete", "DeleteOidcProvider cannot be tried out"),
        ("oidc put", "PutOidcProvider cannot be tried out"),
        ("power cycle", "starts a job at BMCs"),
        ("power force-off", "starts a job at BMCs"),
        ("power hard-restart", "starts a job at BMCs"),
        ("power off", "starts a job at BMCs"),
        ("power on", "starts a job at BMCs"),
        ("power restart", "starts a job at BMCs"),
        ("power soft-off", "starts a job at BMCs"),
        ("secrets make-kek", "a file of this host"),
        ("secrets rotate-kek", "RotateKek cannot be tried out"),
        ("token create", "a token is made, or it is not"),
        ("token delete", "DeleteApiToken cannot be tried out"),
        ("token issue", "a file of this host"),
        ("token keys", "RotateSigningKey cannot be tried out"),
        ("token revoke", "RevokeTokens cannot be tried out"),
    ];

    /// Paths of all verbs, and whether they have the flag.
    fn verbs() -> Vec<(String, bool)> {
        let mut root = Cli::command();
        root.build();
        let mut found = Vec::new();
        let mut open: Vec<(String, &Command)> = root
            .get_subcommands()
            .filter(|noun| noun.get_name() != "help")
            .map(|noun| (noun.get_name().to_owned(), noun))
            .collect();
        while let Some((path, command)) = open.pop() {
            let mut below = command
                .get_subcommands()
                .filter(|below| below.get_name() != "help")
                .peekable();
            if below.peek().is_none() {
                let has_flag = command
                    .get_arguments()
                    .any(|arg| arg.get_long() == Some("dry-run"));
                found.push((path.clone(), has_flag));
            }
            open.extend(below.map(|below| (format!("{path} {}", below.get_name()), below)));
        }
        found
    }

    /// A new verb has the flag, reads, or is put into one of the lists with its reason.
    #[test]
    fn every_verb_that_writes_can_be_tried_out_or_says_why_not() {
        let mut without = Vec::new();
        for (path, has_flag) in verbs() {
            let noun = path.split(' ').next().unwrap();
            let verb = path.rsplit(' ').next().unwrap();
            let reads = READS.contains(&verb) || NOUNS.iter().any(|(of, _)| *of == noun);
            let excused = NOT_TRIED.iter().any(|(of, _)| *of == path);
            if !has_flag && !reads && !excused {
                without.push(path);
            }
        }
        assert!(without.is_empty(), "neither --dry-run nor a reason: {without:?}");
    }

    /// What is tried out is no verb that only reads, and a reason without need is out of date.
    #[test]
    fn the_lists_are_sorted_and_true() {
        assert!(TRIED.is_sorted() && NOT_TRIED.is_sorted() && NOUNS.is_sorted() && READS.is_sorted());
        let flagged: BTreeSet<String> = verbs()
            .into_iter()
            .filter_map(|(path, has_flag)| has_flag.then_some(path))
            .collect();
        for path in TRIED {
            let is_there = verbs().iter().any(|(of, _)| of == path);
            assert!(!is_there || flagged.contains(*path), "{path}");
        }
        for (path, reason) in NOT_TRIED {
            assert!(!TRIED.contains(path) && !reason.is_empty(), "{path}");
        }
        assert!(flagged.len() > 50, "{flagged:?}");
    }
}
