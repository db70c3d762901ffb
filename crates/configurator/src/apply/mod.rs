//! From rendered files to files in their place: staged, checked by the program that reads them, and replaced all together or not
//! at all; what was there before is kept and can be had back.
//!
//! Nothing here knows a network. Everything blocks: a caller with a runtime runs it on a thread of its own.

mod batch;
mod check;
mod command;
mod diff;
mod error;
mod file_set;
mod index;
mod plan;
mod present;
mod replace;
mod rollback;
mod run;
mod settings;
mod stage;
mod state_dir;

pub use batch::apply_all;
pub use command::Command;
pub use diff::unified;
pub use error::ApplyError;
pub use file_set::{FileSet, Place, Rendered, Source};
pub use index::{BEFORE, Version};
pub use plan::{Change, ChangeKind, Plan};
pub use rollback::roll_back;
pub use run::{Applied, Changed, Outcome, Wish, apply, check, plan};
pub use settings::Settings;
pub use state_dir::{Locked, StateDir};
