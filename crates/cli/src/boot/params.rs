//! `chamois boot params …`: BSS's boot parameters, by host, MAC, NID or role.

mod delete;
mod list;
mod set;
mod show;

use clap::Subcommand;
use model::{MacAddr, Xname};
use proto::bss::v1::BootParameters;

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `boot params`.
#[derive(Debug, Subcommand)]
pub enum ParamsCommand {
    /// List entries, sorted by key
    #[command(after_help = "Example:\n  chamois boot params list")]
    List,
    /// Show one entry
    Show(show::ShowArgs),
    /// Create an entry, or change what is given of it
    Set(set::SetArgs),
    /// Delete entries, all or none
    Delete(delete::DeleteArgs),
}

pub(super) async fn run(global: &GlobalArgs, command: ParamsCommand) -> Result<(), CliError> {
    match command {
        ParamsCommand::List => list::run(global).await,
        ParamsCommand::Show(args) => show::run(global, args).await,
        ParamsCommand::Set(args) => set::run(global, args).await,
        ParamsCommand::Delete(args) => delete::run(global, args).await,
    }
}

/// A key as it is stored: an xname, a MAC in lower case, `nid<N>`, or a word as it is.
fn key(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("name an xname, a MAC, nid<N>, a role, Default or Unknown-<arch>".to_owned());
    }
    let xname = text.parse::<Xname>().map(|xname| xname.to_string());
    let mac = text.parse::<MacAddr>().map(|mac| mac.to_string());
    Ok(xname.or(mac).unwrap_or_else(|_| text.to_owned()))
}

/// Names the keys of a request.
fn put_keys<'k>(keys: impl IntoIterator<Item = &'k str>, entry: &mut BootParameters) {
    for key in keys {
        let nid = key.strip_prefix("nid").and_then(|nid| nid.parse().ok());
        match nid {
            Some(nid) => entry.nids.push(nid),
            None if key.contains(':') => entry.macs.push(key.to_owned()),
            None => entry.hosts.push(key.to_owned()),
        }
    }
}

/// The key of an entry that was read.
fn key_of(entry: &BootParameters) -> String {
    let nid = || entry.nids.first().map(|nid| format!("nid{nid}"));
    let named = entry.hosts.first().or(entry.macs.first()).cloned();
    named.or_else(nid).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_they_are_stored() {
        for (typed, stored) in [
            ("X1000c0s00b0n0", "x1000c0s0b0n0"),
            ("02-00-00-00-00-A1", "02:00:00:00:00:a1"),
            ("nid7", "nid7"),
            ("Default", "Default"),
        ] {
            assert_eq!(key(typed).unwrap(), stored);
            let mut entry = BootParameters::default();
            put_keys([stored], &mut entry);
            assert_eq!(key_of(&entry), stored);
        }
        assert!(key("").is_err());
    }
}
