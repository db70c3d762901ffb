//! When a phase of a boot has come, and when it is over: by what was seen on the cable and on the console.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use lab::machine::Firmware;

use crate::cell::Phase;
use crate::wire::Fact;

/// A transfer is under way when this much of it has passed.
const TFTP_BLOCKS: u16 = 20;
const LOADER_BYTES: usize = 40_000;
const KERNEL_BYTES: usize = 4_000_000;
const INITRD_BYTES: usize = 500_000;

/// What DHCP names to iPXE, by TFTP: it asks for the node's own script, and again when that breaks off.
pub(crate) const FIRST_SCRIPT: &str = "boot.ipxe";
const SCRIPT: &str = "/boot/v1/bootscript";
const LOADER: &str = "/loaders/snponly.efi";
/// Bytes of Debian's.
const LOADER_SIZE: u64 = 173_792;
const KERNEL: &str = "/files/vmlinuz";
const INITRD: &str = "/files/initrd";

/// What a boot has come to.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The first offer: the source of its frame.
    pub(crate) offer_from: Option<String>,
    pub(crate) router_adverts: usize,
    /// Time to the first request of a boot script.
    pub(crate) script_after: Option<Duration>,
    tftp_files: Vec<String>,
    /// The highest block of a loader.
    tftp_block: u16,
    has_first_script: bool,
    /// The guest's ports over which it asked for its script: one for each try.
    script_ports: BTreeSet<u16>,
    /// By path (without its query): what the guest was sent at most over one connection.
    received: BTreeMap<String, usize>,
    asked: Vec<Request>,
    kernel_runs: bool,
}

/// One request over HTTP.
#[derive(Debug)]
struct Request {
    method: String,
    /// Without its query.
    path: String,
    /// Since the power came on.
    after: Duration,
}

impl Progress {
    /// Takes note of a fact that was seen `after` the power came on; whether it begins something new.
    pub(crate) fn note(&mut self, fact: &Fact, after: Duration) -> bool {
        match fact {
            Fact::Offer { from } => {
                self.offer_from.get_or_insert_with(|| from.clone());
                true
            }
            Fact::TftpRequest { file } => {
                self.tftp_files.push(file.clone());
                true
            }
            Fact::TftpBlock { file, number } => {
                if file == FIRST_SCRIPT {
                    self.has_first_script = true;
                } else {
                    self.tftp_block = self.tftp_block.max(*number);
                }
                false
            }
            Fact::Asked { method, path, port } => {
                let path = without_query(path);
                if path == SCRIPT {
                    self.script_after.get_or_insert(after);
                    self.script_ports.insert(*port);
                }
                self.asked.push(Request {
                    method: method.clone(),
                    path,
                    after,
                });
                true
            }
            Fact::Received { path, bytes, .. } => {
                let most = self.received.entry(without_query(path)).or_default();
                *most = (*most).max(*bytes);
                false
            }
            Fact::RouterAdvert { lifetime_s } => {
                self.router_adverts += usize::from(*lifetime_s == 0);
                false
            }
        }
    }

    /// Whether the loaders were fetched that this firmware's path consists of, and no others. UEFI's HTTP boot asks for
    /// the length of its loader first.
    pub(crate) fn is_path_of(&self, firmware: Firmware) -> bool {
        let by_tftp = |name: &str| self.tftp_files.iter().any(|file| file == name);
        let fetched = (
            by_tftp("undionly.kpxe"),
            by_tftp("snponly.efi"),
            self.methods(LOADER),
        );
        fetched
            == match firmware {
                Firmware::BiosIpxe => (false, false, vec![]),
                Firmware::BiosPxe => (true, false, vec![]),
                Firmware::UefiPxe => (false, true, vec![]),
                Firmware::UefiHttp => (false, false, vec!["HEAD", "GET"]),
            }
    }

    /// Over how many connections the guest asked for its script.
    pub(crate) fn script_tries(&self) -> usize {
        self.script_ports.len()
    }

    /// Takes note of the console.
    pub(crate) fn note_console(&mut self, console: &str) {
        self.kernel_runs = self.kernel_runs || console.contains("GUEST init");
    }

    /// Two of the four documents of cloud-init are there, or on their way.
    pub(crate) fn has_meta_data(&self) -> bool {
        self.received("/meta-data") > 0
    }

    /// When each request came, in seconds, by the last part of its path: where the time of a boot went.
    pub(crate) fn timeline(&self) -> String {
        let requests = self.asked.iter().map(|request| {
            let name = request.path.rsplit('/').next().unwrap_or_default();
            format!("{name} {:.1}", request.after.as_secs_f64())
        });
        requests.collect::<Vec<_>>().join(", ")
    }

    fn received(&self, end: &str) -> usize {
        let of_path = self.received.iter().filter(|(path, _)| path.ends_with(end));
        of_path.map(|(_, bytes)| *bytes).max().unwrap_or_default()
    }

    fn has_asked(&self, end: &str) -> bool {
        self.asked.iter().any(|request| request.path.ends_with(end))
    }

    /// By which methods this path was asked for, each once, in their order.
    fn methods(&self, path: &str) -> Vec<&str> {
        let of_path = self.asked.iter().filter(|request| request.path == path);
        let mut methods: Vec<&str> = of_path.map(|request| request.method.as_str()).collect();
        methods.dedup();
        methods
    }
}

fn without_query(path: &str) -> String {
    path.split('?').next().unwrap_or_default().to_owned()
}

/// Whether the boot is in this phase, or further.
pub(crate) fn has_come(phase: Phase, progress: &Progress) -> bool {
    match phase {
        Phase::Offer => progress.offer_from.is_some(),
        Phase::Tftp => progress.tftp_block >= TFTP_BLOCKS,
        Phase::FirmwareHttp => progress.received(LOADER) >= LOADER_BYTES,
        Phase::ScriptAsked => progress.has_first_script,
        Phase::Script => progress.received(SCRIPT) > 0,
        Phase::Kernel => progress.received(KERNEL) >= KERNEL_BYTES,
        Phase::Initrd => progress.received(INITRD) >= INITRD_BYTES,
        Phase::BeforeCloudInit => progress.kernel_runs,
        Phase::CloudInit => progress.has_asked("/user-data"),
    }
}

/// Whether what the phase transfers has arrived in full, or the phase after it has begun. `folder` has the files.
pub(crate) fn is_over(phase: Phase, progress: &Progress, folder: &Path) -> bool {
    let is_whole = |path: &str| {
        let name = path.strip_prefix('/').expect("a path of a URL");
        let size = std::fs::metadata(folder.join(name)).map_or(0, |meta| meta.len());
        progress.received(path) as u64 >= size
    };
    match phase {
        Phase::Offer => !progress.asked.is_empty() || !progress.tftp_files.is_empty(),
        Phase::Tftp => !progress.asked.is_empty(),
        Phase::FirmwareHttp => progress.received(LOADER) as u64 >= LOADER_SIZE,
        Phase::ScriptAsked => progress.received(SCRIPT) > 0,
        Phase::Script => progress.received(KERNEL) >= KERNEL_BYTES,
        Phase::Kernel => is_whole(KERNEL),
        Phase::Initrd => is_whole(INITRD),
        Phase::BeforeCloudInit => progress.has_asked("/meta-data"),
        Phase::CloudInit => progress.received("/user-data") > 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(facts: &[Fact]) -> Progress {
        let mut progress = Progress::default();
        for fact in facts {
            progress.note(fact, Duration::from_secs(1));
        }
        progress
    }

    fn received(path: &str, bytes: usize) -> Fact {
        let (path, port) = (path.to_owned(), 1);
        Fact::Received { path, port, bytes }
    }

    fn asked(method: &str, path: &str) -> Fact {
        Fact::Asked {
            method: method.to_owned(),
            path: path.to_owned(),
            port: 1,
        }
    }

    #[test]
    fn the_timeline_has_every_request() {
        let progress = after(&[asked("GET", KERNEL), asked("GET", &format!("{SCRIPT}?mac=x"))]);
        let [kernel, script] = [KERNEL, SCRIPT].map(|path| path.rsplit('/').next().unwrap());
        assert_eq!(progress.timeline(), format!("{kernel} 1.0, {script} 1.0"));
    }

    #[test]
    fn nothing_has_come_before_anything_was_seen() {
        for phase in Phase::ALL {
            assert!(!has_come(phase, &Progress::default()), "{phase}");
        }
    }

    #[test]
    fn the_kernel_is_under_way_between_its_first_megabytes_and_its_last() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("files")).unwrap();
        std::fs::write(folder.path().join("files/vmlinuz"), vec![0; KERNEL_BYTES + 10]).unwrap();
        let over = |bytes| {
            let progress = after(&[received(KERNEL, bytes)]);
            (
                has_come(Phase::Kernel, &progress),
                is_over(Phase::Kernel, &progress, folder.path()),
            )
        };
        assert_eq!(over(KERNEL_BYTES - 1), (false, false));
        assert_eq!(over(KERNEL_BYTES), (true, false));
        assert_eq!(over(KERNEL_BYTES + 10), (true, true));
    }

    #[test]
    fn the_first_offer_counts_and_a_later_one_changes_nothing() {
        let offer = |from: &str| Fact::Offer {
            from: from.to_owned(),
        };
        let progress = after(&[offer("a"), offer("b")]);
        assert_eq!(progress.offer_from.as_deref(), Some("a"));
        assert!(!is_over(Phase::Offer, &progress, Path::new("/")));
    }

    #[test]
    fn a_path_is_told_by_its_loaders() {
        let tftp = |file: &str| Fact::TftpRequest {
            file: file.to_owned(),
        };
        let walked = [
            vec![tftp("boot.ipxe")],
            vec![tftp("undionly.kpxe"), tftp("boot.ipxe")],
            vec![tftp("snponly.efi")],
            vec![asked("HEAD", LOADER), asked("GET", LOADER)],
        ];
        for (firmware, facts) in Firmware::ALL.into_iter().zip(&walked) {
            let is_path_of = Firmware::ALL.map(|of| after(facts).is_path_of(of));
            assert_eq!(is_path_of, Firmware::ALL.map(|of| of == firmware), "{firmware:?}");
        }
    }

    /// A firmware that does not ask for the length, or fetches a loader from elsewhere, is not on its path.
    #[test]
    fn uefi_http_asks_for_the_length_and_then_for_the_loader() {
        let is_path = |facts: &[Fact]| after(facts).is_path_of(Firmware::UefiHttp);
        assert!(!is_path(&[asked("GET", LOADER)]));
        assert!(!is_path(&[asked("HEAD", LOADER)]));
        assert!(!is_path(&[asked("GET", LOADER), asked("HEAD", LOADER)]));
        let of_files = "/files/snponly.efi";
        assert!(!is_path(&[asked("HEAD", of_files), asked("GET", of_files)]));
    }

    #[test]
    fn the_script_is_asked_for_once_the_first_script_is_there_and_until_its_answer_is() {
        let block = |file: &str| Fact::TftpBlock {
            file: file.to_owned(),
            number: 1,
        };
        let loader = after(&[block("undionly.kpxe")]);
        assert!(!has_come(Phase::ScriptAsked, &loader));
        let mut progress = after(&[block(FIRST_SCRIPT), asked("GET", &format!("{SCRIPT}?mac=x"))]);
        assert!(has_come(Phase::ScriptAsked, &progress));
        assert!(!is_over(Phase::ScriptAsked, &progress, Path::new("/")));
        progress.note(&received(SCRIPT, 1), Duration::from_secs(1));
        assert!(is_over(Phase::ScriptAsked, &progress, Path::new("/")));
    }

    /// A segment that is sent again is the same try.
    #[test]
    fn tries_are_told_by_their_connections() {
        let request = |port| Fact::Asked {
            method: "GET".to_owned(),
            path: SCRIPT.to_owned(),
            port,
        };
        assert_eq!(after(&[request(1), request(1), request(2)]).script_tries(), 2);
    }

    #[test]
    fn only_advertisements_of_no_router_count() {
        let advert = |lifetime_s| Fact::RouterAdvert { lifetime_s };
        assert_eq!(after(&[advert(0), advert(1800), advert(0)]).router_adverts, 2);
    }
}
