//! Unpredictable numbers from the one crypto provider.

/// Fills `bytes`.
pub(crate) fn fill(bytes: &mut [u8]) {
    aws_lc_rs::rand::fill(bytes)
        .expect("the system's random source fails only when it is not there at start");
}

/// A number.
pub(crate) fn number() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
