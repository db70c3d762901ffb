//! Texts and status codes of BSS v1 that its clients know, where they are not what the error map says.

use rpc::Error;
use tonic::{Code, Status};

/// What `state` calls an entry when it says no.
pub(crate) const KIND: &str = "boot parameters";

/// Answer to a script request that names no node.
pub(crate) fn nobody_named() -> Status {
    Status::invalid_argument("Need a mac=, name=, or nid= parameter")
}

/// Answer to an unknown or unconfigured node; `who` is e.g. `Unknown MAC 02:00:00:00:00:01 architecture arm64`.
pub(crate) fn not_configured(who: &str) -> Status {
    Status::not_found(format!("{who}: this host not configured for booting."))
}

/// Answer to a GET of boot parameters whose body asks for nothing.
pub(crate) fn nothing_requested() -> Status {
    Status::invalid_argument("No specified data requested")
}

/// Answer to a question for a host that SMD does not know; `what` is `host name`, `MAC address` or `NID`.
pub(crate) fn unknown_host(what: &str, text: &str) -> Status {
    Status::not_found(format!("Not Found - Unknown {what} '{}'", text.escape_debug()))
}

/// Answer to a look-up of boot parameters that finds none; `kinds` of `Hosts`, `MACs`, `NIDs`, `kernel`, `initrd`.
pub(crate) fn none_found(kinds: &[&str]) -> Status {
    let listed = match kinds {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    };
    Status::not_found(format!("Cannot find boot parameters for requested {listed}"))
}

/// Answer to a NID that is no number.
pub(crate) fn invalid_nid(text: &str) -> Status {
    Status::invalid_argument(format!("Bad Request - Invalid nid '{}'", text.escape_debug()))
}

/// Why a create failed: a key that exists is a bad request in BSS v1. `asked` is the name the caller used.
pub(crate) fn create_failed(error: Error, asked: impl Fn(&str) -> String) -> Status {
    match error {
        Error::AlreadyExists { id, .. } => with_text(
            400,
            Code::AlreadyExists,
            format!("Bad Request: Already exists: {}", asked(&id)),
        ),
        other => bad_request(other),
    }
}

/// Why a change of parameters failed; BSS v1 begins the text of a bad request so.
pub(crate) fn bad_request(error: Error) -> Status {
    match error {
        Error::Invalid { .. } => Status::invalid_argument(format!("Bad Request: {error}")),
        other => other.into(),
    }
}

/// Why an update failed.
pub(crate) fn update_failed(error: Error) -> Status {
    match error {
        Error::NotFound { id, .. } => Status::not_found(format!(
            "Not Found: Error looking up {id}: Key /params/{id} does not exist"
        )),
        other => bad_request(other),
    }
}

/// Why a delete failed: a key that does not exist is a bad request in BSS v1.
pub(crate) fn delete_failed(error: Error) -> Status {
    match error {
        Error::NotFound { kind, id } if kind == KIND => with_text(
            400,
            Code::NotFound,
            format!("Key {id} deletion: Key /params/{id} does not exist"),
        ),
        error @ Error::NotFound { .. } => error.with_http_status(400),
        other => bad_request(other),
    }
}

fn with_text(http_status: u16, code: Code, text: String) -> Status {
    let mut status = Status::new(code, text);
    rpc::set_http_status(status.metadata_mut(), http_status);
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http_status(status: &Status) -> Option<&str> {
        status
            .metadata()
            .get(rpc::HTTP_STATUS)
            .and_then(|value| value.to_str().ok())
    }

    fn exists(id: &str) -> Error {
        Error::AlreadyExists {
            kind: "boot parameters".into(),
            id: id.into(),
            detail: String::new(),
        }
    }

    fn missing(id: &str) -> Error {
        Error::NotFound {
            kind: "boot parameters".into(),
            id: id.into(),
        }
    }

    #[test]
    fn the_kinds_that_were_asked_for_are_named() {
        let text = |kinds: &[&str]| none_found(kinds).message().to_owned();
        assert_eq!(
            text(&["Hosts", "MACs", "NIDs"]),
            "Cannot find boot parameters for requested Hosts, MACs or NIDs"
        );
        assert_eq!(
            text(&["MACs", "NIDs"]),
            "Cannot find boot parameters for requested MACs or NIDs"
        );
        assert_eq!(text(&["MACs"]), "Cannot find boot parameters for requested MACs");
    }

    /// BSS ignores an image that nobody boots; here it is said.
    #[test]
    fn a_missing_image_is_a_bad_request_in_its_own_words() {
        let status = delete_failed(Error::NotFound {
            kind: "kernel".into(),
            id: "http://i/k".into(),
        });
        assert_eq!(
            (status.message(), http_status(&status)),
            ("no such kernel: http://i/k", Some("400"))
        );
    }

    #[test]
    fn existing_and_missing_keys_are_bad_requests() {
        let status = create_failed(exists("x0c0s0b0n0"), |_| "02:00:00:00:00:01".to_owned());
        assert_eq!(status.message(), "Bad Request: Already exists: 02:00:00:00:00:01");
        assert_eq!(
            (status.code(), http_status(&status)),
            (Code::AlreadyExists, Some("400"))
        );
        let status = delete_failed(missing("nid7"));
        assert_eq!(
            status.message(),
            "Key nid7 deletion: Key /params/nid7 does not exist"
        );
        assert_eq!(
            (status.code(), http_status(&status)),
            (Code::NotFound, Some("400"))
        );
        let status = update_failed(missing("nid7"));
        assert_eq!((status.code(), http_status(&status)), (Code::NotFound, None));
    }

    /// Only what is the caller's fault may look like it.
    #[test]
    fn other_errors_keep_their_codes() {
        let no_quorum = || Error::NoQuorum {
            retry_after: std::time::Duration::from_secs(1),
        };
        for status in [
            create_failed(no_quorum(), str::to_owned),
            update_failed(no_quorum()),
            delete_failed(no_quorum()),
        ] {
            assert_eq!(status.code(), Code::Unavailable);
            assert!(status.metadata().get(rpc::RETRY_AFTER_S).is_some());
        }
    }
}
