//! An interface as it was when a socket was bound to it. The kernel knows it by number: where a VLAN or a bond is made
//! anew (ifdown, ifup), its name means another number, and a socket that is bound to the old one hears nothing any more.

use std::future::Future;
use std::io;
use std::time::Duration;

use nix::net::if_::if_nametoindex;

use super::drain::Stop;

/// Pause between two looks at the number, and between two tries to bind again: below what a client waits.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// A name and the number that it had.
#[derive(Clone, Debug)]
pub(super) struct Device {
    name: String,
    index: u32,
}

impl Device {
    /// Ask before binding: a change in between is then seen.
    ///
    /// # Errors
    /// There is no such interface.
    pub(super) fn now(name: &str) -> io::Result<Self> {
        Ok(Self {
            index: if_nametoindex(name)?,
            name: name.to_owned(),
        })
    }

    /// Its name, which stays.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Completes when the name means another interface than it did, or none.
    pub(super) async fn replaced(&self) {
        while if_nametoindex(self.name.as_str()) == Ok(self.index) {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        tracing::warn!(
            interface = self.name,
            "the interface is gone or was made anew; its ports are bound again as soon as they can be"
        );
    }
}

/// Binds again what was lost with its interface, until it works; `None` at the stop. The rest of the member goes on
/// meanwhile: an interface may stay away for hours.
pub(super) async fn again<T, E, F>(stop: &Stop, mut bind: impl FnMut() -> F) -> Option<T>
where
    E: std::fmt::Display,
    F: Future<Output = Result<T, E>>,
{
    let mut is_said = false;
    loop {
        match bind().await {
            Ok(bound) => {
                tracing::info!("bound again");
                return Some(bound);
            }
            Err(error) if !is_said => {
                tracing::warn!(%error, "not bound again yet; trying each second");
                is_said = true;
            }
            Err(_) => {}
        }
        stop.unless(tokio::time::sleep(LOOK_PAUSE)).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::drain::Drain;

    #[tokio::test]
    async fn an_interface_that_stays_is_not_replaced() {
        let device = Device::now("lo").unwrap();
        let look = tokio::time::timeout(Duration::from_millis(50), device.replaced());
        assert!(look.await.is_err());
        assert!(Device::now("no-such-if").is_err());
    }

    /// `ifdown` and `ifup` give the name another number.
    #[tokio::test]
    async fn another_number_and_no_number_are_told() {
        for (name, index) in [("lo", 999_999), ("no-such-if", 1)] {
            let name = name.to_owned();
            Device { name, index }.replaced().await;
        }
    }

    #[tokio::test]
    async fn binding_is_tried_until_it_works_or_the_stop() {
        let drain = Drain::default();
        let stop = drain.finishing();
        let mut tries = ["it works", "not yet"].map(str::to_owned).to_vec();
        let bound = again(&stop, || {
            let said = tries.pop().unwrap();
            async move { if said == "it works" { Ok(7) } else { Err(said) } }
        });
        assert_eq!(bound.await, Some(7));
        drain.finish();
        assert_eq!(again(&stop, async || Err::<(), _>("never")).await, None);
    }
}
