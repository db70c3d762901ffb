//! `chamois config delete`.

use clap::Args;

use crate::args::GlobalArgs;
use crate::contexts::Contexts;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois config delete`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  chamois config delete test")]
pub struct DeleteArgs {
    /// Name, as `chamois config list` shows it
    pub name: String,
}

pub(super) fn run(global: &GlobalArgs, args: &DeleteArgs) -> Result<(), CliError> {
    let mut contexts = Contexts::read()?;
    contexts.get(&args.name)?;
    if !contexts.is_own(&args.name) {
        let text = format!("context {:?} is the site's: /etc/chamois/cli.toml", args.name);
        return Err(CliError::new(Kind::Usage, text));
    }
    let own = contexts.own_mut();
    own.contexts.remove(&args.name);
    if own.current.as_ref() == Some(&args.name) {
        own.current = None;
    }
    contexts.write()?;
    let value = serde_json::json!({ "deleted": args.name });
    output::done_value(global, &value, || format!("forgot {}", args.name))
}
