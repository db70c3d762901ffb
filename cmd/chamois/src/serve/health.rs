//! gRPC health (`grpc.health.v1`): the same answer as `/readyz`, for load balancers that speak gRPC.

use std::time::Duration;

use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::ServeError;
use super::drain::Stop;

/// How old the answer may be: well below the timers of an election.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// The server as a whole, in the protocol's words.
const EVERYTHING: &str = "";

/// Until the first look nobody may be sent here.
pub(super) async fn not_yet(reporter: &HealthReporter) {
    reporter
        .set_service_status(EVERYTHING, ServingStatus::NotServing)
        .await;
}

/// Reports whether `ready`, from [`not_yet`] until `stop`; then not serving, so that watchers go elsewhere.
pub(super) async fn report(
    reporter: HealthReporter,
    ready: impl Fn() -> bool,
    stop: Stop,
) -> Result<(), ServeError> {
    let mut was_ready = false;
    loop {
        let is_ready = ready();
        if is_ready != was_ready {
            let status = if is_ready {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            };
            // only changes: every call wakes all watchers
            reporter.set_service_status(EVERYTHING, status).await;
            was_ready = is_ready;
        }
        if stop.unless(tokio::time::sleep(LOOK_PAUSE)).await.is_none() {
            not_yet(&reporter).await;
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_check_response::ServingStatus as Answer;
    use tonic_health::pb::health_client::HealthClient;

    use super::super::drain::Drain;
    use super::*;

    /// A load balancer must leave a member that lost its majority, and come back when it has one again.
    #[tokio::test]
    async fn health_follows_readiness_and_ends_with_the_drain() {
        let (reporter, server) = tonic_health::server::health_reporter();
        not_yet(&reporter).await;
        let mut client = HealthClient::new(server);
        let mut watch = client
            .watch(HealthCheckRequest::default())
            .await
            .unwrap()
            .into_inner();
        let mut next = async || {
            let answer = tokio::time::timeout(Duration::from_secs(10), watch.message());
            answer.await.unwrap().unwrap().unwrap().status()
        };
        assert_eq!(next().await, Answer::NotServing, "before the first look");
        let (ready, drain) = (Arc::new(AtomicBool::new(true)), Drain::default());
        let (seen, stop) = (Arc::clone(&ready), drain.finishing());
        let task = tokio::spawn(report(reporter, move || seen.load(Ordering::Relaxed), stop));
        assert_eq!(next().await, Answer::Serving);
        ready.store(false, Ordering::Relaxed);
        assert_eq!(next().await, Answer::NotServing, "the majority is gone");
        ready.store(true, Ordering::Relaxed);
        assert_eq!(next().await, Answer::Serving, "it is back");
        drop(drain);
        assert_eq!(next().await, Answer::NotServing, "the drain");
        task.await.unwrap().unwrap();
    }
}
