//! The iPXE script of a node as pure text: the same input gives the same bytes on every member.
//!
//! Up to the line `:boot_retry` the text is BSS's (`buildBootScript` of OpenCHAMI/bss), byte for byte. Below it BSS
//! waits a constant 30 s; here the pause grows with the number of tries, and a `chain` that fails is tried again.

use std::fmt::Write as _;

use model::MacAddr;

/// Longest pause between two tries of a node, seconds.
const RETRY_PAUSE_S_MAX: u32 = 10;
/// Pause before an unknown node tells its architecture, seconds; BSS's constant.
const UNKNOWN_PAUSE_S: u32 = 10;

/// How long a node pauses after a failed boot; `bss.retry-delay-s` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDelay {
    /// 1, 2, 4, 8, then 10 s, by the number of tries so far; from the second on up to half as much again, each boot
    /// otherwise, so that a room that failed at once does not come back at once for ever.
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
                let least = 1_u32
                    .checked_shl(retry)
                    .unwrap_or(RETRY_PAUSE_S_MAX)
                    .clamp(1, RETRY_PAUSE_S_MAX);
                least + jitter(retry, boot_id, least / 2)
            }
            RetryDelay::Fixed(seconds) => seconds,
        }
    }
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

/// The script that boots `image` with `command_line`; after `pause_s` seconds the node asks again at `retry_url`.
///
/// What is signed is checked as soon as it is there, and before anything is booted. `imgverify` takes the first image of a name,
/// which may be one that an earlier try has left: so all are freed first, and what is checked is what is booted.
#[must_use]
pub fn boot(
    image: Image<'_>,
    command_line: &str,
    delay: RetryDelay,
    pause_s: u32,
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
    let _ = write!(
        script,
        "boot || goto boot_retry\n:boot_retry\nsleep {}\nchain {retry_url}{}\n\n",
        pause_s,
        match delay {
            // A reset while the service address moves must not throw the node out of iPXE.
            RetryDelay::Growing => " || goto boot_retry",
            RetryDelay::Fixed(_) => "",
        },
    );
    script
}

/// iPXE's `imgverify <image> <signature>`: the image was loaded under `name`. Source: ipxe.org/cmd/imgverify.
fn verify(script: &mut String, name: &str, signature: &str) {
    if !signature.is_empty() {
        let _ = writeln!(script, "imgverify {name} {signature} || goto boot_retry");
    }
}

/// The script that makes an unknown node ask again at `url` and tell its architecture.
#[must_use]
pub fn ask_architecture(url: &str) -> String {
    format!("#!ipxe\nsleep {UNKNOWN_PAUSE_S}\nchain {url}\n\n")
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
        let script = boot(own, &line, RetryDelay::Fixed(30), 30, URL);
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
        let script = boot(image(), "initrd=initrd p", RetryDelay::from_seconds(30), 30, URL);
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
        let script = boot(signed, "p", RetryDelay::Fixed(30), 30, URL);
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
        let script = boot(kernel_only, "p", RetryDelay::Fixed(30), 30, URL);
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
            let expected: BTreeSet<u32> = (least..=least + least / 2).collect();
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
        let (above_fixed, _) = split(boot(image(), "p", RetryDelay::Fixed(30), 30, URL));
        let (above_growing, below) = split(boot(image(), "p", RetryDelay::Growing, 4, URL));
        assert_eq!(above_fixed, above_growing);
        assert_eq!(below, format!("sleep 4\nchain {URL} || goto boot_retry\n\n"));
    }

    #[test]
    fn an_unknown_node_is_sent_back_with_its_architecture() {
        assert_eq!(
            ask_architecture("http://s/x?mac=m&arch=${buildarch}&ts=1"),
            "#!ipxe\nsleep 10\nchain http://s/x?mac=m&arch=${buildarch}&ts=1\n\n"
        );
    }
}
