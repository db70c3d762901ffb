//! Templates as their service takes and shows them.

use proto::configurator::v1::template_service_server::TemplateService as _;
use proto::configurator::v1::{
    DeleteTemplateRequest, GetTemplateRequest, ListTemplatesRequest, PutTargetRequest, PutTemplateRequest,
    TargetTemplate, Template,
};
use tonic::{Code, Request};

use crate::support::{Site, template};

fn named(name: &str) -> Request<GetTemplateRequest> {
    Request::new(GetTemplateRequest { name: name.into() })
}

#[tokio::test]
async fn a_template_is_stored_shown_listed_and_deleted() {
    let site = Site::new();
    let stored = site.put("motd", "Welcome").await.unwrap();
    assert!(stored.meta.is_some());
    let shown = site.templates.get_template(named("motd")).await.unwrap();
    assert_eq!(shown.into_inner(), stored);
    let listed = site
        .templates
        .list_templates(Request::new(ListTemplatesRequest {}))
        .await
        .unwrap();
    let without_body = Template {
        body: String::new(),
        ..stored
    };
    assert_eq!(listed.into_inner().templates, [without_body]);
    let delete = DeleteTemplateRequest {
        name: "motd".into(),
        if_revision: None,
    };
    site.templates
        .delete_template(Request::new(delete.clone()))
        .await
        .unwrap();
    let gone = site.templates.get_template(named("motd")).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    let again = site.templates.delete_template(Request::new(delete)).await;
    assert_eq!(again.unwrap_err().code(), Code::NotFound);
}

/// What cannot be parsed would be found when the file is needed, by somebody else.
#[tokio::test]
async fn what_cannot_be_parsed_is_refused_with_its_line() {
    let site = Site::new();
    let refused = site.put("motd", "one\n{% for x in %}\n").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("line 2"), "{refused}");
    assert!(site.store.state().configurator.template("motd").is_none());
}

#[tokio::test]
async fn a_template_has_no_name_of_a_target() {
    let site = Site::new();
    let refused = site.put("hosts", "one").await.unwrap_err();
    assert!(refused.message().contains("choose another name"), "{refused}");
}

#[tokio::test]
async fn whoever_saw_another_revision_is_told() {
    let site = Site::new();
    site.put("motd", "one").await.unwrap();
    let request = PutTemplateRequest {
        template: Some(template("motd", "two")),
        if_revision: Some(0),
    };
    let refused = site.templates.put_template(Request::new(request)).await;
    assert_eq!(refused.unwrap_err().code(), Code::Aborted);
    let nothing = PutTemplateRequest::default();
    let refused = site.templates.put_template(Request::new(nothing)).await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_target_of_today_becomes_a_template() {
    let site = Site::new();
    let request = PutTargetRequest {
        name: "motd".into(),
        plugin: String::new(),
        templates: vec![TargetTemplate {
            contents: b"Welcome".to_vec(),
        }],
    };
    let answer = site.templates.put_target(Request::new(request)).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&answer.into_inner().data).unwrap();
    assert_eq!(body["code"], 200);
    let stored = site
        .templates
        .get_template(named("motd"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((stored.path.as_str(), stored.body.as_str()), ("motd", "Welcome"));
}
