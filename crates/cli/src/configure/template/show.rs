//! `chamois configure template show`: the text as it is stored, so that it can be written to a file and put again.

use proto::configurator::v1::GetTemplateRequest;

use super::NameArgs;
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;

pub(super) async fn run(global: &GlobalArgs, args: NameArgs) -> Result<(), CliError> {
    let request = GetTemplateRequest { name: args.name };
    let template = super::client(global)?.get_template(request).await?.into_inner();
    output::object(
        global,
        ("chamois.configurator.v1.Template", &template),
        &template.name,
        || {
            template
                .body
                .strip_suffix('\n')
                .unwrap_or(&template.body)
                .to_owned()
        },
    )
}
