//! Templates of files. Whether one can be parsed is for whoever fills it; here it is kept, with its history, and with which passwords
//! it is shown.

use std::sync::Arc;

use model::Rejection;
use proto::configurator::v1::Template;
use proto::configurator::v1::configurator_command::{DeleteTemplate, GrantSecrets, PutTemplate};
use proto::raft::v1::outcome::Applied;

use crate::RowKind;
use crate::bounds::{
    DESCRIPTION_BYTES_MAX, TEMPLATE_BODY_BYTES_MAX, TEMPLATE_NAME_BYTES_MAX, TEMPLATE_PATH_BYTES_MAX,
    TEMPLATE_SECRETS_MAX, TEMPLATES_MAX, check_text,
};
use crate::changes::Changes;
use crate::discovery::credential_scope;
use crate::log_position::{LogPosition, check_revision};
use crate::outcome::deleted;
use crate::selectors::{check_object_name, normalised};
use crate::snapshot::SnapshotError;
use crate::table::Table;

/// By name.
#[derive(Clone, Default)]
pub(super) struct Templates(Table<Template>);

impl Templates {
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Template>> {
        self.0.get(&name.to_owned())
    }

    /// Sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Template>> {
        self.0.values()
    }

    /// Creates or replaces one. Whoever granted passwords had looked at the text and at where it goes: another one has none.
    pub(super) fn put(
        &mut self,
        put: &PutTemplate,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = put
            .template
            .as_ref()
            .ok_or_else(|| Rejection::invalid("template", "it is missing"))?;
        check(given)?;
        let before = self.get(&given.name).cloned();
        let before = before.as_deref();
        check_revision(
            &given.name,
            put.if_revision,
            before.and_then(|before| before.meta.as_ref()),
        )?;
        if before.is_none() && self.0.len() >= TEMPLATES_MAX {
            let detail = format!("there are {TEMPLATES_MAX} templates; delete one first");
            return Err(Rejection::Conflict { detail });
        }
        let same = before.filter(|before| before.body == given.body && before.path == given.path);
        let template = Template {
            secrets: same.map_or_else(Vec::new, |before| before.secrets.clone()),
            meta: None,
            ..given.clone()
        };
        Ok(self.store(template, before, at, changes))
    }

    pub(super) fn grant(
        &mut self,
        grant: &GrantSecrets,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let before = self.get(&grant.name).cloned();
        let before = before.ok_or_else(|| not_found(&grant.name))?;
        check_revision(&grant.name, grant.if_revision, before.meta.as_ref())?;
        let template = Template {
            secrets: scopes(&grant.secrets)?,
            meta: None,
            ..before.as_ref().clone()
        };
        Ok(self.store(template, Some(&before), at, changes))
    }

    /// What says the same already is left as it is: files that are made of it do not change, and its history neither.
    fn store(
        &mut self,
        mut template: Template,
        before: Option<&Template>,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Applied {
        let name = template.name.clone();
        let keys = vec![name.clone()];
        let applied = match before {
            None => Applied {
                created: keys,
                ..Applied::default()
            },
            Some(before) => {
                template.meta.clone_from(&before.meta);
                if template == *before {
                    return Applied {
                        unchanged: keys,
                        ..Applied::default()
                    };
                }
                Applied {
                    updated: keys,
                    ..Applied::default()
                }
            }
        };
        template.meta = match before {
            Some(before) => at.modified(before.meta.as_ref()),
            None => at.created(),
        };
        self.0.put(name, template, changes);
        applied
    }

    pub(super) fn delete(
        &mut self,
        delete: &DeleteTemplate,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let name = &delete.name;
        let before = self.get(name).ok_or_else(|| not_found(name))?;
        check_revision(name, delete.if_revision, before.meta.as_ref())?;
        self.0.remove(name, changes);
        Ok(deleted(std::iter::once(name.clone())))
    }

    pub(super) fn load(&mut self, row: Template, changes: &mut Changes) -> Result<(), SnapshotError> {
        let malformed = |problem: String| SnapshotError::Malformed {
            kind: RowKind::Template,
            problem,
        };
        let name = self.0.check_load(&row, RowKind::Template)?;
        check(&row).map_err(|problem| malformed(problem.to_string()))?;
        let normal = scopes(&row.secrets).map_err(|problem| malformed(problem.to_string()))?;
        if normal != row.secrets {
            return Err(malformed("its secrets are not in normal form".to_owned()));
        }
        self.0.put(name, row, changes);
        Ok(())
    }
}

fn not_found(name: &str) -> Rejection {
    Rejection::not_found("template", name)
}

/// Scopes of credentials, each in one spelling, sorted, each once.
fn scopes(given: &[String]) -> Result<Vec<String>, Rejection> {
    normalised("secrets", given, TEMPLATE_SECRETS_MAX, |scope| {
        credential_scope("secrets", scope)
    })
}

fn check(template: &Template) -> Result<(), Rejection> {
    check_object_name(&template.name, TEMPLATE_NAME_BYTES_MAX)?;
    check_path(&template.path)?;
    check_body(&template.body)?;
    check_text("description", &template.description, DESCRIPTION_BYTES_MAX)
}

/// Below a folder, and in no way out of it.
fn check_path(path: &str) -> Result<(), Rejection> {
    check_text("path", path, TEMPLATE_PATH_BYTES_MAX)?;
    let is_step = |step: &str| !matches!(step, "" | "." | "..");
    if !path.contains('\\') && path.split('/').all(is_step) {
        return Ok(());
    }
    let problem = format!("{path:?} is none; write it below a folder, without . and .., e.g. etc/motd");
    Err(Rejection::invalid("path", problem))
}

/// Lines of text. Other control characters are none of a file that people read, and one of them stands for the revision.
fn check_body(body: &str) -> Result<(), Rejection> {
    if body.len() > TEMPLATE_BODY_BYTES_MAX {
        let bytes = body.len();
        let problem = format!("it has {bytes} bytes, at most {TEMPLATE_BODY_BYTES_MAX} are accepted");
        return Err(Rejection::invalid("body", problem));
    }
    let wrong = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    match body.lines().position(|line| line.contains(wrong)) {
        Some(line) => {
            let problem = format!("line {} holds a control character; write text", line + 1);
            Err(Rejection::invalid("body", problem))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template {
        Template {
            name: "motd".into(),
            path: "etc/motd".into(),
            body: "Welcome\n\tto {{ cluster }}\r\n".into(),
            ..Template::default()
        }
    }

    fn refused(change: fn(&mut Template)) -> String {
        let mut template = template();
        change(&mut template);
        check(&template).unwrap_err().to_string()
    }

    #[test]
    fn a_path_stays_below_its_folder() {
        for path in ["motd", "etc/motd", "a b/c.d", "..a/b..", ".profile"] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
        for path in [
            "",
            "/etc/motd",
            "..",
            "a/../b",
            "./a",
            "a//b",
            "a/",
            "a\\..\\b",
            "a\nb",
        ] {
            let problem = check_path(path).unwrap_err().to_string();
            assert!(problem.starts_with("path: "), "{path:?}: {problem}");
        }
    }

    #[test]
    fn what_is_too_large_or_no_text_is_refused() {
        assert_eq!(check(&template()), Ok(()));
        for (problem, part) in [
            (refused(|it| it.name = "a/b".into()), "name: "),
            (refused(|it| it.name = "a".repeat(129)), "name: "),
            (refused(|it| it.path = "a".repeat(513)), "path: "),
            (refused(|it| it.body = "a".repeat(64 * 1024 + 1)), "65537 bytes"),
            (refused(|it| it.body = "a\nb\u{1}".into()), "line 2 holds"),
            (refused(|it| it.description = "a\nb".into()), "description: "),
        ] {
            assert!(problem.contains(part), "{problem}");
        }
        let full = Template {
            body: "a".repeat(64 * 1024),
            ..template()
        };
        assert_eq!(check(&full), Ok(()));
    }

    #[test]
    fn scopes_have_one_spelling() {
        let given = ["default", "bmc:X0c0s0b0", "default"].map(str::to_owned);
        assert_eq!(scopes(&given).unwrap(), ["bmc:x0c0s0b0", "default"]);
        for wrong in ["", "root", "bmc:10.1.0.7"] {
            assert!(scopes(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
        assert!(scopes(&vec!["default".to_owned(); TEMPLATE_SECRETS_MAX + 1]).is_err());
    }
}
