//! libFuzzer's way into `fuzz/inputs/node_http.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../inputs/node_http.rs"]
mod node_http;

fuzz_target!(|input: &[u8]| node_http::run(input));
