//! libFuzzer's way into `fuzz/inputs/dhcp.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../inputs/dhcp.rs"]
mod dhcp;

fuzz_target!(|input: &[u8]| dhcp::run(input));
