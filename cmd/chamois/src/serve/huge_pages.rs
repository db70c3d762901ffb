//! Huge pages are not for a member: it holds many small objects, and pages of 2 MiB that are used in part took 50 MiB
//! more for the same content without a write becoming cheaper.

/// Asks the kernel for none from here on. Where it does not listen, a member takes more memory and is as right.
pub(super) fn decline() {
    if let Err(error) = nix::sys::prctl::set_thp_disable(true) {
        tracing::debug!(%error, "huge pages cannot be declined");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_has_declined() {
        decline();
        assert!(nix::sys::prctl::get_thp_disable().unwrap());
    }
}
