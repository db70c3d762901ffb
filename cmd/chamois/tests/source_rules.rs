//! Rules about the code of this crate itself.

/// `main` parses, dispatches and says how it ended; what grows belongs into the library.
#[test]
fn main_stays_small() {
    let lines = include_str!("../src/main.rs").lines().count();
    assert!(lines <= 150, "main.rs has {lines} lines");
}
