//! libFuzzer's way into `fuzz/inputs/dhcp6.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../inputs/dhcp6.rs"]
mod dhcp6_input;

fuzz_target!(|input: &[u8]| dhcp6_input::run(input));
