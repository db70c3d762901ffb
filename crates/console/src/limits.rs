//! Bounds on consoles: how many, how long, how much is on its way.

use std::time::Duration;

/// Consoles that are open at one member; each is a process.
pub(crate) const CONSOLES_MAX: usize = 256;
/// How long the first message may take.
pub(crate) const OPEN_AT_MOST: Duration = Duration::from_secs(10);
/// How long a BMC may take to say by Redfish where its console is.
pub(crate) const ASK_AT_MOST: Duration = Duration::from_secs(20);
/// Nothing typed and nothing shown for so long: the console ends, because BMCs have few of them.
pub(crate) const IDLE_AT_MOST: Duration = Duration::from_secs(60 * 60);
/// The command that enters the console is typed when the BMC shows its prompt, or after this.
pub(crate) const PROMPT_AT_MOST: Duration = Duration::from_secs(5);
/// How often rights, idleness and the prompt are looked after.
pub(crate) const TICK: Duration = Duration::from_secs(1);
/// How long SSH's client may take to end once its output has.
pub(crate) const END_AT_MOST: Duration = Duration::from_secs(3);
/// Bytes typed in one message.
pub(crate) const TYPED_BYTES_MAX: usize = 64 << 10;
/// A message of what is typed, with its frame.
pub(crate) const MESSAGE_BYTES_MAX: usize = TYPED_BYTES_MAX + 1024;
/// Bytes shown in one message.
pub(crate) const SHOWN_BYTES_MAX: usize = 16 << 10;
/// Messages on their way to somebody who reads slowly; the BMC waits after that.
pub(crate) const MESSAGES_AHEAD: usize = 8;
/// Bytes that are kept of what SSH's client says about its end.
pub(crate) const SAID_BYTES_MAX: usize = 4 << 10;
/// Bytes of a password.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1024;
/// Bytes of the command that enters a console: a BMC says it, so it is not believed without a bound.
pub(crate) const ENTRY_COMMAND_BYTES_MAX: usize = 256;
