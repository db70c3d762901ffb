//! Passwords: shown to a template that was granted them, by the method that is for it, and nowhere else.

use proto::configurator::v1::generate_service_server::GenerateService as _;
use tonic::Code;

use crate::support::{Site, asked};

const BODY: &str = "{{ secret(\"default\").user }}:{{ secret(\"default\").password }}";

async fn site() -> Site {
    let site = Site::new();
    site.credential("default", "root", "c4n4ry").await;
    site.credential("bmc:x0c0s0b0", "admin", "0ther").await;
    site.put("consoles", BODY).await.unwrap();
    site
}

#[tokio::test]
async fn a_template_reads_what_it_was_granted() {
    let site = site().await;
    site.grant("consoles", &["default"]).await.unwrap();
    let made = site.files.generate_with_secrets(asked("consoles", &[])).await;
    let made = made.unwrap().into_inner();
    assert!(made.files[0].content.contains("root:c4n4ry"));
    assert!(!format!("{made:?}").contains("c4n4ry"));
    let shown = site.shown.lock().unwrap().clone();
    assert_eq!(shown.len(), 1);
    assert!(
        shown[0].ends_with("template consoles with the passwords of default"),
        "{shown:?}"
    );
}

#[tokio::test]
async fn no_other_method_and_no_other_password() {
    let site = site().await;
    let refused = site.files.generate_with_secrets(asked("consoles", &[])).await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument, "not granted");
    site.grant("consoles", &["bmc:x0c0s0b0"]).await.unwrap();
    let refused = site.files.generate_with_secrets(asked("consoles", &[])).await;
    assert_eq!(
        refused.unwrap_err().code(),
        Code::InvalidArgument,
        "another one is"
    );
    site.grant("consoles", &["default"]).await.unwrap();
    let refused = site.files.generate(asked("consoles", &[])).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "not by this method");
    assert!(!refused.message().contains("c4n4ry"), "{refused}");
    assert!(site.shown.lock().unwrap().is_empty());
}

/// Whoever may write templates must not turn a grant into a look at passwords.
#[tokio::test]
async fn another_text_is_granted_nothing() {
    let site = site().await;
    site.grant("consoles", &["default"]).await.unwrap();
    site.put("consoles", &format!("{BODY}\n")).await.unwrap();
    let refused = site.files.generate_with_secrets(asked("consoles", &[])).await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_grant_for_what_is_not_stored_shows_nothing() {
    let site = site().await;
    site.put("motd", "{{ secret(\"group:compute\").user }}")
        .await
        .unwrap();
    site.grant("motd", &["group:compute"]).await.unwrap();
    let refused = site.files.generate_with_secrets(asked("motd", &[])).await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    let refused = site.grant("motd", &["root"]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn targets_are_the_same_by_either_method() {
    let site = site().await;
    let one = site.files.generate(asked("hosts", &[])).await.unwrap();
    let other = site
        .files
        .generate_with_secrets(asked("hosts", &[]))
        .await
        .unwrap();
    assert_eq!(one.into_inner(), other.into_inner());
}
