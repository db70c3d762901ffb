//! No address is ever given to two clients: a thousand emulated clients on both sides of a cut, an administrator who moves
//! reservations meanwhile, and the judges of what the clients were told.

pub mod cable;
pub mod client;
pub mod editor;
pub mod frame;
pub mod holdings;
pub mod message;
pub mod population;
pub mod reservations;
