//! Users and passwords that a template was granted. They are opened here, for one rendering, and nowhere else.

use std::collections::BTreeMap;

use auth::Sealer;
use configurator::Login;
use model::Xname;
use proto::configurator::v1::Template;
use rpc::{Error, Scope};
use state::State;
use state::discovery::credential_secret;

/// Logins by the scope of their credential: those that the template was granted, that are stored, and that are in the part of the system
/// which the caller's right is for.
///
/// # Errors
/// `Internal` if one does not open here, naming it.
pub(crate) fn granted(
    state: &State,
    sealer: &Sealer,
    template: &Template,
    scope: &Scope,
) -> Result<BTreeMap<String, Login>, Error> {
    let mut logins = BTreeMap::new();
    for name in template.secrets.iter().filter(|name| is_in(scope, name)) {
        if let Some(login) = open(state, sealer, name)? {
            logins.insert(name.clone(), login);
        }
    }
    Ok(logins)
}

/// The password of one BMC is that BMC's; every other one opens more than a part of the system.
fn is_in(scope: &Scope, credential: &str) -> bool {
    let Some(part) = scope.part() else {
        return true;
    };
    let bmc = credential.strip_prefix("bmc:");
    bmc.is_some_and(|bmc| part.has_component(bmc))
}

fn open(state: &State, sealer: &Sealer, credential: &str) -> Result<Option<Login>, Error> {
    let name = credential_secret(credential);
    let (Some(user), Some(sealed)) = (user(state, credential), state.cluster.secret(&name)) else {
        return Ok(None);
    };
    let opened = sealer.open(&sealed);
    let opened = opened.map_err(|error| Error::Internal(error.to_string()))?;
    let password = std::str::from_utf8(opened.bytes())
        .map_err(|_| Error::Internal(format!("secret {name} is no text; set the password again")))?;
    Ok(Some(Login {
        user,
        password: password.to_owned(),
    }))
}

/// A password that came with a Redfish endpoint has the endpoint's user.
fn user(state: &State, credential: &str) -> Option<String> {
    if let Some(stored) = state.discovery.credential(credential) {
        return Some(stored.user.clone());
    }
    let bmc: Xname = credential.strip_prefix("bmc:")?.parse().ok()?;
    let endpoint = state.smd.redfish_endpoint(&bmc)?;
    Some(endpoint.user.clone()).filter(|user| !user.is_empty())
}
