//! Whom the server tells that a client has a whole file.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

/// Is told the client and the file.
type Told = dyn Fn(IpAddr, &Bytes) + Send + Sync;

/// Told with the client's address and the file, on the task of the transfer; nobody unless set.
#[derive(Clone)]
pub(crate) struct Completed(Arc<Told>);

impl Completed {
    pub(crate) fn new(tell: impl Fn(IpAddr, &Bytes) + Send + Sync + 'static) -> Completed {
        Completed(Arc::new(tell))
    }

    pub(crate) fn tell(&self, client: IpAddr, file: &Bytes) {
        (self.0)(client, file);
    }
}

impl Default for Completed {
    fn default() -> Completed {
        Completed::new(|_, _| {})
    }
}

impl fmt::Debug for Completed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Completed")
    }
}
