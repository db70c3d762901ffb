//! What goes wrong on purpose: at a third of the boots the leader dies and comes back, at two thirds the
//! member that holds the service address. With `--freeze` a leader is stopped in between, and at last a holder.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::cluster::Cluster;
use super::progress::Progress;
use super::writers::SharedLedger;
use crate::error::CliError;

/// An acknowledged write after a kill, a member caught up, an address taken over: each within this.
const RECOVERY_MAX: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// What was done, for the summary.
#[derive(Debug, Default)]
pub(crate) struct Inflicted {
    /// When each kill happened.
    pub(crate) kills: Vec<Instant>,
    /// When each member was frozen.
    pub(crate) freezes: Vec<Instant>,
}

/// The running demo, as the faults need it.
pub(crate) struct Faults<'a> {
    /// Who is hurt.
    pub(crate) cluster: &'a mut Cluster,
    /// Nodes in all.
    pub(crate) nodes: u32,
    /// How many of them have phoned home.
    pub(crate) booted: watch::Receiver<u32>,
    /// Which writes were acknowledged when.
    pub(crate) ledger: &'a SharedLedger,
    /// Where it is told.
    pub(crate) progress: &'a Progress,
    /// Whether members are frozen, too.
    pub(crate) freeze: bool,
}

impl Faults<'_> {
    /// Kills, freezes and restarts members while nodes boot.
    ///
    /// # Errors
    /// When the cluster does not recover within 30 s of a fault.
    pub(crate) async fn inflict(mut self) -> Result<Inflicted, CliError> {
        let mut inflicted = Inflicted::default();
        self.reached(1, 3).await;
        inflicted.kills.push(self.kill_the_leader().await?);
        if self.freeze {
            self.reached(1, 2).await;
            inflicted.freezes.push(self.freeze_and_thaw().await?);
        }
        self.reached(2, 3).await;
        inflicted.kills.push(self.kill_the_holder().await?);
        if self.freeze {
            self.reached(5, 6).await;
            inflicted.freezes.push(self.freeze_the_holder().await?);
        }
        Ok(inflicted)
    }

    async fn kill_the_leader(&mut self) -> Result<Instant, CliError> {
        let leader = self.cluster.leader().await?;
        let at = self.kill(leader).await?;
        let recovery = self.recovery_ms(at);
        self.note(format_args!(
            "killed member {leader}, the leader, {}; next write acknowledged after {recovery} ms; restarted it",
            self.when(),
        ));
        self.cluster.caught_up(leader, RECOVERY_MAX).await?;
        Ok(at)
    }

    async fn kill_the_holder(&mut self) -> Result<Instant, CliError> {
        let holder = self.cluster.holder(RECOVERY_MAX).await?;
        let at = self.kill(holder).await?;
        self.note(format_args!(
            "killed member {holder}, {}, {}; restarted it",
            self.what_it_held(),
            self.when()
        ));
        self.cluster.caught_up(holder, RECOVERY_MAX).await?;
        Ok(at)
    }

    /// A member goes on after others have gone on without it, on its own data and with its old ideas of the term: the
    /// leader, or a follower where the leader's watchdog would end it, because it holds the address on loopback.
    async fn freeze_and_thaw(&mut self) -> Result<Instant, CliError> {
        let leader = self.cluster.leader().await?;
        let (frozen, role) = match self.cluster.layout().moving() {
            Some(_) if leader == self.cluster.holder(RECOVERY_MAX).await? => {
                (self.cluster.another(leader), "a follower")
            }
            _ => (leader, "the leader"),
        };
        let at = Instant::now();
        self.cluster.freeze(frozen)?;
        self.acknowledged_since(at, frozen).await?;
        let recovery = self.recovery_ms(at);
        self.cluster.thaw(frozen)?;
        self.note(format_args!(
            "froze member {frozen}, {role}, {}; next write acknowledged after {recovery} ms; let it go on",
            self.when(),
        ));
        self.cluster.caught_up(frozen, RECOVERY_MAX).await?;
        Ok(at)
    }

    /// On loopback only the end of a process gives its address back, and its watchdog sees to that.
    async fn freeze_the_holder(&mut self) -> Result<Instant, CliError> {
        let holder = self.cluster.holder(RECOVERY_MAX).await?;
        let at = Instant::now();
        self.cluster.freeze(holder)?;
        let then = if self.cluster.layout().moving().is_some() {
            self.restart_after_its_watchdog(holder).await?;
            "its watchdog ended it, another member took the address; restarted it"
        } else {
            self.acknowledged_since(at, holder).await?;
            self.cluster.thaw(holder)?;
            "let it go on"
        };
        self.note(format_args!(
            "froze member {holder}, {}, {}; {then}",
            self.what_it_held(),
            self.when()
        ));
        self.cluster.caught_up(holder, RECOVERY_MAX).await?;
        Ok(at)
    }

    async fn restart_after_its_watchdog(&mut self, id: u64) -> Result<(), CliError> {
        self.cluster.ended_while_frozen(id, RECOVERY_MAX).await?;
        let heir = self.cluster.holder(RECOVERY_MAX).await?;
        debug_assert_ne!(heir, id, "it does not run");
        self.cluster.restart(id)
    }

    /// Kills a member, waits until the survivors acknowledge a write, and starts the member again. A member
    /// without others has no survivors and is started at once.
    async fn kill(&mut self, id: u64) -> Result<Instant, CliError> {
        let at = Instant::now();
        self.cluster.kill(id).await?;
        if self.cluster.size() == 1 {
            self.cluster.restart(id)?;
        }
        self.acknowledged_since(at, id).await?;
        if self.cluster.size() > 1 {
            self.cluster.restart(id)?;
        }
        Ok(at)
    }

    async fn acknowledged_since(&mut self, at: Instant, id: u64) -> Result<(), CliError> {
        let deadline = at + RECOVERY_MAX;
        while self.ledger.lock().recovery(at).is_none() {
            if Instant::now() > deadline {
                let text = format!("no write was acknowledged within {} s", RECOVERY_MAX.as_secs());
                return Err(CliError::other(&format!("without member {id}"), text));
            }
            self.cluster.check_running()?;
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    fn recovery_ms(&self, at: Instant) -> u128 {
        self.ledger.lock().recovery(at).unwrap_or_default().as_millis()
    }

    /// Waits for a share of the boots. The bound is the fleet's own: it ends every node, booted or failed, and
    /// then closes the channel; the faults are shown all the same.
    async fn reached(&mut self, numerator: u32, denominator: u32) {
        let count = self.nodes * numerator / denominator;
        let _ = self.booted.wait_for(|booted| *booted >= count).await;
    }

    fn when(&self) -> String {
        format!("at {} of {} boots", *self.booted.borrow(), self.nodes)
    }

    fn what_it_held(&self) -> String {
        match self.cluster.layout().moving() {
            Some(service) => format!("which held {service}"),
            None => "one of those that nodes use".to_owned(),
        }
    }

    fn note(&self, text: std::fmt::Arguments<'_>) {
        self.progress.note(text);
    }
}
