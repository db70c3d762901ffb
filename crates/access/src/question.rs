//! What `CheckAccess` is asked, read and in normal form.

use model::{GroupLabel, Xname};
use proto::auth::v1::CheckAccessRequest;
use rpc::{Error, Principal, invalid};
use state::RowKind;
use state::bounds::{NAME_BYTES_MAX, SESSION_GROUPS_MAX};

/// Whether somebody may do something, on what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// As policies name it, e.g. `user/ada`.
    pub(crate) principal: String,
    /// Without `group/`.
    pub(crate) groups: Vec<String>,
    /// `<area>.<access>`.
    pub(crate) permission: String,
    /// On what.
    pub(crate) object: Object,
    /// Of which kind that is; `None`: of none in particular.
    pub(crate) kind: Option<RowKind>,
}

/// What something is done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// Whatever it may be.
    Anything,
    /// A component, by its normalised id.
    Component(String),
    /// What is kept under the name of a group.
    Group(String),
}

impl Question {
    /// Whether `who` is given `permission` on what is asked for.
    ///
    /// # Errors
    /// `Invalid` naming `object` or `kind`.
    pub(crate) fn of(
        asked: &CheckAccessRequest,
        who: &Principal,
        permission: &str,
    ) -> Result<Question, Error> {
        Ok(Question {
            principal: who.name.clone(),
            groups: who.groups.clone(),
            permission: permission.to_owned(),
            object: Object::of(&asked.object)?,
            kind: kind(&asked.kind)?,
        })
    }
}

impl Object {
    fn of(text: &str) -> Result<Object, Error> {
        if text.is_empty() {
            return Ok(Object::Anything);
        }
        if let Some(label) = text.strip_prefix("group/") {
            let label: GroupLabel = label.parse().map_err(|problem| invalid("object", problem))?;
            return Ok(Object::Group(label.into()));
        }
        match text.parse::<Xname>() {
            Ok(xname) => Ok(Object::Component(xname.to_string())),
            Err(problem) => {
                let problem = format!("{problem}; write an xname or group/<label>");
                Err(invalid("object", problem))
            }
        }
    }
}

fn kind(text: &str) -> Result<Option<RowKind>, Error> {
    match (text, RowKind::of_name(text)) {
        ("", _) => Ok(None),
        (_, Some(kind)) => Ok(Some(kind)),
        (_, None) => {
            let all: Vec<String> = RowKind::ALL.into_iter().map(RowKind::name).collect();
            Err(invalid("kind", format!("it is none of {}", all.join(", "))))
        }
    }
}

/// Somebody else who is asked about, as policies would name him. Tokens of the cluster's offline key are among them: they need no
/// policy.
///
/// # Errors
/// `Invalid` naming `principal` or `groups`.
pub(crate) fn somebody(name: &str, groups: &[String]) -> Result<Principal, Error> {
    if groups.len() > SESSION_GROUPS_MAX || groups.iter().any(|group| group.len() > NAME_BYTES_MAX) {
        let problem =
            format!("at most {SESSION_GROUPS_MAX} are accepted, each of at most {NAME_BYTES_MAX} bytes");
        return Err(invalid("groups", problem));
    }
    let name = match name.split_once('/') {
        Some(("node", xname)) => {
            let xname: Xname = xname.parse().map_err(|problem| invalid("principal", problem))?;
            format!("node/{xname}")
        }
        Some(("user" | "service" | "token", own)) if !own.is_empty() && name.len() <= NAME_BYTES_MAX => {
            name.to_owned()
        }
        _ => {
            let problem = "write user/<name>, service/<name>, node/<xname> or token/<name>";
            return Err(invalid("principal", problem));
        }
    };
    let mut groups = groups.to_vec();
    groups.sort_unstable();
    groups.dedup();
    Ok(Principal {
        name,
        groups,
        ..Principal::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(object: &str, kind: &str) -> Result<Question, Error> {
        let asked = CheckAccessRequest {
            object: object.into(),
            kind: kind.into(),
            ..CheckAccessRequest::default()
        };
        Question::of(&asked, &somebody("user/ada", &[]).unwrap(), "bss.write")
    }

    #[test]
    fn an_object_is_found_however_it_is_written() {
        for (text, object) in [
            ("", Object::Anything),
            ("X01c0s0b0n0", Object::Component("x1c0s0b0n0".into())),
            ("group/Compute", Object::Group("compute".into())),
        ] {
            assert_eq!(asked(text, "").unwrap().object, object, "{text}");
        }
        assert_eq!(
            asked("", "boot_configuration").unwrap().kind,
            Some(RowKind::BootConfiguration)
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_field() {
        for (object, kind, field) in [
            ("compute", "", "object: "),
            ("group/", "", "object: "),
            ("group/a b", "", "object: "),
            ("", "Component", "kind: "),
        ] {
            let refused = asked(object, kind).unwrap_err().to_string();
            assert!(refused.starts_with(field), "{object:?} {kind:?}: {refused}");
        }
    }

    #[test]
    fn somebody_is_named_as_in_policies() {
        assert_eq!(somebody("node/X01c0s0b0n0", &[]).unwrap().name, "node/x1c0s0b0n0");
        let groups = ["b", "a", "b"].map(str::to_owned);
        assert_eq!(somebody("user/ada", &groups).unwrap().groups, ["a", "b"]);
        for wrong in [
            "",
            "ada",
            "user/",
            "group/a",
            "member/1",
            "anonymous",
            "node/compute",
        ] {
            let refused = somebody(wrong, &[]).unwrap_err().to_string();
            assert!(refused.starts_with("principal: "), "{wrong:?}: {refused}");
        }
        let many = vec![String::new(); SESSION_GROUPS_MAX + 1];
        assert!(
            somebody("user/ada", &many)
                .unwrap_err()
                .to_string()
                .starts_with("groups: ")
        );
    }
}
