//! Keys and certificates of the demo's members, made as an administrator makes them: `chamois init`.

use std::path::PathBuf;

use super::layout::Layout;
use super::member_config;
use crate::error::CliError;
use crate::init;

/// What was made.
pub(crate) struct Made {
    /// The CA's certificate.
    pub(crate) ca: PathBuf,
    /// The administrator's bearer token.
    pub(crate) token: String,
    identities: PathBuf,
}

impl Made {
    /// The identity directory of member `id`.
    pub(crate) fn member_dir(&self, id: u64) -> PathBuf {
        self.identities.join(format!("member-{id}"))
    }
}

/// Makes them for members 1 to `members`.
pub(crate) fn make(layout: &Layout, members: u64) -> Result<Made, CliError> {
    let file = layout.dir().join("static.toml");
    std::fs::write(&file, member_config::render_static(layout, members))
        .map_err(|e| CliError::other("cannot write the list of members", e))?;
    let identities = layout.identities();
    let report = init::make(&file, &identities)?;
    let token = std::fs::read_to_string(&report.token)
        .map_err(|e| CliError::other("cannot read the administrator's token", e))?;
    Ok(Made {
        ca: ca(layout),
        token: token.trim().to_owned(),
        identities,
    })
}

/// Where the CA's certificate is.
pub(crate) fn ca(layout: &Layout) -> PathBuf {
    layout.identities().join("ca.pem")
}
