//! Recorded terminal scenes: commands as somebody types them, on a terminal of 100 columns, against a real member, and what is then on
//! the screen. `UPDATE_GOLDEN=1` writes the files anew; a scene that changed is a change that somebody sees.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

#[path = "../common/mod.rs"]
mod common;
mod normal;
mod screen;
mod terminal;

use std::path::{Path, PathBuf};

use common::{Member, Single};
use terminal::Terminal;

/// A cluster with four nodes in one group, and one more node that is in none.
struct Stage {
    single: Single,
    _member: Member,
}

impl Stage {
    fn set() -> Self {
        let single = Single::prepare();
        let mut member = single.start();
        member.until("a leader", || single.ask(&["cluster", "status"]).0 == 0);
        let nodes: Vec<String> = (0..5)
            .map(|n| {
                format!(
                    r#"{{"ID":"x1000c0s{n}b0n0","Type":"Node","State":"STATE_READY","Flag":"FLAG_OK","Enabled":true,"Role":"Compute","NID":{nid},"Arch":"ARCH_X86","Class":"CLASS_RIVER"}}"#,
                    nid = n + 1
                )
            })
            .collect();
        let components = format!(r#"{{"Components":[{}]}}"#, nodes.join(","));
        let stage = Self {
            single,
            _member: member,
        };
        stage.done(&[
            "api",
            "call",
            "smd.v1.ComponentService.CreateComponents",
            "-d",
            &components,
        ]);
        let members: Vec<String> = (0..4).map(|n| format!("x1000c0s{n}b0n0")).collect();
        stage.done(&["group", "create", "compute", &members.join(",")]);
        stage
    }

    /// What happens behind the scene.
    fn done(&self, args: &[&str]) {
        let (code, out, err) = self.single.ask(args);
        assert_eq!(code, 0, "{args:?}: {out}{err}");
    }

    /// A file that commands of the scene name; they run in its folder.
    fn file(&self, name: &str, content: &str) {
        let path = self.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn folder(&self) -> PathBuf {
        let folder = self.single.dir.path().join("scene");
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Types a command and waits for its end.
    fn typed(&self, command: &str) -> String {
        let terminal = self.begun(command);
        let (screen, code) = terminal.ended();
        self.told(command, &screen, code)
    }

    fn begun(&self, command: &str) -> Terminal {
        Terminal::start(command, &self.folder(), &self.environment())
    }

    fn environment(&self) -> Vec<(String, String)> {
        let identities = self.single.identities();
        let pairs = [
            ("CHAMOIS_ENDPOINTS", format!("{}:7441", self.single.own())),
            ("CHAMOIS_CA", identities.join("ca.pem").display().to_string()),
            (
                "CHAMOIS_TOKEN_FILE",
                identities.join("admin.token").display().to_string(),
            ),
            ("HOME", self.folder().display().to_string()),
            ("XDG_CONFIG_HOME", self.folder().display().to_string()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// The command, the screen after it and how it ended, without what differs from run to run.
    fn told(&self, command: &str, screen: &str, code: i32) -> String {
        let own = [
            (self.single.dir.path().display().to_string(), "<dir>"),
            (format!("{}", self.single.own()), "<member>"),
            (format!("{}", self.single.net.service_address()), "<service>"),
        ];
        let shown = normal::text(screen, &own);
        let ended = if code == 0 {
            String::new()
        } else {
            format!("[exit code {code}]\n")
        };
        format!("$ {command}\n{shown}{ended}\n")
    }
}

/// Compares a scene with what was recorded.
fn is_as_recorded(name: &str, played: &[String]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/scenes")
        .join(format!("{name}.txt"));
    let played = played.concat();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, played).unwrap();
        return;
    }
    let recorded = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_GOLDEN=1 records it", file.display()));
    assert_eq!(
        played, recorded,
        "{name}: look at it, and if it is meant so: UPDATE_GOLDEN=1"
    );
}

#[test]
fn tables() {
    let stage = Stage::set();
    let played = [
        "chamois component list",
        "chamois component list --nid 1,2 -o wide",
        "chamois component list --type Node -o name",
        "chamois component list --nid 1 -o yaml",
        "chamois group list",
        "chamois group show nothing",
    ];
    is_as_recorded("tables", &played.map(|command| stage.typed(command)));
}

#[test]
fn a_watch_shows_a_change_as_it_happens() {
    let stage = Stage::set();
    let command = "chamois component list --watch";
    let mut terminal = stage.begun(command);
    terminal.until("x1000c0s4b0n0");
    stage.done(&[
        "api",
        "call",
        "smd.v1.ComponentPatchService.BulkPatchStateData",
        "-d",
        r#"{"ComponentIDs":["x1000c0s4b0n0"],"State":"STATE_OFF","Force":true}"#,
    ]);
    terminal.until_any(&["off", "Off", "OFF"]);
    terminal.interrupt();
    let (screen, code) = terminal.ended();
    is_as_recorded("watch", &[stage.told(command, &screen, code)]);
}

/// Some of many fail: they are named, folded, and the exit code says that the rest was done.
#[test]
fn a_partial_failure_names_who_failed() {
    let stage = Stage::set();
    let played = ["chamois power status 'x1000c0s[0-3]b0n0'"];
    is_as_recorded("partial_failure", &played.map(|command| stage.typed(command)));
}

#[test]
fn a_doctor_names_each_problem_with_its_remedy() {
    let stage = Stage::set();
    stage.done(&[
        "boot",
        "config",
        "set",
        "all",
        "--default",
        "--kernel",
        "/files/gone/vmlinuz",
    ]);
    // what this host's disk, clock and other ports are is not the scene's
    let shown = stage.typed("chamois doctor --problems --config /nonexistent");
    let about = ["quorum", "boot files", "inventory"];
    let rows: Vec<&str> = shown
        .split('\n')
        .filter(|row| about.iter().any(|check| row.contains(check)))
        .collect();
    is_as_recorded(
        "doctor",
        &[format!(
            "$ chamois doctor --problems\n…\n{}\n…\n",
            rows.join("\n")
        )],
    );
}

#[test]
fn what_is_declared_is_shown_and_then_applied() {
    let stage = Stage::set();
    stage.file(
        "site/groups.yaml",
        "kind: Group\nmetadata: {name: gpu}\nspec:\n  description: nodes with GPUs\n  members: {ids: [x1000c0s4b0n0]}\n",
    );
    let played = [
        "chamois diff -f site",
        "chamois apply -f site --dry-run",
        "chamois apply -f site",
        "chamois apply -f site",
        "chamois group show gpu",
    ];
    is_as_recorded("apply", &played.map(|command| stage.typed(command)));
}

#[test]
fn nodesets_are_taken_and_a_bad_one_is_pointed_at() {
    let stage = Stage::set();
    let played = [
        "chamois component list '@compute!x1000c0s0b0n0' -o name",
        "chamois component list 'nid[1-2]'",
        "chamois power status 'x1000c0s[0-b0n0'",
        "chamois power status x1000c0s9b0n0",
        "chamois group show compute",
    ];
    is_as_recorded("nodesets", &played.map(|command| stage.typed(command)));
}
