//! gRPC health (`grpc.health.v1`): the same answer as `/readyz`, for load balancers that speak gRPC; for the server as a
//! whole and under the name of each of its services.

use std::time::Duration;

use rpc::Rules;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter as Reporter;

use super::ServeError;
use super::drain::Stop;

/// How old the answer may be: well below the timers of an election.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// The server as a whole, in the protocol's words.
const EVERYTHING: &str = "";

/// Says of every name alike what is to be said: all services stand on the one state.
#[derive(Clone)]
pub(super) struct Health {
    reporter: Reporter,
    names: Vec<String>,
}

impl Health {
    /// For the services of the API port in `rules`. Until the first look nobody may be sent here.
    pub(super) async fn new(reporter: Reporter, rules: &Rules) -> Self {
        let mut names = rules.api_services();
        names.push(EVERYTHING.to_owned());
        let health = Self { reporter, names };
        health.set(ServingStatus::NotServing).await;
        health
    }

    async fn set(&self, status: ServingStatus) {
        for name in &self.names {
            self.reporter.set_service_status(name, status).await;
        }
    }

    /// Reports whether `ready`, until `stop`; then not serving, so that watchers go elsewhere.
    pub(super) async fn report(self, ready: impl Fn() -> bool, stop: Stop) -> Result<(), ServeError> {
        let mut was_ready = false;
        loop {
            let is_ready = ready();
            if is_ready != was_ready {
                // only changes: every call wakes all watchers
                self.set(match is_ready {
                    true => ServingStatus::Serving,
                    false => ServingStatus::NotServing,
                })
                .await;
                was_ready = is_ready;
            }
            if stop.unless(tokio::time::sleep(LOOK_PAUSE)).await.is_none() {
                self.set(ServingStatus::NotServing).await;
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tonic::Code;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_check_response::ServingStatus as Answer;
    use tonic_health::pb::health_client::HealthClient;

    use super::super::drain::Drain;
    use super::*;

    fn rules() -> Rules {
        Rules::from_descriptor(proto::DESCRIPTOR).unwrap()
    }

    fn of(service: &str) -> HealthCheckRequest {
        HealthCheckRequest {
            service: service.to_owned(),
        }
    }

    /// A load balancer must leave a member that lost its majority, and come back when it has one again; whichever name
    /// it asks by.
    #[tokio::test]
    async fn health_follows_readiness_and_ends_with_the_drain() {
        for service in ["", "chamois.smd.v1.ComponentService"] {
            let (reporter, server) = tonic_health::server::health_reporter();
            let health = Health::new(reporter, &rules()).await;
            let mut client = HealthClient::new(server);
            let mut watch = client.watch(of(service)).await.unwrap().into_inner();
            let mut next = async || {
                let answer = tokio::time::timeout(Duration::from_secs(10), watch.message());
                answer.await.unwrap().unwrap().unwrap().status()
            };
            assert_eq!(next().await, Answer::NotServing, "before the first look");
            let (ready, drain) = (Arc::new(AtomicBool::new(true)), Drain::default());
            let (seen, stop) = (Arc::clone(&ready), drain.finishing());
            let task = tokio::spawn(health.report(move || seen.load(Ordering::Relaxed), stop));
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

    /// "Not serving" and "no such service" are told apart, as the protocol wants it.
    #[tokio::test]
    async fn a_name_that_is_not_served_here_is_not_found() {
        let (reporter, server) = tonic_health::server::health_reporter();
        let _health = Health::new(reporter, &rules()).await;
        let mut client = HealthClient::new(server);
        for unknown in ["chamois.smd.v1.Nothing", "chamois.raft.v1.PeerService"] {
            let answer = client.check(of(unknown)).await;
            assert_eq!(answer.unwrap_err().code(), Code::NotFound, "{unknown}");
        }
    }
}
