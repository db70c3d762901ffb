//! What is built, as `cargo tree` tells it: only the packages and features that are on, which a lock file cannot say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::{Error, PackageId, cargo};

/// Which of a workspace's packages are asked for.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    /// One package, as it is shipped: no dev-dependency.
    Package(&'a str),
    /// All of them with their tests and their build scripts.
    Everything,
}

/// Packages and what each of them needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    needs: BTreeMap<PackageId, BTreeSet<PackageId>>,
    roots: BTreeSet<PackageId>,
    macros: BTreeSet<PackageId>,
}

impl Tree {
    /// What runs: dependencies, without those of build scripts.
    ///
    /// # Errors
    /// `Cargo` if it cannot be asked.
    pub fn of_running(workspace: &Path, target: &str, package: &str) -> Result<Self, Error> {
        Self::ask(workspace, target, Of::Package(package), "normal")
    }

    /// What runs and what builds it.
    ///
    /// # Errors
    /// `Cargo` if it cannot be asked.
    pub fn of_building(workspace: &Path, target: &str, of: Of<'_>) -> Result<Self, Error> {
        let edges = match of {
            Of::Package(_) => "normal,build",
            Of::Everything => "normal,build,dev",
        };
        Self::ask(workspace, target, of, edges)
    }

    fn ask(workspace: &Path, target: &str, of: Of<'_>, edges: &str) -> Result<Self, Error> {
        let mut arguments = vec!["tree", "--prefix", "depth", "--format", "{p}"];
        arguments.extend(["--edges", edges, "--target", target]);
        match of {
            Of::Package(name) => arguments.extend(["--package", name]),
            Of::Everything => arguments.push("--workspace"),
        }
        Ok(Self::parse(&cargo::ask(workspace, &arguments)?))
    }

    /// Lines such as `2serde_derive v1.0.228 (proc-macro) (*)`: depth, name, version. A package that was shown before
    /// comes without what it needs; so the lines together are the graph.
    pub(crate) fn parse(text: &str) -> Self {
        let mut tree = Self::default();
        let mut above: Vec<PackageId> = Vec::new();
        for (depth, id, is_macro) in text.lines().filter_map(line) {
            above.truncate(depth);
            match above.last() {
                Some(parent) => {
                    tree.needs.entry(parent.clone()).or_default().insert(id.clone());
                }
                None => {
                    tree.roots.insert(id.clone());
                }
            }
            tree.needs.entry(id.clone()).or_default();
            if is_macro {
                tree.macros.insert(id.clone());
            }
            above.push(id);
        }
        tree
    }

    /// All packages.
    pub fn packages(&self) -> impl Iterator<Item = &PackageId> {
        self.needs.keys()
    }

    /// What one package needs itself.
    pub fn needs(&self, id: &PackageId) -> impl Iterator<Item = &PackageId> {
        self.needs.get(id).into_iter().flatten()
    }

    /// What ends up in the executable: all but macros and what only they need.
    #[must_use]
    pub fn linked(&self) -> BTreeSet<&PackageId> {
        let mut queue: Vec<&PackageId> = self.roots.iter().collect();
        let mut seen: BTreeSet<&PackageId> = queue.iter().copied().collect();
        while let Some(id) = queue.pop() {
            let next = self.needs(id).filter(|next| !self.macros.contains(*next));
            queue.extend(next.filter(|next| seen.insert(next)));
        }
        seen
    }

    /// Crates of which more than one version is built.
    #[must_use]
    pub fn duplicates(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for id in self.packages() {
            versions.entry(&id.name).or_default().push(&id.version);
        }
        versions.retain(|_, versions| versions.len() > 1);
        versions
    }
}

fn line(text: &str) -> Option<(usize, PackageId, bool)> {
    let name_at = text.find(|c: char| !c.is_ascii_digit())?;
    let depth = text[..name_at].parse().ok()?;
    let mut words = text[name_at..].split_whitespace();
    let name = words.next()?;
    let version = words.next()?.strip_prefix('v')?;
    let is_macro = words.any(|word| word == "(proc-macro)");
    Some((depth, PackageId::new(name, version), is_macro))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
0chamois v0.7.0 (/src/cmd/chamois)
1serde v1.0.228
2serde_derive v1.0.228 (proc-macro)
3syn v2.0.117
4unicode-ident v1.0.24
1state v0.7.0 (/src/crates/state)
2serde v1.0.228 (*)
2unicode-ident v1.0.24

0other v0.7.0 (/src/other)
1syn v1.0.9
";

    fn names<'a>(ids: impl IntoIterator<Item = &'a PackageId>) -> Vec<String> {
        ids.into_iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lines_become_a_graph() {
        let tree = Tree::parse(TEXT);
        let state = PackageId::new("state", "0.7.0");
        assert_eq!(
            names(tree.needs(&state)),
            ["serde 1.0.228", "unicode-ident 1.0.24"]
        );
        assert_eq!(tree.packages().count(), 8);
        assert_eq!(names(&tree.roots), ["chamois 0.7.0", "other 0.7.0"]);
        let nobody = PackageId::new("nobody", "1.0.0");
        assert_eq!(tree.needs(&nobody).count(), 0);
    }

    /// A macro runs in the compiler; what it shares with the executable is linked all the same.
    #[test]
    fn macros_are_not_linked() {
        let tree = Tree::parse(TEXT);
        let linked = names(tree.linked());
        assert!(
            !linked.iter().any(|name| name.starts_with("serde_derive")),
            "{linked:?}"
        );
        assert!(!linked.contains(&"syn 2.0.117".to_owned()), "{linked:?}");
        assert!(linked.contains(&"unicode-ident 1.0.24".to_owned()), "{linked:?}");
        assert!(linked.contains(&"chamois 0.7.0".to_owned()), "{linked:?}");
    }

    #[test]
    fn two_versions_of_a_crate_are_seen() {
        let tree = Tree::parse(TEXT);
        assert_eq!(
            tree.duplicates(),
            BTreeMap::from([("syn", vec!["1.0.9", "2.0.117"])])
        );
    }

    #[test]
    fn lines_of_another_form_are_no_packages() {
        for text in ["", "warning: something", "1", "1name", "1name 2.0", "x1 v2"] {
            assert_eq!(line(text), None, "{text}");
        }
        assert_eq!(
            line("12zstd-sys v2.0.16+zstd.1.5.7 (*)"),
            Some((12, PackageId::new("zstd-sys", "2.0.16+zstd.1.5.7"), false))
        );
    }
}
