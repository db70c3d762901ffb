//! What each shell does to complete live names: find out where on the command line it is, and ask `chamois complete-names`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::live::Place;

/// Patterns of `case` with what is completed there: the verbs so far, `|`, the option before (or nothing). Values of options come first.
fn patterns(places: &[Place]) -> Vec<(&'static str, Vec<String>)> {
    let mut patterns: BTreeMap<(bool, &'static str), Vec<String>> = BTreeMap::new();
    for Place { path, option, names } in places {
        let path = path.replace(' ', "\\ ");
        let pattern = match option {
            // an option that every command takes
            Some(option) if path.is_empty() => format!("*\\|{option}"),
            Some(option) => format!("{path}*\\|{option}"),
            None => format!("{path}\\ *\\|"),
        };
        patterns
            .entry((option.is_none(), names.word()))
            .or_default()
            .push(pattern);
    }
    patterns
        .into_iter()
        .map(|((_, kind), patterns)| (kind, patterns))
        .collect()
}

/// `case` of bash and zsh.
fn cases(places: &[Place]) -> String {
    let mut text = String::new();
    for (kind, patterns) in patterns(places) {
        let _ = writeln!(text, "        {}) kind={kind} ;;", patterns.join("|"));
    }
    text
}

/// The alternatives of a pattern.
fn any_of(flags: &BTreeSet<String>) -> String {
    flags.iter().map(String::as_str).collect::<Vec<_>>().join("|")
}

/// Appended to clap's own script.
pub(super) fn bash(places: &[Place], flags: &BTreeSet<String>) -> String {
    format!(
        r#"
_chamois_names() {{
    local cur="${{COMP_WORDS[COMP_CWORD]}}" option="" path="" kind="" i word
    for ((i = 1; i < COMP_CWORD; i++)); do
        word="${{COMP_WORDS[i]}}"
        case "$word" in
            -*) ;;
            *) path+="${{path:+ }}$word" ;;
        esac
    done
    case "${{COMP_WORDS[COMP_CWORD-1]}}" in
        {flags}) ;;
        --*) option="${{COMP_WORDS[COMP_CWORD-1]}}" ;;
    esac
    [[ $cur == -* ]] && return 1
    case "$path |$option" in
{cases}    esac
    [[ -n $kind ]] || return 1
    local IFS=$'\n'
    COMPREPLY=($(chamois complete-names "$kind" "$cur" 2>/dev/null))
    ((${{#COMPREPLY[@]}}))
}}

_chamois_with_names() {{
    _chamois_names && return 0
    COMPREPLY=()
    _chamois "$@"
}}

complete -F _chamois_with_names -o bashdefault -o default chamois
"#,
        cases = cases(places),
        flags = any_of(flags)
    )
}

/// clap's own script, which defines a function and ends with calling or registering it, with ours around that.
pub(super) fn zsh(fixed: &str, places: &[Place], flags: &BTreeSet<String>) -> String {
    let own = fixed
        .split("\nif [ \"$funcstack[1]\" = \"_chamois\" ]")
        .next()
        .unwrap_or(fixed);
    format!(
        r#"{own}

_chamois_with_names() {{
    local cur="${{words[CURRENT]}}" option="" path_so_far="" kind="" word
    for word in "${{(@)words[2,CURRENT-1]}}"; do
        case "$word" in
            -*) ;;
            *) path_so_far+="${{path_so_far:+ }}$word" ;;
        esac
    done
    case "${{words[CURRENT-1]}}" in
        {flags}) ;;
        --*) option="${{words[CURRENT-1]}}" ;;
    esac
    if [[ $cur != -* ]]; then
        case "$path_so_far |$option" in
{cases}        esac
    fi
    if [[ -n $kind ]]; then
        local -a names
        names=(${{(f)"$(chamois complete-names $kind "$cur" 2>/dev/null)"}})
        if (( $#names )); then
            compadd -a names
            return
        fi
    fi
    _chamois "$@"
}}

if [ "$funcstack[1]" = "_chamois" ]; then
    _chamois_with_names "$@"
fi
compdef _chamois_with_names chamois
"#,
        cases = cases(places),
        flags = any_of(flags)
    )
}

/// Appended to clap's own script.
pub(super) fn fish(places: &[Place], flags: &BTreeSet<String>) -> String {
    let mut cases = String::new();
    for (kind, patterns) in patterns(places) {
        let quoted: Vec<String> = patterns
            .iter()
            .map(|pattern| format!("'{}'", pattern.replace('\\', "")))
            .collect();
        let _ = writeln!(
            cases,
            "        case {}\n            set kind {kind}",
            quoted.join(" ")
        );
    }
    format!(
        r#"
function __chamois_names
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l option ""
    set -l path
    set -l kind ""
    for word in $words[2..-1]
        string match -q -- '-*' $word; or set -a path $word
    end
    switch "$words[-1]"
        case {flags}
        case '--*'
            set option $words[-1]
    end
    switch "$path |$option"
{cases}    end
    test -n "$kind"; and chamois complete-names $kind "$current" 2>/dev/null
end

complete -c chamois -f -a '(__chamois_names)'
"#,
        flags = flags.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::live::Names;
    use super::*;

    fn places() -> Vec<Place> {
        let place = |path: &str, option: Option<&str>, names| Place {
            path: path.into(),
            option: option.map(str::to_owned),
            names,
        };
        vec![
            place("", Some("--context"), Names::Contexts),
            place("component list", Some("--group"), Names::Groups),
            place("power on", None, Names::Xnames),
        ]
    }

    fn flags() -> BTreeSet<String> {
        ["--wait", "--wide"].map(str::to_owned).into()
    }

    /// bash itself says whether the text is a script, and what a pattern matches.
    fn by_bash(after: &str) -> String {
        let script = format!(
            "_chamois() {{ COMPREPLY=(static); }}\nchamois() {{ echo \"$2:$3\"; }}\n{}\n{after}\necho \"${{COMPREPLY[*]}}\"",
            bash(&places(), &flags())
        );
        let run = std::process::Command::new("bash")
            .args(["-c", &script])
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8_lossy(&run.stdout).trim().to_owned()
    }

    #[test]
    fn bash_asks_for_names_where_the_command_line_takes_them() {
        for (words, expected) in [
            ("chamois power on x1", "xnames:x1"),
            ("chamois power on --wait x1 x2", "xnames:x2"),
            ("chamois power on --wait x1", "xnames:x1"),
            ("chamois power on --stagger x", "static"),
            ("chamois component list --group com", "groups:com"),
            ("chamois cluster status --context p", "contexts:p"),
            ("chamois power of", "static"),
            ("chamois power on --wa", "static"),
            ("chamois component list x", "static"),
        ] {
            let after =
                format!("COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _chamois_with_names");
            assert_eq!(by_bash(&after), expected, "{words}");
        }
    }

    #[test]
    fn zsh_has_the_function_once_and_registers_ours() {
        let fixed = "#compdef chamois\n_chamois() {\n}\n\nif [ \"$funcstack[1]\" = \"_chamois\" ]; then\n    _chamois \"$@\"\nelse\n    compdef _chamois chamois\nfi\n";
        let script = zsh(fixed, &places(), &flags());
        assert!(script.starts_with("#compdef chamois"), "{script}");
        assert_eq!(script.matches("compdef _chamois_with_names chamois").count(), 1);
        assert!(!script.contains("compdef _chamois chamois"), "{script}");
    }

    #[test]
    fn fish_has_a_case_for_each_kind() {
        let script = fish(&places(), &flags());
        for part in ["case '*|--context'", "case 'power on *|'", "set kind groups"] {
            assert!(script.contains(part), "{part}: {script}");
        }
    }
}
