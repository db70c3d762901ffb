//! Members whose address somebody else moves: they too tell each other of its clients, and the one to which it comes
//! frees those of the member that lost it.

use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::clients::{ClientNotes, Telling};
use crate::exchange::{AdvertCounters, Exchange};
use crate::held::Held;
use crate::holder::{HolderConfig, HolderError};
use crate::probe;

/// Takes part for this member, without an election. Dropping it ends that.
#[derive(Debug)]
pub struct Neighbours {
    clients: ClientNotes,
    counters: Arc<AdvertCounters>,
    task: JoinHandle<()>,
}

impl Neighbours {
    /// Starts over `socket`, bound to this member's own address on the network; `held` tells when the address comes.
    ///
    /// # Errors
    /// For a configuration that cannot work.
    pub fn start(config: &HolderConfig, socket: UdpSocket, held: Held) -> Result<Neighbours, HolderError> {
        let counters = Arc::new(AdvertCounters::default());
        let exchange = Exchange::of(config, socket, Arc::clone(&counters))?;
        let (clients, telling) = Telling::new(config.service.address, Arc::clone(&counters));
        let task = tokio::spawn(run(
            config.clone(),
            exchange,
            telling,
            held,
            Arc::clone(&counters),
        ));
        Ok(Neighbours {
            clients,
            counters,
            task,
        })
    }

    /// Where to note the TCP connections that clients open on the address.
    pub fn clients(&self) -> ClientNotes {
        self.clients.clone()
    }

    /// What was received and refused.
    pub fn counters(&self) -> Arc<AdvertCounters> {
        Arc::clone(&self.counters)
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    config: HolderConfig,
    mut exchange: Exchange,
    mut telling: Telling,
    held: Held,
    counters: Arc<AdvertCounters>,
) {
    let mut arrivals = held.watch();
    // adverts are what makes the others' words fresh; nobody decides by them here
    let mut ticks = tokio::time::interval(config.timing.advertise_every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            changed = arrivals.changed() => {
                if changed.is_err() {
                    return; // nobody looks where the address is any more
                }
                if *arrivals.borrow_and_update() {
                    let known = exchange.take_known();
                    probe::free_in_background(config.service.clone(), held.clone(), known, Arc::clone(&counters));
                }
            }
            _ = ticks.tick() => exchange.advertise(held.is_held(), false),
            () = telling.due() => exchange.tell(&telling.batch().connections),
            _ = exchange.hear() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advert::AdvertKey;
    use crate::answers::Answers;
    use crate::election::Timing;
    use crate::held::Holding;
    use std::collections::BTreeMap;
    use std::net::SocketAddr;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    const BOUND: Duration = Duration::from_secs(20);

    /// The member to which the address comes asks the clients of the one that had it: seen by what it counts, which
    /// are refusals where the test may not open a raw socket or the interface has no such route.
    #[tokio::test]
    async fn the_clients_of_the_other_member_are_known_when_the_address_comes() {
        let sockets = [
            UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        ];
        let peers: BTreeMap<u64, SocketAddr> = (1..)
            .zip(&sockets)
            .map(|(id, socket)| (id, socket.local_addr().unwrap()))
            .collect();
        let config = |member| HolderConfig {
            cluster: "test".into(),
            network: "boot".into(),
            member,
            peers: peers.clone(),
            key: AdvertKey::new(&[7; 32]),
            timing: Timing::default(),
            initial_sequence: 1000 * member,
            service: "lo=10.97.0.1".parse().unwrap(),
            answers: Answers::never(),
        };
        let [one, two] = sockets;
        let (first_seen, first_held) = Held::new();
        let (second_seen, second_held) = Held::new();
        first_seen.set(Holding::UntilToldOtherwise);
        let first = Neighbours::start(&config(1), one, first_held).unwrap();
        let second = Neighbours::start(&config(2), two, second_held).unwrap();
        let accepted = |of: &Neighbours| of.counters.accepted.load(Ordering::Relaxed);
        let wait = async |what: &dyn Fn() -> bool| {
            let until = async {
                while !what() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(BOUND, until).await.expect("in time");
        };
        wait(&|| accepted(&first) > 1 && accepted(&second) > 1).await;
        let clients = first.clients();
        let open = clients
            .opened("10.97.0.1:80".parse().unwrap(), "127.0.0.1:9".parse().unwrap())
            .await;
        assert!(open.is_some());
        wait(&|| second.counters.clients_noted.load(Ordering::Relaxed) > 0).await;
        second_seen.set(Holding::UntilToldOtherwise);
        wait(&|| second.counters.clients_asked.load(Ordering::Relaxed) == 1).await;
        assert_eq!(first.counters.clients_asked.load(Ordering::Relaxed), 0);
    }
}
