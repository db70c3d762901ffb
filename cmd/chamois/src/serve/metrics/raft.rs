//! What monitoring sees of Raft, under etcd's names with `chamois_` in place of `etcd_`, so that dashboards and rules
//! for etcd serve here after one replacement.

use std::time::SystemTime;

use raft::MetricsReading;

use super::exposition::{Exposition, Kind};

/// Adds all families of Raft.
pub(super) fn add_to(page: &mut Exposition, reading: &MetricsReading, now: SystemTime) {
    server(page, reading);
    proposals(page, reading);
    reads(page, reading);
    log(page, reading);
    snapshots(page, reading, now);
    let help = "Time of one heartbeat to a member and its answer, seconds; only a leader sends them.";
    let mut family = page.family(
        "chamois_network_peer_round_trip_time_seconds",
        Kind::Histogram,
        help,
    );
    for (to, trips) in &reading.round_trips {
        family.histogram(&[("To", &to.to_string())], trips);
    }
}

fn server(page: &mut Exposition, reading: &MetricsReading) {
    let id = reading.member_id.to_string();
    page.family("chamois_server_id", Kind::Gauge, "1 for this member's id.")
        .sample(&[("server_id", &id)], 1);
    page.family(
        "chamois_server_version",
        Kind::Gauge,
        "1 for this member's version.",
    )
    .sample(&[("server_version", env!("CARGO_PKG_VERSION"))], 1);
    let leads = reading.leader_id == Some(reading.member_id);
    let has_leader = reading.leader_id.is_some() && reading.has_majority;
    for (name, help, value) in [
        (
            "chamois_server_has_leader",
            "Whether a leader with a majority behind it is known.",
            has_leader,
        ),
        (
            "chamois_server_is_leader",
            "Whether this member leads.",
            leads && has_leader,
        ),
        (
            "chamois_server_is_learner",
            "Whether this member follows without a vote.",
            reading.is_learner,
        ),
        (
            "chamois_server_is_verified",
            "Whether it has caught up with a leader since it started; node ports are shut before.",
            reading.is_verified,
        ),
    ] {
        page.gauge(name, help, u8::from(value));
    }
    page.counter(
        "chamois_server_leader_changes_seen_total",
        "New leaderships that this member has heard of, the first included.",
        reading.leader_changes,
    );
    page.counter(
        "chamois_server_heartbeat_send_failures_total",
        "Heartbeats of this member as leader that were not answered.",
        reading.heartbeats_failed,
    );
    page.gauge("chamois_server_raft_term", "Raft's term.", reading.term);
}

fn proposals(page: &mut Exposition, reading: &MetricsReading) {
    page.counter(
        "chamois_server_proposals_committed_total",
        "Log index up to which entries are known here to be committed.",
        reading.committed_index,
    );
    page.counter(
        "chamois_server_proposals_applied_total",
        "Log index up to which entries are applied here.",
        reading.applied_index,
    );
    page.gauge(
        "chamois_server_proposals_pending",
        "Changes asked of this member that have no outcome yet.",
        reading.proposals_pending,
    );
    page.counter(
        "chamois_server_proposals_failed_total",
        "Changes asked of this member that ended without an outcome: no majority, overload, or not known.",
        reading.proposals_failed,
    );
    page.family(
        "chamois_server_apply_duration_seconds",
        Kind::Histogram,
        "Time to apply one chunk of committed entries, seconds.",
    )
    .histogram(&[], &reading.apply);
}

fn reads(page: &mut Exposition, reading: &MetricsReading) {
    page.counter(
        "chamois_server_read_indexes_total",
        "Rounds of the read index; concurrent reads share one.",
        reading.read_rounds,
    );
    page.counter(
        "chamois_server_read_indexes_failed_total",
        "Rounds that no majority confirmed.",
        reading.read_rounds_failed,
    );
    page.counter(
        "chamois_server_linearizable_reads_total",
        "Reads, and this member's own questions, that waited for a round.",
        reading.read_callers,
    );
}

fn log(page: &mut Exposition, reading: &MetricsReading) {
    page.family(
        "chamois_disk_wal_fsync_duration_seconds",
        Kind::Histogram,
        "Time until the disk has one batch of the write-ahead log, seconds.",
    )
    .histogram(&[], &reading.wal_sync);
    page.gauge(
        "chamois_raft_log_bytes",
        "Bytes of commands in the log.",
        reading.log_bytes,
    );
    page.gauge(
        "chamois_raft_log_entries",
        "Entries in the log that are not purged.",
        reading.last_log_index.saturating_sub(reading.purged_index),
    );
    page.counter(
        "chamois_raft_log_last_index_total",
        "Index of the last entry in the log.",
        reading.last_log_index,
    );
}

fn snapshots(page: &mut Exposition, reading: &MetricsReading, now: SystemTime) {
    page.family(
        "chamois_snap_save_duration_seconds",
        Kind::Histogram,
        "Time to write one snapshot file, seconds.",
    )
    .histogram(&[], &reading.snapshot_save);
    page.counter(
        "chamois_snap_installed_total",
        "Snapshots of a leader that brought this member up to date.",
        reading.snapshots_installed,
    );
    page.gauge(
        "chamois_snap_index",
        "Log index that the newest snapshot holds.",
        reading.snapshot_index,
    );
    if let Some(written) = reading.snapshot_written {
        // a clock that was set back makes no snapshot of the future
        let age = now.duration_since(written).unwrap_or_default();
        page.gauge(
            "chamois_snap_age_seconds",
            "Age of the newest snapshot file, seconds.",
            age.as_secs_f64(),
        );
        page.gauge(
            "chamois_snap_size_bytes",
            "Bytes of the newest snapshot file.",
            reading.snapshot_bytes,
        );
    }
}
