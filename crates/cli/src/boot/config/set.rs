//! `chamois boot config set`: creates or replaces.

use clap::{Args, ValueEnum};
use model::MacAddr;
use proto::bss::v1::boot_configuration_service_client::BootConfigurationServiceClient;
use proto::bss::v1::{BootConfiguration, ReplaceBootConfigurationRequest};
use proto::smd::v1::component::Arch;

use super::get;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::nodes;

/// `chamois boot config set`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois boot config set compute --role Compute --image debian-12 --params console=ttyS0
  chamois boot config set compute --role Compute --kernel /files/debian/vmlinuz --initrd /files/debian/initrd \\
      --params 'console=ttyS0 root=live:http://10.97.0.1:8081/files/debian/root.squashfs'
  chamois boot config set gpu --group gpu --params 'nvidia.NVreg_DeviceFileMode=0660' --merge-params
  chamois boot config set row --host 'x[1000-1003]c*s*b0n0' --arch arm --priority 60 --kernel http://images/k-arm64

What is not given is not set: a set replaces the whole configuration. With --merge-params the parameters are added to
those of the node's next match, where a word with the same key gives way, and without --kernel or --image its kernel is booted.
With --image the image's own parameters come first, by the same rule; an image that a configuration names is not removed.

Which configuration a node boots: the one whose selector names it most closely (own name > nodeset > group > subrole >
role > default), then the higher priority, then the name. Boot parameters of BSS v1 have priority 50 and win ties.")]
pub struct SetArgs {
    /// Name of the boot configuration
    pub name: String,
    /// Nodeset or place (`x1000c0`: all nodes below); given again, more. Names and `@groups` mean the nodes that they are now
    #[arg(long = "host", value_parser = crate::nodes::text, value_name = "NODESET")]
    pub hosts: Vec<String>,
    /// MAC of a node
    #[arg(long = "mac", value_delimiter = ',', value_parser = mac)]
    pub macs: Vec<MacAddr>,
    /// NID of a node
    #[arg(long = "nid", value_delimiter = ',')]
    pub nids: Vec<u64>,
    /// Label of an SMD group
    #[arg(long = "group", value_delimiter = ',', value_name = "LABEL")]
    pub groups: Vec<String>,
    /// SMD role
    #[arg(long = "role", value_delimiter = ',')]
    pub roles: Vec<String>,
    /// SMD subrole
    #[arg(long = "subrole", value_delimiter = ',')]
    pub sub_roles: Vec<String>,
    /// Every node that nothing else selects
    #[arg(long)]
    pub default: bool,
    /// Only nodes of this architecture
    #[arg(long)]
    pub arch: Option<ArchArg>,
    /// 0 to 100, 50 if it is not given
    #[arg(long)]
    pub priority: Option<u32>,
    /// Image that is booted, as `chamois image list` shows it: its kernel, its initrd, its parameters
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME", conflicts_with_all = ["kernel", "initrd"])]
    pub image: String,
    /// URL of the kernel, or /files/<name> for a boot file of the cluster
    #[arg(long, default_value = "", hide_default_value = true, value_name = "URL")]
    pub kernel: String,
    /// URL of the initrd
    #[arg(long, default_value = "", hide_default_value = true, value_name = "URL")]
    pub initrd: String,
    /// Kernel parameters
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub params: String,
    /// Add the parameters to those of the next match
    #[arg(long)]
    pub merge_params: bool,
    /// Keep it, but let it select nothing
    #[arg(long)]
    pub disabled: bool,
    /// What it is for
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub description: String,
    /// Refuse unless it is still at this revision, as `get` shows it; 0: it must not exist yet
    #[arg(long, value_name = "REVISION")]
    pub if_revision: Option<u64>,
}

/// An architecture as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ArchArg {
    /// SMD's X86
    #[value(name = "x86", alias = "x86_64")]
    X86,
    /// SMD's ARM
    #[value(name = "arm", alias = "arm64", alias = "aarch64")]
    Arm,
    /// SMD's Other
    #[value(name = "other")]
    Other,
}

fn mac(text: &str) -> Result<MacAddr, String> {
    text.parse()
        .map_err(|problem: model::InvalidValue| problem.to_string())
}

impl From<SetArgs> for BootConfiguration {
    fn from(args: SetArgs) -> Self {
        let arch = match args.arch {
            None => Arch::Unspecified,
            Some(ArchArg::X86) => Arch::X86,
            Some(ArchArg::Arm) => Arch::Arm,
            Some(ArchArg::Other) => Arch::Other,
        };
        Self {
            name: args.name,
            description: args.description,
            hosts: args.hosts,
            macs: args.macs.iter().map(MacAddr::to_string).collect(),
            nids: args.nids,
            groups: args.groups,
            roles: args.roles,
            sub_roles: args.sub_roles,
            is_default: args.default,
            arch: arch.into(),
            priority: args.priority,
            kernel: args.kernel,
            initrd: args.initrd,
            params: args.params,
            merge_params: args.merge_params,
            disabled: args.disabled,
            meta: None,
            image: args.image,
        }
    }
}

pub(super) async fn run(global: &GlobalArgs, mut args: SetArgs) -> Result<(), CliError> {
    args.hosts = nodes::targets(global, &args.hosts).await?;
    let mut client = BootConfigurationServiceClient::new(connect::to_any(global)?);
    let request = ReplaceBootConfigurationRequest {
        name: args.name.clone(),
        if_revision: args.if_revision,
        configuration: Some(args.into()),
    };
    let stored = client.replace_boot_configuration(request).await?.into_inner();
    get::show(global, &stored)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SetArgs,
    }

    fn parsed(words: &[&str]) -> Result<BootConfiguration, clap::Error> {
        let words = ["set", "compute"].iter().chain(words);
        Line::try_parse_from(words).map(|line| line.args.into())
    }

    /// A comma within brackets belongs to the nodeset.
    #[test]
    fn selectors_are_lists_and_may_be_repeated() {
        let words = [
            "--host",
            "x0c0s[0,2]b0n0,x1",
            "--host",
            "X2C0",
            "--nid",
            "1,2",
            "--group",
            "a,b",
            "--group",
            "c",
            "--arch",
            "x86_64",
            "--params",
            "-quiet a=b",
            "--kernel",
            "/files/k",
        ];
        let configuration = parsed(&words).unwrap();
        assert_eq!(configuration.hosts, ["x0c0s[0,2]b0n0,x1", "X2C0"]);
        assert_eq!(configuration.nids, [1, 2]);
        assert_eq!(configuration.groups, ["a", "b", "c"]);
        assert_eq!(configuration.arch(), Arch::X86);
        assert_eq!(configuration.params, "-quiet a=b");
        assert_eq!((configuration.priority, configuration.is_default), (None, false));
    }

    #[test]
    fn an_image_stands_for_kernel_and_initrd() {
        let configuration = parsed(&["--default", "--image", "debian-12"]).unwrap();
        assert_eq!(configuration.image, "debian-12");
        for other in ["--kernel", "--initrd"] {
            assert!(parsed(&["--default", "--image", "debian-12", other, "/files/x"]).is_err());
        }
    }

    #[test]
    fn what_names_no_node_is_refused_before_it_is_sent() {
        for wrong in [
            ["--host", "x[3-1]"],
            ["--mac", "02:00"],
            ["--nid", "many"],
            ["--arch", "vax"],
        ] {
            assert!(parsed(&wrong).is_err(), "{wrong:?}");
        }
    }
}
