//! A member that founded its cluster alone needs nobody's vote to found another.

use crate::testbed::{Testbed, has};

/// Nothing in the new store is what nodes were given by the old one, and other members may have it still.
#[test]
fn a_founder_that_lost_its_data_does_not_found_a_second_cluster() {
    let mut bed = Testbed::alone();
    bed.create(1, "x8c0s0b0n0");
    bed.kill(1);
    bed.launch(1);
    bed.wait("the write after a restart", |bed| {
        has(&bed.store(1), "x8c0s0b0n0").then_some(())
    });
    bed.kill(1);
    let (data, aside) = (bed.data_dir(1), bed.data_dir(9));
    std::fs::rename(&data, &aside).unwrap();
    for _ in 0..2 {
        let refusal = bed.refusal(1);
        assert!(refusal.contains("found a second cluster"), "{refusal}");
        assert!(!data.exists(), "the place of the disk is left alone");
    }
    std::fs::create_dir(&data).unwrap();
    std::fs::copy(aside.join("header"), data.join("header")).unwrap();
    assert!(
        bed.refusal(1).contains("found a second cluster"),
        "only the log is lost"
    );
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&aside, &data).unwrap();
    bed.launch(1);
    bed.create(1, "x8c0s1b0n0");
}
