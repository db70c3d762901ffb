//! Makes files of the state as one caller sees it: on a thread of its own, a few at once, for a bounded time of waiting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use auth::Sealer;
use configurator::{File, Inventory, Login, Options, TEMPLATE_PREFIX, View};
use proto::configurator::v1::{GenerateRequest, GenerateResponse, GeneratedFile, Template};
use raft::Store;
use rpc::{Error, Rights, Scope};
use state::{RowKind, State};
use tokio::sync::Semaphore;

use crate::error::told;
use crate::{SecretLog, etag, logins};

/// Renderings at once: each goes through the whole state.
const RENDERINGS_MAX: usize = 2;
/// How long a request waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(10);
/// When a repeat makes sense that found no turn.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Options of one request.
const OPTIONS_MAX: usize = 64;

/// Whose view files are made of, and which passwords.
pub(crate) struct Asked {
    pub(crate) rights: Rights,
    /// The permission of the method.
    pub(crate) permission: &'static str,
    /// With the passwords that the template was granted.
    pub(crate) secrets: Option<Shown>,
}

/// Whom passwords are shown to.
pub(crate) struct Shown {
    /// Of which part of the system he is shown any.
    pub(crate) scope: Scope,
    /// His principal.
    pub(crate) by: String,
    /// Told of it.
    pub(crate) log: SecretLog,
}

/// Files, and their ETag.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) answer: GenerateResponse,
    pub(crate) etag: String,
}

/// Makes files.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    store: Store,
    sealer: Sealer,
    turns: Arc<Semaphore>,
    /// How long a request waits for its turn.
    turn_wait: Duration,
}

impl Maker {
    pub(crate) fn new(store: Store, sealer: Sealer) -> Maker {
        Maker {
            store,
            sealer,
            turns: Arc::new(Semaphore::new(RENDERINGS_MAX)),
            turn_wait: TURN_WAIT,
        }
    }

    /// The files of a target or a template.
    ///
    /// # Errors
    /// `NotFound` for a name that is neither, `Invalid` for an option or a template that cannot be taken, `Overloaded` without a turn.
    pub(crate) async fn make(&self, request: GenerateRequest, asked: Asked) -> Result<Made, Error> {
        let state = self.store.state();
        let source = Source::of(&state, &request.target)?;
        let options = options(&source, &request.option)?;
        let turns = Arc::clone(&self.turns);
        let turn = tokio::time::timeout(self.turn_wait, turns.acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or_else(|| Error::Overloaded {
            what: "files to be made".to_owned(),
            retry_after: RETRY_AFTER,
        })?;
        let sealer = self.sealer.clone();
        let made = tokio::task::spawn_blocking(move || {
            let made = render(&state, &sealer, &source, &options, &asked);
            drop(turn); // here and not before: whoever asks and goes away must not make room for more
            made
        });
        made.await.map_err(|_| {
            Error::Internal("the files could not be made; the log says where it failed".to_owned())
        })?
    }
}

/// What files are made by.
enum Source {
    Target(&'static configurator::Target),
    Template(Arc<Template>),
}

impl Source {
    /// A target's name means the target; a template may have been named so before there was such a target.
    fn of(state: &State, name: &str) -> Result<Source, Error> {
        if name.is_empty() {
            return Err(rpc::invalid(
                "target",
                "none is named; write e.g. hosts, or the name of a template",
            ));
        }
        let template = |name: &str| state.configurator.template(name).cloned().map(Source::Template);
        if let Some(name) = name.strip_prefix(TEMPLATE_PREFIX) {
            return template(name).ok_or_else(|| Error::NotFound {
                kind: "template".to_owned(),
                id: name.to_owned(),
            });
        }
        match configurator::target(name) {
            Ok(target) => Ok(Source::Target(target)),
            Err(unknown) => template(name).ok_or_else(|| told(unknown)),
        }
    }

    fn name(&self) -> String {
        match self {
            Source::Target(target) => target.name.to_owned(),
            Source::Template(template) => format!("{TEMPLATE_PREFIX}{}", template.name),
        }
    }
}

/// `name=value` each.
fn options(source: &Source, given: &[String]) -> Result<Options, Error> {
    if given.len() > OPTIONS_MAX {
        return Err(rpc::invalid(
            "option",
            format!("at most {OPTIONS_MAX} are accepted"),
        ));
    }
    if matches!(source, Source::Template(_)) && !given.is_empty() {
        return Err(rpc::invalid("option", "templates take none"));
    }
    let pairs = given.iter().map(|option| {
        let pair = option.split_once('=');
        let (name, value) = pair.ok_or_else(|| {
            rpc::invalid(
                "option",
                format!("`{}` is none; write name=value", option.escape_debug()),
            )
        })?;
        Ok((name.to_owned(), value.to_owned()))
    });
    let pairs: BTreeMap<String, String> = pairs.collect::<Result<_, Error>>()?;
    Ok(Options::new(pairs))
}

fn render(
    state: &State,
    sealer: &Sealer,
    source: &Source,
    options: &Options,
    asked: &Asked,
) -> Result<Made, Error> {
    let view = view(state, asked)?;
    let files = match source {
        Source::Target(target) => configurator::render(target, &view, options).map_err(told)?,
        Source::Template(template) => vec![fill(state, sealer, template, &view, asked.secrets.as_ref())?],
    };
    let (target, revision) = (source.name(), view.revision());
    let files = files.into_iter().map(|file| GeneratedFile {
        target: target.clone(),
        content: file.text(revision),
        path: file.path,
        revision,
    });
    let files: Vec<GeneratedFile> = files.collect();
    Ok(Made {
        etag: etag::of(&files),
        answer: GenerateResponse { files, revision },
    })
}

/// What the caller may see, at the revision of the last change of anything that is in it: the same state gives the same bytes, whatever
/// else has changed.
fn view(state: &State, asked: &Asked) -> Result<View, Error> {
    let mut inventory = Inventory::new(state.cluster_name());
    let objects = watch::visible(state, &asked.rights, asked.permission, Inventory::KINDS)?;
    objects.into_iter().for_each(|object| inventory.put(object));
    let kinds = Inventory::KINDS.iter();
    let kinds = kinds.filter_map(|kind| RowKind::of_number(u32::try_from(*kind as i32).ok()?));
    let revision = state.last_change(kinds);
    inventory.set_revision(revision.unwrap_or_else(|| state.applied_index()));
    Ok(View::of(&inventory))
}

fn fill(
    state: &State,
    sealer: &Sealer,
    template: &Template,
    view: &View,
    secrets: Option<&Shown>,
) -> Result<File, Error> {
    let Some(shown) = secrets else {
        return configurator::render_template(template, view, None).map_err(told);
    };
    let logins = logins::granted(state, sealer, template, &shown.scope)?;
    let login = |scope: &str| -> Option<Login> { logins.get(scope).cloned() };
    let file = configurator::render_template(template, view, Some(&login)).map_err(told)?;
    if !logins.is_empty() {
        shown
            .log
            .shown(&shown.by, &template.name, logins.keys().map(String::as_str));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(given: &[&str]) -> String {
        let given: Vec<String> = given.iter().map(ToString::to_string).collect();
        let source = Source::of(&State::new(), "hosts").unwrap();
        options(&source, &given).err().unwrap().to_string()
    }

    #[test]
    fn options_are_names_with_values() {
        let source = Source::of(&State::new(), "hosts").unwrap();
        let read = options(&source, &["domain=a=b".to_owned()]).unwrap();
        assert_eq!(read.get("domain"), Some("a=b"));
        assert!(refused(&["domain"]).contains("write name=value"));
        assert!(refused(&["a=b"; OPTIONS_MAX + 1]).contains("at most 64"));
    }

    #[test]
    fn what_is_neither_target_nor_template_is_not_there() {
        let of = |name: &str| Source::of(&State::new(), name).err().unwrap().to_string();
        assert!(of("").starts_with("target: "));
        assert!(of("hots").contains("hosts"), "the nearest is named");
        assert_eq!(of("template:motd"), "no such template: motd");
    }

    /// Two that render are enough to fill two cores.
    #[tokio::test]
    async fn whoever_finds_no_turn_is_told_to_come_back() {
        let maker = Maker {
            turn_wait: Duration::from_millis(10),
            ..Maker::new(Store::in_memory(), Sealer::generate().unwrap())
        };
        let turns = Arc::clone(&maker.turns);
        let all = turns.acquire_many(2).await.unwrap();
        let asked = || Asked {
            rights: Rights::default(),
            permission: "configurator.read",
            secrets: None,
        };
        let request = GenerateRequest {
            target: "hosts".into(),
            option: Vec::new(),
        };
        let refused = maker.make(request.clone(), asked()).await.unwrap_err();
        assert!(matches!(refused, Error::Overloaded { .. }), "{refused}");
        drop(all);
        maker.make(request, asked()).await.unwrap();
    }
}
