//! Whether anybody uses an address that is about to be offered (RFC 2131 section 2.2; in the manner of RFC 5227). Many are asked
//! for at once, and nobody waits for another one.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::MacAddr;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Addresses that are asked for at a time; the ones beyond are offered unasked.
const PROBES_MAX: usize = 1024;
/// Questions for one address, evenly spread over its time: one may be lost.
const QUESTIONS: u32 = 3;
/// How long it is taken for granted that nobody uses an address: as long as its offer lasts.
const FREE_FOR: Duration = Duration::from_secs(10);
/// Addresses of which that is known, at most; beyond, they are asked for again.
const FREE_MAX: usize = 65_536;

/// By which means an address is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// On the link itself.
    Arp,
    /// Beyond a relay.
    Ping,
}

/// What is known then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nobody answers, or the client itself.
    Free,
    /// Somebody does; by ping the MAC is not known.
    InUse(Option<MacAddr>),
    /// It is being asked for already.
    UnderWay,
    /// It could not be asked for.
    NotAsked,
}

type Ask = dyn Fn(Ipv4Addr, How) -> io::Result<()> + Send + Sync;

/// Asks for addresses, if it has the means.
pub(super) struct Prober {
    time: Duration,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    ask: Option<Arc<Ask>>,
    under_way: BTreeMap<Ipv4Addr, oneshot::Sender<Option<MacAddr>>>,
    free_until: BTreeMap<Ipv4Addr, Instant>,
}

impl std::fmt::Debug for Prober {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prober").field("time", &self.time).finish()
    }
}

impl Prober {
    /// Takes `time` for each address; 0: none is asked for.
    pub(super) fn new(time: Duration) -> Prober {
        Prober {
            time,
            inner: Mutex::default(),
        }
    }

    /// From now on there are means to ask.
    pub(super) fn open(&self, ask: impl Fn(Ipv4Addr, How) -> io::Result<()> + Send + Sync + 'static) {
        self.lock().ask = Some(Arc::new(ask));
    }

    /// There are none any more.
    pub(super) fn close(&self) {
        self.lock().ask = None;
    }

    /// Whether an address should be asked for before it is given away.
    pub(super) fn wants(&self, address: Ipv4Addr, now: Instant) -> bool {
        let inner = self.lock();
        let is_known = inner.free_until.get(&address).is_some_and(|until| *until > now);
        !self.time.is_zero() && inner.ask.is_some() && !is_known
    }

    /// Somebody has answered for an address.
    pub(super) fn answered(&self, address: Ipv4Addr, mac: Option<MacAddr>) {
        if let Some(tell) = self.lock().under_way.remove(&address) {
            // whoever has asked may have gone
            let _gone = tell.send(mac);
        }
    }

    /// Asks whether somebody else than `client` uses an address.
    pub(super) async fn probe(&self, address: Ipv4Addr, client: MacAddr, how: How) -> Found {
        let (tell, mut told) = oneshot::channel();
        let ask = {
            let mut inner = self.lock();
            if inner.under_way.contains_key(&address) {
                return Found::UnderWay;
            }
            let Some(ask) = inner.ask.clone().filter(|_| inner.under_way.len() < PROBES_MAX) else {
                drop(inner);
                self.is_free(address);
                return Found::NotAsked;
            };
            inner.under_way.insert(address, tell);
            ask
        };
        let _ended = Ended {
            prober: self,
            address,
        };
        for _ in 0..QUESTIONS {
            if ask(address, how).is_err() {
                self.is_free(address);
                return Found::NotAsked;
            }
            match tokio::time::timeout(self.time / QUESTIONS, &mut told).await {
                Ok(Ok(mac)) if mac != Some(client) => return Found::InUse(mac),
                Ok(_) => break,
                Err(_) => {}
            }
        }
        self.is_free(address);
        Found::Free
    }

    /// It is not asked for again until its offer ends.
    fn is_free(&self, address: Ipv4Addr) {
        let (mut inner, now) = (self.lock(), Instant::now());
        if inner.free_until.len() >= FREE_MAX {
            inner.free_until.retain(|_, until| *until > now);
        }
        if inner.free_until.len() < FREE_MAX {
            inner.free_until.insert(address, now + FREE_FOR);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody asks for the address any more, however that came.
struct Ended<'a> {
    prober: &'a Prober,
    address: Ipv4Addr,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.prober.lock().under_way.remove(&self.address);
    }
}

/// Bytes of an Ethernet frame with an ARP packet in it.
const ARP_FRAME_BYTES: usize = 14 + 28;
/// Ethernet, IPv4, their address lengths (RFC 826).
const ARP_OF_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
const ARP_REPLY: [u8; 2] = [0, 2];

/// An ARP probe (RFC 5227 section 2.1.1): a broadcast request whose sender has no address, so that it changes nobody's table.
pub(super) fn arp_probe(mac: MacAddr, address: Ipv4Addr) -> [u8; ARP_FRAME_BYTES] {
    let mut frame = [0; ARP_FRAME_BYTES];
    frame[..6].fill(0xff);
    frame[6..12].copy_from_slice(&mac.0);
    frame[12..14].copy_from_slice(&[0x08, 0x06]);
    frame[14..20].copy_from_slice(&ARP_OF_IPV4);
    frame[20..22].copy_from_slice(&[0, 1]);
    frame[22..28].copy_from_slice(&mac.0);
    frame[38..42].copy_from_slice(&address.octets());
    frame
}

/// The address that an ARP reply is about, and who has it.
pub(super) fn arp_reply(frame: &[u8]) -> Option<(Ipv4Addr, MacAddr)> {
    let frame = frame.first_chunk::<ARP_FRAME_BYTES>()?;
    if frame[14..20] != ARP_OF_IPV4 || frame[20..22] != ARP_REPLY {
        return None;
    }
    let mac = <[u8; 6]>::try_from(&frame[22..28]).ok()?;
    let address = <[u8; 4]>::try_from(&frame[28..32]).ok()?;
    Some((Ipv4Addr::from(address), MacAddr(mac)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 97, 200, 1);
    const CLIENT: MacAddr = MacAddr([2, 9, 9, 9, 9, 1]);
    const OTHER: MacAddr = MacAddr([2, 9, 9, 9, 9, 2]);
    /// Short, as it is waited for, and long enough for a busy machine to answer in its half.
    const TIME: Duration = Duration::from_millis(400);

    /// What was asked, in this order.
    type Asked = Arc<Mutex<Vec<(Ipv4Addr, How)>>>;

    fn prober() -> (Arc<Prober>, Asked) {
        let (prober, asked) = (Arc::new(Prober::new(TIME)), Asked::default());
        let notes = Arc::clone(&asked);
        prober.open(move |address, how| {
            notes.lock().unwrap().push((address, how));
            Ok(())
        });
        (prober, asked)
    }

    async fn probe(prober: &Arc<Prober>, answer: Option<Option<MacAddr>>) -> Found {
        let asks = Arc::clone(prober);
        let asking = tokio::spawn(async move { asks.probe(ADDRESS, CLIENT, How::Arp).await });
        tokio::time::sleep(TIME / 2).await;
        if let Some(mac) = answer {
            prober.answered(ADDRESS, mac);
        }
        asking.await.unwrap()
    }

    #[tokio::test]
    async fn an_address_is_free_when_nobody_answers_in_its_time() {
        let (prober, asked) = prober();
        let start = Instant::now();
        assert!(prober.wants(ADDRESS, start));
        assert_eq!(probe(&prober, None).await, Found::Free);
        assert!(start.elapsed() >= TIME);
        assert_eq!(*asked.lock().unwrap(), [(ADDRESS, How::Arp); 3]);
        let now = Instant::now();
        assert!(!prober.wants(ADDRESS, now), "the DHCPREQUEST that follows");
        assert!(prober.wants(ADDRESS, now + FREE_FOR));
    }

    #[tokio::test]
    async fn whoever_answers_has_it_but_the_client_itself() {
        let (prober, _) = prober();
        assert_eq!(probe(&prober, Some(Some(OTHER))).await, Found::InUse(Some(OTHER)));
        assert_eq!(probe(&prober, Some(None)).await, Found::InUse(None));
        assert!(prober.wants(ADDRESS, Instant::now()));
        assert_eq!(probe(&prober, Some(Some(CLIENT))).await, Found::Free);
        assert!(!prober.wants(ADDRESS, Instant::now()));
    }

    /// The client asks again while its first question is under way.
    #[tokio::test]
    async fn an_address_is_asked_for_once_at_a_time() {
        let (prober, asked) = prober();
        let first = probe(&prober, None);
        let second = async {
            tokio::time::sleep(TIME / 10).await;
            prober.probe(ADDRESS, CLIENT, How::Arp).await
        };
        assert_eq!(tokio::join!(first, second), (Found::Free, Found::UnderWay));
        assert_eq!(asked.lock().unwrap().len(), 3);
        assert!(prober.lock().under_way.is_empty());
    }

    #[tokio::test]
    async fn who_gives_up_leaves_nothing_behind() {
        let (prober, _) = prober();
        let asking = prober.probe(ADDRESS, CLIENT, How::Arp);
        assert!(tokio::time::timeout(TIME / 2, asking).await.is_err());
        assert!(prober.lock().under_way.is_empty());
        assert_eq!(probe(&prober, None).await, Found::Free);
    }

    /// Nodes that SMD does not know boot by the thousand; then an offer without a question is better than none.
    #[tokio::test]
    async fn beyond_a_bound_addresses_are_offered_unasked() {
        let (prober, asked) = prober();
        let mut asking = tokio::task::JoinSet::new();
        for n in 0..1100_u32 {
            let prober = Arc::clone(&prober);
            asking.spawn(async move {
                prober
                    .probe(Ipv4Addr::from(0x0a61_0000 + n), CLIENT, How::Ping)
                    .await
            });
        }
        let found = asking.join_all().await;
        let count = |wanted| found.iter().filter(|found| **found == wanted).count();
        assert_eq!((count(Found::Free), count(Found::NotAsked)), (PROBES_MAX, 76));
        assert_eq!(asked.lock().unwrap().len(), 3 * PROBES_MAX);
    }

    #[tokio::test]
    async fn without_means_nobody_waits() {
        let prober = Prober::new(TIME);
        assert!(!prober.wants(ADDRESS, Instant::now()));
        prober.open(|_, _| Err(io::ErrorKind::NetworkUnreachable.into()));
        assert!(prober.wants(ADDRESS, Instant::now()));
        assert_eq!(prober.probe(ADDRESS, CLIENT, How::Ping).await, Found::NotAsked);
        assert!(!prober.wants(ADDRESS, Instant::now()), "not for each packet");
        prober.close();
        assert_eq!(
            prober.probe(Ipv4Addr::LOCALHOST, CLIENT, How::Arp).await,
            Found::NotAsked
        );
        let off = Prober::new(Duration::ZERO);
        off.open(|_, _| Ok(()));
        assert!(!off.wants(ADDRESS, Instant::now()));
    }

    #[test]
    fn a_probe_names_no_sender() {
        let frame = arp_probe(OTHER, ADDRESS);
        let expected =
            "ffffffffffff 020909090902 0806 0001 0800 06 04 0001 020909090902 00000000 000000000000 0a61c801";
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected.replace(' ', ""));
        assert_eq!(arp_reply(&frame), None, "a question");
    }

    #[test]
    fn a_reply_says_who_has_the_address() {
        let mut frame = arp_probe(OTHER, Ipv4Addr::UNSPECIFIED).to_vec();
        frame[21] = 2;
        frame[28..32].copy_from_slice(&ADDRESS.octets());
        frame.extend([0; 18]);
        assert_eq!(arp_reply(&frame), Some((ADDRESS, OTHER)));
        assert_eq!(arp_reply(&frame[..41]), None);
        frame[18] = 8;
        assert_eq!(arp_reply(&frame), None, "of another network's addresses");
    }
}
