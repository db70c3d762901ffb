//! Before anything is stored, the cluster is asked what it would say to each object (`validate_only`): what it would refuse is
//! told with all the rest, so that no import ends half-way because of it.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use rpc::VALIDATE_ONLY;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};

use super::diff::Diff;
use crate::error::CliError;

/// Requests on their way at once.
const REQUESTS_AT_ONCE: usize = 16;

/// Asks what would become of each object of `diff`, and moves those that would be refused there. `ask` sends one, at the revision
/// that it was seen at.
///
/// # Errors
/// When the cluster cannot be asked.
pub(super) async fn refuse_in_advance<T: Clone>(
    diff: &mut Diff<T>,
    id: fn(&T) -> String,
    seen: fn(&T) -> u64,
    ask: impl AsyncFn(T, u64) -> Result<(), Status>,
) -> Result<(), CliError> {
    let changed = diff.change.iter();
    let changed = changed.map(|change| (change.after.clone(), seen(&change.before)));
    let asked: Vec<(T, u64)> = changed
        .chain(diff.create.iter().map(|new| (new.clone(), 0)))
        .collect();
    let ask = &ask;
    let answers = stream::iter(asked).map(|(object, seen)| async move {
        let id = id(&object);
        Ok::<_, CliError>((id, reason(ask(object, seen).await)?))
    });
    let answers: Vec<(String, Option<String>)> =
        answers.buffer_unordered(REQUESTS_AT_ONCE).try_collect().await?;
    let refused = answers.into_iter().filter_map(|(id, reason)| Some((id, reason?)));
    diff.refuse_all(&refused.collect(), id);
    Ok(())
}

/// The request, to be tried out only.
pub(super) fn only_tried<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    let yes = MetadataValue::from_static("true");
    request.metadata_mut().insert(VALIDATE_ONLY, yes);
    request
}

/// Why the object itself would be refused, if it would. That somebody has changed it meanwhile is found when it is written.
fn reason(answer: Result<(), Status>) -> Result<Option<String>, CliError> {
    match answer {
        Ok(()) => Ok(None),
        Err(status) => match status.code() {
            Code::Aborted => Ok(None),
            Code::InvalidArgument | Code::AlreadyExists | Code::FailedPrecondition => Ok(Some(text(&status))),
            Code::ResourceExhausted if is_too_large(&status) => Ok(Some(text(&status))),
            _ => Err(status.into()),
        },
    }
}

fn text(status: &Status) -> String {
    status.message().escape_debug().to_string()
}

/// A member at its limit has the same code, and says nothing of the object.
fn is_too_large(status: &Status) -> bool {
    let http = status.metadata().get(rpc::HTTP_STATUS);
    http.is_some_and(|http| http == "413")
}

impl<T> Diff<T> {
    /// Moves the objects that `reasons` has one for to what is refused.
    fn refuse_all(&mut self, reasons: &BTreeMap<String, String>, id: fn(&T) -> String) {
        self.create.retain(|object| !reasons.contains_key(&id(object)));
        self.change
            .retain(|change| !reasons.contains_key(&id(&change.after)));
        for (id, reason) in reasons {
            self.refuse(id.as_str(), reason.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::diff::Change;
    use super::*;

    fn diff() -> Diff<String> {
        Diff {
            create: ["new", "bad"].map(str::to_owned).into(),
            change: vec![Change {
                before: "old".to_owned(),
                after: "worse".to_owned(),
            }],
            ..Diff::default()
        }
    }

    /// All of them, not the first; and the rest stays to be done.
    #[tokio::test]
    async fn every_object_that_would_be_refused_is_told_with_its_reason() {
        let mut diff = diff();
        let ask = async |object: String, seen: u64| match object.as_str() {
            "new" => Ok(()),
            "bad" => Err(Status::invalid_argument(format!("file.content: at {seen}"))),
            _ => Err(Status::already_exists(format!("taken at {seen}"))),
        };
        refuse_in_advance(&mut diff, String::clone, |before| before.len() as u64, ask)
            .await
            .unwrap();
        let refused: Vec<_> = diff
            .refused
            .iter()
            .map(|of| (of.id.as_str(), of.reason.as_str()))
            .collect();
        assert_eq!(refused, [("bad", "file.content: at 0"), ("worse", "taken at 3")]);
        assert_eq!((diff.create, diff.change.len()), (vec!["new".to_owned()], 0));
    }

    /// An object of which nobody knows whether it would be taken is not refused: there is no answer at all.
    #[tokio::test]
    async fn a_cluster_that_cannot_be_asked_is_an_error() {
        let ask = async |_, _| Err(Status::unavailable("no majority"));
        let error = refuse_in_advance(&mut diff(), String::clone, |_| 1, ask)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("no majority"), "{error}");
    }

    #[test]
    fn a_request_to_be_tried_out_says_so() {
        assert_eq!(only_tried(()).metadata().get(VALIDATE_ONLY).unwrap(), "true");
    }
}
