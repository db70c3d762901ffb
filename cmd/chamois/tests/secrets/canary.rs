//! Every kind of secret is planted, used and refused on members that log all they can, and then looked for in each form: in the data of
//! every member, in logs at trace level, in a snapshot, in answers and in errors. Nothing may be found but in the keys' own folder.
//!
//! The search is held to find something: what is public (`CONTROL`) is planted beside the secrets and must be found in each kind of
//! place by the same search. A place that it cannot read fails the test for that reason.

use std::net::IpAddr;

use auth::Sealer;
use base64::Engine as _;
use prost_reflect::prost::Message as _;
use raft::another_cluster::inspect;
use serde_json::json;

use crate::common::http::{Administrator, as_node};
use crate::common::two_nodes::{NODE, SCRIPT, documents_url, file_url, path_of};
use crate::common::{Member, Single, files, text};
use crate::search::{Search, Secret};
use crate::site::Bearer;

/// Public.
const CONTROL: &str = "c0ntr0l+of \"everybody\"/ü";
const BMC: &str = "c4n4ry+bmc \"first\"/ü";
const BMC_CHANGED: &str = "c4n4ry+bmc \"second\"/ü";
const GROUP_FILE: &str = "c4n4ry+group-file/ü";
const GROUP_DATA: &str = "c4n4ry+group-data/ü";
const INSTANCE: &str = "c4n4ry+instance/ü";
/// Of requests that are refused.
const REFUSED: &str = "c4n4ry+refused \"no\"/ü";

struct Canary {
    single: Single,
    members: Vec<Member>,
    administrator: Administrator,
    secrets: Vec<Secret>,
    /// What anybody was answered, by what was asked.
    answers: Vec<(String, String)>,
}

impl Canary {
    fn start() -> Canary {
        let single = Single::prepare_one_of(3);
        let log = ["--log-format", "json", "--log", "trace"];
        let mut members: Vec<Member> = (1..=3).map(|id| single.spawn_in(id, &log, &[])).collect();
        members[0].until("the service address answers", || single.answers_nodes());
        let identities = single.dir.path().join("identities");
        let administrator = Administrator::new(&identities);
        members[0].until("a leader", || {
            administrator
                .send(single.own(), "GET", "/hsm/v2/groups", "")
                .status
                == 200
        });
        let mut canary = Canary {
            single,
            members,
            administrator,
            secrets: Vec::new(),
            answers: Vec::new(),
        };
        let token = std::fs::read_to_string(identities.join("admin.token")).unwrap();
        canary.is_secret(
            "administrator's token",
            token.trim().rsplit_once('.').unwrap().1.as_bytes(),
        );
        for (name, text) in [
            ("BMC password", BMC),
            ("changed BMC password", BMC_CHANGED),
            ("file of a group", GROUP_FILE),
            ("meta-data of a group", GROUP_DATA),
            ("meta-data of a node", INSTANCE),
            ("what was refused", REFUSED),
        ] {
            canary.is_secret(name, text.as_bytes());
        }
        canary
    }

    fn is_secret(&mut self, name: &str, secret: &[u8]) {
        self.secrets.push(Secret::new(name, secret));
    }

    fn ip(&self) -> IpAddr {
        self.single.own().into()
    }

    /// An administrator's request; the answer is looked through later.
    fn send(&mut self, method: &str, path: &str, body: &str) -> u16 {
        let answer = self.administrator.send(self.ip(), method, path, body);
        self.answers.push((format!("{method} {path}"), answer.body));
        answer.status
    }

    /// As [`Canary::send`], which must do.
    fn done(&mut self, method: &str, path: &str, body: &serde_json::Value) {
        let status = self.send(method, path, &body.to_string());
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {:?}",
            self.answers.last()
        );
    }

    fn cli(&mut self, args: &[&str]) -> i32 {
        let (code, out, err) = self.single.ask(args);
        self.answers.push((args.join(" "), format!("{out}{err}")));
        code
    }

    fn plant_in_smd(&mut self) {
        let components = json!({"Components": [{"ID": NODE, "State": "On"}]});
        self.done("POST", "/hsm/v2/State/Components", &components);
        let address = self.single.net.node_address(1).unwrap();
        let interface = json!({"MACAddress": "02:00:00:00:00:01", "ComponentID": NODE,
            "IPAddresses": [{"IPAddress": address}]});
        self.done("POST", "/hsm/v2/Inventory/EthernetInterfaces", &interface);
        let group = json!({"label": "munge", "description": CONTROL, "members": {"ids": [NODE]}});
        self.done("POST", "/hsm/v2/groups", &group);
        let bmc = json!({"ID": "x1000c0s0b0", "FQDN": "bmc.lab", "User": "root", "Password": BMC});
        self.done("POST", "/hsm/v2/Inventory/RedfishEndpoints", &bmc);
        let path = "/hsm/v2/Inventory/RedfishEndpoints/x1000c0s0b0";
        self.done("PATCH", path, &json!({"Password": BMC_CHANGED}));
        let boot = json!({"hosts": [NODE], "kernel": "http://x/k"});
        self.done("POST", "/boot/v1/bootparameters", &boot);
    }

    fn plant_in_cloud_init(&mut self) {
        let file = self.single.dir.path().join("munge.yaml");
        std::fs::write(&file, format!("#cloud-config\n# {GROUP_FILE}\n")).unwrap();
        let data = json!({"key": GROUP_DATA}).to_string();
        let put = [
            "cloud-init",
            "group",
            "put",
            "munge",
            "--secret",
            "--meta-data",
            &data,
            "--file",
        ];
        assert_eq!(
            self.cli(&[&put[..], &[text(&file)]].concat()),
            0,
            "{:?}",
            self.answers.last()
        );
        std::fs::remove_file(&file).unwrap();
        let data = json!({"key": INSTANCE}).to_string();
        let set = [
            "cloud-init",
            "node",
            "set",
            NODE,
            "--secret",
            "--meta-data",
            &data,
        ];
        assert_eq!(self.cli(&set), 0, "{:?}", self.answers.last());
    }

    /// The node boots and is given what is its own: the only answers that may have it.
    fn boot(&mut self) {
        let node = self.single.net.node_address(1).unwrap();
        let get = |path: &str| as_node(node, self.single.http(), "GET", path, "");
        let script = get(SCRIPT).body;
        let base = path_of(documents_url(&script));
        let token = base.trim_end_matches('/').rsplit_once("/t/").unwrap().1;
        let token = token.to_owned();
        let vendor_data = get(&format!("{base}vendor-data")).body;
        let file = path_of(file_url(&vendor_data, "munge"));
        let (file, meta_data) = (get(&file).body, get(&format!("{base}meta-data")).body);
        assert!(file.contains(GROUP_FILE), "the node needs it: {file}");
        assert!(!meta_data.is_empty());
        let other = self.single.net.node_address(2).unwrap();
        for path in [format!("{base}meta-data"), format!("{base}munge.yaml")] {
            let stolen = as_node(other, self.single.http(), "GET", &path, "");
            self.answers.push(("a stolen token".to_owned(), stolen.body));
        }
        self.is_secret("token of a boot", token.as_bytes());
    }

    /// Tokens are made, used and shown to whoever may look into them; then some that are none.
    fn use_tokens(&mut self) {
        let asked = json!({"principal": "service/cron", "permissions": ["smd.read"]});
        let made = self
            .administrator
            .send(self.ip(), "POST", "/chamois/v1/api-tokens", &asked.to_string());
        assert_eq!(made.status, 201, "{made:?}");
        let made: serde_json::Value = serde_json::from_str(&made.body).unwrap();
        let api = made["token"].as_str().unwrap().to_owned();
        let asked = json!({"grant_type": "client_credentials", "client_secret": api});
        let identities = self.single.dir.path().join("identities");
        let nobody = Bearer::new(&identities, "");
        let (ip, mut given) = (self.ip(), String::new());
        crate::common::until("an access token", &self.members, || {
            let answer = nobody.send(ip, "POST", "/oauth2/token", &asked.to_string());
            given = answer.body;
            answer.status == 200
        });
        let given: serde_json::Value = serde_json::from_str(&given).unwrap();
        let access = given["access_token"].as_str().unwrap();
        let holder = Bearer::new(&identities, access);
        let used = holder.send(ip, "GET", "/hsm/v2/groups", "");
        self.answers.push(("an access token".to_owned(), used.body));
        let looked_into = json!({"token": access}).to_string();
        let told = holder.send(ip, "POST", "/oauth2/introspect", &looked_into);
        self.answers.push(("introspection".to_owned(), told.body));
        self.is_secret("access token", access.rsplit_once('.').unwrap().1.as_bytes());
        for (path, body) in [
            (
                "/oauth2/token",
                json!({"grant_type": "refresh_token", "refresh_token": REFUSED}),
            ),
            (
                "/oauth2/token",
                json!({"grant_type": "client_credentials", "client_secret": REFUSED}),
            ),
            (
                "/oauth2/token",
                json!({"grant_type": "password", "password": REFUSED}),
            ),
            ("/oauth2/introspect", json!({"token": REFUSED})),
            ("/oauth2/revoke", json!({"token": REFUSED})),
        ] {
            let refused = nobody.send(self.ip(), "POST", path, &body.to_string());
            self.answers.push((format!("refused {path}"), refused.body));
        }
        self.is_secret("API token", &api.as_bytes()[21..]);
    }

    /// Requests that are wrong beside the secret that they bring, or in it.
    fn be_refused(&mut self) {
        let endpoints = "/hsm/v2/Inventory/RedfishEndpoints";
        let one = format!("{endpoints}/x1000c0s0b0");
        for (method, path, body) in [
            (
                "POST",
                endpoints,
                json!({"ID": "nowhere", "Password": REFUSED}).to_string(),
            ),
            (
                "POST",
                endpoints,
                json!({"ID": "x1c0s0b0", "Enabled": "maybe", "Password": REFUSED}).to_string(),
            ),
            (
                "POST",
                endpoints,
                json!({"ID": "x1000c0s0b0", "FQDN": "bmc.lab", "Password": REFUSED}).to_string(),
            ),
            (
                "PATCH",
                one.as_str(),
                json!({"Password": REFUSED, "UUID": 7}).to_string(),
            ),
            (
                "POST",
                endpoints,
                format!("{{\"ID\":\"x1c0s0b0\",\"Password\":{}", json!(REFUSED)),
            ),
        ] {
            let status = self.send(method, path, &body);
            assert!(status >= 400, "{method} {path}: {:?}", self.answers.last());
        }
        let data = json!({"key": REFUSED}).to_string();
        for args in [
            [
                "cloud-init",
                "group",
                "put",
                "no group",
                "--secret",
                "--meta-data",
                &data,
            ],
            [
                "cloud-init",
                "node",
                "set",
                "nowhere",
                "--secret",
                "--meta-data",
                &data,
            ],
        ] {
            assert_ne!(self.cli(&args), 0, "{:?}", self.answers.last());
        }
    }

    /// The key of all keys, the one before and the one after.
    fn rotate(&mut self) {
        let kek = self.single.dir.path().join("identities/member-1/kek.key");
        let out = self.single.dir.path().join("identities/kek-2.key");
        let old = std::fs::read(&kek).unwrap();
        assert_eq!(self.cli(&["secrets", "rotate-kek", "--out", text(&out)]), 0);
        for (name, pem) in [("old KEK", old), ("new KEK", std::fs::read(&out).unwrap())] {
            let pem = String::from_utf8(pem).unwrap();
            let line = pem.lines().nth(1).unwrap();
            let der = base64::engine::general_purpose::STANDARD.decode(line).unwrap();
            // the same 16 bytes begin every such file
            self.is_secret(name, &der[16..]);
        }
        assert_eq!(self.cli(&["secrets", "status"]), 0);
    }

    /// Everything that can be read without naming one thing.
    fn read_everything(&mut self) {
        for path in routes_without_variables() {
            self.send("GET", &path, "");
        }
        for path in [
            "/metrics",
            "/hsm/v2/Inventory/RedfishEndpoints/x1000c0s0b0",
            "/cloud-init/admin/groups/munge",
            "/cloud-init/admin/instance-info/x1000c0s0b0n0",
        ] {
            self.send("GET", path, "");
        }
        for args in [
            &["boot", "explain", NODE, "-o", "json"][..],
            &["cloud-init", "group", "show", "munge", "-o", "json"],
            &["cloud-init", "node", "show", NODE, "-o", "json"],
            &["cloud-init", "node", "data", NODE],
            &["token", "list", "-o", "json"],
            &["token", "keys", "-o", "json"],
            &["member", "list", "-o", "json"],
            &["export"],
        ] {
            self.cli(args);
        }
    }

    /// What is sealed in the saved state is secret as well, whoever made it: signing keys, keys of tokens and adverts.
    fn open_all(&mut self, snapshot: &std::path::Path) -> Vec<u8> {
        let state = inspect(snapshot).unwrap().state;
        let keys = std::fs::read(self.single.dir.path().join("identities/member-1/kek.key")).unwrap();
        let keys = Sealer::from_pem(&keys).unwrap();
        for sealed in state.sealed() {
            let opened = keys.open(sealed).unwrap();
            self.is_secret(&sealed.name, opened.bytes());
        }
        state.rows().flat_map(|row| row.encode_to_vec()).collect()
    }
}

/// Of methods that answer once.
fn routes_without_variables() -> Vec<String> {
    let all = crate::common::routes::routes().into_iter();
    let reads = all.filter(|route| route.verb == "GET" && !route.method.is_server_streaming());
    let paths = reads.map(|route| route.template);
    let paths: Vec<String> = paths.filter(|path| !path.contains('{')).collect();
    assert!(paths.len() > 30, "{paths:?}");
    paths
}

#[test]
fn no_secret_is_in_a_file_a_log_or_an_answer() {
    let mut canary = Canary::start();
    canary.plant_in_smd();
    canary.plant_in_cloud_init();
    canary.boot();
    canary.use_tokens();
    canary.be_refused();
    canary.rotate();
    canary.read_everything();
    let snapshot = canary.single.dir.path().join("saved.snapshot");
    assert_eq!(canary.cli(&["snapshot", "save", text(&snapshot)]), 0);
    let rows = canary.open_all(&snapshot);
    // all has been written when they have ended
    canary.members.iter().for_each(Member::terminate);
    for member in &mut canary.members {
        member.exit_code(std::time::Duration::from_secs(30));
    }
    let mut places = vec![("rows of the snapshot".to_owned(), rows)];
    for id in 1..=3 {
        for file in files(&canary.single.dir.path().join(format!("data-{id}"))) {
            let content = std::fs::read(&file).unwrap_or_default();
            places.push((file.display().to_string(), content));
        }
        places.push((
            format!("log of member {id}"),
            canary.members[id - 1].log().into_bytes(),
        ));
    }
    places.push(("snapshot".to_owned(), std::fs::read(&snapshot).unwrap()));
    let answers = canary.answers.iter();
    places.extend(answers.map(|(asked, told)| (format!("answer to {asked}"), told.clone().into_bytes())));

    let search = Search::of(&canary.secrets);
    let found: Vec<String> = places
        .iter()
        .flat_map(|(place, content)| {
            let within = search.within(content);
            within.into_iter().map(move |what| format!("{place}: {what}"))
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");

    let control = [Secret::new("control", CONTROL.as_bytes())];
    let control = Search::of(&control);
    for kind in [
        "rows of the snapshot",
        "/data-1/",
        "/data-2/",
        "/data-3/",
        "answer to GET /hsm/v2/groups",
    ] {
        let mut of_kind = places.iter().filter(|(place, _)| place.contains(kind));
        let is_found = of_kind.any(|(_, content)| !control.within(content).is_empty());
        assert!(is_found, "the search does not see what is in {kind}");
    }
    for id in 1..=3 {
        let log = canary.members[id - 1].log();
        assert!(log.contains("\"TRACE\""), "member {id} does not log everything");
    }
}
