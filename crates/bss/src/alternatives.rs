//! Scripts where no service address moves: each command that fetches from this member tries the others in turn.
//! Pure: text in, text out.

use std::fmt::Write as _;

/// What separates a command from its alternative in iPXE's language, and what a failure that is left leads to.
const OR: &str = " || ";
/// Commands that fetch.
const FETCHES: [&str; 4] = ["kernel ", "initrd ", "imgverify ", "chain "];

/// The script with every `kernel`, `initrd`, `imgverify` and `chain` that fetches from one of the members spread over all of them:
/// `own` first, as it is known to live, then `others` in their order. A command for another host stays as it is.
///
/// A kernel's command line goes with the member it was fetched from: `ds=` then names one that just answered.
#[must_use]
pub(crate) fn spread(script: &str, own: &str, others: &[String]) -> String {
    let members: Vec<&str> = std::iter::once(own)
        .chain(others.iter().map(String::as_str))
        .collect();
    let mut spread = String::with_capacity(script.len() * members.len());
    for line in script.lines() {
        match fetch_from(line, &members) {
            Some((command, named, fallback)) if !others.is_empty() => {
                let tries: Vec<String> = members
                    .iter()
                    .map(|member| on_member(command, named, own, member))
                    .collect();
                let _ = write!(spread, "{}{fallback}", tries.join(OR));
            }
            _ => spread.push_str(line),
        }
        spread.push('\n');
    }
    spread
}

/// The command of a line that fetches from a member, that member, and what follows if it fails (`" || goto …"` or
/// nothing). The words of a kernel's command line are the administrator's, so only the last `||` is ours.
fn fetch_from<'a>(line: &'a str, members: &[&'a str]) -> Option<(&'a str, &'a str, &'a str)> {
    if !FETCHES.iter().any(|fetch| line.starts_with(fetch)) {
        return None;
    }
    let end = line.rfind(" || goto ").unwrap_or(line.len());
    let (command, fallback) = line.split_at(end);
    let url = command.split(' ').find(|word| word.contains("://"))?;
    let named = members.iter().find(|member| is_below(url, member))?;
    Some((command, named, fallback))
}

/// Whether a URL is on this base; `http://10.97.1.1:8081` is no prefix of `http://10.97.1.1:80810/`.
fn is_below(url: &str, base: &str) -> bool {
    url.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'))
}

/// The command with its URL, and the data source of this member, moved to another one.
fn on_member(command: &str, named: &str, own: &str, member: &str) -> String {
    command
        .replacen(&format!(" {named}/"), &format!(" {member}/"), 1)
        .replacen(&format!(";s={own}/"), &format!(";s={member}/"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "http://10.97.1.2:8081";

    fn others() -> Vec<String> {
        ["http://10.97.1.1:8081", "http://10.97.1.3:8081"]
            .map(str::to_owned)
            .to_vec()
    }

    /// The whole script as a node of a cluster without a service address gets it.
    #[test]
    fn a_script_names_every_member_for_everything_it_fetches() {
        let script = "#!ipxe\n\
            kernel --name kernel http://10.97.1.1:8081/files/k initrd=initrd quiet ds=nocloud-net;s=http://10.97.1.2:8081/cloud-init/b/1-2/ || goto boot_retry\n\
            initrd --name initrd http://10.97.1.1:8081/files/i || goto boot_retry\n\
            boot || goto boot_retry\n\
            :boot_retry\n\
            sleep 1\n\
            chain http://10.97.1.2:8081/boot/v1/bootscript?mac=m&retry=1 || goto boot_retry\n\n";
        let expected = "#!ipxe\n\
            kernel --name kernel http://10.97.1.2:8081/files/k initrd=initrd quiet ds=nocloud-net;s=http://10.97.1.2:8081/cloud-init/b/1-2/ \
            || kernel --name kernel http://10.97.1.1:8081/files/k initrd=initrd quiet ds=nocloud-net;s=http://10.97.1.1:8081/cloud-init/b/1-2/ \
            || kernel --name kernel http://10.97.1.3:8081/files/k initrd=initrd quiet ds=nocloud-net;s=http://10.97.1.3:8081/cloud-init/b/1-2/ \
            || goto boot_retry\n\
            initrd --name initrd http://10.97.1.2:8081/files/i || initrd --name initrd http://10.97.1.1:8081/files/i \
            || initrd --name initrd http://10.97.1.3:8081/files/i || goto boot_retry\n\
            boot || goto boot_retry\n\
            :boot_retry\n\
            sleep 1\n\
            chain http://10.97.1.2:8081/boot/v1/bootscript?mac=m&retry=1 \
            || chain http://10.97.1.1:8081/boot/v1/bootscript?mac=m&retry=1 \
            || chain http://10.97.1.3:8081/boot/v1/bootscript?mac=m&retry=1 || goto boot_retry\n\n";
        assert_eq!(spread(script, OWN, &others()), expected);
    }

    /// A signature is fetched from whoever lives, and names the image only once for each.
    #[test]
    fn a_signature_is_fetched_from_every_member_in_turn() {
        let line = "imgverify kernel http://10.97.1.1:8081/files/k.sig || goto boot_retry\n";
        assert_eq!(
            spread(line, OWN, &others()),
            "imgverify kernel http://10.97.1.2:8081/files/k.sig || imgverify kernel http://10.97.1.1:8081/files/k.sig \
             || imgverify kernel http://10.97.1.3:8081/files/k.sig || goto boot_retry\n"
        );
    }

    /// The script that asks an unknown node for its architecture has no label to go to.
    #[test]
    fn a_chain_without_a_fallback_is_spread_too() {
        let script = "#!ipxe\nsleep 10\nchain http://10.97.1.2:8081/x?arch=${buildarch}\n\n";
        let expected = "#!ipxe\nsleep 10\nchain http://10.97.1.2:8081/x?arch=${buildarch} \
            || chain http://10.97.1.1:8081/x?arch=${buildarch} || chain http://10.97.1.3:8081/x?arch=${buildarch}\n\n";
        assert_eq!(spread(script, OWN, &others()), expected);
    }

    #[test]
    fn what_is_elsewhere_stays_there() {
        for line in [
            "kernel --name kernel http://images.example/k s=http://10.97.1.2:8081/ || goto boot_retry\n",
            "initrd --name initrd http://10.97.1.2:80810/i || goto boot_retry\n",
            "boot || goto boot_retry\n",
            "kernel\n",
        ] {
            assert_eq!(spread(line, OWN, &others()), line);
        }
    }

    /// With a service address nothing of the text that BSS writes may change.
    #[test]
    fn without_others_the_script_is_the_same() {
        let script = "#!ipxe\nkernel http://10.97.1.2:8081/k a || goto boot_retry\n\n";
        assert_eq!(spread(script, OWN, &[]), script);
    }

    /// An administrator's own `||` or data source must neither be split nor moved.
    #[test]
    fn the_administrators_words_are_kept() {
        let script =
            "kernel http://10.97.1.2:8081/k x=||y ds=nocloud;s=http://elsewhere/ || goto boot_retry\n";
        let text = spread(script, OWN, &others());
        assert_eq!(
            text.matches("x=||y ds=nocloud;s=http://elsewhere/").count(),
            3,
            "{text}"
        );
        assert_eq!(text.matches("goto").count(), 1, "{text}");
    }
}
