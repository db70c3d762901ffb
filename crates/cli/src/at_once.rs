//! One question to each of several members: all are asked at once, and one that hangs is an answer of its own, in time, which holds
//! up nobody else's.

use std::time::Duration;

use futures::future::join_all;

use crate::error::{CliError, Kind};

/// What each of `asked` gives, in their order; see [`within`].
pub(crate) async fn each<T, F: Future<Output = Result<T, CliError>>>(
    at_most: Duration,
    asked: impl IntoIterator<Item = F>,
) -> Vec<Result<T, CliError>> {
    join_all(asked.into_iter().map(|asked| within(at_most, asked))).await
}

/// What `asked` gives, or `Unavailable` if that takes longer: a call ends in time by itself, but not the reading of its answer.
pub(crate) async fn within<T>(
    at_most: Duration,
    asked: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    let ended = tokio::time::timeout(at_most, asked).await;
    ended.unwrap_or_else(|_| {
        let error = CliError::new(Kind::Unavailable, format!("no whole answer within {at_most:?}"));
        Err(error.with_remedy("`chamois cluster status` shows the members; --timeout sets the time."))
    })
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;

    use super::*;

    /// The one in the middle never answers, and the first one only when the last one has been asked.
    #[tokio::test]
    async fn one_that_hangs_holds_up_nobody_and_order_is_kept() {
        let (tell, told) = tokio::sync::oneshot::channel::<()>();
        let first = async { told.await.map_err(|error| CliError::other("never told", error)) };
        let last = async {
            let told = tell.send(());
            told.map_err(|()| CliError::new(Kind::Other, "nobody waits"))
        };
        let asked: [BoxFuture<'_, Result<(), CliError>>; 3] =
            [Box::pin(first), Box::pin(std::future::pending()), Box::pin(last)];
        let answers = each(Duration::from_millis(50), asked).await;
        let kinds: Vec<_> = answers
            .iter()
            .map(|answer| answer.as_ref().err().map(CliError::kind))
            .collect();
        assert_eq!(kinds, [None, Some(Kind::Unavailable), None]);
    }
}
