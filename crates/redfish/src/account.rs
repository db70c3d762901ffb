//! Accounts of a BMC: a new password for one of them.

use serde_json::json;

use crate::bmc::Bmc;
use crate::read::reading::{Member, Reading};
use crate::{Error, Password, uri, value};

/// Sets the password of the account whose `UserName` is `user`. Sessions may stay valid: open the BMC anew to see whether it took it.
///
/// # Errors
/// [`Error::Unsupported`] if it shows no such account: nothing was changed. Else as [`Bmc::patch`].
pub async fn set_password(bmc: &Bmc, user: &str, password: &Password) -> Result<(), Error> {
    let account = account(bmc, user).await?;
    // its ETag of now: some BMCs want it, and refuse an old one
    bmc.fresh(&account).await?;
    let body = json!({"Password": password.expose()});
    let patched = bmc.patch(&account, &body).await;
    patched.map(|_| ()).map_err(|error| error.without(password))
}

async fn account(bmc: &Bmc, user: &str) -> Result<String, Error> {
    let root = bmc.get(uri::ROOT).await?;
    let reading = Reading::new(bmc);
    let accounts = match Box::pin(reading.linked(&root, "AccountService")).await {
        Some(service) => Box::pin(reading.members(&service, "Accounts")).await,
        None => Vec::new(),
    };
    let is_it = |member: &Member| value::text(&member.value, "UserName") == user && !member.uri.is_empty();
    if let Some(account) = accounts.into_iter().find(is_it) {
        return Ok(account.uri);
    }
    let problems = reading.problems();
    let why = problems.first().map(|problem| format!(": {}", problem.problem));
    let why = why.unwrap_or_default();
    Err(Error::Unsupported(format!("it shows no account {user:?}{why}")))
}
