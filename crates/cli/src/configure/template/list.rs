//! `chamois configure template list`.

use proto::configurator::v1::{ListTemplatesRequest, Template};

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{self, Shape, changed, column, wide};

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let mut client = super::client(global)?;
    let answer = client.list_templates(ListTemplatesRequest {}).await?.into_inner();
    output::list(
        global,
        ("chamois.configurator.v1.ListTemplatesResponse", &answer),
        &answer.templates,
        &TEMPLATES,
    )
}

/// The columns of a list.
pub(super) const TEMPLATES: Shape<Template> = Shape {
    message: "chamois.configurator.v1.Template",
    key: |template| template.name.clone(),
    columns: &[
        column("NAME", |template| template.name.clone()),
        column("PATH", |template| template.path.clone()),
        column("PASSWORDS", |template| template.secrets.join(", ")),
        column("DESCRIPTION", |template| template.description.clone()),
        wide("CHANGED", |template| changed(template.meta.as_ref())),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_where_the_file_goes_and_which_passwords_are_in_it() {
        let template = Template {
            name: "conman".into(),
            path: "conman/conman.conf".into(),
            secrets: vec!["bmc:x0c0s0b0".into(), "default".into()],
            body: "never shown".into(),
            ..Template::default()
        };
        let text = output::plain(&[template], &TEMPLATES);
        for part in ["conman", "conman/conman.conf", "bmc:x0c0s0b0, default"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("never shown"), "{text}");
    }
}
