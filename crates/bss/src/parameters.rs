//! A request's boot parameters, checked: which keys it means, and values that can stand in a script.

use model::{MacAddr, Rejection, Xname, canonical_role, script_words_problem};
use proto::bss::v1::{BootParameters, BootParametersEntry};
use rpc::Error;
use state::State;
use state::bounds::{IDS_PER_COMMAND_MAX, PARAMS_BYTES_MAX, URL_BYTES_MAX};
use state::bss::normalise_boot_key;

use crate::lookup::{self, Asked, DEFAULT_KEY, UNKNOWN_PREFIX};

/// A key of an entry and the name that the caller used for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Key in the state.
    pub(crate) key: String,
    /// As it stood in the request.
    pub(crate) asked: String,
}

/// What a request is about: of hosts, MACs, NIDs, kernel and initrd the first that it has, as in BSS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Entries.
    Keys(Vec<Target>),
    /// Only an image: BSS would attach the parameters to it for all its users.
    Image,
    /// Nothing that BSS stores; it answers as if all were well.
    Nothing,
}

/// Finds what `body` is about.
///
/// A MAC or NID means the entry that applies to it now, else the node that has it; so parameters stored by MAC
/// are changed by xname, and the other way round.
///
/// # Errors
/// `Invalid` with the field for a name of the wrong form.
pub(crate) fn subject(state: &State, body: &BootParameters) -> Result<Subject, Error> {
    let first = [hosts(body)?, macs(state, body)?, nids(state, body)?]
        .into_iter()
        .find(|targets| !targets.is_empty());
    Ok(match first {
        Some(targets) => Subject::Keys(without_repeats(targets)),
        None if body.kernel.is_empty() && body.initrd.is_empty() => Subject::Nothing,
        None => Subject::Image,
    })
}

/// Everything that a delete names; BSS removes hosts, MACs and NIDs alike.
///
/// # Errors
/// As [`subject`].
pub(crate) fn all_targets(state: &State, body: &BootParameters) -> Result<Vec<Target>, Error> {
    let all = [hosts(body)?, macs(state, body)?, nids(state, body)?].concat();
    Ok(without_repeats(all))
}

/// The key of a body that names one host, MAC or NID.
///
/// # Errors
/// As [`subject`], and `Invalid` for a body that names none or several.
pub(crate) fn only_key(state: &State, body: &BootParameters) -> Result<String, Error> {
    let named = body.hosts.len() + body.macs.len() + body.nids.len();
    let mut targets = all_targets(state, body)?;
    match (targets.pop(), named) {
        (Some(target), 1) => Ok(target.key),
        _ => Err(rpc::invalid(
            "hosts",
            format!("{named} hosts, MACs and NIDs are named; name one in each entry"),
        )),
    }
}

/// Whether `body` names nodes otherwise than by key, so that the state decides which keys are meant.
pub(crate) fn needs_state(body: &BootParameters) -> bool {
    !body.macs.is_empty() || !body.nids.is_empty()
}

/// A create accepts only nodes as hosts; role, `Default` and `Unknown-…` entries are set with PUT.
///
/// # Errors
/// `Invalid` naming the host.
pub(crate) fn check_hosts_are_nodes(body: &BootParameters) -> Result<(), Error> {
    for host in &body.hosts {
        let xname: Xname = host.parse().map_err(|problem| rpc::invalid("hosts", problem))?;
        if !xname.is_node() {
            return Err(rpc::invalid(
                "hosts",
                format!("{xname} is a {}, not a Node", xname.hms_type().as_str()),
            ));
        }
    }
    Ok(())
}

/// The values of `body`, without a key.
///
/// # Errors
/// `Invalid` for values that would not survive, or would change the meaning of, the script they end up in.
pub(crate) fn values(body: &BootParameters) -> Result<BootParametersEntry, Error> {
    check_words("params", &body.params, PARAMS_BYTES_MAX)?;
    for (field, url) in [("kernel", &body.kernel), ("initrd", &body.initrd)] {
        check_words(field, url, URL_BYTES_MAX)?;
        if url.contains(' ') {
            return Err(rpc::invalid(field, "holds a blank; write %20 in a URL"));
        }
    }
    Ok(BootParametersEntry {
        params: body.params.clone(),
        kernel: body.kernel.clone(),
        initrd: body.initrd.clone(),
        cloud_init: body.cloud_init.clone(),
        ..BootParametersEntry::default()
    })
}

/// A stored entry as BSS shows it: the key stands where a request would have it.
pub(crate) fn shown(entry: &BootParametersEntry) -> BootParameters {
    let mut shown = BootParameters {
        params: entry.params.clone(),
        kernel: entry.kernel.clone(),
        initrd: entry.initrd.clone(),
        cloud_init: entry.cloud_init.clone(),
        meta: entry.meta.clone(),
        ..BootParameters::default()
    };
    let nid = entry.key.strip_prefix("nid").and_then(|nid| nid.parse().ok());
    match (entry.key.parse::<MacAddr>(), nid) {
        (Ok(mac), _) => shown.macs.push(mac.to_string()),
        (Err(_), Some(nid)) => shown.nids.push(nid),
        (Err(_), None) => shown.hosts.push(entry.key.clone()),
    }
    shown
}

fn hosts(body: &BootParameters) -> Result<Vec<Target>, Error> {
    bounded("hosts", body.hosts.len())?;
    body.hosts
        .iter()
        .map(|host| {
            Ok(Target {
                key: host_key(host)?,
                asked: host.clone(),
            })
        })
        .collect()
}

fn macs(state: &State, body: &BootParameters) -> Result<Vec<Target>, Error> {
    bounded("macs", body.macs.len())?;
    let target = |text: &String| {
        let mac = mac(text)?;
        Ok(Target {
            key: lookup::home_key(state, &Asked::Mac(mac)),
            asked: text.clone(),
        })
    };
    body.macs.iter().map(target).collect()
}

fn nids(state: &State, body: &BootParameters) -> Result<Vec<Target>, Error> {
    bounded("nids", body.nids.len())?;
    let target = |nid: &i64| {
        let asked =
            Asked::Nid(u64::try_from(*nid).map_err(|_| rpc::invalid("nids", format!("{nid} is negative")))?);
        Ok(Target {
            key: lookup::home_key(state, &asked),
            asked: nid.to_string(),
        })
    };
    body.nids.iter().map(target).collect()
}

/// BSS takes MACs with colons only, and its clients rely on the refusal of others.
fn mac(text: &str) -> Result<MacAddr, Error> {
    let mac: MacAddr = text.parse().map_err(|problem| rpc::invalid("macs", problem))?;
    if text.contains(':') {
        return Ok(mac);
    }
    Err(rpc::invalid(
        "macs",
        format!("write {mac}: boot parameters take MACs with colons only"),
    ))
}

/// The key of a host, as `state` writes it, with SMD's spelling of a role and ours of the special words: in any
/// other spelling they would never be found.
pub(crate) fn host_key(host: &str) -> Result<String, Error> {
    let key = normalise_boot_key(host).map_err(|rejection| match rejection {
        Rejection::Invalid { problem, .. } => rpc::invalid("hosts", problem),
        other => other.into(),
    })?;
    let unknown = key
        .get(..UNKNOWN_PREFIX.len())
        .filter(|start| start.eq_ignore_ascii_case(UNKNOWN_PREFIX));
    Ok(match (canonical_role(&key), unknown) {
        (Some(role), _) => role.to_owned(),
        (None, Some(_)) => format!("{UNKNOWN_PREFIX}{}", &key[UNKNOWN_PREFIX.len()..]),
        (None, None) if key.eq_ignore_ascii_case(DEFAULT_KEY) => DEFAULT_KEY.to_owned(),
        (None, None) => key,
    })
}

fn bounded(field: &str, count: usize) -> Result<(), Error> {
    if count <= IDS_PER_COMMAND_MAX {
        return Ok(());
    }
    Err(Error::TooLarge {
        what: format!("the list `{field}` of {count}"),
        limit: format!("{IDS_PER_COMMAND_MAX} entries"),
    })
}

/// A line of words for a script.
fn check_words(field: &str, text: &str, bytes_max: usize) -> Result<(), Error> {
    if text.len() > bytes_max {
        return Err(Error::TooLarge {
            what: format!("`{field}`"),
            limit: format!("{bytes_max} bytes"),
        });
    }
    match script_words_problem(text) {
        Some(problem) => Err(rpc::invalid(field, problem)),
        None => Ok(()),
    }
}

/// Two names of one node are one key.
fn without_repeats(targets: Vec<Target>) -> Vec<Target> {
    let mut seen = std::collections::BTreeSet::new();
    targets
        .into_iter()
        .filter(|target| seen.insert(target.key.clone()))
        .collect()
}
