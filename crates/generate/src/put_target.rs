//! The configurator's POST /targets: what of it becomes a template.

use proto::configurator::v1::{PutTargetRequest, Template};
use rpc::Error;

/// The template that a target with one template of its own is. It is written to where it is named: the configurator knows no path.
///
/// # Errors
/// `Invalid` for a plugin, for another number of templates than one, and for one that is no text.
pub(crate) fn template(request: PutTargetRequest) -> Result<Template, Error> {
    let PutTargetRequest {
        name,
        plugin,
        templates,
    } = request;
    if !plugin.is_empty() {
        let problem = "plugins are not loaded; what they make is a target of its own, see GET /chamois/v1/configurator/targets";
        return Err(rpc::invalid("plugin", problem));
    }
    let [template] = <[_; 1]>::try_from(templates)
        .map_err(|given| rpc::invalid("templates", format!("{} are given; write one", given.len())))?;
    let body = String::from_utf8(template.contents)
        .map_err(|_| rpc::invalid("templates", "its contents are no UTF-8"))?;
    Ok(Template {
        path: name.clone(),
        name,
        body,
        ..Template::default()
    })
}

#[cfg(test)]
mod tests {
    use proto::configurator::v1::TargetTemplate;

    use super::*;

    fn asked(plugin: &str, templates: &[&[u8]]) -> PutTargetRequest {
        let templates = templates.iter().map(|contents| TargetTemplate {
            contents: contents.to_vec(),
        });
        PutTargetRequest {
            name: "motd".into(),
            plugin: plugin.into(),
            templates: templates.collect(),
        }
    }

    #[test]
    fn a_target_with_one_template_is_that_template() {
        let made = template(asked("", &[b"Welcome"])).unwrap();
        let expected = Template {
            name: "motd".into(),
            path: "motd".into(),
            body: "Welcome".into(),
            ..Template::default()
        };
        assert_eq!(made, expected);
    }

    #[test]
    fn what_is_no_template_is_refused_with_its_field() {
        for (wrong, field) in [
            (asked("lib/dnsmasq.so", &[b"a"]), "plugin: "),
            (asked("", &[]), "templates: 0 are given"),
            (asked("", &[b"a", b"b"]), "templates: 2 are given"),
            (asked("", &[b"\xff"]), "templates: its contents"),
        ] {
            let refused = template(wrong).unwrap_err().to_string();
            assert!(refused.starts_with(field), "{refused}");
        }
    }
}
