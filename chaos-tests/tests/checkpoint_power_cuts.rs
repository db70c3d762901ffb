//! sled's checkpoint under real power cuts: right, or noticed and rebuilt, never wrong.

use chaos_tests::dice::Dice;
use chaos_tests::disk::power_cut::{LoopDisk, enter_private_mounts};
use chaos_tests::disk::state_script::StateJudge;
use chaos_tests::disk::writer_process::WriterProcess;
use chaos_tests::privileged;
use raft::checkpoint::Checkpoint;

const WRITER: &str = env!("CARGO_BIN_EXE_checkpoint-writer");
const SEED: u64 = 21;

#[test]
fn the_checkpoint_survives_power_cuts_or_is_rebuilt() {
    if !privileged::is_wanted("power cuts of the checkpoint") {
        return;
    }
    let cuts = privileged::count_from("CHAMOIS_POWER_CUTS", 50);
    enter_private_mounts().expect("own mounts need root");
    let dir = tempfile::tempdir().expect("a directory for the loop file");
    let disk = LoopDisk::create(dir.path(), 192 << 20).expect("an ext4 file system on a loop file");
    let checkpoint = disk.path().join("checkpoint");
    let (mut dice, mut judge) = (Dice::new(SEED), StateJudge::new(SEED));
    let (mut from, mut newest, mut older, mut rebuilt) = (0, 0, 0, 0);
    for cut in 0..cuts {
        let arguments = [SEED.to_string(), from.to_string(), "1000000".to_string()];
        let mut writer = WriterProcess::start(WRITER, &checkpoint, &arguments).expect("the writer starts");
        writer.wait_for_acknowledged(from + 1 + dice.below(60));
        disk.cut_power(&mut writer.child).expect("the power is cut");
        let said = writer.last_words();
        assert!(said.acknowledged > from, "the writer did not work: {said:?}");
        let (_, loaded) = Checkpoint::open(&checkpoint).expect("every start succeeds");
        match loaded.map(|loaded| {
            judge
                .judge(&loaded)
                .unwrap_or_else(|failure| panic!("cut {cut}: {failure}"))
        }) {
            None => rebuilt += 1,
            Some(index) if index >= said.acknowledged => newest += 1,
            Some(_) => older += 1,
        }
        from = said.acknowledged;
    }
    println!(
        "{cuts} power cuts, {from} entries: {newest} newest, {older} older, {rebuilt} rebuilt, none wrong"
    );
    assert!(newest * 2 > cuts, "hardly a checkpoint survives: it is of no use");
}
