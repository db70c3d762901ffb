//! libFuzzer's way into `fuzz/inputs/dns.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../inputs/dns.rs"]
mod dns_input;

fuzz_target!(|input: &[u8]| dns_input::run(input));
