//! What a verb's arguments are when somebody types them; for tests.

use std::ffi::OsString;

use clap::{Args, Command};

/// The arguments of a verb, of which the first word is the name.
pub(crate) fn typed<A: Args>(
    words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<A, clap::Error> {
    let command = A::augment_args(Command::new("verb"));
    let mut matches = command.try_get_matches_from(words)?;
    A::from_arg_matches_mut(&mut matches)
}
