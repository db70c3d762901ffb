//! `chamois configure` on a host of a live cluster: files follow the state, whatever members do.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::http::Administrator;
use common::{CHAMOIS, Member, Single};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// Members, and a host whose files are made of their state.
struct Site {
    cluster: Single,
    members: Vec<Member>,
    endpoints: String,
}

impl Site {
    fn start(members: u64) -> Self {
        let cluster = Single::prepare_one_of(members);
        let endpoints: Vec<_> = (1..=members)
            .map(|id| format!("{}:7441", cluster.net.member_address(id)))
            .collect();
        let site = Self {
            members: (1..=members).map(|id| cluster.spawn_member(id)).collect(),
            cluster,
            endpoints: endpoints.join(","),
        };
        std::fs::create_dir(site.path("etc")).unwrap();
        site.until("a leader", || site.ask(&["subnet", "list"]).0 == 0);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.cluster.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn options(&self) -> [String; 6] {
        let mut options = self.cluster.client_args();
        options[1].clone_from(&self.endpoints);
        options
    }

    fn ask(&self, args: &[&str]) -> (i32, String, String) {
        let options = self.options();
        let mut all = args.to_vec();
        all.extend(options.iter().map(String::as_str));
        common::outcome(&common::chamois(&all))
    }

    /// A command of `configure` that must succeed.
    fn configure(&self, args: &[&str]) -> String {
        let (code, out, err) = self.try_configure(args);
        assert_eq!(code, 0, "{args:?}: {out}\n{err}");
        out
    }

    fn try_configure(&self, args: &[&str]) -> (i32, String, String) {
        let config = self.path("configure.toml").display().to_string();
        let mut all = vec!["configure"];
        all.extend(args);
        all.extend(["--config", &config]);
        self.ask(&all)
    }

    fn template(&self, body: &str) -> (i32, String, String) {
        let file = self.path("groups.j2");
        std::fs::write(&file, body).unwrap();
        let file = file.display().to_string();
        self.ask(&["configure", "template", "put", "groups", &file])
    }

    /// Creates a group, however often it takes.
    fn group(&self, label: &str) {
        // a retry of a write that was made is refused as a conflict: it is there
        self.until("a write", || {
            matches!(self.ask(&["group", "create", label]).0, 0 | 4)
        });
    }

    /// One set of a template that lists groups, with a hook that counts.
    fn with_groups(&self) {
        // a new cluster takes templates when its members have told each other that they know them
        self.until("a template", || self.template(GROUPS).0 == 0);
        let text = format!(
            "state-dir = {:?}\n[[file-set]]\ntemplate = \"groups\"\ninto = {:?}\n\
             reload = [\"/bin/sh\", \"-c\", \"echo $CHAMOIS_REVISION >> {}\"]\n",
            self.path("state"),
            self.path("etc"),
            self.path("hooks").display()
        );
        std::fs::write(self.path("configure.toml"), text).unwrap();
    }

    /// A set of the same template, under another name.
    fn copy(&self, name: &str) -> String {
        let path = self.path(&format!("etc/{name}"));
        format!("[[file-set]]\nname = {name:?}\ntemplate = \"groups\"\npath = {path:?}\n")
    }

    /// Replaces the configuration by these sets.
    fn configured_with(&self, sets: &str) {
        let text = format!("state-dir = {:?}\n{sets}", self.path("state"));
        std::fs::write(self.path("configure.toml"), text).unwrap();
    }

    fn hooks(&self) -> usize {
        self.read("hooks").lines().count()
    }

    fn until(&self, what: &str, condition: impl FnMut() -> bool) {
        common::until(what, &self.members, condition);
    }
}

/// Every group on a line of its own.
const GROUPS: &str = "{{ header('#') }}\n{% for group in groups %}{{ group.label }}\n{% endfor %}";

/// A watch that tells into a file; killed when dropped.
struct Watch {
    child: Child,
    out: PathBuf,
}

impl Watch {
    fn start(site: &Site) -> Self {
        Self::start_with(site, &site.options())
    }

    fn start_with(site: &Site, options: &[String]) -> Self {
        let out = site.path("told");
        let child = Command::new(CHAMOIS)
            .args(["configure", "watch", "-o", "jsonl", "--config"])
            .arg(site.path("configure.toml"))
            .args(options)
            .stdout(File::create(&out).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, out }
    }

    /// What it told, by outcome.
    fn told(&self, outcome: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.out).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.filter(|line: &Value| line["outcome"] == outcome).collect()
    }

    fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Ends it as systemd does; its exit code.
    fn terminate(mut self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first member is killed, and whichever leads after it goes on; nothing is replaced without a change.
#[test]
fn files_follow_the_state_through_the_death_of_a_member() {
    let site = Site::start(3);
    site.with_groups();
    site.group("before");
    let watch = Watch::start(&site);
    site.until("the first file", || {
        site.read("etc/groups").contains("\nbefore\n")
    });
    site.until("the first hook", || site.hooks() == 1);

    site.group("second");
    site.until("the change", || site.read("etc/groups").contains("\nsecond\n"));
    site.members[0].signal(Signal::SIGKILL);
    site.group("third");
    site.until("the change after a death", || {
        site.read("etc/groups").contains("\nthird\n")
    });
    site.until("three hooks", || site.hooks() == 3);
    // a set is told of after its hook
    site.until("what was done to be told", || watch.told("replaced").len() == 3);
    assert!(watch.told("failed").is_empty());
    assert_eq!(watch.terminate(), Some(0));
    assert_eq!(site.hooks(), 3);
    let kept: Value = serde_json::from_str(&site.configure(&["revisions", "-o", "json"])).unwrap();
    assert_eq!(kept.as_array().unwrap().len(), 3, "{kept}");
}

/// Somebody puts a template that parses and fails on what there is: the file stays, the watch tells it and goes on.
#[test]
fn a_bad_template_changes_no_file_and_ends_no_watch() {
    let site = Site::start(1);
    site.with_groups();
    site.group("one");
    let watch = Watch::start(&site);
    site.until("the first file", || site.read("etc/groups").contains("\none\n"));
    let before = site.read("etc/groups");

    let (code, _, err) = site.template("{% for group in groups %}\n{{ group.lable }}\n{% endfor %}");
    assert_eq!(code, 0, "it parses: {err}");
    assert!(
        err.contains("cannot be rendered as things are") && err.contains("line 2") && err.contains("label"),
        "whoever puts it is told at once: {err}"
    );
    site.until("the failure", || !watch.told("failed").is_empty());
    let problem = watch.told("failed")[0]["problem"].as_str().unwrap().to_owned();
    assert!(
        problem.contains("groups") && problem.contains("line 2"),
        "{problem}"
    );
    assert_eq!(site.read("etc/groups"), before);

    let (code, _, err) = site.template("{% for group in %}");
    assert_ne!(code, 0, "it does not parse");
    assert!(err.contains("line 1"), "{err}");

    assert_eq!(site.template(&format!("{GROUPS}end\n")).0, 0);
    site.until("the good one", || site.read("etc/groups").ends_with("end\n"));
    assert_eq!(watch.terminate(), Some(0));
}

/// Sets come and go while the watch runs; a configuration that is refused is told and changes nothing of that.
#[test]
fn the_configuration_is_read_again_on_sighup() {
    let site = Site::start(1);
    site.with_groups();
    site.configured_with(&site.copy("one"));
    site.group("first");
    let watch = Watch::start(&site);
    site.until("the first file", || site.read("etc/one").contains("\nfirst\n"));

    site.configured_with(&format!("{}{}", site.copy("two"), site.copy("one")));
    watch.signal(Signal::SIGHUP);
    site.until("the new set, without a change of the state", || {
        site.read("etc/two").contains("\nfirst\n")
    });
    let read = watch.told("read");
    assert_eq!(read.len(), 1);
    assert_eq!((&read[0]["new"], &read[0]["gone"]), (&json!(["two"]), &json!([])));

    std::fs::write(site.path("configure.toml"), "\nkeeps = 1\n").unwrap();
    watch.signal(Signal::SIGHUP);
    site.until("the refusal", || !watch.told("failed").is_empty());
    let problem = watch.told("failed")[0]["problem"].as_str().unwrap().to_owned();
    assert!(
        problem.contains("configure.toml:2") && problem.contains("keeps"),
        "{problem}"
    );
    site.group("second");
    site.until("the old configuration stays in force", || {
        ["etc/one", "etc/two"].map(|file| site.read(file).contains("\nsecond\n")) == [true, true]
    });

    site.configured_with(&site.copy("two"));
    watch.signal(Signal::SIGHUP);
    site.until("the third reading", || watch.told("read").len() == 2);
    assert_eq!(watch.told("read")[1]["gone"], json!(["one"]));
    site.group("third");
    site.until("the set that is left", || {
        site.read("etc/two").contains("\nthird\n")
    });
    site.until("all that was told", || watch.told("replaced").len() == 5);
    let replaced = watch.told("replaced");
    let of_one = replaced.iter().filter(|line| line["set"] == "one");
    assert_eq!(
        of_one.count(),
        2,
        "what was right was not replaced again: {replaced:?}"
    );
    let left = site.read("etc/one");
    assert!(left.contains("\nsecond\n") && !left.contains("third"), "{left}");
    assert_eq!(watch.terminate(), Some(0));
}

/// An agent writes a new token before the old one ends; the stream that ends with the old one is begun again with the new one.
#[test]
fn a_watch_outlives_its_token() {
    let site = Site::start(1);
    site.with_groups();
    site.group("first");
    let administrator = Administrator::new(&site.cluster.identities());
    let own = site.cluster.own();
    let post = |path: &str, body: &Value| administrator.send(own, "POST", path, &body.to_string());
    let policy = json!({"name": "watchers", "role": "viewer", "principals": ["service/watcher"]});
    assert_eq!(post("/chamois/v1/policies", &policy).status, 200);
    let token = || {
        let asked = json!({"principal": "service/watcher", "permissions": ["*.read"]});
        let answer = post("/chamois/v1/api-tokens", &asked);
        assert_eq!(answer.status, 201, "{answer:?}");
        let made: Value = serde_json::from_str(&answer.body).unwrap();
        ["id", "token"].map(|key| made[key].as_str().unwrap().to_owned())
    };
    let (file, [first, secret]) = (site.path("token"), token());
    std::fs::write(&file, secret).unwrap();
    let mut options = site.options();
    options[5] = file.display().to_string();
    let watch = Watch::start_with(&site, &options);
    site.until("the first file", || site.read("etc/groups").contains("\nfirst\n"));

    let [_, secret] = token();
    std::fs::write(&file, secret).unwrap();
    let path = format!("/chamois/v1/api-tokens/{first}");
    assert_eq!(administrator.send(own, "DELETE", &path, "").status, 200);
    site.group("second");
    site.until("the change after the end of the token", || {
        site.read("etc/groups").contains("\nsecond\n")
    });
    assert_eq!(watch.terminate(), Some(0));
}

/// What was rolled back stays so while a watch runs, until somebody applies it again. No member is needed to go back.
#[test]
fn a_rollback_holds_against_the_watch_and_needs_no_member() {
    let site = Site::start(1);
    site.with_groups();
    site.group("one");
    let watch = Watch::start(&site);
    site.until("the first file", || site.read("etc/groups").contains("\none\n"));
    site.group("two");
    site.until("the second version", || {
        site.read("etc/groups").contains("\ntwo\n")
    });
    site.until("its hook", || site.hooks() == 2);

    let config = site.path("configure.toml").display().to_string();
    let alone = [
        "configure",
        "rollback",
        "groups",
        "--config",
        &config,
        "--endpoints",
        "127.0.0.1:1",
    ];
    let (code, out, err) = common::outcome(&common::chamois(&alone));
    assert_eq!(code, 0, "{out}{err}");
    assert!(!site.read("etc/groups").contains("two"));
    assert_eq!(site.hooks(), 3);

    site.group("three");
    let (_, diff, _) = site.try_configure(&["diff"]);
    assert!(diff.contains("+three") && diff.contains("+two"), "{diff}");
    let held = site.configure(&["apply"]);
    assert!(held.contains("rolled back"), "{held}");
    assert!(!site.read("etc/groups").contains("three"));
    site.configure(&["apply", "groups"]);
    assert!(site.read("etc/groups").contains("\nthree\n"));
    site.group("four");
    site.until("the watch goes on", || {
        site.read("etc/groups").contains("\nfour\n")
    });
    assert_eq!(watch.terminate(), Some(0));
}

/// What an apply would do is shown, and what is not ours is left alone.
#[test]
fn an_apply_is_shown_first_and_adopts_only_when_asked_to() {
    let site = Site::start(1);
    site.with_groups();
    site.group("one");
    std::fs::write(site.path("etc/groups"), "written by hand\n").unwrap();
    let (code, out, err) = site.try_configure(&["apply", "--dry-run"]);
    assert!(code != 0 && err.contains("--adopt"), "{code} {out} {err}");
    let diff = site.configure(&["apply", "--dry-run", "--adopt"]);
    assert!(
        diff.contains("-written by hand") && diff.contains("+one"),
        "{diff}"
    );
    let (code, _, err) = site.try_configure(&["apply"]);
    assert_eq!(code, 4, "{err}");
    assert!(err.contains("--adopt"), "{err}");
    assert_eq!(site.read("etc/groups"), "written by hand\n");
    let (code, _, _) = site.try_configure(&["diff", "--exit-code"]);
    assert_eq!(code, 1);
    site.configure(&["apply", "--adopt"]);
    assert_eq!(site.configure(&["diff", "--exit-code"]), "");
    site.configure(&["rollback", "groups", "--to", "0"]);
    assert_eq!(site.read("etc/groups"), "written by hand\n");
}

/// Files on standard output, for whoever wants no watch.
#[test]
fn files_can_be_had_without_a_configuration() {
    let site = Site::start(1);
    site.group("one");
    let (code, out, err) = site.ask(&["configure", "render", "hosts"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("# chamois: cluster test, revision "), "{out}");
    let (code, _, err) = site.ask(&["configure", "render", "hots"]);
    assert_eq!(code, 3);
    assert!(err.contains("hosts"), "the nearest is named: {err}");
    let (code, out, _) = site.ask(&["configure", "targets"]);
    assert!(
        code == 0 && out.contains("slurm") && out.contains("hosts"),
        "{out}"
    );
    std::fs::write(site.path("configure.toml"), "keeps = 1\n").unwrap();
    let (code, _, err) = site.try_configure(&["check", "--offline"]);
    assert_eq!(code, 2);
    assert!(err.contains("configure.toml:1") && err.contains("keeps"), "{err}");
}
