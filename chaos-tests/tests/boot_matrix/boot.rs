//! One boot of a cell: power on, break the member at the phase's fact, mend it, judge.

use std::time::{Duration, Instant};

use lab::machine::{Guest, GuestConfig, member_mac};

use crate::captured::Captured;
use crate::cell::{Cell, Fault, Phase};
use crate::checks;
use crate::disguise;
use crate::editor::Editor;
use crate::held_back;
use crate::lane::{Lane, TAP};
use crate::phase::{self, Progress};
use crate::wire::{Document, Wire};

/// Bound of one boot: after it the guest never came back. The worst undisturbed one takes a third of it on a busy machine.
const BOOT_AT_MOST: Duration = Duration::from_secs(180);
/// Pause between two looks at the console.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How a boot went.
#[derive(Default)]
pub(crate) struct Boot {
    /// From power on to the phone-home.
    pub(crate) time: Duration,
    /// The broken member was the leader, too.
    pub(crate) was_leader: bool,
    /// Router advertisements seen, and seconds to the first request of a script.
    pub(crate) router_adverts: usize,
    pub(crate) script_after: Option<Duration>,
    /// When each request came, and when the member was broken.
    pub(crate) timeline: String,
    /// What was said by DHCP.
    pub(crate) captured: Captured,
}

/// Why a cell has no figure.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The transfer was over before the member was broken, or another member answered: nothing was tried. The cell is run
    /// again.
    Missed,
    /// The firmware's own HTTP client was cut off: it asks once, whatever a server does, and goes on with its next
    /// boot option.
    FirmwareGaveUp,
    /// What must hold does not.
    Wrong(String),
}

impl From<String> for Failure {
    fn from(text: String) -> Failure {
        Failure::Wrong(text)
    }
}

/// Boots the cell's guest in the lane, whose cluster is healthy before and after.
pub(crate) fn run(lane: &mut Lane, cell: Cell) -> Result<Boot, Failure> {
    let holder = lane.members.wait_healthy();
    lane.choose_node_of(holder);
    let edits = lane.edit();
    lane.members.wait_healthy();
    let was_leader = lane.members.leader() == holder;
    disguise::begin(&lane.network, cell.firmware, &lane.node.mac);
    if cell.is_in(Phase::ScriptAsked) {
        held_back::hold_connections(&lane.network, &lane.node.mac);
    }
    let ids = lane.members.ids();
    let editor = Editor::start(lane.members.administrator(), ids, lane.node.mac.clone(), edits);

    let mut attempt = Attempt::power_on(lane, cell, holder);
    let outcome = attempt.watch(&editor);
    let broken = attempt.broken.take();
    let broken_after = broken.map(|at| at - attempt.started);
    let console = attempt.guest.console();
    let messages = attempt.wire.dhcp_messages();
    let (progress, documents) = (attempt.progress, attempt.documents);
    let stale = attempt
        .stale
        .map(|probe| probe.join().expect("it does not panic"));
    held_back::end(&lane.network);
    if let Some((_, fault)) = cell.fault.filter(|_| broken.is_some()) {
        lane.mend_member(holder, fault);
    }
    let edited = editor.finish();
    lane.members.wait_healthy();
    // before how the boot went: whatever the guest did, a stale holder is wrong
    stale.transpose()?;
    lane.edits = edited?;
    let last =
        |error: String| Failure::Wrong(format!("{error}; the end of its console:\n{}", tail(&console)));
    let time = outcome.map_err(|failure| match failure {
        Failure::Wrong(error) => last(error),
        other => other,
    })?;
    checks::console(&console, &lane.node).map_err(last)?;
    checks::documents(&documents, &lane.node, edits, &lane.others).map_err(last)?;
    Ok(Boot {
        time,
        was_leader,
        router_adverts: progress.router_adverts,
        script_after: progress.script_after,
        timeline: match broken_after {
            Some(after) => format!("{}; broken {:.1}", progress.timeline(), after.as_secs_f64()),
            None => progress.timeline(),
        },
        captured: Captured::of(&messages, &lane.node.mac),
    })
}

fn tail(console: &str) -> String {
    let lines: Vec<&str> = console.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

/// A boot in progress.
struct Attempt<'l> {
    lane: &'l mut Lane,
    cell: Cell,
    holder: u64,
    wire: Wire,
    guest: Guest,
    started: Instant,
    progress: Progress,
    documents: Vec<Document>,
    holds_answers: bool,
    /// When the member was broken.
    broken: Option<Instant>,
    stale: Option<std::thread::JoinHandle<Result<(), String>>>,
}

impl<'l> Attempt<'l> {
    fn power_on(lane: &'l mut Lane, cell: Cell, holder: u64) -> Attempt<'l> {
        let bridge = lane.network.bridge();
        let wire = Wire::watch(&bridge, TAP, &lane.folder);
        let config = GuestConfig {
            firmware: cell.firmware,
            mac: lane.node.mac.clone(),
            tap: TAP.to_owned(),
            console: lane.folder.join("console.log"),
        };
        let guest = Guest::power_on(&bridge, &config).unwrap();
        Attempt {
            lane,
            cell,
            holder,
            wire,
            guest,
            started: Instant::now(),
            progress: Progress::default(),
            documents: Vec::new(),
            holds_answers: false,
            broken: None,
            stale: None,
        }
    }

    /// Follows the boot to its end; the time to the phone-home.
    fn watch(&mut self, editor: &Editor) -> Result<Duration, Failure> {
        let mut looked = Instant::now();
        loop {
            if let Some(fact) = self.wire.next(LOOK_EVERY)
                && self.progress.note(&fact, self.started.elapsed())
            {
                editor.edit();
            }
            self.hold_answers_when_due();
            self.break_when_due(editor)?;
            if looked.elapsed() < LOOK_EVERY {
                continue;
            }
            looked = Instant::now();
            self.documents.extend(self.wire.documents());
            let console = self.guest.console();
            self.progress.note_console(&console);
            if let Some(text) = checks::left_the_path(&console) {
                if self.is_cut_off_in_the_firmware() {
                    return Err(Failure::FirmwareGaveUp);
                }
                return Err(Failure::Wrong(format!("it left the boot path: {text:?}")));
            }
            if console.contains("GUEST done") {
                return self.finished(&console);
            }
            if self.guest.is_off().unwrap() {
                return Err(Failure::Wrong("it was reset, or its power went off".to_owned()));
            }
            if self.started.elapsed() > BOOT_AT_MOST {
                return Err(Failure::Wrong(format!(
                    "it never came back: no end within {BOOT_AT_MOST:?}"
                )));
            }
        }
    }

    /// The last answer before the phase is on its way to the guest; what the member answers from now on is not. Never
    /// after the break: nothing would let the other members' answers pass.
    fn hold_answers_when_due(&mut self) {
        if self.holds_answers || self.broken.is_some() || !self.cell.is_in(Phase::CloudInit) {
            return;
        }
        if self.progress.has_meta_data() {
            self.holds_answers = true;
            held_back::hold_answers(&self.lane.network, &self.lane.node.mac);
        }
    }

    /// Before anything of ours runs on the guest.
    fn is_cut_off_in_the_firmware(&self) -> bool {
        self.cell.is_in(Phase::FirmwareHttp) && self.broken.is_some() && self.progress.script_after.is_none()
    }

    fn finished(&mut self, console: &str) -> Result<Duration, Failure> {
        let time = self.started.elapsed();
        self.documents.extend(self.wire.documents());
        if !console.contains("GUEST phoned home") {
            return Err(Failure::Wrong("it could not phone home".to_owned()));
        }
        if !self.progress.is_path_of(self.cell.firmware) {
            return Err(Failure::Wrong(format!(
                "it booted by another path: {:?}",
                self.progress
            )));
        }
        if self.cell.fault.is_some() && self.broken.is_none() {
            return Err(Failure::Wrong(
                "its phase never came, so nothing was broken".to_owned(),
            ));
        }
        // a member that froze before it took the connection leaves nothing to try again
        if self.cell.fault == Some((Phase::ScriptAsked, Fault::Freeze)) && self.progress.script_tries() < 2 {
            return Err(Failure::Missed);
        }
        Ok(time)
    }

    /// Breaks the holder of the service address when the cell's phase has come.
    fn break_when_due(&mut self, editor: &Editor) -> Result<(), Failure> {
        let Some((phase, fault)) = self.cell.fault else {
            return Ok(());
        };
        if self.broken.is_some() || !phase::has_come(phase, &self.progress) {
            return Ok(());
        }
        if phase == Phase::Offer {
            let from = self.progress.offer_from.as_deref();
            if from != Some(member_mac(self.holder).as_str()) {
                // on a busy machine another member may have thought the holder silent
                println!("{}: the OFFER came from {from:?}, not from the holder", self.cell);
                return Err(Failure::Missed);
            }
        }
        self.lane.break_member(self.holder, fault);
        self.broken = Some(Instant::now());
        held_back::end(&self.lane.network);
        editor.avoid(self.holder);
        // What was on the cable before the break may still wait to be read.
        while let Some(fact) = self.wire.next(Duration::ZERO) {
            self.progress.note(&fact, self.started.elapsed());
        }
        if phase::is_over(phase, &self.progress, &self.lane.folder) {
            return Err(Failure::Missed);
        }
        if fault == Fault::Freeze {
            self.stale = Some(self.lane.watch_stale_holder(self.holder));
        }
        Ok(())
    }
}
