//! Whoever needs secrets all the time: access tokens, which each member signs with a key that it opens, and passwords, which each
//! member seals.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use serde_json::json;

use crate::common::http::Administrator;
use crate::vault::Vault;

#[derive(Default)]
struct Seen {
    done: AtomicUsize,
    /// Answers that were not a success.
    failed: Mutex<Vec<String>>,
    stop: AtomicBool,
}

pub(crate) struct Load {
    seen: Arc<Seen>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// One client for each of these members.
    pub(crate) fn start(vault: &Vault, ids: &[u64]) -> Load {
        vault.site.give("site", "viewer", "service/load");
        let (_, api) = vault.site.api_token("service/load", &["smd.read"]);
        let seen = Arc::new(Seen::default());
        let clients = ids.iter().map(|id| client(vault, *id, &api, &seen));
        let clients = clients.collect();
        Load { seen, clients }
    }

    pub(crate) fn done(&self) -> usize {
        self.seen.done.load(Ordering::Relaxed)
    }

    /// What failed.
    pub(crate) fn stop(self) -> Vec<String> {
        self.seen.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        self.seen.failed.lock().unwrap().clone()
    }
}

fn client(vault: &Vault, id: u64, api: &str, seen: &Arc<Seen>) -> JoinHandle<()> {
    let (ip, nobody, seen) = (vault.site.ip(id), vault.site.as_nobody(), Arc::clone(seen));
    let administrator = Administrator::new(&vault.site.identities());
    let asked = json!({"grant_type": "client_credentials", "client_secret": api}).to_string();
    let xname = format!("x9c{id}s0b0");
    std::thread::spawn(move || {
        let mut round = 0;
        while !seen.stop.load(Ordering::Relaxed) {
            round += 1;
            let token = nobody.send(ip, "POST", "/oauth2/token", &asked);
            let body =
                json!({"ID": xname, "FQDN": format!("load{id}.lab"), "Password": format!("round {round}")});
            let path = format!("/hsm/v2/Inventory/RedfishEndpoints/{xname}");
            let written = administrator.send(ip, "PUT", &path, &body.to_string());
            for answer in [token, written] {
                if !(200..300).contains(&answer.status) {
                    seen.failed
                        .lock()
                        .unwrap()
                        .push(format!("member {id}: {answer:?}"));
                }
            }
            seen.done.fetch_add(1, Ordering::Relaxed);
        }
    })
}
