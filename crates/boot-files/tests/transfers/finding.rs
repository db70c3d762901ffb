//! What a name stands for: here, elsewhere, nowhere, or not to be said now.

use std::sync::Arc;

use boot_files::{BootFiles, Found, Members, Options, Roster};
use raft::Store;
use rpc::Error;

use crate::site::{Fault, Site, content, named};

pub fn text(found: Result<Found, Error>) -> String {
    match found.unwrap() {
        Found::Here(opened) => {
            let size = opened.meta.len();
            let text = std::io::read_to_string(opened.file).unwrap();
            assert_eq!(text.len() as u64, size);
            text
        }
        Found::At(members) => format!("{members:?}"),
    }
}

/// The catalogue wins over a file of the same name that lies in one member's folder.
#[tokio::test]
async fn the_catalogue_comes_before_the_folder() {
    let site = Site::new(1);
    let member = site.member(1);
    std::fs::write(member.dir.path().join("vmlinuz"), "by hand").unwrap();
    let found = member.files.find("vmlinuz").await.unwrap();
    let Found::Here(opened) = &found else {
        panic!("{found:?}")
    };
    assert!(opened.sha256.is_none() && !opened.version.is_empty());
    assert_eq!(text(Ok(found)), "by hand");
    let stored = member.put(named("vmlinuz"), b"put").await.unwrap();
    let found = member.files.find("vmlinuz").await.unwrap();
    let Found::Here(opened) = &found else {
        panic!("{found:?}")
    };
    assert_eq!(opened.sha256.unwrap().to_string(), stored.sha256);
    assert_eq!(text(Ok(found)), "put");
}

/// A node is sent on, or told to come back; "no such file" would end its boot.
#[tokio::test]
async fn a_file_that_is_elsewhere_is_never_denied() {
    let site = Site::new(3);
    site.member(3).will(Fault::Down);
    site.member(1).put(named("vmlinuz"), &content(10)).await.unwrap();
    let late = site.member(3);
    site.member(2).will(Fault::Down);
    assert_eq!(text(late.files.find("vmlinuz").await), "[1]");
    site.member(1).will(Fault::Down);
    assert_eq!(
        text(late.files.find("vmlinuz").await),
        "[1]",
        "the answer of a moment ago counts"
    );
    let lost = Site::new(3);
    lost.member(3).will(Fault::Down);
    lost.member(1).put(named("vmlinuz"), &content(10)).await.unwrap();
    for id in [1, 2] {
        lost.member(id).will(Fault::Down);
    }
    let error = lost.member(3).files.find("vmlinuz").await.unwrap_err();
    assert!(matches!(error, Error::NotReady { .. }), "{error}");
}

/// A "no" needs the majority: a member that was cut off may have missed the upload.
#[tokio::test]
async fn only_a_majority_can_deny_a_file() {
    let site = Site::new(1);
    let error = site.member(1).files.find("nothing").await.unwrap_err();
    assert!(
        matches!(&error, Error::NotFound { id, .. } if id == "nothing"),
        "{error}"
    );
    let (dir, members): (_, Members) = (
        tempfile::tempdir().unwrap(),
        Arc::new(|| Roster {
            own_is_voter: true,
            others: Vec::new(),
        }),
    );
    std::fs::write(dir.path().join("here"), "by hand").unwrap();
    let cut_off = Store::in_memory_without_majority(state::State::new());
    let files = BootFiles::open(dir.path(), 1, cut_off, members, Options::leaving(0)).unwrap();
    assert!(matches!(files.find("nothing").await, Err(Error::NoQuorum { .. })));
    assert_eq!(text(files.find("here").await), "by hand");
}

/// A file that was put into one member's folder by hand is there for nodes that ask another one.
#[tokio::test]
async fn a_file_in_another_members_folder_is_found_by_name() {
    let site = Site::new(3);
    std::fs::write(site.member(2).dir.path().join("memtest"), "by hand").unwrap();
    std::fs::write(site.member(2).dir.path().join(".key"), "hidden").unwrap();
    assert_eq!(text(site.member(1).files.find("memtest").await), "[2]");
    assert_eq!(text(site.member(2).files.find("memtest").await), "by hand");
    for name in ["nothing", ".key", "../memtest", "/etc/passwd"] {
        let error = site.member(1).files.find(name).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{name}: {error}");
    }
    site.member(2).will(Fault::Down);
    let error = site.member(3).files.find("memtest").await.unwrap_err();
    assert!(
        matches!(error, Error::NotFound { .. }),
        "nobody knows of it: {error}"
    );
}

/// A boot storm that asks for what nobody has must not become one between the members.
#[tokio::test]
async fn a_storm_of_unknown_names_does_not_reach_the_others() {
    let site = Site::new(2);
    let files = &site.member(1).files;
    for _ in 0..100 {
        files.find("nothing").await.unwrap_err();
    }
    let asked = || site.member(2).asked.load(std::sync::atomic::Ordering::Relaxed);
    assert!(asked() <= 3, "{} times about one name", asked());
    let mut refused = 0;
    for n in 0..3000 {
        match files.find(&format!("nothing-{n}")).await.unwrap_err() {
            Error::NotFound { .. } => {}
            Error::NotReady { .. } => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert!(
        refused > 0 && asked() < 2500,
        "asked {}, refused {refused}",
        asked()
    );
}
