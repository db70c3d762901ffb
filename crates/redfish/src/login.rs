//! User and password of a BMC. A password is never printed.

use std::fmt;

/// A password. `Debug` does not show it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// `text` as a password.
    pub fn new(text: impl Into<String>) -> Password {
        Password(text.into())
    }

    /// The password itself: for the BMC, and for what seals it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `text` without this password.
    pub(crate) fn hidden_in(&self, text: &str) -> String {
        match self.0.is_empty() {
            true => text.to_owned(),
            false => text.replace(&self.0, "…"),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// `UserName`.
    pub user: String,
    /// `Password`.
    pub password: Password,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_in_the_debug_text() {
        let login = Login {
            user: "root".to_owned(),
            password: Password::new("initial0"),
        };
        let shown = format!("{login:?} {:#?}", login.password);
        assert!(shown.contains("root") && !shown.contains("initial0"), "{shown}");
        assert_eq!(login.password.expose(), "initial0");
    }

    #[test]
    fn a_password_is_hidden_wherever_it_stands_in_a_text() {
        let hidden = |password: &str| Password::new(password).hidden_in("a secret is a secret");
        assert_eq!(hidden("secret"), "a … is a …");
        assert_eq!(hidden(""), "a secret is a secret");
    }
}
