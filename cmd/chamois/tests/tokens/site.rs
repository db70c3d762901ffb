//! Members with keys that sign access tokens, and whoever asks them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use nix::sys::signal::Signal;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

use crate::common::http::{Administrator, Answer, send_over, tls};
use crate::common::{Member, Single};

/// What a read of SMD needs a right for.
pub(crate) const COMPONENTS: &str = "/hsm/v2/State/Components";

/// A cluster that runs.
pub(crate) struct Site {
    pub(crate) single: Single,
    /// By id, from 1 on.
    pub(crate) members: Vec<Option<Member>>,
    pub(crate) administrator: Administrator,
}

impl Site {
    /// All members know the keys.
    pub(crate) fn start(members: u64) -> Site {
        Self::start_with(members, "")
    }

    /// With more lines in `[raft]`.
    pub(crate) fn start_with(members: u64, raft: &str) -> Site {
        let single = Single::prepare_one_of(members);
        (1..=members).for_each(|id| single.configure_raft(id, raft));
        let running = (1..=members).map(|id| Some(single.spawn_member(id))).collect();
        let administrator = Administrator::new(&single.identities());
        let site = Site {
            single,
            members: running,
            administrator,
        };
        for id in 1..=members {
            site.until(&format!("keys at member {id}"), || {
                let listens = std::net::TcpStream::connect((site.ip(id), 8443)).is_ok();
                listens && site.as_nobody().send(site.ip(id), "GET", "/keys", "").status == 200
            });
        }
        site
    }

    pub(crate) fn ip(&self, id: u64) -> IpAddr {
        self.single.net.member_address(id).into()
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        (1..)
            .zip(&self.members)
            .filter_map(|(id, member)| member.is_some().then_some(id))
            .collect()
    }

    /// Who leads, by what the first member that runs says.
    pub(crate) fn leader(&self) -> u64 {
        let at = self.ip(self.ids()[0]);
        let status = json(&self.administrator.send(at, "GET", "/chamois/v1/cluster", ""));
        let leader = &status["leaderId"];
        leader
            .as_u64()
            .or_else(|| leader.as_str()?.parse().ok())
            .unwrap_or_else(|| panic!("{status}"))
    }

    /// Stops a member where it is, or lets it go on: it follows nobody meanwhile.
    pub(crate) fn signal(&self, id: u64, signal: Signal) {
        let member = self.members[id as usize - 1].as_ref();
        member.expect("it runs").signal(signal);
    }

    pub(crate) fn identities(&self) -> PathBuf {
        self.single.identities()
    }

    pub(crate) fn as_nobody(&self) -> Bearer {
        self.bearing("")
    }

    pub(crate) fn bearing(&self, token: &str) -> Bearer {
        Bearer::new(&self.identities(), token)
    }

    /// Waits at most a minute.
    pub(crate) fn until(&self, what: &str, condition: impl FnMut() -> bool) {
        crate::common::until(what, self.members.iter().flatten(), condition);
    }

    /// Somebody has a role, everywhere.
    pub(crate) fn give(&self, name: &str, role: &str, principal: &str) {
        let policy = serde_json::json!({"name": name, "role": role, "principals": [principal]});
        let answer = self
            .administrator
            .send(self.ip(1), "POST", "/chamois/v1/policies", &policy.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Id and text of a new API token, which every member knows.
    pub(crate) fn api_token(&self, principal: &str, permissions: &[&str]) -> (String, String) {
        self.until("a leader", || {
            self.administrator.send(self.ip(1), "GET", COMPONENTS, "").status == 200
        });
        let asked = serde_json::json!({"principal": principal, "permissions": permissions});
        let answer =
            self.administrator
                .send(self.ip(1), "POST", "/chamois/v1/api-tokens", &asked.to_string());
        assert_eq!(answer.status, 201, "{answer:?}");
        let made = json(&answer);
        let token = made["token"].as_str().unwrap().to_owned();
        for id in self.ids() {
            self.until("the token is known", || self.status(id, &token) != 503);
        }
        (made["id"].as_str().unwrap().to_owned(), token)
    }

    /// An access token for an API token, by member `id`.
    pub(crate) fn access_token(&self, id: u64, api_token: &str) -> String {
        let asked = serde_json::json!({"grant_type": "client_credentials", "client_secret": api_token});
        let answer = self
            .as_nobody()
            .send(self.ip(id), "POST", "/oauth2/token", &asked.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        json(&answer)["access_token"].as_str().unwrap().to_owned()
    }

    /// What member `id` says to a read with this token.
    pub(crate) fn status(&self, id: u64, token: &str) -> u16 {
        self.bearing(token)
            .send(self.ip(id), "GET", COMPONENTS, "")
            .status
    }

    /// The same when the member has asked the others about what it does not know.
    pub(crate) fn final_status(&self, id: u64, token: &str) -> u16 {
        let mut status = 503;
        self.until("an answer", || {
            status = self.status(id, token);
            status != 503
        });
        status
    }
}

/// The token with one claim changed, and the signature that it had.
pub(crate) fn with_claim(token: &str, name: &str, value: Value) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims: Value = serde_json::from_slice(&B64.decode(parts[1]).unwrap()).unwrap();
    claims[name] = value;
    format!("{}.{}.{}", parts[0], B64.encode(claims.to_string()), parts[2])
}

/// Whoever shows a token; an empty one is not shown.
pub(crate) struct Bearer {
    tls: Arc<ClientConfig>,
    token: String,
}

impl Bearer {
    pub(crate) fn new(identities: &Path, token: &str) -> Bearer {
        let ca = CertificateDer::from_pem_file(identities.join("ca.pem")).unwrap();
        Bearer {
            tls: tls(&[ca], None),
            token: token.to_owned(),
        }
    }

    /// One request; `body` is JSON or empty.
    pub(crate) fn send(&self, ip: IpAddr, method: &str, path: &str, body: &str) -> Answer {
        self.send_with(ip, method, path, "", body)
    }

    /// [`Bearer::send`] with more headers, each with its line's end.
    pub(crate) fn send_with(
        &self,
        ip: IpAddr,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Answer {
        let headers = match self.token.as_str() {
            "" => headers.to_owned(),
            token => format!("Authorization: Bearer {token}\r\n{headers}"),
        };
        send_over(&self.tls, ip, method, path, &headers, body)
    }
}

pub(crate) fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}
