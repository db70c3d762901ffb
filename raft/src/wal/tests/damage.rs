//! What is torn is cut off; what is damaged is refused. Both on copies of a real, stopped log.

use std::fs;

use super::*;

/// A stopped log of several segments, all acknowledged; returns what it holds.
fn stopped_log(dir: &Path) -> Recovered {
    let (wal, _) = open(dir).unwrap();
    now(|done| wal.save_vote(Bytes::from_static(b"first vote"), done)).unwrap();
    for index in 0..55u64 {
        now(|done| wal.append(records(index..index + 1, 1000 + index as usize), done)).unwrap();
    }
    now(|done| wal.save_vote(Bytes::from_static(b"last vote"), done)).unwrap();
    now(|done| wal.purge(mark(10), done)).unwrap();
    drop(wal);
    let (wal, recovered) = open(dir).unwrap();
    drop(wal);
    recovered
}

fn last_batch(dir: &Path) -> u64 {
    crate::wal::high_water::HighWater::open(&RealDisk, dir)
        .unwrap()
        .unwrap()
        .level()
        .batch
}

/// The same log with a lower mark, as after a power cut that found the mark some batches behind.
fn lower_mark(dir: &Path, batch: u64) {
    let mut mark = crate::wal::high_water::HighWater::open(&RealDisk, dir)
        .unwrap()
        .unwrap();
    let level = mark.level();
    fs::write(dir.join("high-water"), vec![0; 8192]).unwrap();
    mark.write(crate::wal::high_water::Level { batch, ..level })
        .unwrap();
}

fn newest(dir: &Path) -> std::path::PathBuf {
    dir.join(segments(dir).last().unwrap())
}

/// Where the batches of the newest segment end: behind the last byte that is not zero.
fn used(bytes: &[u8]) -> usize {
    (bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1).next_multiple_of(512)
}

fn refusal(dir: &Path) -> String {
    match open(dir) {
        Err(error @ OpenError::Damaged { .. }) => error.to_string(),
        Err(error) => panic!("refused for another reason: {error}"),
        Ok((_, recovered)) => panic!("opened with {} entries", recovered.entries.len()),
    }
}

/// Half of a batch that nobody was told of, followed by zeros or by nothing.
#[test]
fn a_torn_tail_is_cut_off_once() {
    let dir = tempfile::tempdir().unwrap();
    let whole = stopped_log(dir.path());
    let path = newest(dir.path());
    let good = fs::read(&path).unwrap();
    let end = used(&good);
    let (wal, _) = open(dir.path()).unwrap();
    let acknowledged = last_batch(dir.path());
    now(|done| wal.append(records(55..56, 3000), done)).unwrap();
    drop(wal);
    let longer = fs::read(&path).unwrap();
    assert_ne!(longer, good, "the last append went to the same segment");
    for kept in [1, 63, 64, 100, 511, 512, 600, 1024, 2048, 3000] {
        let mut torn = good.clone();
        torn[end..end + kept].copy_from_slice(&longer[end..end + kept]);
        fs::write(&path, &torn).unwrap();
        lower_mark(dir.path(), acknowledged);
        let (wal, recovered) = open(dir.path()).unwrap();
        drop(wal);
        assert_eq!(
            recovered.cut_off_bytes,
            (kept as u64).next_multiple_of(512),
            "{kept} bytes"
        );
        assert_eq!(
            Recovered {
                cut_off_bytes: 0,
                ..recovered
            },
            whole
        );
        assert_eq!(
            open(dir.path()).unwrap().1,
            whole,
            "the second start finds nothing to cut"
        );
        assert_eq!(used(&fs::read(&path).unwrap()), end);
    }
}

/// The mark knows that the last batch was on disk: damage to it is no torn tail.
#[test]
fn damage_to_the_last_acknowledged_batch_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    stopped_log(dir.path());
    let path = newest(dir.path());
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    let end = used(&good);
    bad[end - 512..end].fill(0);
    fs::write(&path, &bad).unwrap();
    let text = refusal(dir.path());
    assert!(text.contains("join again under a new id"), "{text}");
    assert_eq!(fs::read(&path).unwrap(), bad, "a refusal changes nothing");
}

/// Without the mark's help, any batch but the last is vouched for by the next one.
#[test]
fn a_hole_before_the_last_batch_is_refused_without_the_mark() {
    let dir = tempfile::tempdir().unwrap();
    stopped_log(dir.path());
    lower_mark(dir.path(), 1);
    let path = newest(dir.path());
    let good = fs::read(&path).unwrap();
    for sector in 0..used(&good) / 512 - 1 {
        let mut bad = good.clone();
        bad[sector * 512..(sector + 1) * 512].fill(0);
        fs::write(&path, &bad).unwrap();
        refusal(dir.path());
    }
    fs::write(&path, &good).unwrap();
    open(dir.path()).unwrap();
}

/// Refused or harmless, for every file of the log: never another content.
#[test]
fn a_flipped_bit_is_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let whole = stopped_log(dir.path());
    let mut refused = 0;
    for name in segments(dir.path()).into_iter().chain(["high-water".into()]) {
        let path = dir.path().join(name);
        let good = fs::read(&path).unwrap();
        for step in 0..70 {
            let bit = (step * 7919 * 13) % (good.len() * 8);
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &bad).unwrap();
            match open(dir.path()) {
                Ok((_, recovered)) => assert_eq!(
                    Recovered {
                        cut_off_bytes: 0,
                        ..recovered
                    },
                    whole,
                    "bit {bit} of {path:?}"
                ),
                Err(OpenError::Damaged { .. }) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        fs::write(&path, &good).unwrap();
    }
    assert!(refused > 70, "only {refused} refused: the flips miss the log");
}

#[test]
fn a_missing_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    stopped_log(dir.path());
    for name in segments(dir.path()).into_iter().chain(["high-water".into()]) {
        let path = dir.path().join(&name);
        let good = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        refusal(dir.path());
        fs::write(&path, &good).unwrap();
    }
    open(dir.path()).unwrap();
}

/// Segments of another log, perfect in themselves, are not this log's.
#[test]
fn a_segment_of_another_log_is_refused() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    stopped_log(one.path());
    let (wal, _) = Wal::open(
        other.path(),
        Arc::new(RealDisk),
        Options {
            new_log_id: 78,
            ..OPTIONS
        },
    )
    .unwrap();
    now(|done| wal.append(records(0..3, 10), done)).unwrap();
    drop(wal);
    fs::copy(newest(other.path()), newest(one.path())).unwrap();
    refusal(one.path());
}

/// A client may send bytes that look like a batch; a power cut must not turn them into a witness.
#[test]
fn a_batch_inside_a_payload_does_not_vouch() {
    let dir = tempfile::tempdir().unwrap();
    let whole = stopped_log(dir.path());
    let path = newest(dir.path());
    let mut torn = fs::read(&path).unwrap();
    let end = used(&torn);
    let header = crate::wal::batch::BatchHeader {
        log_id: 12345, // the client does not know the log's id
        segment: crate::wal::segment::number_of(segments(dir.path()).last().unwrap()).unwrap(),
        number: 1000,
        generation: 9,
        previous_end: crate::wal::batch::Position::default(),
        records_bytes: 0,
        records: 0,
    };
    torn[end + 512..end + 576].copy_from_slice(&header.encode().0);
    fs::write(&path, &torn).unwrap();
    assert_eq!(
        Recovered {
            cut_off_bytes: 0,
            ..open(dir.path()).unwrap().1
        },
        whole
    );
    let own = crate::wal::batch::BatchHeader {
        log_id: OPTIONS.new_log_id,
        ..header
    };
    torn[end + 512..end + 576].copy_from_slice(&own.encode().0);
    fs::write(&path, &torn).unwrap();
    refusal(dir.path());
}
