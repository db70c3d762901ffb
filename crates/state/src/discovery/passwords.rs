//! New passwords: in the log before the BMC is told, so that none is ever lost, whenever a member dies.

use model::Rejection;
use proto::discovery::v1::discovery_command::{KeepNextPassword, PutNextPassword};
use proto::raft::v1::outcome::Applied;

use super::credentials::{Credentials, next_password_name, password};
use super::{created, forms, updated};
use crate::bounds::check_name;
use crate::changes::Changes;
use crate::cluster::Cluster;
use crate::log_position::LogPosition;
use crate::smd::password_name;

/// A next password that is there already may be the one that the BMC has: it is not replaced.
pub(super) fn put_next(
    put: &PutNextPassword,
    secrets: &mut Cluster,
    changes: &mut Changes,
) -> Result<Applied, Rejection> {
    let bmc = forms::controller("xname", &put.xname)?;
    let name = next_password_name(&bmc);
    let next = password("password", put.password.as_ref(), &name)?
        .ok_or_else(|| Rejection::invalid("password", "it is missing"))?;
    if secrets.secret(&name).is_some() {
        let detail = format!("{bmc} may have its next password already; find out which one it takes first");
        return Err(Rejection::Conflict { detail });
    }
    secrets.put_secret(next, changes);
    Ok(created(bmc.as_str()))
}

/// The next password is the password, or it is forgotten.
pub(super) fn keep_next(
    keep: &KeepNextPassword,
    credentials: &mut Credentials,
    secrets: &mut Cluster,
    at: &LogPosition<'_>,
    changes: &mut Changes,
) -> Result<Applied, Rejection> {
    let bmc = forms::controller("xname", &keep.xname)?;
    let next = next_password_name(&bmc);
    if secrets.secret(&next).is_none() {
        return Err(Rejection::not_found("next password", &bmc));
    }
    if keep.kept {
        check_name("user", &keep.user)?;
        let new = password("password", keep.password.as_ref(), &password_name(&bmc))?
            .ok_or_else(|| Rejection::invalid("password", "it is missing"))?;
        let scope = format!("bmc:{bmc}");
        credentials.check_room(&scope)?;
        secrets.put_secret(new, changes);
        credentials.store(&scope, &keep.user, at, changes);
    }
    secrets.forget_secret(&next, changes);
    Ok(updated(bmc.as_str()))
}
