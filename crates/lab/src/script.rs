//! The part of iPXE's script language that a boot script may use, and nothing else.
//!
//! A command that a boot script has no business with is a failure of the boot: `params` with a line break in them
//! would otherwise become commands of their own.

use model::MacAddr;

use crate::url::Url;

/// Longest script, bytes.
pub(crate) const SCRIPT_BYTES_MAX: usize = 64 * 1024;
/// Longest `sleep`, seconds: a longer one is a mistake, not a pause.
const SLEEP_S_MAX: u32 = 60;

/// One command of the subset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// `kernel [--name NAME] URL WORDS…`
    Kernel { url: Url, words: Vec<String> },
    /// `initrd [--name NAME] URL`
    Initrd { url: Url },
    /// `boot`
    Boot,
    /// `goto LABEL`
    Goto(String),
    /// `sleep SECONDS`
    Sleep(u32),
    /// `chain URL`
    Chain(Url),
    /// `exit`
    Exit,
}

/// A command, and what is done if it fails, and if that fails; without that the script ends there with a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    label: Option<String>,
    command: Option<Command>,
    or_else: Vec<Command>,
}

/// Why a text is not a boot script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScriptError {
    #[error("the script does not begin with #!ipxe")]
    NoMagic,
    #[error("the script is longer than {SCRIPT_BYTES_MAX} bytes")]
    TooLong,
    #[error("line {line}: {problem}")]
    Line { line: usize, problem: String },
    #[error("goto {0}: there is no such label")]
    NoLabel(String),
}

/// A script that was read in full before anything of it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script(Vec<Line>);

impl Script {
    /// Reads a script for the node with this boot MAC (which `${net0/mac}` stands for).
    pub(crate) fn parse(text: &str, mac: MacAddr) -> Result<Script, ScriptError> {
        if text.len() > SCRIPT_BYTES_MAX {
            return Err(ScriptError::TooLong);
        }
        if text.lines().next().map(str::trim_end) != Some("#!ipxe") {
            return Err(ScriptError::NoMagic);
        }
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let parsed = parse_line(&expand(line, mac));
            lines.push(parsed.map_err(|problem| ScriptError::Line {
                line: index + 1,
                problem,
            })?);
        }
        let script = Script(lines);
        script.check_labels()?;
        Ok(script)
    }

    fn check_labels(&self) -> Result<(), ScriptError> {
        let commands = self
            .0
            .iter()
            .flat_map(|line| line.command.iter().chain(&line.or_else));
        for command in commands {
            if let Command::Goto(label) = command {
                self.place_of(label)
                    .ok_or_else(|| ScriptError::NoLabel(label.clone()))?;
            }
        }
        Ok(())
    }

    fn place_of(&self, label: &str) -> Option<usize> {
        self.0
            .iter()
            .position(|line| line.label.as_deref() == Some(label))
    }

    /// Starts running it.
    pub(crate) fn run(self) -> Run {
        Run {
            script: self,
            next: 0,
            failing: Vec::new(),
            done_max: Run::COMMANDS_MAX,
        }
    }
}

/// What the node does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Do this, and say how it ended.
    Do(Command),
    /// The script is over; a parent script goes on, knowing whether it failed.
    End { failed: bool },
    /// Too many commands: the script goes round in circles.
    Endless,
}

/// A script being run: commands come out, their ends go in. No I/O.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    script: Script,
    next: usize,
    /// What to do if the command under way fails, the next alternative last.
    failing: Vec<Command>,
    done_max: u32,
}

impl Run {
    /// Commands of one script, each time round counted.
    const COMMANDS_MAX: u32 = 1000;

    /// The next step after a command that ended well (`Ok`) or not; the first call says `Ok`.
    pub(crate) fn next(&mut self, last: Result<(), ()>) -> Step {
        if last.is_err() {
            match self.failing.pop() {
                Some(or_else) => return self.perform(or_else),
                None => return Step::End { failed: true },
            }
        }
        self.failing.clear(); // what was there in case of failure
        while let Some(line) = self.script.0.get(self.next).cloned() {
            self.next += 1;
            if let Some(command) = line.command {
                self.failing = line.or_else;
                self.failing.reverse();
                return self.perform(command);
            }
        }
        Step::End { failed: false }
    }

    fn perform(&mut self, command: Command) -> Step {
        let Some(left) = self.done_max.checked_sub(1) else {
            return Step::Endless;
        };
        self.done_max = left;
        match command {
            Command::Goto(label) => {
                self.next = self
                    .script
                    .place_of(&label)
                    .expect("labels were checked when the script was read");
                self.next(Ok(()))
            }
            Command::Exit => Step::End { failed: false },
            command => Step::Do(command),
        }
    }
}

/// iPXE's settings that a boot script uses; any other is empty, as an unset one is.
fn expand(line: &str, mac: MacAddr) -> String {
    let mut expanded = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        expanded.push_str(before);
        match name {
            "net0/mac" | "netX/mac" | "mac" => expanded.push_str(&mac.to_string()),
            "net0/mac:hexhyp" | "netX/mac:hexhyp" | "mac:hexhyp" => expanded.push_str(&mac.dashes()),
            "buildarch" => expanded.push_str("x86_64"),
            _ => {}
        }
        rest = after;
    }
    expanded.push_str(rest);
    expanded
}

/// Expands the settings in a bootfile name as iPXE does before it fetches it.
pub(crate) fn expand_bootfile(text: &str, mac: MacAddr) -> String {
    expand(text, mac)
}

fn parse_line(line: &str) -> Result<Line, String> {
    let line = line.trim();
    let nothing = Line {
        label: None,
        command: None,
        or_else: Vec::new(),
    };
    if line.is_empty() || line.starts_with('#') {
        return Ok(nothing);
    }
    if let Some(label) = line.strip_prefix(':') {
        return Ok(Line {
            label: Some(label.to_owned()),
            ..nothing
        });
    }
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    if words.contains(&"&&") {
        return Err("`&&` has no place in a boot script".to_owned());
    }
    let mut parts = words.split(|word| *word == "||");
    let command = parse_command(parts.next().unwrap_or_default())?;
    let or_else = parts.map(parse_command).collect::<Result<_, _>>()?;
    Ok(Line {
        command: Some(command),
        or_else,
        ..nothing
    })
}

fn parse_command(words: &[&str]) -> Result<Command, String> {
    let (&name, arguments) = words.split_first().ok_or("a command is missing")?;
    match (name, arguments) {
        ("kernel", arguments) => {
            let (url, words) = image(arguments)?;
            Ok(Command::Kernel {
                url,
                words: words.iter().map(|word| (*word).to_owned()).collect(),
            })
        }
        ("initrd", arguments) => match image(arguments)? {
            (url, []) => Ok(Command::Initrd { url }),
            (_, [extra, ..]) => Err(format!("initrd takes no {extra:?}")),
        },
        ("boot", []) => Ok(Command::Boot),
        ("exit", []) => Ok(Command::Exit),
        ("goto", [label]) => Ok(Command::Goto((*label).to_owned())),
        ("sleep", [seconds]) => match seconds.parse() {
            Ok(seconds) if seconds <= SLEEP_S_MAX => Ok(Command::Sleep(seconds)),
            Ok(_) | Err(_) => Err(format!(
                "sleep {seconds}: not a number of seconds up to {SLEEP_S_MAX}"
            )),
        },
        ("chain", [url]) => Ok(Command::Chain(
            url.parse().map_err(|error| format!("chain: {error}"))?,
        )),
        _ => Err(format!("{:?} has no place in a boot script", words.join(" "))),
    }
}

/// `[--name NAME] URL REST…`
fn image<'a>(arguments: &'a [&'a str]) -> Result<(Url, &'a [&'a str]), String> {
    let arguments = match arguments {
        ["--name", _, rest @ ..] => rest,
        arguments => arguments,
    };
    let (url, rest) = arguments.split_first().ok_or("an image's URL is missing")?;
    Ok((url.parse().map_err(|error| format!("image: {error}"))?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 5]);
    const SCRIPT: &str = "#!ipxe\n\
        kernel --name kernel http://127.9.0.1/k initrd=initrd console=ttyS0 xname=x0c0s0b0n0 || goto boot_retry\n\
        initrd --name initrd http://127.9.0.1/i || goto boot_retry\n\
        boot || goto boot_retry\n\
        :boot_retry\n\
        sleep 1\n\
        chain http://127.9.0.1/boot/v1/bootscript?mac=02:00:00:00:00:05&retry=1 || goto boot_retry_2\n\
        exit\n\
        :boot_retry_2\n\
        sleep 9\n\
        chain http://127.9.0.1/boot/v1/bootscript?mac=02:00:00:00:00:05&retry=1 || goto boot_retry_2\n\n";

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn run(text: &str) -> Run {
        Script::parse(text, MAC).unwrap().run()
    }

    fn refused(text: &str) -> String {
        Script::parse(text, MAC).unwrap_err().to_string()
    }

    fn is_kernel(step: &Step) -> bool {
        matches!(step, Step::Do(Command::Kernel { .. }))
    }

    #[test]
    fn a_boot_runs_kernel_initrd_boot() {
        let mut run = run(SCRIPT);
        let Step::Do(Command::Kernel { url: kernel, words }) = run.next(Ok(())) else {
            panic!("kernel first")
        };
        assert_eq!(kernel, url("http://127.9.0.1/k"));
        assert_eq!(words, ["initrd=initrd", "console=ttyS0", "xname=x0c0s0b0n0"]);
        assert_eq!(
            run.next(Ok(())),
            Step::Do(Command::Initrd {
                url: url("http://127.9.0.1/i")
            })
        );
        assert_eq!(run.next(Ok(())), Step::Do(Command::Boot));
    }

    #[test]
    fn a_failure_goes_to_the_retry_and_a_failed_chain_goes_there_again() {
        let mut run = run(SCRIPT);
        assert!(is_kernel(&run.next(Ok(()))));
        for pause_s in [1, 9, 9, 9] {
            assert_eq!(run.next(Err(())), Step::Do(Command::Sleep(pause_s)));
            assert!(matches!(run.next(Ok(())), Step::Do(Command::Chain(_))));
        }
    }

    /// A `chain` that comes back well has run a script to its end: nothing is left to do.
    #[test]
    fn a_script_that_exits_is_over() {
        let mut run = run(SCRIPT);
        assert!(is_kernel(&run.next(Ok(()))));
        assert_eq!(run.next(Err(())), Step::Do(Command::Sleep(1)));
        assert!(matches!(run.next(Ok(())), Step::Do(Command::Chain(_))));
        assert_eq!(run.next(Ok(())), Step::End { failed: false });
    }

    /// Without `||` iPXE leaves the script where it failed.
    #[test]
    fn a_failure_without_an_alternative_ends_the_script() {
        let mut run = run("#!ipxe\nsleep 1\nchain http://127.9.0.1/x\n");
        assert_eq!(run.next(Ok(())), Step::Do(Command::Sleep(1)));
        assert!(matches!(run.next(Ok(())), Step::Do(Command::Chain(_))));
        assert_eq!(run.next(Err(())), Step::End { failed: true });
        assert_eq!(self::run("#!ipxe\n").next(Ok(())), Step::End { failed: false });
    }

    /// Alternatives are tried from left to right, as iPXE does; what follows a success is left out.
    #[test]
    fn alternatives_are_tried_in_turn() {
        let text =
            "#!ipxe\n:again\nchain http://127.9.1.1/s || chain http://127.9.1.2/s || goto again\nboot\n";
        let chain = |member: u8| Step::Do(Command::Chain(url(&format!("http://127.9.1.{member}/s"))));
        let mut failing = run(text);
        assert_eq!(failing.next(Ok(())), chain(1));
        assert_eq!(failing.next(Err(())), chain(2));
        assert_eq!(failing.next(Err(())), chain(1), "round again");
        let mut second = run(text);
        assert_eq!(second.next(Ok(())), chain(1));
        assert_eq!(second.next(Err(())), chain(2));
        assert_eq!(second.next(Ok(())), Step::Do(Command::Boot));
        assert_eq!(
            second.next(Err(())),
            Step::End { failed: true },
            "`boot` has no alternative"
        );
    }

    /// The classic hole: parameters with a line break become a command.
    #[test]
    fn an_injected_line_is_refused() {
        let injected = SCRIPT.replace("console=ttyS0", "console=ttyS0\nreboot");
        assert_eq!(
            refused(&injected),
            "line 3: \"reboot xname=x0c0s0b0n0\" has no place in a boot script"
        );
        for line in [
            "shell",
            "set x y",
            "imgfetch http://127.9.0.1/x",
            "halt",
            "exit 1",
            "iseq a b && reboot",
        ] {
            assert!(
                Script::parse(&format!("#!ipxe\n{line}\n"), MAC).is_err(),
                "{line}"
            );
        }
    }

    /// Nothing is done of a script that is not understood to its end.
    #[test]
    fn other_scripts_are_refused_as_a_whole() {
        assert_eq!(refused("<html>"), ScriptError::NoMagic.to_string());
        assert_eq!(refused(""), ScriptError::NoMagic.to_string());
        assert_eq!(
            refused("#!ipxe\nboot || goto nowhere\n"),
            "goto nowhere: there is no such label"
        );
        assert!(refused("#!ipxe\nkernel\n").contains("URL is missing"));
        assert!(refused("#!ipxe\nkernel http://boot.example/k\n").contains("boot.example"));
        assert!(refused("#!ipxe\nsleep 3600\n").contains("3600"));
        assert!(refused("#!ipxe\ninitrd http://127.9.0.1/i extra\n").contains("extra"));
        assert!(refused("#!ipxe\nboot ||\n").contains("missing"));
        assert_eq!(
            refused(&format!("#!ipxe\n{}", "#\n".repeat(40_000))),
            ScriptError::TooLong.to_string()
        );
    }

    #[test]
    fn settings_are_expanded_and_unknown_ones_are_empty() {
        let mut run = run(
            "#!ipxe\nchain http://127.9.0.1/s?mac=${net0/mac}&h=${mac:hexhyp}&arch=${buildarch}&x=${serial}\n",
        );
        let expected = url("http://127.9.0.1/s?mac=02:00:00:00:00:05&h=02-00-00-00-00-05&arch=x86_64&x=");
        assert_eq!(run.next(Ok(())), Step::Do(Command::Chain(expected)));
        assert_eq!(expand("${open", MAC), "${open");
    }

    #[test]
    fn a_script_that_goes_round_in_circles_ends() {
        let mut circle = run("#!ipxe\n:again\nsleep 0\ngoto again\n");
        let steps = std::iter::repeat_with(|| circle.next(Ok(()))).take_while(|step| *step != Step::Endless);
        assert!(steps.count() < 1001);
        assert_eq!(
            run("#!ipxe\n:again\ngoto again\n").next(Ok(())),
            Step::Endless,
            "also without commands"
        );
    }
}
