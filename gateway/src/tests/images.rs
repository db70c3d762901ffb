//! Golden cases of images: every route and every status code.

use prost::Message as _;
use proto::boot_file::v1 as boot_file;
use proto::boot_file::v1::verified_copy::Result as Verdict;
use proto::http::v1::{Change, ObjectMeta};
use rpc::{Error, Etag};
use tonic::Status;

use super::golden::{Sent, check, check_with};
use super::{Answer, Fake, answer, gateway, send};
use crate::Options;

const CLUSTER: &str = "4f2a6c1e9b3d8a70";
const ETAG: &str = "\"4f2a6c1e9b3d8a70-7\"";

fn method(name: &str) -> String {
    format!("boot_file.v1.ImageService/{name}")
}

fn file(name: &str, size: u64, digit: &str) -> boot_file::ImageFile {
    boot_file::ImageFile {
        name: name.into(),
        size,
        sha256: digit.repeat(4),
    }
}

fn debian() -> boot_file::Image {
    boot_file::Image {
        name: "debian-12".into(),
        kernel: Some(file("debian-12/vmlinuz", 40, "a")),
        root_fs: Some(file("debian-12/root.squashfs", 2, "b")),
        arch: "x86_64".into(),
        params: "quiet".into(),
        min_members: 2,
        pinned: true,
        ..Default::default()
    }
}

const DEBIAN: &str = concat!(
    r#"{"name":"debian-12","kernel":{"name":"debian-12/vmlinuz","size":40,"sha256":"aaaa"},"#,
    r#""rootFs":{"name":"debian-12/root.squashfs","size":2,"sha256":"bbbb"},"arch":"x86_64","params":"quiet","#,
    r#""minMembers":2,"pinned":true}"#
);

#[tokio::test]
async fn images_are_listed_and_shown() {
    let two = boot_file::ListImagesResponse {
        images: vec![debian(), debian()],
    };
    let asked = boot_file::ListImagesRequest {};
    let body = format!(r#"{{"images":[{DEBIAN},{DEBIAN}]}}"#);
    let list = || Sent("GET /chamois/v1/images", "");
    check(list(), &method("ListImages"), asked, answer(&two), 200, &body).await;
    let none = answer(&boot_file::ListImagesResponse::default());
    check(
        list(),
        &method("ListImages"),
        asked,
        none,
        200,
        r#"{"images":[]}"#,
    )
    .await;
    let asked = boot_file::GetImageRequest {
        name: "debian-12".into(),
    };
    let get = Sent("GET /chamois/v1/images/debian-12", "");
    check(get, &method("GetImage"), asked, answer(&debian()), 200, DEBIAN).await;
}

/// What members have changes without the image, so it is a route of its own, without an ETag.
#[tokio::test]
async fn statuses_say_which_members_have_what() {
    let status = boot_file::ImageStatus {
        image: Some(boot_file::Image {
            name: "a".into(),
            ..Default::default()
        }),
        files: vec![boot_file::ImageFileStatus {
            file: Some(file("a/vmlinuz", 40, "a")),
            members: vec![1],
        }],
        boot_members: vec![1, 2],
        whole_members: vec![1],
        silent_members: vec![2],
        bootable: false,
        reason: "member 2 does not answer".into(),
    };
    let asked = boot_file::ListImageStatusesRequest {
        name: vec!["a".into(), "b".into()],
    };
    let body = concat!(
        r#"{"statuses":[{"image":{"name":"a"},"files":[{"file":{"name":"a/vmlinuz","size":40,"sha256":"aaaa"},"members":[1]}],"#,
        r#""bootMembers":[1,2],"wholeMembers":[1],"bootable":false,"reason":"member 2 does not answer","silentMembers":[2]}]}"#
    );
    let answered = answer(&boot_file::ListImageStatusesResponse {
        statuses: vec![status],
    });
    let sent = Sent("GET /chamois/v1/image-statuses?name=a&name=b", "");
    let got = check_with(
        sent,
        &[],
        &method("ListImageStatuses"),
        asked,
        answered,
        200,
        body,
    )
    .await;
    assert_eq!(got.header("etag"), "");
    let none = answer(&boot_file::ListImageStatusesResponse::default());
    let asked = boot_file::ListImageStatusesRequest::default();
    let sent = Sent("GET /chamois/v1/image-statuses", "");
    check(
        sent,
        &method("ListImageStatuses"),
        asked,
        none,
        200,
        r#"{"statuses":[]}"#,
    )
    .await;
}

#[tokio::test]
async fn images_are_put_pinned_and_removed() {
    let asked = boot_file::PutImageRequest {
        name: "debian-12".into(),
        kernel: Some(boot_file::ImageFile {
            name: "debian-12/vmlinuz".into(),
            ..Default::default()
        }),
        arch: "x86_64".into(),
        min_members: 2,
        ..Default::default()
    };
    let sent = r#"{"kernel":{"name":"debian-12/vmlinuz"},"arch":"x86_64","minMembers":2}"#;
    let put = Sent("PUT /chamois/v1/images/debian-12", sent);
    check(put, &method("PutImage"), asked, answer(&debian()), 200, DEBIAN).await;
    let asked = boot_file::SetImagePinnedRequest {
        name: "debian-12".into(),
        pinned: true,
        if_revision: None,
    };
    let pin = Sent("PUT /chamois/v1/images/debian-12/pinned", r#"{"pinned":true}"#);
    check(
        pin,
        &method("SetImagePinned"),
        asked,
        answer(&debian()),
        200,
        DEBIAN,
    )
    .await;
    let asked = boot_file::DeleteImageRequest {
        name: "debian-12".into(),
        force: true,
        if_revision: None,
    };
    let deleted = boot_file::DeleteImageResponse {
        revision: 9,
        deleted_files: vec!["debian-12/vmlinuz".into()],
    };
    let delete = Sent("DELETE /chamois/v1/images/debian-12?force=true", "");
    let body = r#"{"revision":9,"deletedFiles":["debian-12/vmlinuz"]}"#;
    check(delete, &method("DeleteImage"), asked, answer(&deleted), 200, body).await;
}

#[tokio::test]
async fn verifying_tells_every_copy() {
    let copy = |member, result: Verdict, problem: &str| boot_file::VerifiedCopy {
        member,
        file: "a/vmlinuz".into(),
        result: result.into(),
        problem: problem.into(),
    };
    let answered = answer(&boot_file::VerifyImageResponse {
        copies: vec![
            copy(1, Verdict::Right, ""),
            copy(2, Verdict::Wrong, ""),
            copy(3, Verdict::Missing, ""),
            copy(4, Verdict::Unknown, "down"),
        ],
    });
    let asked = boot_file::VerifyImageRequest {
        name: "a".into(),
        file: "a/vmlinuz".into(),
    };
    let body = concat!(
        r#"{"copies":[{"member":1,"file":"a/vmlinuz","result":"right"},{"member":2,"file":"a/vmlinuz","result":"wrong"},"#,
        r#"{"member":3,"file":"a/vmlinuz","result":"missing"},"#,
        r#"{"member":4,"file":"a/vmlinuz","result":"unknown","problem":"down"}]}"#
    );
    let sent = Sent("POST /chamois/v1/images/a/verify", r#"{"file":"a/vmlinuz"}"#);
    check(sent, &method("VerifyImage"), asked, answered, 200, body).await;
}

async fn refused(line: &str, body: &'static str, error: Error) -> (u16, String) {
    let fake = Fake::new();
    fake.will_answer(Err(Status::from(error)));
    let (verb, uri) = line.split_once(' ').unwrap();
    let got = send(&gateway(&fake, Options::default()), verb, uri, &[], body).await;
    (got.status, got.detail())
}

#[tokio::test]
async fn what_is_refused_says_why() {
    let not_found = || Error::NotFound {
        kind: "image".into(),
        id: "a".into(),
    };
    for line in [
        "GET /chamois/v1/images/a",
        "GET /chamois/v1/image-statuses?name=a",
        "POST /chamois/v1/images/a/verify",
        "PUT /chamois/v1/images/a/pinned",
        "DELETE /chamois/v1/images/a",
    ] {
        let body = if line.starts_with("GET") || line.starts_with("DELETE") {
            ""
        } else {
            "{}"
        };
        let expected = (404, "no such image: a".to_owned());
        assert_eq!(refused(line, body, not_found()).await, expected, "{line}");
    }
    let put = "PUT /chamois/v1/images/a";
    let invalid = rpc::invalid("kernel", "there is no boot file x; put it first");
    let expected = (400, "kernel: there is no boot file x; put it first".to_owned());
    assert_eq!(refused(put, "{}", invalid).await, expected);
    let exists = Error::AlreadyExists {
        kind: "image".into(),
        id: "a".into(),
        detail: "what it is made of never changes".into(),
    };
    assert_eq!(refused(put, "{}", exists).await.0, 409);
    let conflict = Error::Conflict {
        detail: "the image a is pinned".into(),
    };
    let expected = (409, "the image a is pinned".to_owned());
    assert_eq!(
        refused("DELETE /chamois/v1/images/a", "", conflict).await,
        expected
    );
    let busy = Error::Overloaded {
        what: "images to read again".into(),
        retry_after: std::time::Duration::from_secs(5),
    };
    assert_eq!(
        refused("POST /chamois/v1/images/a/verify", "{}", busy).await.0,
        503
    );
}

fn conditional() -> Options {
    Options {
        cluster_id: std::sync::Arc::new(|| CLUSTER.to_owned()),
        ..Options::default()
    }
}

fn modified(revision: u64) -> Option<ObjectMeta> {
    let modified = Some(Change {
        revision,
        ..Default::default()
    });
    Some(ObjectMeta {
        created: None,
        modified,
    })
}

/// The ETag of a GET is the condition of every write, and a stale one tells the one that counts.
#[tokio::test]
async fn an_image_is_changed_under_the_condition_that_it_is_as_it_was_seen() {
    let fake = Fake::new();
    let gateway = gateway(&fake, conditional());
    let shown = boot_file::Image {
        meta: modified(7),
        ..debian()
    };
    fake.will_answer(answer(&shown));
    let got = send(&gateway, "GET", "/chamois/v1/images/debian-12", &[], "").await;
    assert_eq!((got.status, got.header("etag")), (200, ETAG));
    let seen = [("if-none-match", ETAG)];
    let got = send(&gateway, "GET", "/chamois/v1/images/debian-12", &seen, "").await;
    assert_eq!((got.status, got.text()), (304, ""));
    fake.take_asked();
    let condition = [("if-match", ETAG)];
    for (verb, uri, body) in [
        ("PUT", "/chamois/v1/images/debian-12", "{}"),
        ("PUT", "/chamois/v1/images/debian-12/pinned", "{}"),
        ("DELETE", "/chamois/v1/images/debian-12", ""),
    ] {
        match verb {
            "DELETE" => fake.will_answer(answer(&boot_file::DeleteImageResponse::default())),
            _ => fake.will_answer(answer(&shown)),
        }
        let got = send(&gateway, verb, uri, &condition, body).await;
        assert_eq!(got.status, 200, "{got:?}");
        let asked = fake.one_asked().message;
        let revision = match (verb, uri.ends_with("pinned")) {
            ("DELETE", _) => boot_file::DeleteImageRequest::decode(asked).unwrap().if_revision,
            (_, true) => {
                boot_file::SetImagePinnedRequest::decode(asked)
                    .unwrap()
                    .if_revision
            }
            (_, false) => boot_file::PutImageRequest::decode(asked).unwrap().if_revision,
        };
        assert_eq!(revision, Some(7), "{verb} {uri}");
    }
    let stale: Answer = Err(Status::from(Error::RevisionMismatch {
        id: "debian-12".into(),
        expected: 7,
        actual: 9,
    }));
    fake.will_answer(stale);
    let got = send(&gateway, "DELETE", "/chamois/v1/images/debian-12", &condition, "").await;
    assert_eq!((got.status, got.header("etag")), (412, "\"4f2a6c1e9b3d8a70-9\""));
    let unchanged = Error::NotModified {
        etag: Etag {
            cluster_id: CLUSTER.into(),
            revision: 7,
        },
    };
    fake.will_answer(Err(Status::from(unchanged)));
    let got = send(&gateway, "GET", "/chamois/v1/images", &seen, "").await;
    assert_eq!((got.status, got.header("etag")), (304, ETAG));
}

/// Request line and body, status and detail of the answer.
#[rustfmt::skip]
const BAD: &[(&str, &str, u16, &str)] = &[
    ("PUT /chamois/v1/images/a", "", 400, "error decoding JSON: the body is empty"),
    ("PUT /chamois/v1/images/a", r#"{"kernel":"x"}"#, 400, "kernel: expected an object, got a string"),
    ("PUT /chamois/v1/images/a", r#"{"name":"b"}"#, 400, "name: differs from \"a\" in the path; leave it out"),
    ("POST /chamois/v1/images", "{}", 405, "allow GET"),
    ("PATCH /chamois/v1/images/a", "{}", 405, "allow GET,PUT,DELETE"),
    ("GET /chamois/v1/images/a/verify", "", 405, "allow POST"),
];

#[tokio::test]
async fn bad_bodies_and_verbs_reach_no_service() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for (line, body, status, detail) in BAD {
        let (verb, uri) = line.split_once(' ').unwrap();
        let got = send(&gateway, verb, uri, &[], *body).await;
        assert_eq!(
            (got.status, got.detail().as_str()),
            (*status, *detail),
            "{line} {body}"
        );
    }
    assert!(fake.take_asked().is_empty());
}
