//! libFuzzer's way into `fuzz/inputs/apply.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../inputs/apply.rs"]
mod apply;

fuzz_target!(|input: &[u8]| apply::run(input));
