//! Logins that a template may read: those that it was granted, for whoever may see them.

use std::collections::BTreeMap;

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, context};
use proto::configurator::v1::Template;

use super::{FindLogin, Login};

/// Shortest password that is looked for in texts: shorter ones are in every text.
const SOUGHT_BYTES_MIN: usize = 4;

/// By the name of the credential; `None` for one that is granted and not there.
#[derive(Clone, Default)]
pub(super) struct Secrets {
    granted: BTreeMap<String, Option<Login>>,
    are_shown: bool,
}

impl Secrets {
    pub(super) fn granted(template: &Template, find: Option<FindLogin<'_>>) -> Secrets {
        let names = template.secrets.iter();
        let granted = names.map(|name| (name.clone(), find.and_then(|find| find(name))));
        Secrets {
            granted: granted.collect(),
            are_shown: find.is_some(),
        }
    }

    /// `secret(name)`: its `user` and its `password`.
    pub(super) fn add(&self, environment: &mut Environment<'_>) {
        let secrets = self.clone();
        environment.add_function("secret", move |name: String| secrets.get(&name));
    }

    fn get(&self, name: &str) -> Result<Value, Error> {
        let refused = |problem: String| Err(Error::new(ErrorKind::InvalidOperation, problem));
        match self.granted.get(name) {
            None => refused(format!(
                "the template was not granted the secret {name:?}; an administrator grants it: chamois configure template grant"
            )),
            Some(_) if !self.are_shown => refused(format!("the secret {name:?} is not shown here")),
            Some(None) => refused(format!("there is no secret {name:?}")),
            Some(Some(login)) => {
                Ok(context! { user => login.user.as_str(), password => login.password.as_str() })
            }
        }
    }

    /// A text without the passwords that may be in it, as they are or as errors quote them.
    pub(super) fn without(&self, text: String) -> String {
        let logins = self.granted.values().flatten();
        let passwords = logins.map(|login| &login.password);
        let sought = passwords.filter(|password| password.len() >= SOUGHT_BYTES_MIN);
        sought.fold(text, |text, password| {
            let quoted = [
                password.escape_debug().to_string(),
                password.escape_default().to_string(),
            ];
            let forms = [password.clone(), password.to_lowercase()]
                .into_iter()
                .chain(quoted);
            forms.fold(text, |text, form| text.replace(&form, "…"))
        })
    }
}
