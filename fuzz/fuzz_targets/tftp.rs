//! libFuzzer's way into `fuzz/inputs/tftp.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../inputs/tftp.rs"]
mod tftp;

fuzz_target!(|input: &[u8]| tftp::run(input));
