//! Who is told of calls that the guard has refused: whoever keeps a log of them.

use crate::{Caller, Error};

/// A call that was refused before it did anything.
#[derive(Clone, Copy, Debug)]
pub struct Denial<'a> {
    /// Who called, as far as he has proved it.
    pub caller: &'a Caller,
    /// `/package.Service/Method`; one of ours.
    pub path: &'a str,
    /// `Unauthenticated` or `Denied`; its text quotes no credential.
    pub error: &'a Error,
}

/// Keeps a log of denials. It is told of each, by strangers' calls, too: it must not wait, and must bound what it keeps.
pub trait Denials: Send + Sync {
    /// A call was refused.
    fn refused(&self, denial: &Denial<'_>);
}
