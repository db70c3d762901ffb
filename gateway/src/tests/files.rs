//! Boot files: whole, in part, by HEAD, by ETag; and never one byte from outside the folder.

use std::os::unix::fs::symlink;
use std::sync::Arc;

use base64::Engine as _;
use futures::future::BoxFuture;
use tonic::Status;

use super::{Fake, Got, gateway, send_to};
use crate::{AskedFile, BootFiles, FileSource, FoundFile, Gateway, OpenedFile, Options};

/// SHA-256 that `put` is said to have; the gateway believes it.
const SHA256: [u8; 32] = [0xab; 32];
const ETAG: &str = "\"abababababababababababababababababababababababababababababababab\"";

/// The real folder of boot files, without other members; names that say so are elsewhere.
struct Source(boot_files::BootFiles);

impl FileSource for Source {
    fn find<'a>(&'a self, asked: AskedFile<'a>) -> BoxFuture<'a, Result<FoundFile, Status>> {
        Box::pin(async move {
            match asked.name {
                "else where" if asked.is_redirected => return Err(boot_files::elsewhere(asked.name).into()),
                "else where" | "elseé" => return Ok(FoundFile::At("http://10.97.1.2:8081".into())),
                _ => {}
            }
            let boot_files::Found::Here(opened) = self.0.find(asked.name).await? else {
                panic!("there are no other members")
            };
            Ok(FoundFile::Here(OpenedFile {
                file: opened.file,
                meta: opened.meta,
                sha256: asked.name.starts_with("put").then_some(SHA256),
                version: opened.version,
            }))
        })
    }
}

/// Boot files of one member from `folder`.
pub(super) fn options(folder: &std::path::Path) -> Options {
    let members: boot_files::Members = Arc::new(|| boot_files::Roster {
        own_is_voter: true,
        others: Vec::new(),
    });
    let files = boot_files::BootFiles::open(
        folder,
        1,
        raft::Store::in_memory(),
        members,
        boot_files::Options::leaving(0),
    )
    .unwrap();
    Options {
        files: Some(BootFiles {
            source: Arc::new(Source(files)),
            prefix: "/files/".into(),
        }),
        ..Options::default()
    }
}

/// A folder of boot files inside a folder that has a secret, and the gateway that serves it.
struct Served {
    parent: tempfile::TempDir,
    gateway: Gateway,
}

fn content() -> Vec<u8> {
    (0..300_000u32).map(|n| (n % 251) as u8).collect()
}

fn served() -> Served {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("files");
    std::fs::create_dir_all(folder.join("images/v1")).unwrap();
    std::fs::write(folder.join("vmlinuz"), content()).unwrap();
    std::fs::write(folder.join("put"), content()).unwrap();
    std::fs::write(folder.join("empty"), "").unwrap();
    std::fs::write(folder.join("images/v1/init rd%2e"), "initrd").unwrap();
    std::fs::write(parent.path().join("secret"), "secret").unwrap();
    symlink("vmlinuz", folder.join("kernel")).unwrap();
    symlink("../secret", folder.join("out")).unwrap();
    symlink(parent.path().join("secret"), folder.join("out-absolute")).unwrap();
    symlink("..", folder.join("up")).unwrap();
    symlink("loop", folder.join("loop")).unwrap();
    nix::unistd::mkfifo(&folder.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let gateway = gateway(&Fake::new(), options(&folder));
    Served { parent, gateway }
}

impl Served {
    async fn ask(&self, verb: &str, uri: &str, headers: &[(&str, &str)]) -> Got {
        send_to(&self.gateway.nodes, verb, uri, headers, "").await
    }
}

#[tokio::test]
async fn a_file_is_served_whole() {
    let served = served();
    let got = served.ask("GET", "/files/vmlinuz", &[]).await;
    assert_eq!(
        (
            got.status,
            got.header("content-length"),
            got.header("accept-ranges")
        ),
        (200, "300000", "bytes")
    );
    assert!(got.body == content());
    let through_link = served.ask("GET", "/files/kernel", &[]).await;
    assert!(through_link.body == got.body);
    assert_eq!(served.ask("GET", "/files/empty", &[]).await.status, 200);
    let odd_name = served
        .ask("GET", "/files/images/v1/init%20rd%252e?x=1", &[])
        .await;
    assert_eq!(odd_name.text(), "initrd");
}

/// OVMF asks HEAD first and needs the length.
#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let served = served();
    let (head, get) = (
        served.ask("HEAD", "/files/vmlinuz", &[]).await,
        served.ask("GET", "/files/vmlinuz", &[]).await,
    );
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.headers, get.headers);
    let part = served
        .ask("HEAD", "/files/vmlinuz", &[("range", "bytes=0-0")])
        .await;
    assert_eq!((part.status, &part.headers), (200, &get.headers));
    let posted = served.ask("POST", "/files/vmlinuz", &[]).await;
    assert_eq!((posted.status, posted.header("allow")), (405, "GET,HEAD"));
}

#[tokio::test]
async fn one_range_is_served_exactly() {
    let served = served();
    let all = content();
    for (range, first, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=131071-131073", 131_071, 131_074),
        ("bytes=299990-", 299_990, 300_000),
        ("bytes=-5", 299_995, 300_000),
        ("bytes=-999999", 0, 300_000),
        ("bytes=100-999999999", 100, 300_000),
    ] {
        let got = served.ask("GET", "/files/vmlinuz", &[("range", range)]).await;
        let expected = format!("bytes {first}-{}/300000", end - 1);
        assert_eq!(
            (got.status, got.header("content-range")),
            (206, expected.as_str()),
            "{range}"
        );
        assert_eq!(got.header("content-length"), (end - first).to_string());
        assert!(got.body == all[first..end], "{range}");
    }
    for range in ["bytes=300000-", "bytes=-0", "bytes=999999-999999"] {
        let got = served.ask("GET", "/files/vmlinuz", &[("range", range)]).await;
        assert_eq!(
            (got.status, got.header("content-range")),
            (416, "bytes */300000"),
            "{range}"
        );
        assert_eq!(got.detail(), "the file has 300000 bytes");
    }
    for range in [
        "bytes=5-3",
        "bytes=a-b",
        "bytes=",
        "items=0-1",
        "bytes=0-1,3-4",
        "bytes=--1",
        "bytes=+5-",
        "bytes=5-+9",
        "bytes=-+5",
        "bytes= 5-",
        "bytes=18446744073709551616-",
    ] {
        assert_eq!(
            served
                .ask("GET", "/files/vmlinuz", &[("range", range)])
                .await
                .status,
            200,
            "{range}"
        );
    }
    assert_eq!(
        served
            .ask("GET", "/files/empty", &[("range", "bytes=0-")])
            .await
            .status,
        416
    );
}

/// A resumed download must not join halves of two versions, on whichever member it goes on.
#[tokio::test]
async fn a_file_with_a_digest_has_it_as_its_etag() {
    let served = served();
    let whole = served.ask("GET", "/files/put", &[]).await;
    let digest = format!(
        "sha-256=:{}:",
        base64::engine::general_purpose::STANDARD.encode(SHA256)
    );
    assert_eq!(
        (whole.header("etag"), whole.header("repr-digest")),
        (ETAG, digest.as_str())
    );
    let resume = |tag: &'static str| [("range", "bytes=10-"), ("if-range", tag)];
    let rest = served.ask("GET", "/files/put", &resume(ETAG)).await;
    assert_eq!(
        (rest.status, rest.header("repr-digest")),
        (206, digest.as_str()),
        "of the whole file"
    );
    assert!(rest.body == content()[10..]);
    let other = served.ask("GET", "/files/put", &resume("\"cd\"")).await;
    assert_eq!((other.status, other.body.len()), (200, 300_000));
    for verb in ["GET", "HEAD"] {
        let known = served.ask(verb, "/files/put", &[("if-none-match", ETAG)]).await;
        assert_eq!(
            (known.status, known.header("etag"), known.body.len()),
            (304, ETAG, 0)
        );
    }
}

/// Until its digest is known, nobody can say that two answers are of one version: the whole file comes again.
#[tokio::test]
async fn a_file_without_a_digest_joins_nothing() {
    let served = served();
    let whole = served.ask("GET", "/files/vmlinuz", &[]).await;
    let etag = whole.header("etag").to_owned();
    assert!(
        etag.starts_with("W/\"") && whole.header("repr-digest").is_empty(),
        "{etag}"
    );
    let resume = [("range", "bytes=10-"), ("if-range", etag.as_str())];
    assert_eq!(served.ask("GET", "/files/vmlinuz", &resume).await.status, 200);
    let known = [("if-none-match", etag.as_str())];
    assert_eq!(served.ask("GET", "/files/vmlinuz", &known).await.status, 304);
    std::fs::write(served.parent.path().join("files/vmlinuz"), "new").unwrap();
    let got = served.ask("GET", "/files/vmlinuz", &known).await;
    assert_eq!((got.status, got.text()), (200, "new"));
}

/// Firmware asks HEAD first; both verbs must lead to the same member, and never in a circle.
#[tokio::test]
async fn a_file_that_another_member_has_is_redirected_once() {
    let served = served();
    for verb in ["GET", "HEAD"] {
        let sent_on = served.ask(verb, "/files/else%20where", &[]).await;
        assert_eq!(
            (sent_on.status, sent_on.header("location")),
            (307, "http://10.97.1.2:8081/files/else%20where?redirected")
        );
        let again = served.ask(verb, "/files/else%20where?redirected", &[]).await;
        let pause_s: u64 = again.header("retry-after").parse().unwrap();
        assert_eq!(
            (again.status, (5..9).contains(&pause_s)),
            (503, true),
            "{pause_s} s"
        );
    }
    let raw = served.ask("GET", "/files/elseé", &[]).await;
    let encoded = "http://10.97.1.2:8081/files/else%C3%A9?redirected";
    assert_eq!(
        (raw.status, raw.header("location")),
        (307, encoded),
        "a place is ASCII"
    );
}

/// Every spelling of "outside" that we know; none may ever answer 200.
#[tokio::test]
async fn nothing_outside_the_folder_is_served() {
    let served = served();
    let secret = served.parent.path().join("secret");
    let absolute = format!("/files/{}", secret.display());
    for uri in [
        "/files/../secret",
        "/files/images/../../secret",
        "/files/%2e%2e/secret",
        "/files/%2E./secret",
        "/files/..%2fsecret",
        "/files/%2e%2e%2fsecret",
        "/files/..%5csecret",
        "/files/..\\secret",
        "/files/./vmlinuz",
        "/files//etc/passwd",
        absolute.as_str(),
        "/files/%2fetc%2fpasswd",
        "/files/vmlinuz%00.txt",
        "/files/%00",
        "/files/a%0ab",
        "/files/%",
        "/files/%2",
        "/files/%zz",
        "/files/%ff",
        "/files/%c0%ae%c0%ae/secret",
        "/files//",
        "/files/images//v1",
    ] {
        let got = served.ask("GET", uri, &[]).await;
        assert_eq!(got.status, 400, "{uri}: {got:?}");
        assert!(!got.detail().is_empty());
    }
    for uri in [
        "/files/%252e%252e/secret",
        "/files/...",
        "/files/out",
        "/files/out-absolute",
        "/files/up/secret",
        "/files/up/files/vmlinuz",
        "/files/.content",
        "/files/.content/partial-1-0",
        "/files/loop",
        "/files/fifo",
        "/files/images",
        "/files/vmlinuz/x",
        "/files/nothing",
        "/files/",
        "/files",
        "/filesvmlinuz",
    ] {
        let got = served.ask("GET", uri, &[]).await;
        assert_eq!(got.status, 404, "{uri}: {got:?}");
        assert!(got.detail().starts_with("no such"), "{uri}");
    }
    let long = format!("/files/{}", "a".repeat(300));
    assert_eq!(served.ask("GET", &long, &[]).await.status, 404);
}

/// A short answer must not look like a whole one.
#[tokio::test]
async fn a_file_that_shrinks_meanwhile_breaks_the_answer() {
    use http_body_util::BodyExt as _;
    let served = served();
    let request = http::Request::get("/files/vmlinuz")
        .body(http_body_util::Full::<bytes::Bytes>::default())
        .unwrap();
    let response = served
        .gateway
        .nodes
        .answer(rpc::Caller::anonymous(), request)
        .await;
    std::fs::File::options()
        .write(true)
        .open(served.parent.path().join("files/vmlinuz"))
        .unwrap()
        .set_len(10)
        .unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

/// Also where the bytes do not go past HTTP.
#[tokio::test]
async fn a_file_that_is_written_meanwhile_breaks_the_answer() {
    use http_body_util::BodyExt as _;
    let served = served();
    let path = served.parent.path().join("files/vmlinuz");
    let mut file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let request = http::Request::get("/files/vmlinuz")
        .body(http_body_util::Full::<bytes::Bytes>::default())
        .unwrap();
    let response = served
        .gateway
        .nodes
        .answer(rpc::Caller::anonymous(), request)
        .await;
    std::io::Write::write_all(&mut file, b"another version").unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert!(error.to_string().contains("written"), "{error}");
}

/// RFC 9110, 13.2.2: If-Match is judged first.
#[tokio::test]
async fn a_version_that_is_no_more_is_refused() {
    let served = served();
    let mine = [("if-match", ETAG), ("range", "bytes=10-19")];
    assert_eq!(served.ask("GET", "/files/put", &mine).await.status, 206);
    let weak = format!("W/{ETAG}");
    for (verb, more) in [
        ("GET", ("range", "bytes=10-19")),
        ("GET", ("range", "bytes=300000-")),
        ("GET", ("if-none-match", ETAG)),
        ("HEAD", ("accept", "*/*")),
    ] {
        for tag in ["\"cd\"", weak.as_str()] {
            let got = served.ask(verb, "/files/put", &[("if-match", tag), more]).await;
            assert_eq!(
                (got.status, got.header("etag")),
                (412, ETAG),
                "{verb} {tag} {more:?}"
            );
        }
    }
    let by_hand = served.ask("HEAD", "/files/vmlinuz", &[]).await;
    let weak = [("if-match", by_hand.header("etag"))];
    assert_eq!(served.ask("GET", "/files/vmlinuz", &weak).await.status, 412);
}

#[test]
fn a_prefix_that_is_none_is_an_error_at_start() {
    for prefix in ["/files", "files/", ""] {
        let refused = crate::files::Files::new(BootFiles {
            prefix: prefix.into(),
            source: Arc::new(Nothing),
        });
        let text = refused.err().unwrap().to_string();
        assert!(text.contains("must begin and end with /"), "{text}");
    }
}

struct Nothing;

impl FileSource for Nothing {
    fn find<'a>(&'a self, asked: AskedFile<'a>) -> BoxFuture<'a, Result<FoundFile, Status>> {
        Box::pin(async move { Err(Status::not_found(asked.name)) })
    }
}
