//! Rotations: each BMC gets a new random password. It is sealed in the log before the BMC is told, so that it is never lost,
//! whenever a member dies; it is the password only after a login with it.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream;
use jobs::{JobKind, Outcome, Running, Work};
use model::Xname;
use proto::discovery::v1::discovery_command::{Change, KeepNextPassword, PutNextPassword};
use proto::job::v1::{Job, JobTarget, job, job_target};
use redfish::{Address, Limits, Login, Password};
use rpc::{Author, Error};
use state::discovery::next_password_name;
use state::smd::password_name;

use crate::propose::propose;
use crate::{Bmcs, password, reached_targets, sealed};

/// BMCs at once.
const CONCURRENCY: usize = 16;
/// Note of a target that is begun; the version of its password before stands behind it.
const FROM_VERSION: &str = "from version ";
/// What is said of one that went well.
const NEW: &str = "it has a new password, and takes it";
/// What to do where both passwords may be the right one.
const UNKNOWN_REMEDY: &str = "both passwords are kept; begin another rotation of it when it answers, or set the right one with `chamois bmc credential put`";

/// Does rotations.
#[derive(Debug)]
pub struct RotationWork {
    bmcs: Bmcs,
}

impl RotationWork {
    /// Rotations of those BMCs that `bmcs` reaches.
    #[must_use]
    pub fn new(bmcs: Bmcs) -> RotationWork {
        RotationWork { bmcs }
    }
}

impl Work for RotationWork {
    fn kind(&self) -> JobKind {
        JobKind::CredentialRotation
    }

    fn can_run(&self, _: &Job, targets: &[JobTarget]) -> bool {
        reached_targets::any(&self.bmcs, targets)
    }

    fn run(self: Arc<Self>, job: Running) -> BoxFuture<'static, ()> {
        Box::pin(async move { rotate_all(&self.bmcs, &job).await })
    }
}

async fn rotate_all(bmcs: &Bmcs, running: &Running) {
    let (ours, others) = reached_targets::split(bmcs, running);
    stream::iter(ours)
        .for_each_concurrent(CONCURRENCY, |target| async move {
            if let Some(outcome) = Box::pin(rotate(bmcs, running, &target)).await {
                running.report(target.place, outcome);
            }
        })
        .await;
    reached_targets::leave(&others, running).await;
}

/// What became of one target; `None`: it was not begun.
async fn rotate(bmcs: &Bmcs, running: &Running, target: &JobTarget) -> Option<Outcome> {
    let author = running.author();
    let rotation = match Rotation::of(bmcs, &author, &target.target) {
        Ok(rotation) => rotation,
        Err(outcome) => return Some(outcome),
    };
    if target.state() == job_target::State::Running {
        // Another member began it: nobody is told anything again.
        let before = target
            .note
            .strip_prefix(FROM_VERSION)
            .and_then(|text| text.parse().ok());
        let read_back = rotation.read_back().await;
        return Some(read_back.unwrap_or_else(|| rotation.told_nothing(before)));
    }
    let note = format!("{FROM_VERSION}{}", rotation.version());
    if running.is_cancelled() || running.begin(target.place, &note).await.is_err() {
        return None;
    }
    Some(rotation.rotate(&running.job().id).await)
}

fn not_begun() -> Outcome {
    Outcome::failed(
        "the member that began it died before the BMC was told anything; its password is as it was",
        "begin another rotation",
    )
}

/// One BMC on its way to a new password.
struct Rotation<'a> {
    bmcs: &'a Bmcs,
    author: &'a Author,
    bmc: Xname,
    address: Address,
    login: Login,
    limits: Limits,
}

/// Which of its passwords a BMC takes.
enum Takes {
    Next,
    Current,
    Neither(redfish::Error),
}

impl<'a> Rotation<'a> {
    fn of(bmcs: &'a Bmcs, author: &'a Author, target: &str) -> Result<Rotation<'a>, Outcome> {
        let failed =
            |error: &dyn std::fmt::Display| Outcome::failed(error.to_string(), "look at `chamois bmc list`");
        let bmc: Xname = target.parse().map_err(|error| failed(&error))?;
        let address = bmcs.address_of(&bmc).map_err(|error| failed(&error))?;
        let login = bmcs.login_for(&bmc, &address).map_err(|error| failed(&error))?;
        let login = login.ok_or_else(|| {
            Outcome::failed(
                format!("no user and password of {bmc} are known"),
                "set them with `chamois bmc credential put`",
            )
        })?;
        Ok(Rotation {
            bmcs,
            author,
            bmc,
            address,
            login,
            limits: Limits::default(),
        })
    }

    /// A password of an earlier rotation, of which nobody knows whether it is taken, comes first; `job` is the rotation's own.
    async fn rotate(&self, job: &str) -> Outcome {
        if self.next().is_ok_and(|next| next.is_some()) {
            if let Some(other) = self.job_at_it(job) {
                return Outcome::failed(
                    format!("job {other} is giving it a new password; nothing was done"),
                    "begin another rotation when that job is over",
                );
            }
            match self.read_back().await {
                Some(Outcome::Unknown { reason, remedy }) => return Outcome::Unknown { reason, remedy },
                Some(Outcome::Succeeded(_)) => {
                    return Outcome::Succeeded(
                        "the password of the rotation before is the right one and is kept".to_owned(),
                    );
                }
                Some(_) | None => {}
            }
        }
        match self.set().await {
            Ok(()) => self.verify().await,
            Err(outcome) => outcome,
        }
    }

    /// Another job that has begun with this BMC. Its next password must not be judged: the BMC may be told it only now, and who
    /// forgot it then would lock everybody out. It has begun in the log before its password was there.
    fn job_at_it(&self, own: &str) -> Option<String> {
        let state = self.bmcs.store().state();
        let others = state.jobs.iter().filter(|job| {
            let is_over = matches!(
                job.state(),
                job::State::Succeeded | job::State::Failed | job::State::Cancelled
            );
            job.id != own && !is_over && JobKind::of(job) == Some(JobKind::CredentialRotation)
        });
        let mut at_it = others.filter(|job| {
            let mut targets = state.jobs.targets(&job.id);
            targets.any(|target| {
                target.state() == job_target::State::Running && target.target == self.bmc.as_str()
            })
        });
        at_it.next().map(|job| job.id.clone())
    }

    /// The new password into the log, then to the BMC.
    async fn set(&self) -> Result<(), Outcome> {
        let nothing_done = |error: Error| {
            let reason = format!("nothing was done: {error}");
            Outcome::failed(reason, "begin another rotation when the cause is gone")
        };
        let new = password::random().map_err(nothing_done)?;
        let opened = self.open(self.login.clone()).await;
        let open = opened.map_err(|error| Outcome::failed(error.to_string(), error.remedy()))?;
        self.put_next(&new).await.map_err(nothing_done)?;
        let set = redfish::set_password(&open, &self.login.user, &new).await;
        // The session is that of the old password.
        open.close().await;
        match set {
            Ok(()) => Ok(()),
            Err(error) if error.is_outcome_unknown() => Ok(()),
            Err(error) => {
                let refused =
                    Outcome::failed(format!("the BMC refuses a new password: {error}"), error.remedy());
                Err(self
                    .keep(false)
                    .await
                    .map_or_else(|error| not_noted(&error), |()| refused))
            }
        }
    }

    async fn put_next(&self, new: &Password) -> Result<(), Error> {
        let (store, name) = (self.bmcs.store(), next_password_name(&self.bmc));
        let password = sealed::seal(self.bmcs.sealer(), &store.state(), &name, new)?;
        let put = PutNextPassword {
            xname: self.bmc.to_string(),
            password: Some(password),
        };
        propose(store, self.author, Change::PutNextPassword(put))
            .await
            .map(|_| ())
    }

    /// Of the password that is stored; 0: there is none of its own.
    fn version(&self) -> u32 {
        let state = self.bmcs.store().state();
        let secret = state.cluster.secret(&password_name(&self.bmc));
        secret.map_or(0, |secret| secret.version)
    }

    /// There is no next password: it has become the password since version `before`, or there never was one.
    fn told_nothing(&self, before: Option<u32>) -> Outcome {
        match before {
            Some(before) if self.version() > before => Outcome::Succeeded(NEW.to_owned()),
            Some(_) | None => not_begun(),
        }
    }

    fn next(&self) -> Result<Option<Password>, Error> {
        let state = self.bmcs.store().state();
        sealed::open(self.bmcs.sealer(), &state, &next_password_name(&self.bmc))
    }

    async fn open(&self, login: Login) -> Result<redfish::Bmc, redfish::Error> {
        let login = Some(login);
        self.bmcs
            .open_with(&self.bmc, &self.address, login, &self.limits)
            .await
    }

    /// What a rotation that was begun came to; `None`: the BMC was told nothing.
    async fn read_back(&self) -> Option<Outcome> {
        match self.next() {
            Ok(None) => None,
            Ok(Some(_)) => Some(self.verify().await),
            Err(error) => Some(Outcome::unknown(error.to_string(), UNKNOWN_REMEDY)),
        }
    }

    /// A login tells which password is the right one.
    async fn verify(&self) -> Outcome {
        let takes = match self.next() {
            Ok(Some(next)) => self.takes(next).await,
            Ok(None) => {
                let reason = "its next password is gone, and whether it takes that one is not known";
                return Outcome::unknown(reason, UNKNOWN_REMEDY);
            }
            Err(error) => return Outcome::unknown(error.to_string(), UNKNOWN_REMEDY),
        };
        match takes {
            Takes::Next => {
                let done = Outcome::Succeeded(NEW.to_owned());
                self.keep(true)
                    .await
                    .map_or_else(|error| not_noted(&error), |()| done)
            }
            Takes::Current => {
                let failed = Outcome::failed(
                    "it still takes its old password, which stays",
                    "look at its rules for passwords and the rights of its account",
                );
                self.keep(false)
                    .await
                    .map_or_else(|error| not_noted(&error), |()| failed)
            }
            Takes::Neither(error) => Outcome::unknown(
                format!("whether it has its new password is not known: {error}"),
                UNKNOWN_REMEDY,
            ),
        }
    }

    async fn takes(&self, next: Password) -> Takes {
        let with = |password: Password| Login {
            user: self.login.user.clone(),
            password,
        };
        match self.logs_in(with(next)).await {
            Ok(()) => Takes::Next,
            Err(redfish::Error::Credentials { .. }) => match self.logs_in(self.login.clone()).await {
                Ok(()) => Takes::Current,
                Err(error) => Takes::Neither(error),
            },
            Err(error) => Takes::Neither(error),
        }
    }

    /// A service that shows its tree to anybody would take every password; accounts it shows to those who logged in. Where neither
    /// accounts are shown nor a session was made, nothing has been looked at.
    async fn logs_in(&self, login: Login) -> Result<(), redfish::Error> {
        let open = self.open(login).await?;
        let shown = open.fresh("/redfish/v1/AccountService/Accounts").await;
        let has_session = open.has_session().await;
        open.close().await;
        match shown {
            Ok(_) => Ok(()),
            Err(error @ redfish::Error::Credentials { .. }) => Err(error),
            Err(_) if has_session => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The next password becomes the password of the BMC, or goes.
    async fn keep(&self, kept: bool) -> Result<(), Error> {
        let store = self.bmcs.store();
        let password = match self.next()? {
            Some(next) if kept => {
                let name = password_name(&self.bmc);
                Some(sealed::seal(self.bmcs.sealer(), &store.state(), &name, &next)?)
            }
            _ => None,
        };
        let keep = KeepNextPassword {
            xname: self.bmc.to_string(),
            kept,
            user: if kept {
                self.login.user.clone()
            } else {
                String::new()
            },
            password,
        };
        propose(store, self.author, Change::KeepNextPassword(keep))
            .await
            .map(|_| ())
    }
}

/// The BMC has answered, and the log has not taken it.
fn not_noted(error: &Error) -> Outcome {
    Outcome::unknown(format!("what came of it was not stored: {error}"), UNKNOWN_REMEDY)
}
