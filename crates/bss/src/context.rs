//! The boot context of a URL: a node must never meet older data than it has seen in the same boot.

use std::time::Duration;

use model::BootContext;
use raft::Store;
use rpc::Error;

/// How long a member that is behind may take to catch up before the node is told to come back.
const CATCH_UP_MAX: Duration = Duration::from_millis(500);

/// The context of a request, after this member has applied the revision that it names. An empty text is none.
///
/// # Errors
/// `Invalid` for a text that is no context, `NotReady` for a member that is behind and stays so for 500 ms.
pub(crate) async fn caught_up(store: &Store, text: &str) -> Result<Option<BootContext>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let context: BootContext = text.parse().map_err(|problem| rpc::invalid("ctx", problem))?;
    store.require_applied(context.revision, CATCH_UP_MAX).await?;
    Ok(Some(context))
}
