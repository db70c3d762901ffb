//! Boot files from member to member: what is acknowledged, what is repaired, and what must never be half there.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod damage;
mod finding;
mod images;
mod site;

use std::sync::atomic::Ordering;

use boot_files::{BootFiles, Options};
use proto::boot_file::v1::put_boot_file_request::Part;
use proto::boot_file::v1::{BootFile, HasContentsRequest, KeepContentRequest};
use site::{Fault, Site, content, named};
use tonic::{Code, Request};

/// Several messages of a transfer.
const BYTES: usize = 1_000_001;

#[tokio::test]
async fn an_upload_reaches_every_member() {
    let site = Site::new(3);
    let bytes = content(BYTES);
    let stored = site.member(2).put(named("debian/vmlinuz"), &bytes).await.unwrap();
    assert_eq!(
        (stored.name.as_str(), stored.size),
        ("debian/vmlinuz", BYTES as u64)
    );
    assert_eq!(stored.meta.unwrap().created.unwrap().principal, "user/admin");
    site.until("the slower one has it too", || {
        (1..=3).all(|id| site.member(id).contents().contains_key(&stored.sha256))
    })
    .await;
    for id in 1..=3 {
        // after the name comes a sync; only then does the member say that it has it
        assert_eq!(site.member(id).files.bring_up_to_date().await, 0);
    }
    for id in 1..=3 {
        let contents = site.member(id).contents();
        assert_eq!(contents.len(), 1, "{:?}", contents.keys());
        assert!(contents[&stored.sha256] == bytes);
        assert_eq!(
            site.member(id).list().await,
            [("debian/vmlinuz".to_owned(), vec![1, 2, 3])]
        );
    }
}

/// Acknowledged means on the disks of a majority: two of three must be enough, and one must not.
#[tokio::test]
async fn an_upload_needs_a_majority() {
    let site = Site::new(3);
    let bytes = content(BYTES);
    site.member(2).will(Fault::Down);
    let stored = site.member(1).put(named("a"), &bytes).await.unwrap();
    assert!(
        site.member(3).contents()[&stored.sha256] == bytes,
        "before it was acknowledged"
    );
    site.member(3).will(Fault::Down);
    let refused = site.member(1).put(named("b"), &content(5)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    for word in [
        "1 of 3",
        "member 2 is down",
        "member 3 is down",
        "catalogue is unchanged",
    ] {
        assert!(refused.message().contains(word), "{}", refused.message());
    }
    assert!(site.store.state().boot_files.get("b").is_none());
    for id in [2, 3] {
        site.member(id).will(Fault::None);
    }
    site.member(1).put(named("b"), &content(5)).await.unwrap();
}

/// Whoever was down, or has a new disk, gets by itself what it lacks.
#[tokio::test]
async fn a_member_that_was_down_catches_up() {
    let site = Site::new(3);
    site.member(3).will(Fault::Down);
    let mut expected = Vec::new();
    for (name, bytes) in [("a", content(BYTES)), ("b", content(0)), ("c", content(70_000))] {
        let stored = site.member(1).put(named(name), &bytes).await.unwrap();
        expected.push((stored.sha256, bytes));
    }
    let late = site.member(3);
    assert!(late.contents().is_empty());
    late.will(Fault::None);
    assert_eq!(late.files.bring_up_to_date().await, 0);
    let contents = late.contents();
    assert_eq!(contents.len(), 3);
    assert!(expected.iter().all(|(sha256, bytes)| contents[sha256] == *bytes));
}

/// The bytes that came before a member died need not come again.
#[tokio::test]
async fn a_transfer_goes_on_at_the_next_member() {
    let site = Site::new(3);
    site.member(3).will(Fault::Down);
    let bytes = content(BYTES);
    let stored = site.member(1).put(named("a"), &bytes).await.unwrap();
    let late = site.member(3);
    late.will(Fault::None);
    let others = [site.member(1), site.member(2)];
    let before = others
        .each_ref()
        .map(|member| member.sent.load(Ordering::Relaxed));
    others[0].will(Fault::CutAfter(BYTES as u64 * 2 / 3));
    assert_eq!(late.files.bring_up_to_date().await, 0);
    assert!(late.contents()[&stored.sha256] == bytes);
    let sent = others[1].sent.load(Ordering::Relaxed) - before[1];
    assert!(
        0 < sent && sent < BYTES as u64 * 2 / 3,
        "{sent} of {BYTES} bytes came from the second"
    );
}

/// Nothing is visible that was not checked, and one member's bad disk spoils no other's.
#[tokio::test]
async fn wrong_bytes_are_thrown_away_and_fetched_elsewhere() {
    let site = Site::new(3);
    site.member(3).will(Fault::Down);
    let bytes = content(BYTES);
    let stored = site.member(1).put(named("a"), &bytes).await.unwrap();
    let late = site.member(3);
    late.will(Fault::None);
    site.member(1).will(Fault::Lies);
    site.member(2).will(Fault::Down);
    assert_eq!(late.files.bring_up_to_date().await, 1, "still missing");
    assert!(late.contents().is_empty(), "and nothing half there");
    site.member(2).will(Fault::None);
    assert_eq!(late.files.bring_up_to_date().await, 0);
    assert!(late.contents()[&stored.sha256] == bytes);
}

#[tokio::test]
async fn an_upload_that_is_not_what_was_announced_leaves_nothing() {
    let site = Site::new(1);
    let member = site.member(1);
    let bytes = content(1000);
    let announced = |size, digit: &str| BootFile {
        size,
        sha256: digit.repeat(64),
        ..named("a")
    };
    let cases = [
        (announced(1000, "a"), "file.sha256"),
        (announced(999, ""), "file.size"),
        (announced(1001, ""), "file.size"),
        (announced(state::bounds::BOOT_FILE_BYTES_MAX + 1, ""), "size"),
        (announced(1000, "z"), "file.sha256"),
        (named("../a"), "file.name"),
        (named(".content/a"), "file.name"),
    ];
    for (announced, field) in cases {
        let refused = member.put(announced, &bytes).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().starts_with(field), "{refused}");
        assert!(member.contents().is_empty(), "{field}");
    }
    let no_name = member
        .put_parts(vec![Part::Data(bytes.into())], None)
        .await
        .unwrap_err();
    assert!(no_name.message().contains("first message"), "{no_name}");
    let twice = vec![Part::File(named("a")), Part::File(named("b"))];
    let twice = member.put_parts(twice, None).await.unwrap_err();
    assert!(twice.message().contains("only bytes may come"), "{twice}");
    assert!(member.contents().is_empty() && site.store.state().boot_files.iter().next().is_none());
}

/// Two administrators replace one kernel: the slower must not win by accident.
#[tokio::test]
async fn a_precondition_is_judged_by_the_catalogue() {
    let site = Site::new(1);
    let member = site.member(1);
    let put = |if_revision| member.put_parts(vec![Part::File(named("a"))], if_revision);
    put(Some(0)).await.unwrap();
    assert_eq!(put(Some(0)).await.unwrap_err().code(), Code::Aborted);
}

/// A nightly job that puts the same initrd must not move gigabytes.
#[tokio::test]
async fn what_a_member_has_already_is_not_sent_again() {
    let site = Site::new(3);
    let stored = site.member(1).put(named("a"), &content(BYTES)).await.unwrap();
    let known = BootFile {
        name: "b".into(),
        meta: None,
        ..stored.clone()
    };
    let again = site
        .member(1)
        .put_parts(vec![Part::File(known)], None)
        .await
        .unwrap();
    assert_eq!((again.sha256, again.size), (stored.sha256, stored.size));
    assert_eq!(site.member(1).contents().len(), 1);
}

/// The disk of the boot files may be the log's too.
#[tokio::test]
async fn a_full_disk_is_said_and_costs_nobody_else() {
    let full = |id| if id == 3 { u64::MAX } else { 0 };
    let site = Site::with_free_bytes(3, full);
    let refused = site.member(3).put(named("a"), &content(10)).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(
        refused.message().contains("member 3 has room for 0 more bytes"),
        "{refused}"
    );
    site.member(1).put(named("a"), &content(10)).await.unwrap();
    assert_eq!(site.member(3).files.bring_up_to_date().await, 1);
    assert!(site.member(3).contents().is_empty());
    let two_full = Site::with_free_bytes(3, |id| if id > 1 { u64::MAX } else { 0 });
    let refused = two_full
        .member(1)
        .put(named("a"), &content(10))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("member 2 has room for 0"), "{refused}");
}

/// Only members have the peer port; the service does not rely on that alone for what makes it fetch.
#[tokio::test]
async fn only_a_member_can_make_another_fetch() {
    use proto::boot_file::v1::boot_file_peer_service_server::BootFilePeerService as _;
    let site = Site::new(2);
    let peer = boot_files::PeerService::of(&site.member(1).files);
    let keep = KeepContentRequest {
        sha256: "a".repeat(64),
        size: 1,
    };
    assert_eq!(
        peer.keep_content(Request::new(keep)).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    let many = HasContentsRequest {
        sha256: vec![String::new(); state::bounds::BOOT_FILES_MAX + 1],
    };
    assert_eq!(
        peer.has_contents(Request::new(many)).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

/// After a crash a member knows what it has, and nothing of what it was about to have.
#[tokio::test]
async fn a_restart_forgets_what_was_half_there() {
    let site = Site::new(1);
    let member = site.member(1);
    let stored = member.put(named("a"), &content(10)).await.unwrap();
    std::fs::write(member.dir.path().join(".content/partial-1-9"), "half").unwrap();
    let members: boot_files::Members = std::sync::Arc::new(|| boot_files::Roster {
        own_is_voter: true,
        others: Vec::new(),
    });
    BootFiles::open(
        member.dir.path(),
        1,
        site.store.clone(),
        members,
        Options::leaving(0),
    )
    .unwrap();
    assert_eq!(member.contents().into_keys().collect::<Vec<_>>(), [stored.sha256]);
}
