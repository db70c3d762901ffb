//! Between a caller and a console: bytes both ways, bounded, until one of them ends, the right to it does, or this member.

use futures::future::{BoxFuture, Shared};
use futures::{Stream, StreamExt as _};
use proto::console::v1::console_input::Input;
use proto::console::v1::console_output::Output;
use proto::console::v1::{ConsoleInput, ConsoleOutput};
use rpc::Error;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, MissedTickBehavior};
use tonic::Status;

use crate::limits::{END_AT_MOST, TYPED_BYTES_MAX};
use crate::session::{Session, Step};

/// What the caller gets.
pub(crate) type Told = Result<ConsoleOutput, Status>;
/// Completes when this member is to end its consoles.
pub(crate) type Ending = Shared<BoxFuture<'static, ()>>;

/// How a console is used.
pub(crate) struct How {
    /// What is typed is refused.
    pub(crate) read_only: bool,
    /// Typed by itself; empty: nothing.
    pub(crate) entry_command: String,
    /// Whether its caller may still use it.
    pub(crate) may_go_on: Box<dyn Fn() -> Result<(), Error> + Send + Sync>,
    /// Without a byte for so long it ends.
    pub(crate) idle_at_most: Duration,
    /// How long the entry command waits for a prompt.
    pub(crate) prompt_at_most: Duration,
    /// How often all that is looked after.
    pub(crate) tick: Duration,
}

/// Why a console ends.
enum End {
    /// By itself, or by a bound: the caller is told.
    Said(String),
    /// The caller did what is refused, or has no right any more.
    Refused(Status),
    /// The console has nothing more to show.
    Console,
    /// The caller went.
    Gone,
}

/// What is on its way.
struct Way {
    to_type: Vec<u8>,
    to_show: Option<Vec<u8>>,
    /// Not typed yet: everything that the caller types waits for it.
    entry: Option<String>,
    began: Instant,
    /// When a byte last went either way.
    last: Instant,
    /// Whether the caller can still type.
    takes: bool,
}

/// Passes bytes until something ends; says why, for the log. The caller hears it, too, and the session is over.
pub(crate) async fn run<T>(
    mut session: Session,
    how: &How,
    mut typed: T,
    told: &mpsc::Sender<Told>,
    ending: Ending,
) -> String
where
    T: Stream<Item = Result<ConsoleInput, Status>> + Unpin,
{
    let end = pass(&mut session, how, &mut typed, told, ending).await;
    let (last, why) = match end {
        End::Said(why) => (Some(Ok(ended(&why))), why),
        End::Refused(status) => (Some(Err(status.clone())), status.message().to_owned()),
        End::Console => {
            let why = session.end().await;
            (Some(Ok(ended(&why))), why)
        }
        End::Gone => (None, "its caller went".to_owned()),
    };
    if let Some(last) = last {
        // who does not read does not hear it
        let _ = tokio::time::timeout(END_AT_MOST, told.send(last)).await;
    }
    why
}

async fn pass<T>(
    session: &mut Session,
    how: &How,
    typed: &mut T,
    told: &mpsc::Sender<Told>,
    mut ending: Ending,
) -> End
where
    T: Stream<Item = Result<ConsoleInput, Status>> + Unpin,
{
    let mut way = Way::new(how);
    let mut ticks = tokio::time::interval(how.tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let end = tokio::select! {
            () = told.closed() => Some(End::Gone),
            () = &mut ending => Some(End::Said("this member stops; connect again".to_owned())),
            _ = ticks.tick() => way.look_after(how),
            room = told.reserve(), if way.to_show.is_some() => {
                if let (Ok(room), Some(bytes)) = (room, way.to_show.take()) {
                    room.send(Ok(shown(bytes)));
                }
                None
            }
            step = session.step(&way.to_type, way.to_show.is_none()) => match step {
                Ok(step) => way.stepped(step),
                Err(_) => way.types_no_more(),
            },
            message = typed.next(), if way.can_take() => way.take(message, how.read_only),
        };
        if let Some(end) = end {
            return end;
        }
    }
}

impl Way {
    fn new(how: &How) -> Way {
        let now = Instant::now();
        Way {
            to_type: Vec::new(),
            to_show: None,
            entry: Some(how.entry_command.clone()).filter(|command| !command.is_empty()),
            began: now,
            last: now,
            takes: true,
        }
    }

    /// One message of the caller at a time, and none before the console is entered.
    fn can_take(&self) -> bool {
        self.takes && self.entry.is_none() && self.to_type.is_empty()
    }

    fn stepped(&mut self, step: Step) -> Option<End> {
        match step {
            Step::Shown(bytes) => {
                self.to_show = Some(bytes);
                self.enter(); // that was the prompt, or what comes before it
            }
            Step::Typed(count) => {
                self.to_type.drain(..count);
            }
            Step::Ended => return Some(End::Console),
        }
        self.last = Instant::now();
        None
    }

    /// The console's input is closed: its output says why, or has an end.
    fn types_no_more(&mut self) -> Option<End> {
        self.to_type.clear();
        self.entry = None;
        self.takes = false;
        None
    }

    fn enter(&mut self) {
        if let Some(command) = self.entry.take() {
            self.to_type = command.into_bytes();
            self.to_type.push(b'\r');
        }
    }

    fn take(&mut self, message: Option<Result<ConsoleInput, Status>>, read_only: bool) -> Option<End> {
        let refused = |error: Error| Some(End::Refused(error.into()));
        let input = match message {
            // conman, or a script without input, looks on
            None => {
                self.takes = false;
                return None;
            }
            Some(Err(_)) => return Some(End::Gone),
            Some(Ok(message)) => message.input,
        };
        match input {
            Some(Input::Data(_)) if read_only => refused(Error::Denied {
                reason: "this console was opened read-only; open it without `read_only` to type".to_owned(),
            }),
            Some(Input::Data(bytes)) if bytes.len() > TYPED_BYTES_MAX => refused(Error::TooLarge {
                what: "what is typed at once".to_owned(),
                limit: "64 KiB".to_owned(),
            }),
            Some(Input::Data(bytes)) => {
                self.to_type = bytes;
                self.last = Instant::now();
                None
            }
            Some(Input::Open(_)) => refused(rpc::invalid("open", "it is said once, first")),
            // a serial line has no size, and neither has the pipe that ssh's terminal is made of
            Some(Input::Size(_)) | None => None,
        }
    }

    fn look_after(&mut self, how: &How) -> Option<End> {
        if let Err(error) = (how.may_go_on)() {
            return Some(End::Refused(error.into()));
        }
        if self.began.elapsed() >= how.prompt_at_most {
            self.enter();
        }
        if self.last.elapsed() < how.idle_at_most {
            return None;
        }
        let minutes = how.idle_at_most.as_secs() / 60;
        Some(End::Said(format!(
            "nothing was typed or shown for {minutes} minutes; connect again"
        )))
    }
}

fn shown(bytes: Vec<u8>) -> ConsoleOutput {
    ConsoleOutput {
        output: Some(Output::Data(bytes)),
    }
}

fn ended(why: &str) -> ConsoleOutput {
    ConsoleOutput {
        output: Some(Output::Ended(why.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::FutureExt as _;
    use proto::console::v1::console_input::{Open, Size};
    use tokio::sync::oneshot;
    use tokio_stream::wrappers::ReceiverStream;
    use tonic::Code;

    use super::*;
    use crate::session::tests::{line, ssh_that};

    const AT_MOST: Duration = Duration::from_secs(20);

    fn how() -> How {
        How {
            read_only: false,
            entry_command: String::new(),
            may_go_on: Box::new(|| Ok(())),
            idle_at_most: AT_MOST * 3,
            prompt_at_most: AT_MOST * 3,
            tick: Duration::from_millis(20),
        }
    }

    /// A console whose BMC is a shell script.
    struct Console {
        typed: Option<mpsc::Sender<Result<ConsoleInput, Status>>>,
        told: mpsc::Receiver<Told>,
        stop: Option<oneshot::Sender<()>>,
        why: tokio::task::JoinHandle<String>,
        _dir: tempfile::TempDir,
    }

    fn open(script: &str, how: How) -> Console {
        let dir = tempfile::tempdir().unwrap();
        let session = Session::start(&ssh_that(dir.path(), script), &line()).unwrap();
        let (typed, messages) = mpsc::channel(4);
        let (sender, told) = mpsc::channel(2);
        let (stop, stopped) = oneshot::channel::<()>();
        let ending: Ending = stopped.map(|_| ()).boxed().shared();
        let why = tokio::spawn(async move {
            let messages = ReceiverStream::new(messages);
            run(session, &how, messages, &sender, ending).await
        });
        Console {
            typed: Some(typed),
            told,
            stop: Some(stop),
            why,
            _dir: dir,
        }
    }

    impl Console {
        async fn send(&self, input: Input) {
            let message = ConsoleInput { input: Some(input) };
            self.typed.as_ref().unwrap().send(Ok(message)).await.unwrap();
        }

        async fn next(&mut self) -> Option<Told> {
            tokio::time::timeout(AT_MOST, self.told.recv())
                .await
                .expect("told in time")
        }

        /// Everything that is shown until `text` was.
        async fn shown_until(&mut self, text: &str) -> String {
            let mut shown = String::new();
            while !shown.contains(text) {
                match self.next().await.expect("it goes on").unwrap().output.unwrap() {
                    Output::Data(bytes) => shown.push_str(std::str::from_utf8(&bytes).unwrap()),
                    other => panic!("{other:?} after {shown}"),
                }
            }
            shown
        }

        async fn why_it_ended(&mut self) -> Result<String, Status> {
            loop {
                match self.next().await.expect("it says why")?.output.unwrap() {
                    Output::Ended(why) => return Ok(why),
                    Output::Data(_) => {}
                    Output::Opened(_) => panic!("it was open"),
                }
            }
        }

        async fn refusal(&mut self) -> Status {
            self.why_it_ended().await.unwrap_err()
        }
    }

    #[tokio::test]
    async fn bytes_go_both_ways_until_the_bmc_ends_it() {
        let script = "while IFS= read -r line; do [ \"$line\" = exit ] && exit 0; echo \"<$line>\"; done";
        let mut console = open(script, how());
        console.send(Input::Data(b"ls\npwd\n".to_vec())).await;
        assert_eq!(console.shown_until("<pwd>\n").await, "<ls>\n<pwd>\n");
        console
            .send(Input::Size(Size {
                columns: 80,
                rows: 24,
            }))
            .await;
        console.send(Input::Data(b"exit\n".to_vec())).await;
        assert_eq!(
            console.why_it_ended().await.unwrap(),
            "the BMC has ended the console"
        );
        assert_eq!(console.why.await.unwrap(), "the BMC has ended the console");
    }

    /// A reader that stands still holds up the BMC, and nothing piles up here; what is typed still goes through.
    #[tokio::test]
    async fn a_slow_reader_can_still_type() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("typed");
        // a background command's own input is /dev/null
        let script = format!(
            "exec 3<&0; (IFS= read -r line <&3; echo \"$line\" > {}) & exec yes flood",
            mark.display()
        );
        let console = open(&script, how());
        console.send(Input::Data(b"stop\n".to_vec())).await;
        let written = async {
            while std::fs::read_to_string(&mark).unwrap_or_default() != "stop\n" {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(AT_MOST, written)
            .await
            .expect("it was typed");
    }

    #[tokio::test]
    async fn the_entry_command_is_typed_at_the_prompt_before_anything_else() {
        let entered = How {
            entry_command: "vsp".into(),
            ..how()
        };
        let mut console = open("sleep 0.2; echo 'iLO->'; exec cat", entered);
        console.send(Input::Data(b"first".to_vec())).await;
        let shown = console.shown_until("first").await;
        assert_eq!(shown, "iLO->\nvsp\rfirst");
    }

    #[tokio::test]
    async fn the_entry_command_does_not_wait_for_ever_for_a_prompt() {
        let entered = How {
            entry_command: "vsp".into(),
            prompt_at_most: Duration::from_millis(50),
            read_only: true,
            ..how()
        };
        assert_eq!(open("exec cat", entered).shown_until("\r").await, "vsp\r");
    }

    #[tokio::test]
    async fn who_only_looks_on_types_nothing() {
        let look_on = How {
            read_only: true,
            ..how()
        };
        let mut console = open("echo up; exec cat", look_on);
        console.shown_until("up").await;
        console.send(Input::Data(b"reboot\n".to_vec())).await;
        let status = console.refusal().await;
        assert_eq!(status.code(), Code::PermissionDenied);
        assert!(status.message().contains("read-only"), "{status}");
    }

    #[tokio::test]
    async fn a_second_opening_and_too_much_at_once_are_refused() {
        for (input, code) in [
            (Input::Open(Open::default()), Code::InvalidArgument),
            (
                Input::Data(vec![b'a'; TYPED_BYTES_MAX + 1]),
                Status::from(too_large()).code(),
            ),
        ] {
            let mut console = open("exec cat", how());
            console.send(input).await;
            assert_eq!(console.refusal().await.code(), code);
        }
    }

    fn too_large() -> Error {
        Error::TooLarge {
            what: String::new(),
            limit: String::new(),
        }
    }

    /// Somebody who has lost the node must not go on looking at it.
    #[tokio::test]
    async fn a_console_ends_with_the_right_to_it() {
        let is_lost = Arc::new(AtomicBool::new(false));
        let lost = Arc::clone(&is_lost);
        let of_a_right = How {
            may_go_on: Box::new(move || match lost.load(Ordering::SeqCst) {
                false => Ok(()),
                true => Err(Error::Denied {
                    reason: "taken back".to_owned(),
                }),
            }),
            ..how()
        };
        let mut console = open("echo up; exec cat", of_a_right);
        console.shown_until("up").await;
        is_lost.store(true, Ordering::SeqCst);
        let status = console.refusal().await;
        assert_eq!(
            (status.code(), status.message()),
            (Code::PermissionDenied, "taken back")
        );
        assert_eq!(console.why.await.unwrap(), "taken back");
    }

    #[tokio::test]
    async fn a_silent_console_and_a_member_that_stops_end_with_what_to_do() {
        let short = How {
            idle_at_most: Duration::from_millis(100),
            ..how()
        };
        let idle = open("exec sleep 600", short).why_it_ended().await.unwrap();
        assert!(idle.contains("nothing was typed or shown"), "{idle}");
        let mut stopped = open("exec sleep 600", how());
        stopped.stop.take().unwrap().send(()).unwrap();
        let why = stopped.why_it_ended().await.unwrap();
        assert!(why.contains("connect again"), "{why}");
    }

    #[tokio::test]
    async fn a_console_ends_when_its_caller_goes_and_not_when_he_only_stops_typing() {
        let mut console = open("sleep 0.3; echo later; exec sleep 600", how());
        console.typed = None;
        console.shown_until("later").await;
        let Console { told, why, stop, .. } = console;
        drop(told);
        let why = tokio::time::timeout(AT_MOST, why)
            .await
            .expect("it ends")
            .unwrap();
        assert_eq!(why, "its caller went");
        drop(stop);
    }
}
