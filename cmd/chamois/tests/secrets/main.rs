//! Sealed secrets on real members: another key seals while everybody works, leaders die and members are away; keys come from a file
//! or a command; secrets are in no file, log or answer; and a boot's token opens nothing for anybody but its node.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod boot_tokens;
mod canary;
mod commands;
#[path = "../common/mod.rs"]
mod common;
#[path = "../membership/grown.rs"]
#[allow(dead_code, reason = "the tests of the membership use the rest")]
mod grown;
mod kits;
mod load;
#[path = "../attacks/site.rs"]
#[allow(dead_code, reason = "the tests of attacks use the rest")]
mod nodes;
mod rotation;
mod search;
#[path = "../tokens/site.rs"]
#[allow(dead_code, reason = "the tests of tokens use the rest")]
mod site;
mod vault;
