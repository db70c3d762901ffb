//! `chamois job wait`.

use super::told;
use crate::args::GlobalArgs;
use crate::error::CliError;

pub(super) async fn run(global: &GlobalArgs, id: &str) -> Result<(), CliError> {
    told::until_over(global, id).await
}
