//! What a caller may see and change, for handlers that need more than the guard's yes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Authority, Error, Identity, Scope};

/// The rights of a caller, asked for anew each time: streams live longer than policies, and an answer may be made of objects of
/// several areas.
#[derive(Clone, Default)]
pub struct Rights(Option<Asked>);

#[derive(Clone)]
struct Asked {
    authority: Arc<dyn Authority>,
    identity: Identity,
}

impl Rights {
    /// Those of somebody who acts by policies.
    pub(crate) fn of(authority: Arc<dyn Authority>, identity: Identity) -> Self {
        Self(Some(Asked { authority, identity }))
    }

    /// On what the caller is given `permission` (`<area>.<access>`) now: on everything, if he needs no policies.
    ///
    /// # Errors
    /// As [`Authority::access`].
    pub fn to(&self, permission: &str) -> Result<Scope, Error> {
        match &self.0 {
            None => Ok(Scope::Everything),
            Some(asked) => Ok(asked.authority.access(&asked.identity, permission)?.scope),
        }
    }

    /// How long what proves the caller is good still, see [`Authority::ends_in`].
    pub(crate) fn end_in(&self) -> Option<Duration> {
        let asked = self.0.as_ref()?;
        asked.authority.ends_in(&asked.identity)
    }

    /// Whether all that is asked for is given.
    pub fn are_unlimited(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Rights(everything)"),
            Some(asked) => write!(f, "Rights({})", asked.identity),
        }
    }
}

/// The rights of whoever makes a gRPC request; all of them if no guard has said whose it is.
pub fn rights<T>(request: &tonic::Request<T>) -> Rights {
    request.extensions().get::<Rights>().cloned().unwrap_or_default()
}

/// On what the caller of a gRPC request is given the method's own permission; on everything if no guard has set less.
pub fn scope<T>(request: &tonic::Request<T>) -> Scope {
    let scope = request.extensions().get::<Scope>();
    scope.cloned().unwrap_or(Scope::Everything)
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;
    use crate::{Access, Part, Principal};

    /// Gives `smd.read` on nothing and refuses everything else.
    struct Strict;

    #[derive(Debug)]
    struct Nothing;

    impl Part for Nothing {
        fn has_component(&self, _: &str) -> bool {
            false
        }

        fn has_group(&self, _: &str) -> bool {
            false
        }

        fn has_kind(&self, _: u32) -> bool {
            false
        }
    }

    impl Authority for Strict {
        fn authenticate(&self, _: &str) -> Result<Option<Identity>, Error> {
            Ok(None)
        }

        fn access(&self, _: &Identity, permission: &str) -> Result<Access, Error> {
            match permission {
                "smd.read" => Ok(Access {
                    scope: Scope::Part(Arc::new(Nothing)),
                    grant: None,
                }),
                other => Err(Error::Denied {
                    reason: format!("{other} is needed"),
                }),
            }
        }

        fn changes(&self) -> watch::Receiver<u64> {
            watch::channel(0).1
        }
    }

    #[test]
    fn rights_are_those_of_the_authority_one_permission_at_a_time() {
        let principal = Principal {
            name: "user/ada".into(),
            ..Principal::default()
        };
        let rights = Rights::of(Arc::new(Strict), Identity::Known(Arc::new(principal)));
        assert!(rights.to("smd.read").unwrap().part().is_some());
        let refused = rights.to("auth.read").unwrap_err().to_string();
        assert_eq!(refused, "auth.read is needed");
        assert_eq!(format!("{rights:?}"), "Rights(user/ada)");
        assert!(!rights.are_unlimited());
    }

    /// Members, the offline key's tokens, and everybody where there is no authority.
    #[test]
    fn whoever_needs_no_policies_is_not_limited() {
        let mut request = tonic::Request::new(());
        assert!(rights(&request).are_unlimited());
        assert!(rights(&request).to("auth.read").unwrap().part().is_none());
        assert!(scope(&request).part().is_none());
        request.extensions_mut().insert(Scope::Part(Arc::new(Nothing)));
        assert!(scope(&request).part().is_some());
    }
}
