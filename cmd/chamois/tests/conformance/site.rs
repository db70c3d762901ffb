//! A member, and those who talk to it.

use std::net::SocketAddr;

use crate::common::http::tls;
use crate::common::{Member, Single, until};
use crate::request::Client;

/// Places of addresses on the network of nodes.
const READER: usize = 5;
const STRANGER: usize = 6;

pub(crate) struct Site {
    single: Single,
    member: Member,
}

impl Site {
    /// With one host in `anonymous-legacy-reads`.
    pub(crate) fn start() -> Site {
        rpc::tls::install_crypto_provider();
        let single = Single::prepare();
        let reader = single.net.node_address(READER).unwrap();
        single.configure_api(1, &format!("anonymous-legacy-reads = [\"{reader}/32\"]\n"));
        single.let_work_on_bmcs(1);
        let member = single.start();
        let site = Site { single, member };
        let administrator = site.administrator();
        until("there is a leader", [&site.member], || {
            let ready = std::net::TcpStream::connect(administrator.to).is_ok();
            ready && administrator.send("GET /hsm/v2/State/Components", "").status == 200
        });
        until(
            "there is a key that tokens are signed with",
            [&site.member],
            || administrator.send("GET /.well-known/jwks.json", "").status == 200,
        );
        site
    }

    fn client(&self, place: usize, token: &str) -> Client {
        Client {
            tls: tls(&[self.single.ca()], None),
            from: self.single.net.node_address(place).unwrap(),
            to: SocketAddr::from((self.single.own(), 8443)),
            token: token.to_owned(),
        }
    }

    /// With the administrator's token, from a host that nobody has named.
    pub(crate) fn administrator(&self) -> Client {
        self.client(STRANGER, &self.single.token())
    }

    /// Without a token, from the host that is named.
    pub(crate) fn reader(&self) -> Client {
        self.client(READER, "")
    }

    /// Without a token, from another.
    pub(crate) fn stranger(&self) -> Client {
        self.client(STRANGER, "")
    }
}
