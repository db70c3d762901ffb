//! Options of `chamois demo`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::error::{CliError, Kind};

/// Nodes that one loopback network has room for, and then some.
pub(crate) const NODES_MAX: u32 = 20_000;

/// Nodes whose BMCs one loopback network has room for: two behind each.
pub(crate) const NODES_WITH_BMCS_MAX: u32 = 6_000;

/// `chamois demo`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois demo                                  three members, 1,000 nodes, two members killed meanwhile
  chamois demo --nodes 200 --members 5 --json   the summary as one line of JSON, last
  chamois demo --freeze                         two more are stopped (SIGSTOP), and one of them goes on later
  chamois demo --addresses list                 without a service address: nodes try one member after the other
  chamois demo --nodes 8 --bmcs                 emulated BMCs: found, read and told to switch the nodes on
  chamois demo --real                           one real guest (QEMU) on the terminal, its member is killed under it
  chamois demo --nodes 20 --keep --state-dir d  leave the cluster running to try curl, ochami and chamois on it

Everything but --real runs on 127.0.0.0/8 of this host without root; --real makes a user namespace of its own, or
needs root where users may make none. Exit code 0 only if every node booted and no
acknowledged write was lost.")]
pub struct DemoArgs {
    /// Emulated nodes to boot; 0 starts the cluster only
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=i64::from(NODES_MAX)))]
    pub nodes: u32,
    /// Members of the cluster: 1, 3 or 5
    #[arg(long, default_value_t = 3, value_parser = members)]
    pub members: u64,
    /// Also freeze members while nodes boot: the leader, and the one that holds the service address
    #[arg(long)]
    pub freeze: bool,
    /// How nodes find a living member
    #[arg(long, value_enum, default_value_t)]
    pub addresses: Addresses,
    /// Begin with bare hardware: emulated BMCs on loopback are scanned and crawled, the inventory comes from them, and nodes boot
    /// because the cluster switches them on
    #[arg(long)]
    pub bmcs: bool,
    /// Boot one real guest in QEMU, show its console, and kill the member that it is using
    #[arg(long, conflicts_with_all = ["nodes", "members", "freeze", "addresses", "bmcs", "json", "keep"])]
    pub real: bool,
    /// End with one line of JSON on standard output; all that people read goes to standard error
    #[arg(long)]
    pub json: bool,
    /// Leave the cluster running until SIGTERM or Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// Directory for the members' data, keys and logs; must be new or empty. Default: a temporary one,
    /// removed at the end
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// How the demo's nodes find a living member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Addresses {
    /// One service address, which a living member takes over
    #[default]
    Service,
    /// Every member's own: scripts try them in turn
    List,
}

impl DemoArgs {
    /// Refuses what cannot be shown.
    pub(crate) fn check(&self) -> Result<(), CliError> {
        if self.freeze && self.members == 1 {
            let text = "--freeze with one member: nobody is left to go on while it is frozen";
            return Err(CliError::new(Kind::Usage, text).with_remedy("Use --members 3 or 5."));
        }
        if self.bmcs && self.nodes > NODES_WITH_BMCS_MAX {
            let text = format!(
                "--bmcs with {} nodes: one loopback network has no room for their BMCs",
                self.nodes
            );
            let remedy = format!("Use --nodes {NODES_WITH_BMCS_MAX} or fewer.");
            return Err(CliError::new(Kind::Usage, text).with_remedy(remedy));
        }
        Ok(())
    }
}

/// An even number tolerates no more failures than the odd one below it.
fn members(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(count @ (1 | 3 | 5)) => Ok(count),
        _ => Err("accepted are 1, 3 and 5".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_three_or_five_members_are_accepted() {
        assert_eq!(members("3"), Ok(3));
        for refused in ["0", "2", "4", "7", "-1", "three"] {
            assert!(members(refused).unwrap_err().contains("1, 3 and 5"), "{refused}");
        }
    }

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        demo: DemoArgs,
    }

    fn parse(words: &[&str]) -> Result<DemoArgs, clap::Error> {
        use clap::Parser as _;
        Line::try_parse_from(std::iter::once(&"demo").chain(words)).map(|line| line.demo)
    }

    #[test]
    fn one_member_alone_is_not_frozen() {
        let text = parse(&["--freeze", "--members", "1"])
            .unwrap()
            .check()
            .unwrap_err()
            .to_string();
        assert!(text.contains("--members 3 or 5"), "{text}");
        assert!(parse(&["--freeze"]).unwrap().check().is_ok());
    }

    #[test]
    fn there_is_room_for_so_many_bmcs() {
        let text = parse(&["--bmcs", "--nodes", "6001"])
            .unwrap()
            .check()
            .unwrap_err()
            .to_string();
        assert!(text.contains("--nodes 6000"), "{text}");
        assert!(parse(&["--bmcs", "--nodes", "6000"]).unwrap().check().is_ok());
        assert!(NODES_WITH_BMCS_MAX as usize <= 2 * lab::BMCS_MAX);
    }

    /// A real guest has its own cluster and its own summary.
    #[test]
    fn a_real_guest_takes_no_options_of_the_emulated_ones() {
        assert!(parse(&["--real"]).unwrap().real);
        for other in [
            &["--nodes", "3"][..],
            &["--json"],
            &["--freeze"],
            &["--keep"],
            &["--bmcs"],
        ] {
            assert!(parse(&[&["--real"], other].concat()).is_err(), "{other:?}");
        }
    }
}
