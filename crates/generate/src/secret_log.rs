//! Who was handed which passwords. No entry of the log says it, because nothing is changed.

use std::fmt;
use std::sync::Arc;

/// By whom, and what was shown.
type Written = dyn Fn(&str, &str) + Send + Sync;

/// Told of each file that passwords were written into.
#[derive(Clone)]
pub struct SecretLog(Arc<Written>);

impl SecretLog {
    /// `written` gets the principal, and the template with the scopes of the credentials; it must not block.
    pub fn new(written: impl Fn(&str, &str) + Send + Sync + 'static) -> SecretLog {
        SecretLog(Arc::new(written))
    }

    pub(crate) fn shown<'a>(&self, by: &str, template: &str, scopes: impl Iterator<Item = &'a str>) {
        let scopes = scopes.collect::<Vec<_>>().join(", ");
        tracing::info!(template, by, scopes, "passwords were written into a file");
        (self.0)(by, &format!("template {template} with the passwords of {scopes}"));
    }
}

impl fmt::Debug for SecretLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretLog").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn who_was_handed_which_passwords_is_told() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&told);
        let log = SecretLog::new(move |by, what| written.lock().unwrap().push(format!("{by}: {what}")));
        log.shown("user/ada", "conman", ["bmc:x0c0s0b0", "default"].into_iter());
        let expected = "user/ada: template conman with the passwords of bmc:x0c0s0b0, default";
        assert_eq!(*told.lock().unwrap(), [expected]);
    }
}
