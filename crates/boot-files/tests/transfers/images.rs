//! Images over several members: which can be booted, what verifying finds, and which may go.

use boot_files::{Options, Room};
use futures::StreamExt as _;
use proto::boot_file::v1::boot_file_service_client::BootFileServiceClient;
use proto::boot_file::v1::image_service_client::ImageServiceClient;
use proto::boot_file::v1::put_boot_file_request::Part;
use proto::boot_file::v1::verified_copy::Result as Verdict;
use proto::boot_file::v1::{
    BootFile, DeleteImageRequest, GetImageRequest, Image, ImageFile, ImageStatus, ListImageStatusesRequest,
    ListImagesRequest, PutBootFileRequest, PutImageRequest, SetImagePinnedRequest, VerifyImageRequest,
};
use tonic::{Code, Status};

use crate::site::{Fault, Member, Site, content, named};

const BYTES: usize = 100_001;

/// Requests of an administrator to one member.
impl Member {
    async fn put_image(&self, name: &str, kernel: &str, min_members: u32) -> Result<Image, Status> {
        let request = PutImageRequest {
            name: name.into(),
            kernel: Some(ImageFile {
                name: kernel.into(),
                ..ImageFile::default()
            }),
            min_members,
            ..PutImageRequest::default()
        };
        let answer = self.images().put_image(request).await?;
        Ok(answer.into_inner())
    }

    async fn statuses(&self) -> Vec<ImageStatus> {
        let all = ListImageStatusesRequest::default();
        let answer = self.images().list_image_statuses(all).await.unwrap();
        answer.into_inner().statuses
    }

    /// `(member, file, result)` of every copy.
    async fn verify(&self, name: &str) -> Vec<(u64, String, Verdict)> {
        let request = VerifyImageRequest {
            name: name.into(),
            ..VerifyImageRequest::default()
        };
        let answer = self.images().verify_image(request).await.unwrap().into_inner();
        let copies = answer.copies.into_iter();
        copies
            .map(|copy| {
                let result = copy.result();
                assert_eq!(result == Verdict::Unknown, !copy.problem.is_empty(), "{copy:?}");
                (copy.member, copy.file, result)
            })
            .collect()
    }

    async fn delete_image(&self, name: &str, force: bool) -> Result<Vec<String>, Status> {
        let request = DeleteImageRequest {
            name: name.into(),
            force,
            if_revision: None,
        };
        Ok(self
            .images()
            .delete_image(request)
            .await?
            .into_inner()
            .deleted_files)
    }

    fn images(&self) -> ImageServiceClient<boot_files::PeerChannel> {
        ImageServiceClient::new(self.administrator())
    }
}

/// Puts a file at member 1 and waits until all members have it.
async fn put_everywhere(site: &Site, members: u64, name: &str, bytes: &[u8]) -> BootFile {
    let stored = site.member(1).put(named(name), bytes).await.unwrap();
    for id in 1..=members {
        assert_eq!(site.member(id).files.bring_up_to_date().await, 0);
    }
    stored
}

#[tokio::test]
async fn an_image_is_made_of_what_the_catalogue_has() {
    let site = Site::new(1);
    let stored = put_everywhere(&site, 1, "a/vmlinuz", &content(BYTES)).await;
    let member = site.member(1);
    let unknown = member.put_image("a", "nothing", 0).await.unwrap_err();
    assert_eq!(unknown.code(), Code::InvalidArgument);
    let image = member.put_image("a", "a/vmlinuz", 0).await.unwrap();
    let kernel = image.kernel.clone().unwrap();
    assert_eq!((kernel.size, kernel.sha256), (BYTES as u64, stored.sha256));
    assert_eq!(
        image.meta.as_ref().unwrap().created.as_ref().unwrap().principal,
        "user/admin"
    );
    let get = GetImageRequest { name: "a".into() };
    assert_eq!(member.images().get_image(get).await.unwrap().into_inner(), image);
    let listed = member.images().list_images(ListImagesRequest {}).await.unwrap();
    assert_eq!(listed.into_inner().images, [image]);
    let other = GetImageRequest { name: "b".into() };
    assert_eq!(
        member.images().get_image(other).await.unwrap_err().code(),
        Code::NotFound
    );
    let asked = ListImageStatusesRequest {
        name: vec!["a".into(), "b".into()],
    };
    let refused = member.images().list_image_statuses(asked).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

/// Bootable is what every member that nodes boot from has; who is silent counts as one of them.
#[tokio::test]
async fn bootable_is_what_every_boot_member_has() {
    let site = Site::with_options(3, |id| Options {
        serves_boot: id != 3,
        ..Options::leaving(0)
    });
    site.member(2).will(Fault::Down);
    let stored = site.member(1).put(named("k"), &content(BYTES)).await.unwrap();
    site.member(1).put_image("all", "k", 0).await.unwrap();
    site.member(1).put_image("one", "k", 1).await.unwrap();
    let of = |statuses: &[ImageStatus]| -> Vec<(bool, Vec<u64>, Vec<u64>)> {
        let one = |status: &ImageStatus| {
            (
                status.bootable,
                status.boot_members.clone(),
                status.whole_members.clone(),
            )
        };
        statuses.iter().map(one).collect()
    };
    let silent = site.member(1).statuses().await;
    assert_eq!(
        of(&silent),
        [(false, vec![1, 2], vec![1, 3]), (true, vec![1, 2], vec![1, 3])]
    );
    assert!(
        silent[0].reason.contains("member 2 does not answer"),
        "{}",
        silent[0].reason
    );
    site.member(2).will(Fault::None);
    let lacking = site.member(3).statuses().await;
    assert!(
        lacking[0].reason.contains("member 2 lacks a part"),
        "{}",
        lacking[0].reason
    );
    assert_eq!(site.member(2).files.bring_up_to_date().await, 0);
    let whole = site.member(2).statuses().await;
    assert_eq!(of(&whole)[0], (true, vec![1, 2], vec![1, 2, 3]));
    assert_eq!(whole[0].files[0].members, [1, 2, 3]);
    assert_eq!(whole[0].files[0].file.as_ref().unwrap().sha256, stored.sha256);
}

/// The copies are read, not asked about; a wrong one is found, named and replaced.
#[tokio::test]
async fn verifying_names_every_copy_that_is_not_right_and_it_is_replaced() {
    let site = Site::new(3);
    let bytes = content(BYTES);
    let stored = put_everywhere(&site, 3, "k", &bytes).await;
    let member = site.member(1);
    member.put_image("a", "k", 0).await.unwrap();
    let all = |results: [Verdict; 3]| -> Vec<(u64, String, Verdict)> {
        (1..)
            .zip(results)
            .map(|(id, result)| (id, "k".to_owned(), result))
            .collect()
    };
    assert_eq!(member.verify("a").await, all([Verdict::Right; 3]));
    let mut rotten = bytes.clone();
    rotten[BYTES / 2] ^= 1;
    std::fs::write(site.member(1).path(&stored), &rotten).unwrap();
    std::fs::remove_file(site.member(2).path(&stored)).unwrap();
    site.member(3).will(Fault::Down);
    let found = member.verify("a").await;
    assert_eq!(found, all([Verdict::Wrong, Verdict::Missing, Verdict::Unknown]));
    site.member(3).will(Fault::None);
    for id in [1, 2] {
        assert_eq!(site.member(id).files.bring_up_to_date().await, 0);
        assert!(site.member(id).contents()[&stored.sha256] == bytes, "{id}");
    }
    assert_eq!(site.member(2).verify("a").await, all([Verdict::Right; 3]));
    // one file alone, as large images are read; and none that is another's
    let of_file = |file: &str| VerifyImageRequest {
        name: "a".into(),
        file: file.into(),
    };
    let one = member.images().verify_image(of_file("k")).await.unwrap();
    assert_eq!(one.into_inner().copies.len(), 3);
    let refused = member.images().verify_image(of_file("other")).await.unwrap_err();
    assert!(refused.message().starts_with("file: "), "{refused}");
    let nothing = VerifyImageRequest {
        name: "b".into(),
        ..VerifyImageRequest::default()
    };
    let refused = member.images().verify_image(nothing).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

/// Whoever removes the one image that boots has no cluster any more.
#[tokio::test]
async fn the_last_good_image_goes_by_force_only() {
    let site = Site::new(3);
    put_everywhere(&site, 3, "a/k", &content(10)).await;
    put_everywhere(&site, 3, "b/k", &content(11)).await;
    let member = site.member(1);
    member.put_image("a", "a/k", 0).await.unwrap();
    let refused = member.delete_image("a", false).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("a is the last good one: 3 members"),
        "{refused}"
    );
    member.put_image("b", "b/k", 0).await.unwrap();
    // with one member down none is bootable, and the last good one is still known
    site.member(3).will(Fault::Down);
    assert!(member.statuses().await.iter().all(|status| !status.bootable));
    assert_eq!(member.delete_image("a", false).await.unwrap(), ["a/k"]);
    assert_eq!(
        member.delete_image("b", false).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
    assert_eq!(member.delete_image("b", true).await.unwrap(), ["b/k"]);
    assert!(site.store.state().boot_files.iter().next().is_none());
}

/// An image that no member has whole boots nobody: removing it takes nothing away.
#[tokio::test]
async fn an_image_that_nobody_has_whole_may_go() {
    let site = Site::new(1);
    let stored = put_everywhere(&site, 1, "k", &content(10)).await;
    let member = site.member(1);
    member.put_image("a", "k", 0).await.unwrap();
    std::fs::remove_file(member.path(&stored)).unwrap();
    site.restart(1);
    assert_eq!(site.member(1).delete_image("a", false).await.unwrap(), ["k"]);
}

#[tokio::test]
async fn a_pinned_image_stays() {
    let site = Site::new(1);
    put_everywhere(&site, 1, "k", &content(10)).await;
    let member = site.member(1);
    member.put_image("a", "k", 0).await.unwrap();
    member.put_image("b", "k", 0).await.unwrap();
    let pin = |pinned| SetImagePinnedRequest {
        name: "a".into(),
        pinned,
        if_revision: None,
    };
    assert!(
        member
            .images()
            .set_image_pinned(pin(true))
            .await
            .unwrap()
            .into_inner()
            .pinned
    );
    let refused = member.delete_image("a", false).await.unwrap_err();
    assert!(refused.message().contains("pinned"), "{refused}");
    assert!(
        !member
            .images()
            .set_image_pinned(pin(false))
            .await
            .unwrap()
            .into_inner()
            .pinned
    );
    assert!(
        member.delete_image("a", false).await.unwrap().is_empty(),
        "b has the kernel too"
    );
}

/// What does not fit is refused before a byte is sent, by the member that is asked and by those that fetch.
#[tokio::test]
async fn a_quota_is_said_before_the_upload_and_holds_on_every_member() {
    let limited = |bytes_max| Options {
        room: Room {
            bytes_max: Some(bytes_max),
            ..Room::leaving(0)
        },
        ..Options::leaving(0)
    };
    let site = Site::with_options(3, |id| limited(if id == 3 { 50 } else { 1000 }));
    let announced = |name: &str, size| BootFile { size, ..named(name) };
    site.member(1)
        .put(announced("a", 40), &content(40))
        .await
        .unwrap();
    let refused = site
        .member(1)
        .put(announced("b", 961), &content(961))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    for word in [
        "may take 1000 bytes",
        "40 are used",
        "960 are free",
        "961 are needed",
    ] {
        assert!(refused.message().contains(word), "{refused}");
    }
    site.member(1)
        .put(announced("b", 900), &content(900))
        .await
        .unwrap();
    assert_eq!(
        site.member(3).files.bring_up_to_date().await,
        1,
        "it has no room for the second"
    );
    let sizes: Vec<usize> = site.member(3).contents().values().map(Vec::len).collect();
    assert_eq!(sizes, [40]);
    let unknown = site.member(3).put(named("c"), &content(100)).await.unwrap_err();
    assert_eq!(
        unknown.code(),
        Code::ResourceExhausted,
        "its size shows along the way"
    );
    site.until("nothing of it stays", || site.member(3).contents().len() == 1)
        .await;
}

/// What an image has is refused before a byte of the client's is taken; the same bytes again are no change.
#[tokio::test]
async fn a_file_of_an_image_is_refused_before_its_bytes_are_taken() {
    let site = Site::new(1);
    let bytes = content(BYTES);
    let stored = put_everywhere(&site, 1, "k", &bytes).await;
    let member = site.member(1);
    member.put_image("a", "k", 0).await.unwrap();
    let before = member.contents();
    let announced = BootFile {
        size: 1 << 30,
        sha256: "0".repeat(64),
        ..named("k")
    };
    // the client sends nothing more, and waits: the answer comes all the same
    let first = PutBootFileRequest {
        part: Some(Part::File(announced)),
        if_revision: None,
    };
    let silent = futures::stream::iter([first]).chain(futures::stream::pending());
    let mut client = BootFileServiceClient::new(member.administrator());
    let refused = client.put_boot_file(silent).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("the image a has the boot file k"),
        "{refused}"
    );
    assert_eq!(member.contents(), before, "nothing was begun");
    let same = member.put(stored.clone(), &bytes).await.unwrap();
    assert_eq!(same.sha256, stored.sha256);
}
