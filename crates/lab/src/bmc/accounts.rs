//! Accounts: who can log in with which password, and the PATCH that changes one.

use http::StatusCode;
use serde_json::Value;

use super::answers::Reply;
use super::tree::Places;

/// Accounts by their place in the tree.
#[derive(Debug)]
pub(crate) struct Accounts(Vec<Account>);

#[derive(Debug)]
struct Account {
    /// Empty: the tree has no account, and this one is in no list.
    uri: String,
    user: String,
    /// `None`: nobody knows it, so nobody logs in.
    password: Option<String>,
}

impl Accounts {
    /// Those of the tree, of which `user` can log in. Where none is called so, the first one is renamed.
    pub(crate) fn new(listed: &[(String, String)], user: &str, password: &str) -> Accounts {
        let mut accounts: Vec<Account> = listed
            .iter()
            .map(|(uri, user)| Account {
                uri: uri.clone(),
                user: user.clone(),
                password: None,
            })
            .collect();
        if accounts.is_empty() {
            accounts.push(Account {
                uri: String::new(),
                user: String::new(),
                password: None,
            });
        }
        let place = accounts
            .iter()
            .position(|account| account.user == user)
            .unwrap_or(0);
        accounts[place].user = user.to_owned();
        accounts[place].password = Some(password.to_owned());
        Accounts(accounts)
    }

    /// Whether these let somebody in.
    pub(crate) fn admit(&self, user: &str, password: &str) -> bool {
        self.password(user) == Some(password)
    }

    pub(crate) fn password(&self, user: &str) -> Option<&str> {
        let account = self.0.iter().find(|account| account.user == user)?;
        account.password.as_deref()
    }

    /// The user of the account at `uri`.
    pub(crate) fn user_at(&self, uri: &str) -> Option<&str> {
        let account = self.0.iter().find(|account| account.uri == uri)?;
        Some(&account.user)
    }

    /// Answers a PATCH of the account at `uri`: `Password` is taken, if its length is; anything else is passed over.
    pub(crate) fn patch(&mut self, uri: &str, body: &Value, places: &Places) -> Reply {
        let Some(account) = self.0.iter_mut().find(|account| account.uri == uri) else {
            return Reply::not_found(uri);
        };
        let Some(password) = body.get("Password").and_then(Value::as_str) else {
            return Reply::empty(StatusCode::NO_CONTENT);
        };
        let length = password.chars().count() as u64;
        if length < places.password_min || length > places.password_max {
            return Reply::error(
                StatusCode::BAD_REQUEST,
                "Base.1.8.PropertyValueFormatError",
                "the value of the property Password has a length that the account service does not accept",
            );
        }
        account.password = Some(password.to_owned());
        Reply::empty(StatusCode::NO_CONTENT)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ADMIN: &str = "/redfish/v1/AccountService/Accounts/2";

    fn listed() -> Vec<(String, String)> {
        vec![
            (
                "/redfish/v1/AccountService/Accounts/1".to_owned(),
                "guest".to_owned(),
            ),
            (ADMIN.to_owned(), "admin".to_owned()),
        ]
    }

    #[test]
    fn one_account_can_log_in() {
        let accounts = Accounts::new(&listed(), "admin", "secret");
        assert!(accounts.admit("admin", "secret"));
        assert!(!accounts.admit("admin", "other") && !accounts.admit("guest", "secret"));
        assert!(!accounts.admit("nobody", ""));
    }

    /// Captured trees have the accounts of their site.
    #[test]
    fn a_user_that_the_tree_does_not_know_takes_the_first_account() {
        let accounts = Accounts::new(&listed(), "root", "secret");
        assert_eq!(
            accounts.user_at("/redfish/v1/AccountService/Accounts/1"),
            Some("root")
        );
        assert!(accounts.admit("root", "secret"));
        assert!(Accounts::new(&[], "root", "secret").admit("root", "secret"));
    }

    #[test]
    fn a_password_of_the_right_length_is_taken() {
        let places = Places {
            password_min: 4,
            password_max: 8,
            ..Places::default()
        };
        let mut accounts = Accounts::new(&listed(), "admin", "secret");
        for refused in ["abc", "much too long"] {
            let reply = accounts.patch(ADMIN, &json!({"Password": refused}), &places);
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{refused}");
        }
        assert!(accounts.admit("admin", "secret"), "nothing was changed");
        let reply = accounts.patch(ADMIN, &json!({"Password": "another"}), &places);
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
        assert!(accounts.admit("admin", "another") && !accounts.admit("admin", "secret"));
        assert_eq!(
            accounts.patch("/x", &json!({}), &places).status,
            StatusCode::NOT_FOUND
        );
    }
}
