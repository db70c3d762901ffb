//! `chamois component add`.

use std::collections::BTreeSet;

use clap::Args;
use model::{NodeExpression, Xname};
use proto::smd::v1::component::{Arch, Class, Flag, State};
use proto::smd::v1::component_service_client::ComponentServiceClient;
use proto::smd::v1::{Component, CreateComponentsRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::fold::fold;
use crate::output;

/// `chamois component add`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois component add x1000c0s0b0n0 --role Compute --nid 1 --arch X86
  chamois component add 'x1000c0s[0-7]b0n0' --role Compute --nid 1 --state On

All or none; one that exists refuses all. With --nid the first gets that number and each of the others the next one.")]
pub struct AddArgs {
    /// Xnames and nodesets of the new components
    #[arg(required = true, value_name = "XNAMES", value_parser = new_names)]
    pub names: Vec<Names>,
    /// State, e.g. On
    #[arg(long, default_value = "Unknown", value_parser = super::words::state)]
    pub state: State,
    /// Flag, e.g. OK
    #[arg(long, value_parser = super::words::flag)]
    pub flag: Option<Flag>,
    /// Not to be used for now
    #[arg(long)]
    pub disabled: bool,
    /// Role, e.g. Compute
    #[arg(long, default_value = "", hide_default_value = true)]
    pub role: String,
    /// Subrole, e.g. Worker
    #[arg(
        long = "subrole",
        default_value = "",
        hide_default_value = true,
        requires = "role"
    )]
    pub sub_role: String,
    /// Node id of the first; nodes without one get the lowest free one
    #[arg(long)]
    pub nid: Option<u64>,
    /// Architecture, e.g. X86
    #[arg(long, value_parser = super::words::arch)]
    pub arch: Option<Arch>,
    /// How the cabinet is built, e.g. River
    #[arg(long, value_parser = super::words::class)]
    pub class: Option<Class>,
}

/// What one argument names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Vec<Xname>);

/// Xnames that need not exist, so there are no groups and no host names among them.
fn new_names(text: &str) -> Result<Names, String> {
    let expression: NodeExpression = text.parse().map_err(|problem| format!("{problem}"))?;
    let no_groups = &mut |_: &str| Err("what is to be added is in no group yet".to_owned());
    let names = expression
        .expand(no_groups)
        .map_err(|problem| problem.to_string())?;
    let names: Result<Vec<Xname>, _> = names.iter().map(crate::group::xname).collect();
    Ok(Names(names?))
}

pub(super) async fn run(global: &GlobalArgs, args: AddArgs) -> Result<(), CliError> {
    let components = components(&args)?;
    let mut client = ComponentServiceClient::new(connect::to_any(global)?);
    let request = CreateComponentsRequest {
        if_revisions: vec![0; components.len()],
        components,
        ..CreateComponentsRequest::default()
    };
    let answer = client.create_components(request).await?.into_inner();
    output::done(
        global,
        ("chamois.smd.v1.CreateComponentsResponse", &answer),
        || {
            let names = fold(answer.created.iter().map(String::as_str)).join(",");
            format!("added {names} (revision {})", answer.revision)
        },
    )
}

fn components(args: &AddArgs) -> Result<Vec<Component>, CliError> {
    let names: Vec<&Xname> = args.names.iter().flat_map(|names| &names.0).collect();
    let different: BTreeSet<&Xname> = names.iter().copied().collect();
    if different.len() < names.len() {
        return Err(CliError::new(Kind::Usage, "a component is named twice"));
    }
    let component = |(at, name): (usize, &&Xname)| Component {
        id: name.to_string(),
        state: args.state.into(),
        flag: args.flag.map_or(0, Into::into),
        enabled: args.disabled.then_some(false),
        role: args.role.clone(),
        sub_role: args.sub_role.clone(),
        nid: args.nid.map(|first| first + at as u64),
        arch: args.arch.map_or(0, Into::into),
        class: args.class.map_or(0, Into::into),
        ..Component::default()
    };
    Ok(names.iter().enumerate().map(component).collect())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        add: AddArgs,
    }

    fn parsed(line: &str) -> Result<Vec<Component>, String> {
        let line = Line::try_parse_from(format!("add {line}").split_whitespace());
        let line = line.map_err(|error| error.to_string())?;
        components(&line.add).map_err(|error| error.to_string())
    }

    #[test]
    fn a_nodeset_is_numbered_in_its_order() {
        let all = parsed("x0c0s[0-2]b0n0 --role Compute --nid 7 --state on --arch x86 --disabled").unwrap();
        let of: Vec<_> = all
            .iter()
            .map(|one| (one.id.as_str(), one.nid.unwrap()))
            .collect();
        assert_eq!(of, [("x0c0s0b0n0", 7), ("x0c0s1b0n0", 8), ("x0c0s2b0n0", 9)]);
        let first = &all[0];
        assert_eq!((first.state, first.arch), (State::On.into(), Arch::X86.into()));
        assert_eq!((first.enabled, first.role.as_str()), (Some(false), "Compute"));
    }

    #[test]
    fn slips_are_refused_before_anything_is_sent() {
        for (line, told) in [
            ("node1", "xname"),
            ("@compute", "in no group yet"),
            ("x0c0s0b0n0 --subrole Worker", "--role"),
            ("x0c0s0b0n0 --state Redy", "is it Ready?"),
            ("x0c0s0b0n0 x0c0s0b0n0", "twice"),
            ("", "required"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}
