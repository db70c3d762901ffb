//! What the terminal does with what is typed: changed while one of these lives, and as before when it drops.

use std::io::Result;

use nix::sys::termios::{self, LocalFlags, SetArg, Termios};

/// Nothing that is typed is shown.
pub(crate) struct Quiet {
    _before: Before,
}

/// Every key is passed on as it is, Ctrl-C too.
pub(crate) struct Raw {
    _before: Before,
}

impl Quiet {
    /// # Errors
    /// If standard input is no terminal.
    pub(crate) fn begin() -> Result<Quiet> {
        let change = |settings: &mut Termios| settings.local_flags.remove(LocalFlags::ECHO);
        Ok(Quiet {
            _before: Before::change(change)?,
        })
    }
}

impl Raw {
    /// # Errors
    /// If standard input is no terminal.
    pub(crate) fn begin() -> Result<Raw> {
        Ok(Raw {
            _before: Before::change(termios::cfmakeraw)?,
        })
    }
}

/// What is put back.
struct Before(Termios);

impl Before {
    fn change(with: impl FnOnce(&mut Termios)) -> Result<Before> {
        let before = termios::tcgetattr(std::io::stdin())?;
        let mut settings = before.clone();
        with(&mut settings);
        termios::tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &settings)?;
        Ok(Before(before))
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        // without a terminal there is nothing to put back
        let _ = termios::tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::IsTerminal as _;

    use super::*;

    /// A script's input is left alone.
    #[test]
    fn what_is_no_terminal_is_not_changed() {
        if !std::io::stdin().is_terminal() {
            assert!(Quiet::begin().is_err());
            assert!(Raw::begin().is_err());
        }
    }
}
