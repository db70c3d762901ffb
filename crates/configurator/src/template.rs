//! Files by the users' own templates: minijinja, with nothing within its reach but the view. No template includes another or
//! reads a file, and what it may use up is bounded.

mod context;
mod explain;
mod limited;
mod secrets;
#[cfg(test)]
mod tests;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior};
use proto::configurator::v1::Template;

use crate::{Error, File, View, template_filters};
use explain::Explain;
use limited::Limited;
use secrets::Secrets;

/// What a template's name begins with where a target has the same.
pub const TEMPLATE_PREFIX: &str = "template:";
/// Longest template, in bytes: as many as the cluster takes.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Longest file that one makes, in bytes.
const FILE_BYTES_MAX: usize = 32 << 20;
/// Longest path of a file, in bytes: as long as the cluster takes.
const PATH_BYTES_MAX: usize = 512;
/// What a render may use up: one for each instruction, and one for each 64 bytes that it makes. A loop through 10,000 nodes with
/// a line of ten values each takes about 500,000.
const FUEL: u64 = 2_000_000;
/// Calls and loops within each other.
const DEPTH_MAX: usize = 64;

/// A user name and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Shown to nobody but a template that was granted it.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Finds the login of a name.
pub type FindLogin<'a> = &'a dyn Fn(&str) -> Option<Login>;

/// The file of a template. `secrets` finds the login of a name; it is asked only for those that the template was granted.
/// `None`: whoever renders may see none, and a template that asks for one fails.
///
/// # Errors
/// `Template`, with the line, the variable and what is near. No password is in it.
pub fn render_template(
    template: &Template,
    view: &View,
    secrets: Option<FindLogin<'_>>,
) -> Result<File, Error> {
    check_outside(template)?;
    let secrets = Secrets::granted(template, secrets);
    let mut environment = environment();
    template_filters::add(&mut environment, view);
    context::add_header(&mut environment, template, view);
    secrets.add(&mut environment);
    let explain = Explain::of(template, &secrets);
    let read = environment.template_from_named_str(&template.name, &template.body);
    let read = read.map_err(|error| explain.error(&error))?;
    let mut output = Limited::new(FILE_BYTES_MAX);
    let rendered = read.render_captured_to(context::of(view), &mut output);
    if output.is_full() {
        let problem = format!("the file would be longer than {FILE_BYTES_MAX} bytes");
        return Err(explain.whole(problem));
    }
    rendered.map_err(|error| explain.error(&error))?;
    let body = String::from_utf8(output.into_bytes());
    let body = body.map_err(|_| explain.whole("what it makes is no text".to_owned()))?;
    Ok(File::new(template.path.clone(), body))
}

/// Whether a template can be read: its name, its path, and the syntax of its body. What it does with the state shows when it is
/// rendered.
///
/// # Errors
/// `Template`, with the line.
pub fn check_template(template: &Template) -> Result<(), Error> {
    check_outside(template)?;
    let mut environment = environment();
    template_filters::add(&mut environment, &View::default());
    let explain = Explain::of(template, &Secrets::default());
    let read = environment.template_from_named_str(&template.name, &template.body);
    read.map(drop).map_err(|error| explain.error(&error))
}

/// Everything but what is said in the body.
fn check_outside(template: &Template) -> Result<(), Error> {
    let explain = Explain::of(template, &Secrets::default());
    if let Some(problem) = path_problem(&template.path) {
        return Err(explain.whole(format!("path {:?} {problem}", template.path)));
    }
    if template.body.len() > BODY_BYTES_MAX {
        return Err(explain.whole(format!("it is longer than {BODY_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// Why a file may not go there.
fn path_problem(path: &str) -> Option<&'static str> {
    if path.is_empty() || path.len() > PATH_BYTES_MAX {
        return Some("has not 1 to 512 bytes");
    }
    if path.starts_with('/') {
        return Some("is not relative");
    }
    if path.chars().any(|c| c.is_control() || c == '\\') {
        return Some("has a control character or a backslash");
    }
    let is_odd = |part: &str| matches!(part, "" | "." | "..");
    path.split('/')
        .any(is_odd)
        .then_some("has an empty part, `.` or `..`")
}

/// Lines that hold nothing but a statement leave nothing behind, and the last line keeps its end: what files are made of.
fn environment<'s>() -> Environment<'s> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEPTH_MAX);
    // it names what is undefined; values of variables are in what `display_debug_info` prints, which nobody asks for
    environment.set_debug(true);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    if let Ok(syntax) = syntax {
        environment.set_syntax(syntax);
    }
    environment
}
