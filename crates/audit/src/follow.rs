//! A stream of what is written into the journal.

use std::time::Duration;

use proto::audit::v1::FollowAuditRecordsResponse;
use rpc::Error;
use tokio::sync::{mpsc, watch};
use tonic::Status;

use crate::query::Filter;
use crate::record::Record;
use crate::service::{Ending, off_the_runtime};
use crate::tail::Tail;
use crate::wire;

/// It has to be begun again after this, so that its caller shows anew who he is.
const FOLLOW_AT_MOST: Duration = Duration::from_secs(3600);
/// When a repeat makes sense.
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(crate) type Messages = mpsc::Sender<Result<FollowAuditRecordsResponse, Status>>;

pub(crate) struct Following {
    pub(crate) tail: Tail,
    pub(crate) filter: Filter,
    pub(crate) written: watch::Receiver<u64>,
    pub(crate) messages: Messages,
}

impl Following {
    /// Until the client or the member ends, or the time is over.
    pub(crate) async fn run(self, ending: Ending) {
        let messages = self.messages.clone();
        let reason = tokio::select! {
            ended = self.tell() => match ended {
                Ok(()) => return, // nobody listens any more
                Err(error) => error,
            },
            () = ending => not_here("it stops; go on at another member"),
            () = tokio::time::sleep(FOLLOW_AT_MOST) => not_here("the stream has to be begun again every hour"),
        };
        // the client may not read: then it finds out by the end of the stream
        messages.try_send(Err(reason.into())).ok();
    }

    async fn tell(self) -> Result<(), Error> {
        let (mut tail, mut written) = (self.tail, self.written);
        loop {
            written.mark_unchanged();
            let (back, read) = off_the_runtime(move || {
                let read = tail.read();
                (tail, read)
            })
            .await?;
            tail = back;
            let records = read.map_err(|error| unreadable(&error))?;
            if records.is_empty() {
                if written.changed().await.is_err() {
                    return Err(not_here("it stops; go on at another member"));
                }
                continue;
            }
            let message = message(records, &self.filter);
            if self.messages.send(Ok(message)).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// The journal's files are this member's own trouble: another one has them, too.
pub(crate) fn unreadable(error: &std::io::Error) -> Error {
    tracing::error!(%error, "the audit journal cannot be read");
    Error::Internal("the audit journal cannot be read; ask another member".to_owned())
}

fn not_here(reason: &str) -> Error {
    Error::NotReady {
        retry_after: RETRY_AFTER,
        reason: reason.to_owned(),
    }
}

/// What of it is meant; where to go on is told even if nothing is.
fn message(records: Vec<Record>, filter: &Filter) -> FollowAuditRecordsResponse {
    let revision = records.last().map_or(0, |record| record.revision);
    let meant = records.into_iter().filter(|record| filter.is_for(record));
    let (gaps, records): (Vec<Record>, Vec<Record>) = meant.partition(Record::is_gap);
    FollowAuditRecordsResponse {
        records: records
            .into_iter()
            .map(|record| wire::record(record, filter))
            .collect(),
        gaps: gaps.into_iter().map(wire::gap).collect(),
        revision,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    /// Who follows one author goes on where he was, though others have written since.
    #[test]
    fn a_message_says_how_far_it_reaches() {
        let records = vec![
            record(1, "user/ada", "gpu"),
            Record::of_start(1, 5, 9),
            record(6, "user/bob", "gpu"),
        ];
        let filter = Filter {
            author: "user/ada".into(),
            ..Filter::default()
        };
        let message = message(records, &filter);
        assert_eq!(
            (message.records.len(), message.gaps.len(), message.revision),
            (1, 1, 6)
        );
    }
}
