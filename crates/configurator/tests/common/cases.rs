//! Every target, plainly and with each of its options: what the golden files hold and the real programs are given.

use configurator::{File, Options, Target, View, render, target};

use crate::inventory::inventory;

/// A target with options.
pub(crate) struct Case {
    /// The target's name; behind a dash what is special.
    pub(crate) name: &'static str,
    pub(crate) options: &'static [(&'static str, &'static str)],
}

impl Case {
    pub(crate) fn target(&self) -> &'static Target {
        let all = configurator::targets().iter();
        let fits = all.filter(|target| {
            let rest = self.name.strip_prefix(target.name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("--"))
        });
        fits.max_by_key(|target| target.name.len())
            .unwrap_or_else(|| panic!("{} begins with no target's name", self.name))
    }

    pub(crate) fn options(&self) -> Options {
        let pairs = self.options.iter();
        Options::new(pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    /// Its files.
    pub(crate) fn files(&self, view: &View) -> Vec<File> {
        render(self.target(), view, &self.options()).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

/// The inventory of the tests.
pub(crate) fn view() -> View {
    View::of(&inventory())
}

/// The plain case of a target.
#[allow(dead_code, reason = "shared with a test that has no use for it")]
pub(crate) fn plain(name: &str) -> &'static Case {
    assert_eq!(target(name).map(|target| target.name), Ok(name));
    CASES
        .iter()
        .find(|case| case.name == name)
        .unwrap_or_else(|| panic!("no case of {name}"))
}

/// Every case of one target.
#[allow(dead_code, reason = "shared with a test that has no use for it")]
pub(crate) fn of(name: &str) -> impl Iterator<Item = &'static Case> {
    CASES.iter().filter(move |case| case.target().name == name)
}

const fn case(name: &'static str, options: &'static [(&'static str, &'static str)]) -> Case {
    Case { name, options }
}

/// A public key whose private half nobody has.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB01ErL5xsg/Mgcu9T5JxzP+hTkVB1g2qPCnU05dEjsj";

pub(crate) const CASES: &[Case] = &[
    case("ansible", &[]),
    case("ansible--options", &[("user", "root"), ("by-name", "true")]),
    case("chrony", &[]),
    case(
        "chrony--options",
        &[
            ("servers", "ntp.example.org,pool:2.debian.pool.ntp.org"),
            ("local-stratum", "8"),
            ("allow", "10.253.0.0/16, fd00::/8"),
        ],
    ),
    case("clustershell", &[]),
    case("clustershell--options", &[("source", "prod")]),
    case("conman", &[]),
    case(
        "conman--options",
        &[
            ("device", "/usr/bin/chamois console {xname}"),
            ("console-options", "logopts=\"timestamp\""),
            ("server", "port=17890; loopback=ON"),
            ("log", "/tmp/%N.log"),
            ("names", "xname"),
        ],
    ),
    case("coredhcp", &[("subnet", "10.1.0.0/16")]),
    case(
        "coredhcp--options",
        &[
            ("subnet", "10.2.0.0/16"),
            ("server-id", "10.2.0.2"),
            ("smd", "https://prod.example.org"),
            ("boot", "http://10.1.0.1:8081"),
            ("ca-cert", "/root_ca/root_ca.crt"),
            ("cache-valid", "1m"),
            ("tftp-dir", "/srv/tftp"),
            ("tftp-port", "1069"),
            ("node-pattern", "nid{04d}"),
            ("bmc-pattern", "bmc{04d}"),
            ("lease-file", "/tmp/leases.db"),
            ("pool-lease", "2m"),
        ],
    ),
    case("dns", &[("ns-address", "10.1.0.1, 10.1.0.2")]),
    case(
        "dns--options",
        &[
            ("domain", "elsewhere.example.org"),
            ("ns", "ns1.example.org,ns2.example.org"),
            ("mailbox", "admin@example.org"),
            ("ttl", "300"),
            ("directory", "/etc/bind/chamois"),
        ],
    ),
    case("dnsmasq", &[]),
    case(
        "dnsmasq--options",
        &[
            ("boot-server", "10.1.0.1"),
            ("boot-script", "http://10.1.0.1/script"),
            ("authoritative", "true"),
            ("dns", "true"),
        ],
    ),
    case("hosts", &[]),
    case(
        "hosts--options",
        &[
            ("domain", "elsewhere.example.org"),
            ("nodes-only", "true"),
            ("without-localhost", "true"),
        ],
    ),
    case("http-sd", &[]),
    case(
        "http-sd--options",
        &[("port", "9101"), ("by-name", "true"), ("all", "true")],
    ),
    case("kea", &[]),
    case(
        "kea--options",
        &[
            ("interfaces", "lo"),
            ("lease-file", "/tmp/kea-leases4.csv"),
            ("boot-server", "10.1.0.1"),
            ("boot-script", "http://10.1.0.1/script"),
        ],
    ),
    case("powerman", &[]),
    case(
        "powerman--options",
        &[
            ("specification", "redfishpower-supermicro"),
            ("include", "/etc/powerman/redfishpower-supermicro.dev"),
            ("command", "/bin/false {plugs} |&"),
            ("plugs", "xname"),
            ("plugs-per-device", "2"),
            ("listen", "127.0.0.1:20101"),
        ],
    ),
    case("prometheus", &[]),
    case(
        "prometheus--options",
        &[("port", "9101"), ("by-name", "true"), ("all", "true")],
    ),
    case("rsyslog", &[]),
    case(
        "rsyslog--options",
        &[
            ("dir", "/srv/rsyslog"),
            ("logs", "/srv/logs"),
            ("port", "1514"),
            ("protocols", "tcp"),
            ("nodes-only", "true"),
        ],
    ),
    case("slurm", &[]),
    case(
        "slurm--groups",
        &[
            ("roles", "Compute,Application"),
            ("parameters", "CPUs=64 RealMemory=256000"),
            (
                "group-parameters",
                "gpu: CPUs=128 RealMemory=512000; nobody: CPUs=1",
            ),
            ("features", "true"),
            ("partitions", "groups"),
            ("partition-groups", "gpu,empty"),
            ("default-partition", "gpu"),
            ("partition-parameters", "MaxTime=1-0 State=UP"),
            ("top-switch", "core"),
        ],
    ),
    case(
        "slurm--partitions",
        &[
            ("partitions", "partitions"),
            ("addresses", "true"),
            ("topology", "none"),
        ],
    ),
    case("ssh-known-hosts", &[("ca", KEY)]),
    case(
        "ssh-known-hosts--options",
        &[("host-key", KEY), ("domain", "elsewhere.example.org")],
    ),
    case("warewulf", &[]),
    case(
        "warewulf--options",
        &[
            ("image", "rocky-9"),
            ("device", "eno1"),
            ("group-profiles", "true"),
            ("kernel-args", "true"),
            ("ipmi", "false"),
        ],
    ),
    case(
        "warewulf--4.5",
        &[("format", "4.5"), ("image", "rocky-9"), ("kernel-args", "true")],
    ),
];
