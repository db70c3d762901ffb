//! What a caller is told who has a part of the system only: answers are cut, and what would tell of other objects is left away.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::error::{SUBJECT, THE_REQUEST};
use crate::frame::{framed, unframed};
use crate::part_pages::PageFields;
use crate::scoped_answer::AnswerPlan;
use crate::{Authority, ETAG, Error, HTTP_HEADER_PREFIX, Part, Rule, Rules, Scope};

/// Whether who is given the permission of a method on `scope` may call it: its answer must be of a kind that can be cut, or it must
/// be a change that is judged where it is made.
///
/// # Errors
/// `Denied` naming the permission.
pub(crate) fn check_method(rules: &Rules, path: &str, rule: Rule, scope: &Scope) -> Result<(), Error> {
    let Some(part) = scope.part() else {
        return Ok(());
    };
    let can_be_cut = rule.shows_no_component || rule.can_validate_only || rules.plan(path).is_some();
    let has_kinds = || rules.kinds_shown(path).iter().all(|kind| part.has_kind(*kind));
    if can_be_cut && has_kinds() {
        return Ok(());
    }
    let permission = rules.permission(rule.needs);
    Err(Error::Denied {
        reason: format!("{permission} is needed on the whole system for this method"),
    })
}

/// What of a method's messages is changed for callers with a part of the system.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cuts<'a> {
    /// How its answer is cut; `None`: it is passed on.
    pub(crate) plan: Option<&'a AnswerPlan>,
    /// Where its pages are named, and who seals their tokens.
    pub(crate) pages: Option<(PageFields, &'a dyn Authority)>,
}

/// A caller with a part of the system.
pub(crate) struct PartCaller<'a> {
    part: Arc<dyn Part>,
    permission: &'a str,
}

impl<'a> PartCaller<'a> {
    /// `None` for a caller who is given `permission` on everything.
    pub(crate) fn of(scope: &Scope, permission: &'a str) -> Option<Self> {
        let part = Arc::clone(scope.part()?);
        Some(Self { part, permission })
    }

    /// What he asks for, as the service reads it.
    ///
    /// # Errors
    /// `Invalid` for a page token that he was not given.
    pub(crate) async fn request(
        &self,
        cuts: &Cuts<'_>,
        request: Request<Body>,
    ) -> Result<Request<Body>, Error> {
        match cuts.pages {
            None => Ok(request),
            Some((fields, authority)) => fields.opened(request, authority).await,
        }
    }

    /// What he is told of an answer. Without a plan it shows no component, or is that to a change of his own.
    ///
    /// # Errors
    /// `Denied` for an answer about another's component, and for an error that tells of one: whether it is there is not told either.
    pub(crate) async fn answer(
        &self,
        cuts: &Cuts<'_>,
        mut answer: Response<Body>,
    ) -> Result<Response<Body>, Error> {
        self.check_told(answer.headers_mut())?;
        if cuts.plan.is_none() && cuts.pages.is_none() {
            return Ok(answer);
        }
        let (parts, body) = answer.into_parts();
        let collected = match body.collect().await {
            Ok(collected) => collected,
            Err(status) => return Ok(status.into_http()),
        };
        let mut trailers = collected.trailers().cloned();
        if let Some(trailers) = &mut trailers {
            self.check_told(trailers)?;
        }
        let frame = self.cut(cuts, collected.to_bytes())?;
        let body = Full::new(frame).with_trailers(std::future::ready(trailers.map(Ok::<_, Infallible>)));
        Ok(Response::from_parts(parts, Body::new(body)))
    }

    /// Takes off what says how an answer to everybody would compare, and looks whom an error tells of.
    fn check_told(&self, told: &mut HeaderMap) -> Result<(), Error> {
        told.remove(ETAG);
        told.remove(format!("{HTTP_HEADER_PREFIX}etag"));
        let code = told.get(Status::GRPC_STATUS);
        let code = code.map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()));
        let subject = told.get(SUBJECT).and_then(|subject| subject.to_str().ok());
        let is_told = match (code, subject) {
            (Code::Ok, _) | (_, Some(THE_REQUEST)) => true,
            (_, Some(id)) => self.part.has_component(id) || self.part.has_group(id),
            (_, None) => !told.contains_key(SUBJECT) && !may_tell_of_objects(code),
        };
        match is_told {
            true => Ok(()),
            false => Err(self.denied()),
        }
    }

    /// A framed message without what is of others; no frame at all is an error, which is in the trailers.
    fn cut(&self, cuts: &Cuts<'_>, whole: Bytes) -> Result<Bytes, Error> {
        if whole.is_empty() {
            return Ok(whole);
        }
        let message = unframed(&whole).ok_or_else(|| self.denied())?;
        let left = match cuts.plan {
            None => Cow::Borrowed(message),
            Some(plan) => plan.filter(message, &*self.part).ok_or_else(|| self.denied())?,
        };
        let sealed = match cuts.pages {
            None => None,
            Some((fields, authority)) => fields.sealed(&left, authority)?,
        };
        let changed: Option<Vec<u8>> = sealed.or(match left {
            Cow::Borrowed(_) => None,
            Cow::Owned(left) => Some(left),
        });
        match changed {
            None => Ok(whole),
            Some(changed) => framed(&changed).ok_or_else(|| self.denied()),
        }
    }

    /// The same words as for a change that is refused where it is made.
    fn denied(&self) -> Error {
        Error::Denied {
            reason: format!("{} is needed for what this request names", self.permission),
        }
    }
}

/// Codes of errors whose text is about stored objects, unless it says by itself what it is about. A handler that makes its status by
/// itself has not said so.
fn may_tell_of_objects(code: Code) -> bool {
    matches!(
        code,
        Code::NotFound
            | Code::AlreadyExists
            | Code::Aborted
            | Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::OutOfRange
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::invalid;

    /// Has the component `x0` and the group `compute`.
    #[derive(Debug)]
    struct Small;

    impl Part for Small {
        fn has_component(&self, id: &str) -> bool {
            id == "x0"
        }

        fn has_group(&self, name: &str) -> bool {
            name == "compute"
        }

        fn has_kind(&self, number: u32) -> bool {
            number == 10
        }
    }

    fn scope() -> Scope {
        Scope::Part(Arc::new(Small))
    }

    fn not_found(id: &str) -> Error {
        Error::NotFound {
            kind: "component".into(),
            id: id.into(),
        }
    }

    /// How the error of a handler reads to a caller with a part.
    async fn told(error: Error) -> String {
        let caller = PartCaller::of(&scope(), "smd.read").unwrap();
        let answer = caller
            .answer(&Cuts::default(), Status::from(error).into_http())
            .await;
        match answer {
            Ok(answer) => Status::from_header_map(answer.headers())
                .unwrap()
                .message()
                .to_owned(),
            Err(error) => error.to_string(),
        }
    }

    /// An error of another's object must not differ by whether that is there.
    #[tokio::test]
    async fn errors_tell_of_own_objects_only() {
        let denied = "smd.read is needed for what this request names";
        let conflict = |detail: &str| Error::AlreadyExists {
            kind: "interface".into(),
            id: "x0".into(),
            detail: detail.into(),
        };
        for hidden in [
            not_found("x1"),
            not_found("*"),
            conflict("x1 has it"),
            Error::Conflict {
                detail: "x1 is locked".into(),
            },
            Error::RevisionMismatch {
                id: "x1".into(),
                expected: 1,
                actual: 2,
            },
        ] {
            let text = hidden.to_string();
            assert_eq!(told(hidden).await, denied, "{text}");
        }
        assert_eq!(told(not_found("x0")).await, "no such component: x0");
        assert_eq!(told(not_found("compute")).await, "no such component: compute");
        assert_eq!(told(conflict("")).await, "interface x0 exists already");
        assert_eq!(
            told(invalid("id", "no")).await,
            "id: no",
            "it tells of the request"
        );
        let expired = Error::SessionExpired;
        let text = expired.to_string();
        assert_eq!(told(expired).await, text);
    }

    /// What programs read must hide what people must not read.
    #[tokio::test]
    async fn what_is_withheld_leaves_no_details() {
        let caller = PartCaller::of(&scope(), "smd.read").unwrap();
        let stale = Error::RevisionMismatch {
            id: "x1".into(),
            expected: 1,
            actual: 2,
        };
        for error in [not_found("x1"), stale] {
            let answer = Status::from(error).into_http();
            let withheld = caller.answer(&Cuts::default(), answer).await.unwrap_err();
            let told = crate::client::ClientError::from(Status::from(withheld));
            assert_eq!(told.reason(), crate::Reason::PermissionDenied);
            assert_eq!((told.id(), told.kind(), told.revision()), (None, None, None));
        }
    }

    /// A handler that makes its status by itself has not said of what it tells.
    #[tokio::test]
    async fn an_error_without_a_subject_is_not_passed_on() {
        let caller = PartCaller::of(&scope(), "bss.read").unwrap();
        for status in [
            Status::not_found("x1"),
            Status::already_exists("x1"),
            Status::aborted("x1"),
            Status::invalid_argument("x1 is in another group"),
            Status::failed_precondition("x1 is locked"),
            Status::out_of_range("x1"),
        ] {
            let answer = caller.answer(&Cuts::default(), status.into_http()).await;
            assert!(answer.is_err());
        }
        let answer = caller
            .answer(&Cuts::default(), Status::unavailable("later").into_http())
            .await;
        assert!(answer.is_ok());
    }

    /// An ETag tells when others' objects change.
    #[tokio::test]
    async fn no_etag_is_told() {
        let caller = PartCaller::of(&scope(), "smd.read").unwrap();
        let mut answer = Response::new(Body::empty());
        for name in [ETAG, "http-header-etag", "http-header-location"] {
            answer.headers_mut().insert(name, HeaderValue::from_static("x"));
        }
        let answer = caller.answer(&Cuts::default(), answer).await.unwrap();
        let names: Vec<_> = answer.headers().keys().map(http::HeaderName::as_str).collect();
        assert_eq!(names, ["http-header-location"]);
    }

    /// What is not the one message that was meant is not passed on.
    #[tokio::test]
    async fn an_answer_in_another_form_is_not_shown() {
        let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
        let cuts = Cuts {
            plan: rules.plan("/chamois.smd.v1.ComponentService/ListComponents"),
            pages: None,
        };
        let caller = PartCaller::of(&scope(), "smd.read").unwrap();
        for bytes in [
            &b"\x01\0\0\0\0"[..],
            b"\0\0\0\0\x01",
            b"\0\0",
            b"\0\0\0\0\0\0\0\0\0\0",
        ] {
            let body = Body::new(Full::new(Bytes::copy_from_slice(bytes)));
            let answer = caller.answer(&cuts, Response::new(body)).await;
            assert!(answer.is_err(), "{bytes:?}");
        }
        let body = Body::new(Full::new(Bytes::from_static(b"\0\0\0\0\0")));
        assert!(caller.answer(&cuts, Response::new(body)).await.is_ok());
    }

    #[test]
    fn methods_that_cannot_be_cut_need_the_whole_system() {
        let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
        let check = |path: &str, scope: &Scope| check_method(&rules, path, rules.get(path).unwrap(), scope);
        for allowed in [
            "/chamois.smd.v1.ComponentService/ListComponents",
            "/chamois.smd.v1.ComponentService/DeleteComponents",
            "/chamois.watch.v1.WatchService/Watch",
            "/chamois.cluster.v1.ClusterService/GetStatus",
        ] {
            check(allowed, &scope()).unwrap_or_else(|error| panic!("{allowed}: {error}"));
        }
        for refused in [
            "/chamois.cluster.v1.SnapshotService/SaveSnapshot",
            "/chamois.bss.v1.HostService/DumpState",
            "/chamois.smd.v1.ReservationService/CreateReservations",
            "/chamois.smd.v1.GroupService/ListGroups", // groups are another kind
        ] {
            let error = check(refused, &scope()).unwrap_err().to_string();
            assert!(
                error.ends_with("is needed on the whole system for this method"),
                "{error}"
            );
            check(refused, &Scope::Everything).unwrap();
        }
    }
}
