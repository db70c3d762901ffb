//! `chamois configure watch`: files follow the state.

use std::sync::Arc;

use clap::Args;
use configurator::apply::{FileSet, Settings, Wish};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::feed::{Feed, Heard};
use super::pending::Pending;
use super::told::Told;
use super::{SiteArgs, notify, work};
use crate::args::GlobalArgs;
use crate::error::CliError;

/// `chamois configure watch`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois configure watch
  chamois configure watch --config ./configure.toml -o json     one JSON object a line

It begins as `chamois configure apply` does. From then on only those sets are made anew whose objects have changed, only files are
replaced that say something else, and a reload hook is run only when its set has changed. What fails is told, changes no file, and
is tried again with the next change or after 30 s. Members may come and go. SIGTERM ends it when what is being written is written.")]
pub struct WatchArgs {
    /// Where the configuration of this host is.
    #[command(flatten)]
    pub site: SiteArgs,
    /// Replace files, too, that this program has not written; they are kept as revision 0
    #[arg(long)]
    pub adopt: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: WatchArgs) -> Result<(), CliError> {
    let settings = Arc::new(args.site.read()?);
    let cannot_listen = |error| CliError::other("cannot wait for signals", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot_listen)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot_listen)?;
    // what is being written is on a thread that the end of the runtime waits for
    tokio::select! {
        ended = Box::pin(follow(global, settings, args.adopt)) => ended,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// Ends when nobody reads what it tells any more, or with what no member would answer otherwise.
async fn follow(global: &GlobalArgs, settings: Arc<Settings>, adopt: bool) -> Result<(), CliError> {
    let mut feed = Feed::begin(global, true).await?;
    let mut pending = Pending::default();
    let mut is_ready = false;
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
            () = due => {
                let sets = pending.take();
                if !round(global, &settings, &mut feed, &mut pending, sets.into_iter().collect(), adopt).await? {
                    return Ok(());
                }
                if !std::mem::replace(&mut is_ready, true) {
                    notify::ready();
                }
            }
            heard = feed.next() => pending.add(concerned(&settings.file_sets, &heard?), Instant::now()),
        }
    }
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
    let secrets = work::secrets(global, &sets, &inventory).await?;
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

    use proto::watch::v1::object::Kind;

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
}
