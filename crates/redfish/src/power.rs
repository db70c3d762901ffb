//! Power of a system: how it is, and resets.

use std::fmt;
use std::str::FromStr;

use serde_json::json;

use crate::bmc::Bmc;
use crate::read::reading::Reading;
use crate::read::reset as resets;
use crate::{Error, value};

/// What a system can be told, by Redfish's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResetType {
    /// Power on.
    On,
    /// Power on at once, even if it would not be allowed.
    ForceOn,
    /// Power off at once.
    ForceOff,
    /// Let the operating system shut down.
    GracefulShutdown,
    /// Reset at once.
    ForceRestart,
    /// Let the operating system restart.
    GracefulRestart,
    /// Power off and on again.
    PowerCycle,
    /// As if somebody pushed the button.
    PushPowerButton,
    /// A non-maskable interrupt, for a crash dump.
    Nmi,
}

impl ResetType {
    /// All of them.
    pub const ALL: [ResetType; 9] = [
        ResetType::On,
        ResetType::ForceOn,
        ResetType::ForceOff,
        ResetType::GracefulShutdown,
        ResetType::ForceRestart,
        ResetType::GracefulRestart,
        ResetType::PowerCycle,
        ResetType::PushPowerButton,
        ResetType::Nmi,
    ];

    /// As Redfish writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ResetType::On => "On",
            ResetType::ForceOn => "ForceOn",
            ResetType::ForceOff => "ForceOff",
            ResetType::GracefulShutdown => "GracefulShutdown",
            ResetType::ForceRestart => "ForceRestart",
            ResetType::GracefulRestart => "GracefulRestart",
            ResetType::PowerCycle => "PowerCycle",
            ResetType::PushPowerButton => "PushPowerButton",
            ResetType::Nmi => "Nmi",
        }
    }
}

impl fmt::Display for ResetType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no [`ResetType`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no reset: On, ForceOn, ForceOff, GracefulShutdown, ForceRestart, GracefulRestart, PowerCycle, PushPowerButton or Nmi"
)]
pub struct ResetTypeError(pub String);

impl FromStr for ResetType {
    type Err = ResetTypeError;

    fn from_str(text: &str) -> Result<ResetType, ResetTypeError> {
        let mut all = ResetType::ALL.into_iter();
        all.find(|kind| kind.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| ResetTypeError(text.to_owned()))
    }
}

/// How a system is, right now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemPower {
    /// `PowerState`, e.g. `On`, `Off`, `PoweringOn`; empty: it does not say.
    pub state: String,
    /// `Status.Health`.
    pub health: String,
    /// URI where resets are told; empty: it cannot be reset.
    pub reset_target: String,
    /// The resets that it takes; empty: it does not say.
    pub reset_types: Vec<String>,
}

/// Asks the system at `system_uri` how it is.
///
/// # Errors
/// As [`Bmc::fresh`].
pub async fn system_power(bmc: &Bmc, system_uri: &str) -> Result<SystemPower, Error> {
    let reading = Reading::new(bmc);
    let system = Box::pin(bmc.core().read_back(system_uri)).await?;
    Ok(SystemPower {
        state: value::text(&system, "PowerState"),
        health: value::text(&system, "Status/Health"),
        reset_target: resets::target(&reading, &system, "#ComputerSystem.Reset"),
        reset_types: resets::types(&reading, &system, "#ComputerSystem.Reset").await,
    })
}

/// Tells a reset, once. That the BMC took it does not mean that it is done: read the state back.
///
/// # Errors
/// [`Error::Unsupported`] if `reset_target` is empty, else as [`Bmc::post`]: with [`Error::is_outcome_unknown`] it may have been
/// done.
pub async fn reset(bmc: &Bmc, reset_target: &str, kind: ResetType) -> Result<(), Error> {
    if reset_target.is_empty() {
        return Err(Error::Unsupported(
            "the system has no action ComputerSystem.Reset".to_owned(),
        ));
    }
    let body = json!({"ResetType": kind.as_str()});
    bmc.post(reset_target, &body).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reset_reads_back_from_its_name() {
        for kind in ResetType::ALL {
            assert_eq!(kind.as_str().parse::<ResetType>(), Ok(kind));
            assert_eq!(kind.to_string().to_lowercase().parse::<ResetType>(), Ok(kind));
        }
        let error = "Off".parse::<ResetType>().unwrap_err();
        assert!(error.to_string().contains("ForceOff"), "{error}");
    }
}
