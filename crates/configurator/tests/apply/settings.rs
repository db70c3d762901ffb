//! `configure.toml`: what is accepted, and what an error says.

use configurator::apply::Settings;

use super::*;

fn parse(text: &str) -> Result<Settings, ApplyError> {
    Settings::parse(text, Path::new("/etc/chamois/configure.toml"))
}

/// The error must name the line, and these words.
fn refused(text: &str, line: usize, words: &[&str]) {
    let error = parse(text).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("/etc/chamois/configure.toml:{line}: ")),
        "{error}"
    );
    for word in words {
        assert!(error.contains(word), "{word}: {error}");
    }
}

const HOSTS: &str = "[[file-set]]\ntarget = \"hosts\"\npath = \"/etc/hosts\"\n";

#[test]
fn the_shortest_entry_has_the_targets_name_and_defaults() {
    let settings = parse(HOSTS).unwrap();
    let set = &settings.file_sets[0];
    assert_eq!((set.name.as_str(), set.source.name()), ("hosts", "hosts"));
    assert_eq!(set.place, Place::Path("/etc/hosts".into()));
    assert!(set.target_checks && set.check.is_none() && set.reload.is_none() && set.mode.is_none());
}

#[test]
fn every_key_is_read() {
    let text = "state-dir = \"/var/lib/x\"\nkeep = 3\n[[file-set]]\nname = \"motd\"\ntemplate = \"welcome\"\n\
                into = \"/etc/motd.d/\"\ncheck = [\"test\", \"-s\", \"{file}\"]\ncheck-seconds = 5\n\
                target-checks = false\nreload = [\"true\"]\nreload-seconds = 7\nmode = \"0640\"\n";
    let settings = parse(text).unwrap();
    let set = settings.set("motd").unwrap();
    assert_eq!(set.place, Place::Into("/etc/motd.d".into()));
    assert_eq!(set.check.as_ref().unwrap().at_most, Duration::from_secs(5));
    assert_eq!(set.reload.as_ref().unwrap().at_most, Duration::from_secs(7));
    assert_eq!((set.mode, set.target_checks), (Some(0o640), false));
    let refused = settings.set("hosts").unwrap_err().to_string();
    assert!(
        refused.contains("no such file set: hosts; there are motd"),
        "{refused}"
    );
}

#[test]
fn an_unknown_key_is_named_with_what_is_accepted() {
    refused("keeps = 3\n", 1, &["keeps", "keep", "state-dir"]);
    refused(
        &format!("{HOSTS}modus = \"0644\"\n"),
        4,
        &["modus", "mode", "reload"],
    );
    refused("keep = \n", 1, &[]);
}

#[test]
fn an_unknown_target_or_option_is_named_with_its_line() {
    refused(
        "[[file-set]]\ntarget = \"hots\"\npath = \"/etc/hosts\"\n",
        2,
        &["target", "hots", "hosts"],
    );
    refused(
        &format!("{HOSTS}options = {{ colour = \"red\" }}\n"),
        4,
        &["options.colour"],
    );
    refused(
        &format!("{HOSTS}[file-set.options]\ndomain = {{}}\n"),
        5,
        &["options.domain", "list"],
    );
    refused(
        "[[file-set]]\ntemplate = \"motd\"\npath = \"/etc/motd\"\noptions.x = 1\n",
        4,
        &["options.x", "templates"],
    );
}

#[test]
fn source_and_place_are_needed_once() {
    refused(
        "keep = 3\n[[file-set]]\npath = \"/etc/hosts\"\n",
        2,
        &["target", "template"],
    );
    refused("[[file-set]]\ntarget = \"hosts\"\n", 1, &["into", "path"]);
    refused(
        &format!("{HOSTS}into = \"/etc\"\n"),
        3,
        &["into", "one of the two"],
    );
    refused(
        &format!("{HOSTS}template = \"motd\"\n"),
        4,
        &["template", "one of the two"],
    );
}

#[test]
fn values_out_of_range_say_what_is_accepted() {
    refused("keep = 0\n", 1, &["keep", "1 to 1000"]);
    refused("state-dir = \"here\"\n", 1, &["state-dir", "absolute"]);
    refused(
        "[[file-set]]\ntarget = \"hosts\"\npath = \"/etc/../hosts\"\n",
        3,
        &["path", ".."],
    );
    refused(&format!("{HOSTS}mode = \"999\"\n"), 4, &["mode", "0644"]);
    refused(&format!("{HOSTS}mode = \"+644\"\n"), 4, &["mode"]);
    refused(&format!("{HOSTS}check = []\n"), 4, &["check", "program"]);
    refused(
        &format!("{HOSTS}reload = [\"true\"]\nreload-seconds = 6000\n"),
        5,
        &["reload-seconds", "600"],
    );
    refused(&format!("{HOSTS}name = \"../x\"\n"), 4, &["name", "letters"]);
}

#[test]
fn two_sets_have_two_names_and_two_places() {
    refused(&format!("{HOSTS}{HOSTS}"), 4, &["hosts"]);
    let other = "[[file-set]]\nname = \"other\"\ntarget = \"dns\"\npath = \"/etc/hosts\"\n";
    refused(&format!("{HOSTS}{other}"), 4, &["same place"]);
    let both = "[[file-set]]\ntarget = \"hosts\"\ninto = \"/etc\"\n[[file-set]]\ntarget = \"dns\"\ninto = \"/etc\"\n";
    assert_eq!(parse(both).unwrap().file_sets.len(), 2);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Settings::read(Path::new("/nonexistent/configure.toml")).unwrap_err();
    assert!(
        error.to_string().contains("/nonexistent/configure.toml"),
        "{error}"
    );
}
