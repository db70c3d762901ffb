//! Measuring: a closed loop of clients, what it cost the servers, the peers that are measured beside us, and the
//! report. It knows no server of ours; `cli` brings those, `chamois bench` is there.
//!
//! A figure counts only beside its peer's in the same run: the machine, the disk and the neighbours change from hour
//! to hour by more than most improvements.
#![forbid(unsafe_code)]

mod child;
mod cost;
mod download;
mod error;
pub mod etcd;
mod first_answer;
mod http_get;
pub mod kea;
mod lease_check;
mod load;
mod machine;
mod namespace;
pub mod nginx;
pub mod perfdhcp;
mod report;
mod rounds;
mod settle;
mod tftp_client;
pub mod tftpd;
mod tools;
mod udp_port;

pub use child::Child;
pub use cost::{Cost, Meter, peak_resident_bytes, resident_bytes};
pub use download::download;
pub use error::BenchError;
pub use first_answer::{ANSWER_MAX, TRY_PAUSE, first_answer};
pub use http_get::HttpGet;
pub use lease_check::offered_address;
pub use load::{LATE_MAX, Load, Operation, Span, drive};
pub use machine::Machine;
pub use namespace::{enter as enter_namespace, is_inside as is_in_namespace, prepare as prepare_loopback};
pub use report::{Aim, Report, Row};
pub use rounds::Rounds;
pub use settle::{SETTLE_MAX, settle};
pub use tftp_client::TftpClient;
