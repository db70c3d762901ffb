//! Disks that lose, cut or change what they took: nobody gets it, nobody counts it, and it is repaired.

use std::time::Duration;

use proto::boot_file::v1::BootFile;

use crate::finding::text;
use crate::site::{Fault, Site, content, named};

const BYTES: usize = 1_000_001;

/// A site of three, with a file that the members 1 and 2 have; it is put at member 1 while 3 is down.
async fn site_with(bytes: &[u8]) -> (Site, BootFile) {
    let site = Site::new(3);
    site.member(3).will(Fault::Down);
    let stored = site.member(1).put(named("a"), bytes).await.unwrap();
    site.member(3).will(Fault::None);
    (site, stored)
}

fn announced(stored: &BootFile) -> BootFile {
    BootFile {
        meta: None,
        ..stored.clone()
    }
}

/// Whoever boots half a kernel is not told that it is half of one: length, ETag and digest would be those of the half.
#[tokio::test]
async fn a_content_that_was_cut_while_its_member_was_down_is_never_sent() {
    let bytes = content(BYTES);
    let (site, stored) = site_with(&bytes).await;
    assert_eq!(site.member(3).files.bring_up_to_date().await, 0);
    std::fs::write(site.member(3).path(&stored), &bytes[..1000]).unwrap();
    site.restart(3);
    assert_eq!(
        site.member(1).list().await,
        [("a".to_owned(), vec![1, 2])],
        "it does not say that it has it"
    );
    let cut = site.member(3);
    assert_eq!(text(cut.files.find("a").await), "[1, 2]");
    assert_eq!(cut.files.bring_up_to_date().await, 0);
    assert!(cut.contents()[&stored.sha256] == bytes);
}

/// The length says nothing about the bytes.
#[tokio::test]
async fn a_content_that_has_rotted_while_its_member_was_down_is_replaced() {
    let bytes = content(BYTES);
    let (site, stored) = site_with(&bytes).await;
    let mut rotten = bytes.clone();
    rotten[500_000] ^= 1;
    std::fs::write(site.member(2).path(&stored), &rotten).unwrap();
    site.restart(2);
    let running = tokio::spawn(site.member(2).files.clone().run(std::future::pending()));
    site.until("the right bytes are back", || {
        site.member(2).contents().get(&stored.sha256) == Some(&bytes)
    })
    .await;
    running.abort();
}

/// Wrong bytes come from a wrong copy; as long as its member keeps it, putting the file again changes nothing.
#[tokio::test]
async fn a_bad_copy_is_dropped_where_it_is_and_putting_the_file_again_helps() {
    let bytes = content(BYTES);
    let (site, stored) = site_with(&bytes).await;
    let mut rotten = bytes.clone();
    rotten[500_000] ^= 1;
    std::fs::write(site.member(1).path(&stored), &rotten).unwrap();
    site.member(2).will(Fault::Down);
    assert_eq!(site.member(3).files.bring_up_to_date().await, 1);
    assert!(site.member(1).contents().is_empty(), "it has read its copy");
    site.member(1).put(announced(&stored), &bytes).await.unwrap();
    for id in [1, 3] {
        assert!(site.member(id).contents()[&stored.sha256] == bytes, "{id}");
    }
}

/// The member that takes the upload reads what it has, before anybody else asks for it.
#[tokio::test]
async fn a_file_that_is_put_again_replaces_a_bad_copy_at_once() {
    let bytes = content(BYTES);
    let (site, stored) = site_with(&bytes).await;
    std::fs::write(site.member(1).path(&stored), vec![7; BYTES]).unwrap();
    site.member(1).put(announced(&stored), &bytes).await.unwrap();
    assert!(site.member(1).contents()[&stored.sha256] == bytes);
}

/// An acknowledged file is on the disks of a majority, not in their memories.
#[tokio::test]
async fn a_copy_that_is_gone_is_not_counted() {
    let bytes = content(BYTES);
    let (site, stored) = site_with(&bytes).await;
    site.member(3).will(Fault::Down);
    std::fs::remove_file(site.member(2).path(&stored)).unwrap();
    site.member(1).put(announced(&stored), &bytes).await.unwrap();
    assert!(site.member(2).contents()[&stored.sha256] == bytes);
}

/// A disk that fails on one member is no reason to fail a node: another member has the file.
#[tokio::test]
async fn a_file_that_cannot_be_opened_is_found_elsewhere() {
    let (site, stored) = site_with(&content(BYTES)).await;
    let path = site.member(1).path(&stored);
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&path, &path).unwrap(); // opening it fails, and not because nothing is there
    assert_eq!(text(site.member(1).files.find("a").await), "[2]");
    site.restart(1);
    site.member(2).will(Fault::Down);
    let error = site.member(1).files.find("a").await.unwrap_err();
    assert!(matches!(error, rpc::Error::NotReady { .. }), "{error}");
}

/// One member that hangs must not keep another from hearing what else there is.
#[tokio::test]
async fn a_fetch_that_hangs_holds_up_no_other() {
    let (site, first) = site_with(&content(BYTES)).await;
    std::fs::remove_file(site.member(2).path(&first)).unwrap();
    site.restart(2);
    site.member(1).will(Fault::HangsAfter(1000));
    site.member(3).will(Fault::Down); // what it is to get it must find by itself
    let before = site.member(1).asked.load(std::sync::atomic::Ordering::Relaxed);
    let running = tokio::spawn(site.member(3).files.clone().run(std::future::pending()));
    site.until("the fetch hangs", || {
        site.member(1).asked.load(std::sync::atomic::Ordering::Relaxed) >= before + 2
    })
    .await;
    let second = site.member(2).put(named("b"), &content(10)).await.unwrap();
    let found = site.until("the second is there", || {
        site.member(3).contents().contains_key(&second.sha256)
    });
    tokio::time::timeout(Duration::from_secs(8), found).await.unwrap();
    running.abort();
}
