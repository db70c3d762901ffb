//! How many calls of each method ended with which code: counted by the guard, one atomic addition a call.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Response;
use tonic::Code;

use crate::Rules;

/// Header of an answer that is nothing but a status: an error. Others say theirs in the trailers.
const STATUS: &str = "grpc-status";

/// gRPC's codes from 0 on, as Prometheus' gRPC libraries name them.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// The counts of all methods; clones share them.
#[derive(Clone, Debug)]
pub struct Calls(Arc<HashMap<String, [AtomicU64; CODES.len()]>>);

/// Calls of one method that ended with one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handled<'a> {
    /// `package.Service`.
    pub service: &'a str,
    /// The method's name.
    pub method: &'a str,
    /// The code's name, e.g. `NotFound`.
    pub code: &'static str,
    /// How many calls.
    pub calls: u64,
}

impl Calls {
    /// Zero for every method that has a rule; a path without one is never counted, so that strangers cannot fill
    /// the memory with names.
    pub fn new(rules: &Rules) -> Calls {
        let methods = rules
            .iter()
            .map(|(path, _)| (path.to_owned(), Default::default()));
        Calls(Arc::new(methods.collect()))
    }

    /// Counts an answer. What a stream says in its trailers comes later than this and is not seen.
    pub(crate) fn count<B>(&self, path: &str, answer: &Response<B>) {
        let status = answer.headers().get(STATUS);
        self.count_code(
            path,
            status.map_or(Code::Ok, |status| Code::from_bytes(status.as_bytes())),
        );
    }

    /// Counts an answer that is none but a success: what the caller has is current.
    pub(crate) fn count_ok(&self, path: &str) {
        self.count_code(path, Code::Ok);
    }

    fn count_code(&self, path: &str, code: Code) {
        if let Some(codes) = self.0.get(path) {
            codes[code as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What has been called, in the order of its names.
    pub fn handled(&self) -> Vec<Handled<'_>> {
        let mut handled: Vec<Handled<'_>> = self
            .0
            .iter()
            .flat_map(|(path, codes)| of_method(path, codes))
            .collect();
        handled.sort_unstable();
        handled
    }
}

fn of_method<'a>(path: &'a str, codes: &'a [AtomicU64]) -> impl Iterator<Item = Handled<'a>> {
    let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
    CODES.iter().zip(codes).filter_map(move |(code, calls)| {
        let calls = calls.load(Ordering::Relaxed);
        (calls > 0).then_some(Handled {
            service,
            method,
            code,
            calls,
        })
    })
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;

    const METHOD: &str = "/chamois.cluster.v1.ClusterService/GetStatus";

    fn calls() -> Calls {
        Calls::new(&Rules::from_descriptor(proto::DESCRIPTOR).unwrap())
    }

    #[test]
    fn what_the_caller_has_is_no_error() {
        let calls = calls();
        calls.count_ok(METHOD);
        let seen: Vec<_> = calls.handled().iter().map(|one| (one.code, one.calls)).collect();
        assert_eq!(seen, [("OK", 1)]);
    }

    /// An error comes without a body; its code is in the header.
    #[test]
    fn every_end_of_a_call_is_counted_with_its_code() {
        let calls = calls();
        calls.count(METHOD, &Response::new(()));
        calls.count(METHOD, &Response::new(()));
        calls.count(METHOD, &Status::not_found("x").into_http::<()>());
        calls.count(METHOD, &Status::unauthenticated("x").into_http::<()>());
        let seen: Vec<_> = calls
            .handled()
            .into_iter()
            .map(|handled| (handled.method, handled.code, handled.calls))
            .collect();
        assert_eq!(
            seen,
            [
                ("GetStatus", "NotFound", 1),
                ("GetStatus", "OK", 2),
                ("GetStatus", "Unauthenticated", 1)
            ]
        );
        assert_eq!(calls.handled()[0].service, "chamois.cluster.v1.ClusterService");
    }

    #[test]
    fn a_path_that_no_service_has_is_not_counted() {
        let calls = calls();
        calls.count("/made.up/Name", &Response::new(()));
        assert!(calls.handled().is_empty());
    }

    /// The names stand at the places of the codes.
    #[test]
    fn codes_have_their_names() {
        assert_eq!(CODES[Code::Ok as usize], "OK");
        assert_eq!(CODES[Code::Unavailable as usize], "Unavailable");
        assert_eq!(CODES[Code::Unauthenticated as usize], "Unauthenticated");
    }
}
