//! The iPXE script of a node as pure text: the same input gives the same bytes on every member.
//!
//! Up to the line `:boot_retry` the text is BSS's (`buildBootScript` of OpenCHAMI/bss), byte for byte. Below it BSS
//! waits a constant 30 s; here the pause grows with the number of tries, and a `chain` that fails is tried again, after
//! pauses that grow as well.

use std::fmt::Write as _;

use model::MacAddr;

/// Longest pause between two tries of a node, seconds.
const RETRY_PAUSE_S_MAX: u32 = 10;
/// Pause before an unknown node tells its architecture, seconds; BSS's constant.
const UNKNOWN_PAUSE_S: u32 = 10;
/// What is added to the number of tries for each time that the same script asks in vain: the second `chain` pauses as
/// the next script would, the third and all after it long enough for a member that starts. No more, because each is
/// a piece of every script.
const CHAIN_TRIES: [u32; 3] = [0, 1, 3];

/// How long a node pauses after a failed boot; `bss.retry-delay-s` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDelay {
    /// 1, 2, 4, 8, then 10 s, by the number of tries so far, and up to half as much again (rounded up), each boot otherwise:
    /// a room that failed at once does not come back at once, the first time included.
    Growing,
    /// Always this many seconds, in exactly the text that BSS writes.
    Fixed(u32),
}

impl RetryDelay {
    /// From the configured number of seconds; 0 means growing.
    #[must_use]
    pub fn from_seconds(seconds: u32) -> RetryDelay {
        if seconds == 0 {
            RetryDelay::Growing
        } else {
            RetryDelay::Fixed(seconds)
        }
    }

    /// Seconds to pause when the boot `boot_id` has tried `retry` times already.
    #[must_use]
    pub fn seconds(self, retry: u32, boot_id: u64) -> u32 {
        match self {
            RetryDelay::Growing => {
                let least = least_pause_s(retry);
                least + jitter(retry, boot_id, least.div_ceil(2))
            }
            RetryDelay::Fixed(seconds) => seconds,
        }
    }

    /// Seconds that an unknown node pauses before it tells its architecture.
    fn unknown_seconds(self, boot_id: u64) -> u32 {
        match self {
            RetryDelay::Growing => UNKNOWN_PAUSE_S + jitter(0, boot_id, UNKNOWN_PAUSE_S / 2),
            RetryDelay::Fixed(_) => UNKNOWN_PAUSE_S,
        }
    }
}

/// The shortest pause after so many tries, seconds.
fn least_pause_s(retry: u32) -> u32 {
    1_u32
        .checked_shl(retry)
        .unwrap_or(RETRY_PAUSE_S_MAX)
        .clamp(1, RETRY_PAUSE_S_MAX)
}

/// 0 to `most`, another for each boot and each of its tries: boot ids are random.
fn jitter(retry: u32, boot_id: u64, most: u32) -> u32 {
    let mixed = boot_id
        .rotate_left(retry % u64::BITS)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        >> 32;
    u32::try_from(mixed % (u64::from(most) + 1)).unwrap_or(0)
}

/// What is booted: two URLs and the stored kernel parameters. They hold no control characters and the URLs no
/// blanks; `boot_parameters` and `state` see to it before they are stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Image<'a> {
    /// URL of the kernel.
    pub kernel: &'a str,
    /// URL of the initramfs; empty for none.
    pub initrd: &'a str,
    /// Kernel parameters as they are stored.
    pub params: &'a str,
    /// URL of the kernel's detached signature; empty for none.
    pub kernel_signature: &'a str,
    /// URL of the initramfs' detached signature; empty for none.
    pub initrd_signature: &'a str,
}

impl Image<'_> {
    /// Whether iPXE checks anything of it.
    fn is_signed(&self) -> bool {
        !self.kernel_signature.is_empty() || !self.initrd_signature.is_empty()
    }
}

/// Words that the command line gets unless a word with the same prefix is there already.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeWords<'a> {
    /// `xname=`; empty for an unknown node.
    pub xname: &'a str,
    /// `nid=`.
    pub nid: Option<u64>,
    /// `bss_referral_token=`; empty for none.
    pub referral_token: &'a str,
    /// `BOOTIF=01-…`; only when the node asked by MAC.
    pub boot_mac: Option<MacAddr>,
    /// `ds=nocloud-net;s=…`: URL of the cloud-init data, with its trailing slash; empty for none.
    pub data_source: &'a str,
}

/// The kernel's command line, without the leading and trailing blanks that BSS trims.
#[must_use]
pub fn command_line(image: Image<'_>, words: NodeWords<'_>) -> String {
    let mut params = image.params.to_owned();
    append(&mut params, "xname=", words.xname);
    append(
        &mut params,
        "nid=",
        &words.nid.map(|nid| nid.to_string()).unwrap_or_default(),
    );
    append(&mut params, "bss_referral_token=", words.referral_token);
    append(
        &mut params,
        "BOOTIF=",
        &words
            .boot_mac
            .map(|mac| format!("01-{}", mac.dashes()))
            .unwrap_or_default(),
    );
    if !words.data_source.is_empty() {
        append(
            &mut params,
            "ds=",
            &format!("nocloud-net;s={}", words.data_source),
        );
    }
    if !image.initrd.is_empty() {
        params = format!("initrd=initrd {}", without_initrd(&params));
    }
    params.trim_matches(' ').to_owned()
}

/// Which boot a script is for, and how often that has been tried.
#[derive(Clone, Copy, Debug)]
pub struct Tries {
    /// Scripts that the node was given before this one.
    pub retry: u32,
    /// Random for each boot.
    pub boot_id: u64,
}

/// The script that boots `image` with `command_line`; after a pause the node asks again at `retry_url`.
///
/// What is signed is checked as soon as it is there, and before anything is booted. `imgverify` takes the first image of a name,
/// which may be one that an earlier try has left: so all are freed first, and what is checked is what is booted.
#[must_use]
pub fn boot(
    image: Image<'_>,
    command_line: &str,
    delay: RetryDelay,
    tries: Tries,
    retry_url: &str,
) -> String {
    let free = if image.is_signed() { "imgfree\n" } else { "" };
    let mut script = format!(
        "#!ipxe\n{free}kernel --name kernel {} {command_line} || goto boot_retry\n",
        image.kernel
    );
    verify(&mut script, "kernel", image.kernel_signature);
    if !image.initrd.is_empty() {
        let _ = writeln!(script, "initrd --name initrd {} || goto boot_retry", image.initrd);
        verify(&mut script, "initrd", image.initrd_signature);
    }
    script.push_str("boot || goto boot_retry\n:boot_retry\n");
    match delay {
        RetryDelay::Growing => ask_again(&mut script, tries, retry_url),
        RetryDelay::Fixed(seconds) => {
            let _ = writeln!(script, "sleep {seconds}\nchain {retry_url}");
        }
    }
    script.push('\n');
    script
}

/// iPXE's `imgverify <image> <signature>`: the image was loaded under `name`. Source: ipxe.org/cmd/imgverify.
fn verify(script: &mut String, name: &str, signature: &str) {
    if !signature.is_empty() {
        let _ = writeln!(script, "imgverify {name} {signature} || goto boot_retry");
    }
}

/// A reset while the service address moves must not throw the node out of iPXE, so a `chain` that fails is tried again:
/// each time after a longer pause, and from the last on for ever.
fn ask_again(script: &mut String, tries: Tries, retry_url: &str) {
    let retries = CHAIN_TRIES.map(|more| tries.retry.saturating_add(more));
    let longest = retries
        .iter()
        .position(|retry| least_pause_s(*retry) == RETRY_PAUSE_S_MAX)
        .unwrap_or(CHAIN_TRIES.len() - 1);
    let mut pause_s = 0;
    for (step, retry) in retries[..=longest].iter().enumerate() {
        pause_s = RetryDelay::Growing.seconds(*retry, tries.boot_id).max(pause_s);
        let _ = write!(script, "sleep {pause_s}\nchain {retry_url} || goto boot_retry");
        // its label has no number
        if longest > 0 {
            let _ = write!(script, "_{}", (step + 1).min(longest) + 1);
        }
        script.push('\n');
        if step < longest {
            // a script that came to its end
            let _ = writeln!(script, "exit\n:boot_retry_{}", step + 2);
        }
    }
}

/// The script that makes an unknown node ask again at `url` and tell its architecture.
#[must_use]
pub fn ask_architecture(delay: RetryDelay, boot_id: u64, url: &str) -> String {
    format!(
        "#!ipxe\nsleep {}\nchain {url}\n\n",
        delay.unknown_seconds(boot_id)
    )
}

/// BSS's `checkParam`.
fn append(params: &mut String, prefix: &str, value: &str) {
    if !value.is_empty() && !params.split(' ').any(|word| word.starts_with(prefix)) {
        let _ = write!(params, " {prefix}{value}");
    }
}

/// Without the first word `initrd=…`, which names a file that iPXE does not load under that name. BSS cuts at the
/// first `initrd` anywhere, also inside `rd.initrd_x=`; that is not wanted. The blanks around the word stay.
fn without_initrd(params: &str) -> String {
    let mut found = false;
    let words: Vec<&str> = params
        .split(' ')
        .map(|word| {
            let cut = !found && word.starts_with("initrd=");
            found |= cut;
            if cut { "" } else { word }
        })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const URL: &str = "http://10.97.0.1:8081/boot/v1/bootscript?mac=02:00:00:00:00:05&retry=1";

    fn image<'a>() -> Image<'a> {
        Image {
            kernel: "http://i/k",
            initrd: "http://i/i",
            params: "console=ttyS0",
            ..Image::default()
        }
    }

    fn tries(retry: u32) -> Tries {
        Tries {
            retry,
            boot_id: 0xB007,
        }
    }

    /// The pauses of a script, in the order in which a node that is never answered makes them.
    fn pauses(script: &str) -> Vec<u32> {
        let pauses = script.lines().filter_map(|line| line.strip_prefix("sleep "));
        pauses.map(|pause| pause.parse().expect("a number")).collect()
    }

    fn words<'a>() -> NodeWords<'a> {
        NodeWords {
            xname: "x1000c0s0b2n1",
            nid: Some(6),
            referral_token: "8a79",
            boot_mac: Some("52:54:00:b0:07:01".parse().expect("a MAC")),
            data_source: "http://10.97.0.1:8081/cloud-init/b/1-2/",
        }
    }

    /// The order of the reference; each word only once.
    #[test]
    fn the_command_line_gets_its_words_in_the_order_of_bss() {
        assert_eq!(
            command_line(image(), words()),
            "initrd=initrd console=ttyS0 xname=x1000c0s0b2n1 nid=6 bss_referral_token=8a79 \
             BOOTIF=01-52-54-00-b0-07-01 ds=nocloud-net;s=http://10.97.0.1:8081/cloud-init/b/1-2/"
        );
    }

    /// An administrator's own word wins; what only contains the prefix does not count.
    #[test]
    fn a_word_that_is_there_already_is_left_alone() {
        let own = Image {
            params: "ds=nocloud;s=http://elsewhere/ nid=7 snid=1 xxname=y",
            ..image()
        };
        let line = command_line(own, words());
        assert!(
            line.starts_with(
                "initrd=initrd ds=nocloud;s=http://elsewhere/ nid=7 snid=1 xxname=y xname=x1000"
            ),
            "{line}"
        );
        assert_eq!(line.matches("ds=").count(), 1, "{line}");
        assert!(!line.contains(" nid=6"), "{line}");
    }

    #[test]
    fn only_the_word_initrd_is_cut_out_of_the_parameters() {
        let own = Image {
            params: "a initrd=oldname b rd.initrd_x=1 initrd=second",
            ..image()
        };
        let line = command_line(own, NodeWords::default());
        assert_eq!(line, "initrd=initrd a  b rd.initrd_x=1 initrd=second");
    }

    #[test]
    fn without_an_initrd_there_is_no_initrd_line_and_the_word_stays() {
        let own = Image {
            initrd: "",
            params: "  initrd=mine quiet ",
            ..image()
        };
        let line = command_line(own, NodeWords::default());
        assert_eq!(line, "initrd=mine quiet");
        let script = boot(own, &line, RetryDelay::Fixed(30), tries(0), URL);
        assert_eq!(
            script,
            format!(
                "#!ipxe\nkernel --name kernel http://i/k initrd=mine quiet || goto boot_retry\n\
                 boot || goto boot_retry\n:boot_retry\nsleep 30\nchain {URL}\n\n"
            )
        );
    }

    /// Byte for byte what BSS answers, with `BSS_RETRY_DELAY=30`.
    #[test]
    fn a_fixed_delay_gives_the_text_of_bss() {
        let fixed = RetryDelay::from_seconds(30);
        let script = boot(image(), "initrd=initrd p", fixed, tries(0), URL);
        assert_eq!(
            script,
            boot(image(), "initrd=initrd p", fixed, tries(7), URL),
            "whichever try it is"
        );
        assert_eq!(
            script,
            format!(
                "#!ipxe\nkernel --name kernel http://i/k initrd=initrd p || goto boot_retry\n\
                 initrd --name initrd http://i/i || goto boot_retry\nboot || goto boot_retry\n\
                 :boot_retry\nsleep 30\nchain {URL}\n\n"
            )
        );
    }

    /// Each part is checked once it is loaded, from a clean slate, and a node on which that fails boots nothing.
    #[test]
    fn what_is_signed_is_checked_before_it_is_booted() {
        let signed = Image {
            kernel_signature: "http://i/k.sig",
            initrd_signature: "http://i/i.sig",
            ..image()
        };
        let script = boot(signed, "p", RetryDelay::Fixed(30), tries(0), URL);
        assert_eq!(
            script,
            format!(
                "#!ipxe\nimgfree\nkernel --name kernel http://i/k p || goto boot_retry\n\
                 imgverify kernel http://i/k.sig || goto boot_retry\n\
                 initrd --name initrd http://i/i || goto boot_retry\n\
                 imgverify initrd http://i/i.sig || goto boot_retry\nboot || goto boot_retry\n\
                 :boot_retry\nsleep 30\nchain {URL}\n\n"
            )
        );
        let kernel_only = Image {
            initrd: "",
            initrd_signature: "",
            ..signed
        };
        let script = boot(kernel_only, "p", RetryDelay::Fixed(30), tries(0), URL);
        assert_eq!(script.matches("imgverify").count(), 1, "{script}");
    }

    #[test]
    fn the_pause_grows_with_the_tries_and_stays_bounded() {
        let delay = RetryDelay::from_seconds(0);
        for (retry, least) in [
            (0, 1),
            (1, 2),
            (2, 4),
            (3, 8),
            (4, 10),
            (5, 10),
            (31, 10),
            (u32::MAX, 10),
        ] {
            let pauses: BTreeSet<u32> = (0..1000_u64)
                .map(|boot| delay.seconds(retry, boot.wrapping_mul(0xD134_2543_DE82_EF95)))
                .collect();
            let expected: BTreeSet<u32> = (least..=least + (least + 1) / 2).collect();
            assert_eq!(pauses, expected, "try {retry}");
        }
        assert_eq!(RetryDelay::Fixed(30).seconds(5, 7), 30);
    }

    /// The part above the label must not depend on the retry policy.
    #[test]
    fn a_growing_delay_changes_only_what_stands_below_the_label() {
        let split = |script: String| {
            let (above, below) = script.split_once(":boot_retry\n").expect("the label");
            (above.to_owned(), below.to_owned())
        };
        let (above_fixed, _) = split(boot(image(), "p", RetryDelay::Fixed(30), tries(0), URL));
        let (above_growing, _) = split(boot(image(), "p", RetryDelay::Growing, tries(0), URL));
        assert_eq!(above_fixed, above_growing);
    }

    /// The whole text, once: iPXE knows no other way to count, but for settings that the next script would share.
    #[test]
    fn a_chain_that_fails_is_tried_again_later_and_later() {
        let script = boot(image(), "p", RetryDelay::Growing, tries(0), URL);
        let pauses = pauses(&script);
        let [first, second, last] = pauses[..] else {
            panic!("{script}")
        };
        let (_, below) = script.split_once(":boot_retry\n").expect("the label");
        assert_eq!(
            below,
            format!(
                "sleep {first}\nchain {URL} || goto boot_retry_2\nexit\n\
                 :boot_retry_2\nsleep {second}\nchain {URL} || goto boot_retry_3\nexit\n\
                 :boot_retry_3\nsleep {last}\nchain {URL} || goto boot_retry_3\n\n"
            )
        );
    }

    #[test]
    fn the_pauses_between_chains_grow_to_the_longest_and_are_each_boots_own() {
        for (retry, least) in [
            (0, &[1_u32, 2, 8][..]),
            (1, &[2, 4, 10]),
            (2, &[4, 8, 10]),
            (3, &[8, 10]),
            (4, &[10]),
            (u32::MAX, &[10]),
        ] {
            let mut seen = BTreeSet::new();
            for boot_id in (0..200_u64).map(|boot| boot.wrapping_mul(0xD134_2543_DE82_EF95)) {
                let tries = Tries { retry, boot_id };
                let pauses = pauses(&boot(image(), "p", RetryDelay::Growing, tries, URL));
                assert_eq!(pauses.len(), least.len(), "{pauses:?} at try {retry}");
                assert!(pauses.is_sorted(), "{pauses:?} at try {retry}");
                for (pause, least) in pauses.iter().zip(least) {
                    assert!((*least..=least + least.div_ceil(2)).contains(pause), "{pauses:?}");
                }
                seen.insert(pauses);
            }
            assert!(seen.len() > 1, "every node pauses alike at try {retry}");
        }
    }

    /// A label that is missing would end the script there, and one that is there twice would be found at its first place.
    #[test]
    fn every_label_that_a_script_goes_to_is_in_it_once() {
        for retry in 0..6 {
            let script = boot(image(), "p", RetryDelay::Growing, tries(retry), URL);
            for line in script.lines() {
                if let Some((_, label)) = line.split_once("goto ") {
                    let marks = script
                        .lines()
                        .filter(|line| line.strip_prefix(':') == Some(label));
                    assert_eq!(marks.count(), 1, "{label}:\n{script}");
                }
            }
        }
    }

    /// A cold room of unknown nodes must not ask at once either, but for who wants BSS's own text.
    #[test]
    fn unknown_nodes_come_back_one_after_the_other() {
        let boots = || (0..1000_u64).map(|boot| boot.wrapping_mul(0xD134_2543_DE82_EF95));
        let pauses = |delay| -> BTreeSet<u32> {
            boots()
                .flat_map(|boot_id| pauses(&ask_architecture(delay, boot_id, "http://s/x")))
                .collect()
        };
        assert_eq!(pauses(RetryDelay::Growing), (10..=15).collect());
        assert_eq!(pauses(RetryDelay::Fixed(30)), BTreeSet::from([10]));
    }

    #[test]
    fn an_unknown_node_is_sent_back_with_its_architecture() {
        assert_eq!(
            ask_architecture(
                RetryDelay::Fixed(30),
                7,
                "http://s/x?mac=m&arch=${buildarch}&ts=1"
            ),
            "#!ipxe\nsleep 10\nchain http://s/x?mac=m&arch=${buildarch}&ts=1\n\n"
        );
    }
}
