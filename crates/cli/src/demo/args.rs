//! Options of `chamois demo`.

use std::path::PathBuf;

use clap::Args;

/// Nodes that one loopback network has room for, and then some.
pub(crate) const NODES_MAX: u32 = 20_000;

/// `chamois demo`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois demo                                  three members, 1,000 nodes, two members killed meanwhile
  chamois demo --nodes 200 --members 5 --json   the summary as one line of JSON, last
  chamois demo --nodes 20 --keep --state-dir d  leave the cluster running to try curl, ochami and chamois on it

Everything runs on 127.0.0.0/8 of this host without root. Exit code 0 only if every node booted and no
acknowledged write was lost.")]
pub struct DemoArgs {
    /// Emulated nodes to boot; 0 starts the cluster only
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=i64::from(NODES_MAX)))]
    pub nodes: u32,
    /// Members of the cluster: 1, 3 or 5
    #[arg(long, default_value_t = 3, value_parser = members)]
    pub members: u64,
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
}
