//! Members with a node that has something of its own, and strangers beside it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::common::http::{Administrator, Answer, get_from, over_tls, say_from, tls};
use crate::common::{Member, Single, two_nodes};

/// In the node's own file, and in what lies beside the folder of boot files.
pub(crate) const CANARY: &str = "c4n4ry-of-the-node";
/// The node's group.
pub(crate) const GROUP: &str = "own";
/// An answer that does not come is none.
const ANSWER_MAX: Duration = Duration::from_secs(20);

pub(crate) struct Site {
    pub(crate) single: Single,
    /// By id, from 1 on.
    pub(crate) members: Vec<Option<Member>>,
    pub(crate) administrator: Administrator,
}

impl Site {
    /// The node's group has a file, which is secret or not.
    pub(crate) fn start(members: u64, is_secret: bool) -> Site {
        Self::start_with(members, is_secret, "")
    }

    /// With more lines in `[api]`.
    pub(crate) fn start_with(members: u64, is_secret: bool, api: &str) -> Site {
        rpc::tls::install_crypto_provider();
        let single = Single::prepare_one_of(members);
        (1..=members).for_each(|id| single.configure_api(id, api));
        let running = (1..=members).map(|id| Some(single.spawn_member(id))).collect();
        let site = Site {
            administrator: Administrator::new(&single.identities()),
            single,
            members: running,
        };
        site.until("nodes are answered", || site.single.answers_nodes());
        site.until("there is a leader", || {
            let listens = TcpStream::connect((site.single.own(), 8443)).is_ok();
            listens && site.admin("GET", "/hsm/v2/State/Components", "").status == 200
        });
        site.seed(is_secret);
        site
    }

    fn seed(&self, is_secret: bool) {
        two_nodes::seed(&self.single, &self.administrator, GROUP);
        let content = format!("#cloud-config\nbootcmd: [echo {CANARY}]\n");
        two_nodes::put_file(&self.single, GROUP, &content, is_secret);
    }

    /// The address of the node with this number, or of a stranger, who has one that no node has.
    pub(crate) fn node(&self, number: usize) -> Ipv4Addr {
        self.single.net.node_address(number).unwrap()
    }

    pub(crate) fn admin(&self, verb: &str, path: &str, body: &str) -> Answer {
        self.administrator.send(self.single.own(), verb, path, body)
    }

    /// Says these bytes to the node port; what came back until it closed.
    pub(crate) fn say(&self, from: Ipv4Addr, bytes: &[u8]) -> String {
        say_from(from, self.single.http(), bytes)
    }

    /// A GET of the node port with more headers, each with its line's end; status and the whole answer.
    pub(crate) fn get(&self, from: Ipv4Addr, path: &str, headers: &str) -> (u16, String) {
        get_from(from, self.single.http(), path, headers)
    }

    /// Says these bytes to the HTTPS port; what came back until it closed.
    pub(crate) fn say_over_tls(&self, bytes: &[u8]) -> String {
        let stream = TcpStream::connect((self.single.own(), 8443)).unwrap();
        stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        let mut stream = over_tls(&tls(&[self.single.ca()], None), stream);
        let mut answer = Vec::new();
        if stream.write_all(bytes).is_ok() {
            let _ = stream.read_to_end(&mut answer);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) fn until(&self, what: &str, condition: impl FnMut() -> bool) {
        crate::common::until(what, self.members.iter().flatten(), condition);
    }
}
