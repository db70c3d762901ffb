//! `chamois address-helper`: the process around `address::helper`.

use address::claim::{InvalidTarget, Target};
use address::helper::{HelperError, HelperOptions};
use cli::AddressHelperArgs;

use crate::serve::Signals;

/// Why the helper ended otherwise than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum AddressHelperError {
    /// An `--allow` that names no address on an interface.
    #[error("--allow")]
    Allow(#[from] InvalidTarget),
    /// No runtime or no signals.
    #[error("the system gives this process no threads or signals")]
    System(#[from] std::io::Error),
    /// The helper could not start.
    #[error("the address helper cannot start")]
    Helper(#[from] HelperError),
}

/// Serves claims until SIGTERM or SIGINT, then takes every address off that is still claimed.
///
/// # Errors
/// See [`AddressHelperError`].
pub fn run(args: AddressHelperArgs) -> Result<(), AddressHelperError> {
    let allowed = args
        .allow
        .iter()
        .map(|text| text.parse())
        .collect::<Result<Vec<Target>, _>>()?;
    let options = HelperOptions {
        socket: args.socket,
        allowed,
    };
    // one thread: the helper has one task that works and must never wait behind others
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        address::helper::run(options, async move { signals.received().await }).await?;
        Ok(())
    })
}
