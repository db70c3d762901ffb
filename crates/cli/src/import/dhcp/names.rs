//! Which component a reservation is of: by a list that somebody wrote, or because the host is called by its xname.

use std::collections::{BTreeMap, BTreeSet};

use model::{HmsType, MacAddr, Xname};

use super::files::Source;
use super::found::Place;
use crate::import::diff::quoted;

/// Types of what has an Ethernet interface of its own. Others, as `s0` or `p1`, are names that hosts have by chance.
const HAVE_INTERFACES: &[HmsType] = &[
    HmsType::Node,
    HmsType::VirtualNode,
    HmsType::NodeBmc,
    HmsType::RouterBmc,
    HmsType::ChassisBmc,
    HmsType::CabinetBmc,
    HmsType::CabinetPduController,
    HmsType::MgmtSwitch,
    HmsType::MgmtHlSwitch,
    HmsType::CduMgmtSwitch,
];

/// A component, and the NID that a new one is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) xname: Xname,
    pub(super) nid: Option<u64>,
}

/// The list: hostnames and MACs with their components.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    by_host: BTreeMap<String, (Place, Named)>,
    by_mac: BTreeMap<MacAddr, (Place, Named)>,
}

impl Names {
    /// Reads `HOSTNAME|MAC XNAME [NID]` a line; blanks, commas or tabs between them, `#` begins a comment.
    ///
    /// # Errors
    /// All lines that are wrong, with what is accepted.
    pub(super) fn read(source: &Source) -> Result<Names, String> {
        let mut names = Names::default();
        let mut wrong = Vec::new();
        let mut nids = BTreeMap::new();
        for (place, line) in source.text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line
                .split(|c: char| c.is_whitespace() || c == ',')
                .filter(|word| !word.is_empty())
                .collect();
            if words.is_empty() {
                continue;
            }
            let at = source.start().at_line(place + 1);
            if let Err(problem) = names.line(&at, &words, &mut nids) {
                wrong.push(format!("{at}: {problem}"));
            }
        }
        match wrong.is_empty() {
            true => Ok(names),
            false => Err(wrong.join("\n")),
        }
    }

    fn line(&mut self, at: &Place, words: &[&str], nids: &mut BTreeMap<u64, Xname>) -> Result<(), String> {
        let (name, xname, nid) = match words {
            [name, xname] => (name, xname, None),
            [name, xname, nid] => {
                let number = nid
                    .parse::<u64>()
                    .map_err(|_| format!("`{}` is no NID; write a number", quoted(nid)))?;
                (name, xname, Some(number))
            }
            _ => return Err("write HOSTNAME XNAME, or MAC XNAME, and for a new node its NID".to_owned()),
        };
        let xname: Xname = xname
            .parse()
            .map_err(|problem: model::InvalidValue| problem.to_string())?;
        if let Some(nid) = nid {
            let owner = nids.entry(nid).or_insert_with(|| xname.clone());
            if *owner != xname {
                return Err(format!("NID {nid} is that of {owner}, too; a NID has one owner"));
            }
        }
        let named = (at.clone(), Named { xname, nid });
        let before = match name.parse::<MacAddr>() {
            Ok(mac) => self.by_mac.insert(mac, named),
            Err(_) => self.by_host.insert(name.to_ascii_lowercase(), named),
        };
        match before {
            Some((first, _)) => Err(format!("`{}` stands at {first}, too", quoted(name))),
            None => Ok(()),
        }
    }

    /// The component of a reservation: by its MAC, its name, the first label of that, or because that is an xname.
    pub(super) fn of(&self, mac: &MacAddr, hostname: &str) -> Option<Named> {
        let host = hostname.to_ascii_lowercase();
        let short = host.split('.').next().unwrap_or_default();
        let listed = self.by_mac.get(mac);
        let listed = listed
            .or_else(|| self.by_host.get(&host))
            .or_else(|| self.by_host.get(short));
        if let Some((_, named)) = listed {
            return Some(named.clone());
        }
        let xname: Xname = short.parse().ok()?;
        HAVE_INTERFACES
            .contains(&xname.hms_type())
            .then_some(Named { xname, nid: None })
    }

    /// Lines that no reservation has used: a name may be written wrongly in them.
    pub(super) fn unused<'a>(
        &self,
        reservations: impl Iterator<Item = (&'a MacAddr, &'a str)>,
    ) -> Vec<Place> {
        let (mut macs, mut hosts) = (BTreeSet::new(), BTreeSet::new());
        for (mac, hostname) in reservations {
            macs.insert(*mac);
            let host = hostname.to_ascii_lowercase();
            hosts.insert(host.split('.').next().unwrap_or_default().to_owned());
            hosts.insert(host);
        }
        let by_mac = self.by_mac.iter().filter(|(mac, _)| !macs.contains(mac));
        let by_host = self.by_host.iter().filter(|(host, _)| !hosts.contains(*host));
        let places = by_mac
            .map(|(_, (at, _))| at)
            .chain(by_host.map(|(_, (at, _))| at));
        let mut places: Vec<Place> = places.cloned().collect();
        places.sort();
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 10]);
    const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 11]);

    fn names(text: &str) -> Result<Names, String> {
        Names::read(&Source::of("names.txt", text))
    }

    fn found(names: &Names, hostname: &str) -> Option<String> {
        let named = names.of(&OTHER, hostname)?;
        Some(format!("{} {:?}", named.xname, named.nid))
    }

    #[test]
    fn macs_names_and_first_labels_find_their_component() {
        let names =
            names("# list\nNID0001, x1000c0s0b0n0 ,7\n\nnid2\tX1000c0s00b0n1\n02-00-00-00-00-0A x9c0s0b0\n")
                .unwrap();
        assert_eq!(
            found(&names, "nid0001.hpc.example").as_deref(),
            Some("x1000c0s0b0n0 Some(7)")
        );
        assert_eq!(found(&names, "nid2").as_deref(), Some("x1000c0s0b0n1 None"));
        let by_mac = names.of(&MAC, "nid2").unwrap();
        assert_eq!(by_mac.xname.as_str(), "x9c0s0b0", "the MAC is the surer");
        let unused = names.unused([(&OTHER, "nid2")].into_iter());
        let lines: Vec<usize> = unused.iter().map(|at| at.line).collect();
        assert_eq!(lines, [2, 5]);
    }

    /// `s0`, `p1` and `sms1` are xnames, too, and names that people give.
    #[test]
    fn a_host_that_is_called_by_its_xname_is_that_component() {
        let none = Names::default();
        assert_eq!(
            found(&none, "X1000c0s0b0n0.hpc.example").as_deref(),
            Some("x1000c0s0b0n0 None")
        );
        assert_eq!(found(&none, "x1000c0s0b0").as_deref(), Some("x1000c0s0b0 None"));
        for name in ["s0", "p1", "sms1", "x1000", "x1000c0", "login1", ""] {
            assert_eq!(found(&none, name), None, "{name}");
        }
    }

    #[test]
    fn every_line_that_is_wrong_is_told() {
        let wrong = names("a\na x0c0s0b0n0 7\nb x0c0s1b0n0 7\nc here\nd x0c0s2b0n0 many\na x0c0s0b0n0\n")
            .unwrap_err();
        let lines: Vec<&str> = wrong.lines().collect();
        for (line, text) in lines.iter().zip([
            "names.txt:1: write HOSTNAME XNAME",
            "names.txt:3: NID 7 is that of x0c0s0b0n0",
            "names.txt:4: `here` is not an xname",
            "names.txt:5: `many` is no NID",
            "names.txt:6: `a` stands at names.txt:2, too",
        ]) {
            assert!(line.starts_with(text), "{line}");
        }
        assert_eq!(lines.len(), 5);
    }
}
