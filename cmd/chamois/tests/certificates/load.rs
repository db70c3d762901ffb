//! Clients that ask all the time, and what they have seen.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use crate::common::http::{send_over, tls};
use crate::one_connection::OneConnection;
use crate::site::{COMPONENTS, Site, shown};

/// Between two requests on a connection that is kept: without handshakes they would be too many.
const PAUSE: Duration = Duration::from_millis(50);

/// Clients at all members, each with its own certificate file, which it reads anew for each request.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    /// Answers that were not 200.
    others: Arc<Mutex<Vec<String>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(
        site: &Site,
        file: &Path,
        trusted: &Arc<Mutex<Vec<CertificateDer<'static>>>>,
    ) -> Load {
        let mut load = Load {
            stop: Arc::default(),
            asked: Arc::default(),
            others: Arc::default(),
            clients: Vec::new(),
        };
        for id in site.ids() {
            let (ip, file, trusted) = (site.ip(id), file.to_owned(), Arc::clone(trusted));
            let (stop, asked, others) = (
                Arc::clone(&load.stop),
                Arc::clone(&load.asked),
                Arc::clone(&load.others),
            );
            load.clients.push(std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let ca = trusted.lock().unwrap().clone();
                    let tls = tls(&ca, Some(shown(&file)));
                    // a request that has no answer at all panics, which is seen at the end
                    let answer = send_over(&tls, ip, "GET", COMPONENTS, "", "");
                    if answer.status != 200 {
                        others.lock().unwrap().push(format!("{answer:?}"));
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        load
    }

    /// And one client for each member that keeps its connection from now on.
    pub(crate) fn keep(&mut self, site: &Site, file: &Path) {
        for id in site.ids() {
            let mut connection = OneConnection::open(site, id, file);
            let (stop, asked, others) = (
                Arc::clone(&self.stop),
                Arc::clone(&self.asked),
                Arc::clone(&self.others),
            );
            self.clients.push(std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let status = connection.status();
                    if status != 200 {
                        others
                            .lock()
                            .unwrap()
                            .push(format!("{status} on a kept connection"));
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(PAUSE);
                }
            }));
        }
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Waits until so many more requests were answered.
    pub(crate) fn goes_on(&self, site: &Site, more: usize) {
        let before = self.asked();
        site.until("requests go on", || self.asked() >= before + more);
    }

    /// Nobody was refused.
    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("a request had no answer");
        }
        let others = self.others.lock().unwrap();
        assert!(
            others.is_empty(),
            "{} of {:?}: {others:#?}",
            others.len(),
            self.asked
        );
    }
}

/// A dozen, or as many as `CHAMOIS_ROTATIONS` says; issue 9 asks for 100.
pub(crate) fn rotations() -> usize {
    let asked = std::env::var("CHAMOIS_ROTATIONS").ok();
    asked.map_or(12, |number| number.parse().unwrap())
}
