//! `chamois configure watch`: files follow the state.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use configurator::Inventory;
use configurator::apply::{FileSet, Settings, Wish};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior};

use super::feed::{Feed, Heard};
use super::notify::State;
use super::pending::Pending;
use super::reread::Reread;
use super::told::Told;
use super::{SiteArgs, work};
use crate::args::GlobalArgs;
use crate::error::CliError;

/// How often templates with secrets are made anew: another password is no object that changes, and nobody is told of it.
const SECRETS_EVERY: Duration = Duration::from_secs(300);

/// `chamois configure watch`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois configure watch
  chamois configure watch --config ./configure.toml -o json     one JSON object a line

It begins as `chamois configure apply` does. From then on only those sets are made anew whose objects have changed, only files are
replaced that say something else, and a reload hook is run only when its set has changed. What fails is told, changes no file, and
is tried again with the next change or after 30 s. A password that was changed is in the files of templates with secrets after
5 minutes at most, or at once by `chamois configure apply`. Members may come and go; a token file and a client certificate are read
again when they are renewed.

SIGHUP has the configuration read again (`systemctl reload chamois-configure`): what is new or changed is applied at once, files of sets
that are gone stay as they are, and a configuration that is refused is told and changes nothing. SIGTERM ends it when what is being
written is written.")]
pub struct WatchArgs {
    /// Where the configuration of this host is.
    #[command(flatten)]
    pub site: SiteArgs,
    /// Replace files, too, that this program has not written; they are kept as revision 0
    #[arg(long)]
    pub adopt: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: WatchArgs) -> Result<(), CliError> {
    let listen = |kind| signal(kind).map_err(|error| CliError::other("cannot wait for signals", error));
    // before anything else: a signal that nobody waits for ends the process
    let hang_up = listen(SignalKind::hangup())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let settings = Arc::new(args.site.read()?);
    // what is being written is on a thread that the end of the runtime waits for
    tokio::select! {
        ended = Box::pin(follow(global, &args, settings, hang_up)) => ended,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// Ends when nobody reads what it tells any more, or with what no member would answer otherwise.
async fn follow(
    global: &GlobalArgs,
    args: &WatchArgs,
    mut settings: Arc<Settings>,
    mut hang_up: Signal,
) -> Result<(), CliError> {
    let mut feed = Feed::begin(global, true).await?;
    let mut pending = Pending::default();
    let mut is_ready = false;
    let mut look_at_secrets = tokio::time::interval_at(Instant::now() + SECRETS_EVERY, SECRETS_EVERY);
    look_at_secrets.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // a retry must not find a state that is being told anew
        let at = pending.at().filter(|_| feed.is_whole());
        let due = async {
            match at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(()) = hang_up.recv() => {
                if !reread(global, args, &mut settings, &mut pending, is_ready)? {
                    return Ok(());
                }
            }
            () = due => {
                let sets = pending.take();
                if !round(global, &settings, &mut feed, &mut pending, sets.into_iter().collect(), args.adopt).await? {
                    return Ok(());
                }
                if !std::mem::replace(&mut is_ready, true) {
                    State::Ready.tell();
                }
            }
            _ = look_at_secrets.tick(), if feed.is_whole() => {
                pending.add(with_secrets(&settings.file_sets, feed.inventory()), Instant::now());
            }
            heard = feed.next() => pending.add(concerned(&settings.file_sets, &heard?), Instant::now()),
        }
    }
}

/// Reads the configuration again, and tells what became of it. False when nobody reads any more.
fn reread(
    global: &GlobalArgs,
    args: &WatchArgs,
    settings: &mut Arc<Settings>,
    pending: &mut Pending,
    is_ready: bool,
) -> Result<bool, CliError> {
    // before it is ready for the first time, systemd waits for that
    if is_ready {
        State::Reloading.tell();
    }
    let reread = Reread::of(&args.site.config, settings);
    if reread.is_in_force() {
        // numbers mean other sets now. All are applied: where nothing is different, nothing is replaced.
        *pending = Pending::default();
        pending.add(0..settings.file_sets.len(), Instant::now());
    }
    if is_ready {
        State::Ready.tell();
    }
    reread.line().print(global)
}

/// Sets whose files may be others now.
fn concerned(sets: &[FileSet], heard: &Heard) -> Vec<usize> {
    let is_concerned = |set: &FileSet| match heard {
        Heard::Nothing => false,
        Heard::State => true,
        Heard::Changes(kinds) => set.reads().iter().any(|kind| kinds.contains(kind)),
    };
    let sets = sets.iter().enumerate();
    sets.filter(|(_, set)| is_concerned(set))
        .map(|(at, _)| at)
        .collect()
}

/// Sets whose files have secrets in them.
fn with_secrets(sets: &[FileSet], inventory: &Inventory) -> Vec<usize> {
    let sets = sets.iter().enumerate();
    sets.filter(|(_, set)| set.secret_template(inventory).is_some())
        .map(|(at, _)| at)
        .collect()
}

/// Applies the sets and tells what became of them. False when nobody reads any more.
async fn round(
    global: &GlobalArgs,
    settings: &Arc<Settings>,
    feed: &mut Feed,
    pending: &mut Pending,
    numbers: Vec<usize>,
    adopt: bool,
) -> Result<bool, CliError> {
    let sets: Vec<&FileSet> = numbers
        .iter()
        .filter_map(|at| settings.file_sets.get(*at))
        .collect();
    let inventory = feed.lend();
    let secrets = work::secrets(global, &sets, &inventory).await;
    let wish = Wish {
        adopt,
        release: false,
    };
    let (inventory, results) =
        work::apply(settings.clone(), numbers.clone(), inventory, secrets, wish).await?;
    feed.give_back(inventory);
    for ((number, set), result) in numbers.into_iter().zip(sets).zip(&results) {
        if result.as_ref().map_or(true, |applied| applied.problem.is_some()) {
            pending.failed(number, Instant::now());
        }
        let told = Told {
            set: &set.name,
            result,
        };
        if told.is_news() && !told.print(global)? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proto::configurator::v1::Template;
    use proto::watch::v1::Object;
    use proto::watch::v1::object::{Kind, Value};

    use super::*;

    fn sets() -> Vec<FileSet> {
        let text = "[[file-set]]\ntarget = \"hosts\"\npath = \"/etc/hosts\"\n\
                    [[file-set]]\ntemplate = \"motd\"\npath = \"/etc/motd\"\n";
        Settings::parse(text, Path::new("configure.toml"))
            .unwrap()
            .file_sets
    }

    /// A power transition changes no zone.
    #[test]
    fn only_sets_that_read_what_changed_are_made_anew() {
        let sets = sets();
        assert_eq!(concerned(&sets, &Heard::State), [0, 1]);
        assert!(concerned(&sets, &Heard::Nothing).is_empty());
        assert_eq!(concerned(&sets, &Heard::Changes([Kind::Template].into())), [1]);
        assert_eq!(
            concerned(&sets, &Heard::Changes([Kind::EthernetInterface].into())),
            [0, 1]
        );
    }

    /// A rotated password is no change that anybody is told of.
    #[test]
    fn only_templates_with_secrets_are_looked_at_again_and_again() {
        let (sets, mut inventory) = (sets(), Inventory::new("test"));
        let mut put = |secrets: &[&str]| {
            inventory.put(Object {
                kind: Kind::Template.into(),
                key: "motd".to_owned(),
                value: Some(Value::Template(Template {
                    name: "motd".to_owned(),
                    secrets: secrets.iter().map(|name| (*name).to_owned()).collect(),
                    ..Template::default()
                })),
            });
            with_secrets(&sets, &inventory)
        };
        assert!(put(&[]).is_empty());
        assert_eq!(put(&["bmc"]), [1]);
    }
}
