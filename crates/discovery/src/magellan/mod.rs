//! Magellan's files, so that who has scripts around it keeps them: what `scan` and `list` print, what `collect` writes and `send`
//! reads, which BMC has which xname, and its secrets.

mod assets;
mod collected;
mod format;
mod go_json;
mod id_map;
mod secrets;

pub use assets::{RemoteAsset, read_assets, write_assets};
pub use collected::{read_collection, write_collection};
pub use format::Format;
pub use id_map::{IdMap, computed_xname};
pub use secrets::{MasterKey, open_secrets, seal_secrets};
