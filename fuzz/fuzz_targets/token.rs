//! libFuzzer's way into `fuzz/inputs/token.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../inputs/token.rs"]
mod token_input;

fuzz_target!(|input: &[u8]| token_input::run(input));
