//! `$expand`: resources inside of the answer of another one, where the service root offers it.

use serde_json::Value;

use super::overlay::{Bmc, Overlay};
use super::shown;

/// Deepest that is expanded, as generated trees say in `MaxLevels`.
const LEVELS_MAX: u32 = 6;
/// Resources in one answer at most; what is beyond stays a link.
const EXPANDED_MAX: usize = 1000;

/// What a client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expand {
    levels: u32,
    /// Also what is below `Links`.
    links: bool,
}

impl Expand {
    /// From a URI's query, e.g. `$expand=.($levels=2)`; `None`: it does not ask.
    pub(crate) fn of(query: &str) -> Option<Expand> {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let value = pairs.find(|(name, _)| name == "$expand")?.1;
        let levels = value
            .split_once("$levels=")
            .and_then(|(_, rest)| rest.trim_end_matches(')').parse().ok())
            .unwrap_or(1);
        Some(Expand {
            levels: levels.min(LEVELS_MAX),
            links: value.starts_with('*') || value.starts_with('~'),
        })
    }

    /// Puts resources where `value` has links to them.
    pub(crate) fn apply(self, bmc: &Bmc, overlay: &Overlay, value: &mut Value) {
        let mut left = EXPANDED_MAX;
        self.inside(bmc, overlay, value, self.levels, &mut left);
    }

    fn inside(self, bmc: &Bmc, overlay: &Overlay, value: &mut Value, levels: u32, left: &mut usize) {
        if levels == 0 {
            return;
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members.iter_mut() {
                    if self.links || name != "Links" {
                        self.member(bmc, overlay, member, levels, left);
                    }
                }
            }
            Value::Array(values) => {
                for value in values {
                    self.member(bmc, overlay, value, levels, left);
                }
            }
            _ => {}
        }
    }

    fn member(self, bmc: &Bmc, overlay: &Overlay, value: &mut Value, levels: u32, left: &mut usize) {
        let Some(uri) = link(value).filter(|_| *left > 0) else {
            return self.inside(bmc, overlay, value, levels, left);
        };
        if let Some(resource) = shown::shown(bmc, overlay, &super::tree::normal(uri)) {
            *left -= 1;
            *value = resource.into_value();
            self.inside(bmc, overlay, value, levels - 1, left);
        }
    }
}

/// Where an object points to that is nothing but a link.
fn link(value: &Value) -> Option<&str> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    members.get("@odata.id")?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_query_says_how_deep() {
        let expand = |levels, links| Some(Expand { levels, links });
        assert_eq!(Expand::of("$expand=.($levels=2)"), expand(2, false));
        assert_eq!(Expand::of("$expand=."), expand(1, false));
        assert_eq!(Expand::of("$expand=*($levels=99)"), expand(LEVELS_MAX, true));
        assert_eq!(Expand::of("a=b&%24expand=.(%24levels=3)"), expand(3, false));
        assert_eq!(Expand::of("$select=Id"), None);
    }

    /// An object with more in it is a resource already, or an excerpt of one.
    #[test]
    fn only_bare_links_are_links() {
        assert_eq!(link(&json!({"@odata.id": "/x"})), Some("/x"));
        for other in [
            json!({"@odata.id": "/x", "Id": "1"}),
            json!({"@odata.id": 1}),
            json!("/x"),
            json!({}),
        ] {
            assert_eq!(link(&other), None, "{other}");
        }
    }
}
