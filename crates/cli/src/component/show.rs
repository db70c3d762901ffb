//! `chamois component show`.

use clap::Args;
use proto::smd::v1::component_service_client::ComponentServiceClient;
use proto::smd::v1::{Component, GetComponentRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::facts::{change, facts};
use crate::nodes::{self, Nodes};
use crate::output;

/// `chamois component show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois component show x1000c0s0b0n0
  chamois component show nid000007 -o yaml")]
pub struct ShowArgs {
    /// Xname, host name or nid<N> of one component
    #[arg(value_name = "NODE", value_parser = nodes::nodes)]
    pub node: Nodes,
}

pub(super) async fn run(global: &GlobalArgs, args: ShowArgs) -> Result<(), CliError> {
    let found = nodes::resolve(global, &[args.node]).await?;
    let [one] = &found[..] else {
        let text = format!("one component is shown, and these are {}", found.len());
        return Err(CliError::new(Kind::Usage, text).with_remedy("`chamois component list` shows many."));
    };
    let mut client = ComponentServiceClient::new(connect::to_any(global)?);
    let request = GetComponentRequest { id: one.to_string() };
    let component = client.get_component(request).await?.into_inner();
    output::object(
        global,
        ("chamois.smd.v1.Component", &component),
        &component.id,
        || render(&component),
    )
}

fn render(component: &Component) -> String {
    let meta = component.meta.clone().unwrap_or_default();
    let yes = |is: bool| if is { "yes".to_owned() } else { String::new() };
    facts(&[
        ("id", component.id.clone()),
        ("type", component.r#type.clone()),
        ("subtype", component.subtype.clone()),
        ("state", super::list::state(component)),
        ("flag", super::list::flag(component)),
        (
            "enabled",
            component.enabled.map(|is| is.to_string()).unwrap_or_default(),
        ),
        ("role", component.role.clone()),
        ("subrole", component.sub_role.clone()),
        (
            "nid",
            component.nid.map(|nid| nid.to_string()).unwrap_or_default(),
        ),
        ("arch", super::list::arch(component)),
        ("class", super::list::class(component)),
        ("software status", component.software_status.clone()),
        ("locked", yes(component.locked)),
        ("no reservation", yes(component.reservation_disabled)),
        ("created", change(meta.created.as_ref())),
        ("modified", change(meta.modified.as_ref())),
    ])
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::component::{Arch, State};

    use super::*;

    #[test]
    fn what_is_not_set_is_left_out() {
        let component = Component {
            id: "x0c0s0b0n0".into(),
            state: State::Ready.into(),
            arch: Arch::X86.into(),
            nid: Some(0),
            ..Component::default()
        };
        assert_eq!(
            render(&component),
            "id               x0c0s0b0n0\nstate            Ready\nnid              0\narch             X86"
        );
    }
}
