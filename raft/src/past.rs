//! What became of something, the newest first: as far back as changes are remembered for watches.

use std::sync::Arc;

use state::Event;

use crate::history::Revision;
use crate::published::Published;

/// Some of the remembered changes.
#[derive(Debug, Default)]
pub struct Past {
    /// The newest first; each with the revision that it is of.
    pub changes: Vec<(Arc<Revision>, Event)>,
    /// There are more before the last of them.
    pub more: bool,
    /// Changes up to this revision are not remembered.
    pub oldest: u64,
}

/// The changes before `revision` that are meant, at most `changes_max`. Other tasks have their turn between the parts of a
/// long history.
pub(crate) async fn before(
    published: &Published,
    mut revision: u64,
    changes_max: usize,
    is_meant: impl Fn(&Event) -> bool,
) -> Past {
    let mut past = Past::default();
    loop {
        let (page, oldest) = published.history().before(revision);
        past.oldest = oldest;
        let Some(last) = page.last() else { return past };
        revision = last.index;
        for found in &page {
            for event in found.events.iter().filter(|event| is_meant(event)) {
                if past.changes.len() == changes_max {
                    past.more = true;
                    return past;
                }
                past.changes.push((Arc::clone(found), event.clone()));
            }
        }
        tokio::task::yield_now().await;
    }
}
