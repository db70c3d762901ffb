//! Rules for which xname a BMC gets. What they say of a BMC is for whoever finds it; here they are kept, in normal form.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use model::{IpNet, MacAddr, Rejection};
use proto::discovery::v1::discovery_command::{DeleteXnameRule, PutXnameRule};
use proto::discovery::v1::xname_rule::Rule;
use proto::discovery::v1::{ExplicitXname, TemplateDigit, TemplateXname, XnameRule};
use proto::raft::v1::outcome::Applied;

use super::{created, forms, malformed, updated};
use crate::RowKind;
use crate::bounds::{
    NAME_BYTES_MAX, TEMPLATE_DIGITS_MAX, XNAME_RULE_NAME_BYTES_MAX, XNAME_RULE_PRIORITY_DEFAULT,
    XNAME_RULE_PRIORITY_MAX, XNAME_RULES_MAX, check_count, check_name, check_text,
};
use crate::changes::Changes;
use crate::log_position::{LogPosition, check_revision};
use crate::outcome::deleted;
use crate::selectors::{check_object_name, parsed};
use crate::snapshot::SnapshotError;
use crate::table::Table;

/// By name.
#[derive(Clone, Default)]
pub(super) struct XnameRules(Table<XnameRule>);

impl XnameRules {
    pub(super) fn get(&self, name: &str) -> Option<&Arc<XnameRule>> {
        self.0.get(&name.to_owned())
    }

    /// Sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<XnameRule>> {
        self.0.values()
    }

    /// By priority, the highest first, then by name.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Arc<XnameRule>> {
        let mut rules: Vec<&Arc<XnameRule>> = self.iter().collect();
        // stable: those of one priority stay sorted by name
        rules.sort_by_key(|rule| Reverse(rule.priority.unwrap_or(XNAME_RULE_PRIORITY_DEFAULT)));
        rules.into_iter()
    }

    pub(super) fn put(
        &mut self,
        put: &PutXnameRule,
        at: &LogPosition<'_>,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        let given = put
            .rule
            .as_ref()
            .ok_or_else(|| Rejection::invalid("rule", "it is missing"))?;
        let mut rule = normalised(given)?;
        let before = self.get(&rule.name).cloned();
        let meta = before.as_ref().and_then(|before| before.meta.as_ref());
        check_revision(&rule.name, put.if_revision, meta)?;
        if before.is_none() && self.0.len() >= XNAME_RULES_MAX {
            let detail = format!("there are {XNAME_RULES_MAX} rules; delete one first");
            return Err(Rejection::Conflict { detail });
        }
        let name = rule.name.clone();
        let (meta, applied) = match before {
            Some(before) => (at.modified(before.meta.as_ref()), updated(&name)),
            None => (at.created(), created(&name)),
        };
        rule.meta = meta;
        self.0.put(name, rule, changes);
        Ok(applied)
    }

    pub(super) fn delete(
        &mut self,
        delete: &DeleteXnameRule,
        changes: &mut Changes,
    ) -> Result<Applied, Rejection> {
        self.0
            .remove(&delete.name, changes)
            .ok_or_else(|| Rejection::not_found("xname rule", &delete.name))?;
        Ok(deleted(std::iter::once(delete.name.clone())))
    }

    pub(super) fn load(&mut self, row: XnameRule, changes: &mut Changes) -> Result<(), SnapshotError> {
        let name = self.0.check_load(&row, RowKind::XnameRule)?;
        let normal = normalised(&row).map_err(|problem| malformed(RowKind::XnameRule, problem))?;
        let given = XnameRule {
            meta: None,
            ..row.clone()
        };
        if normal != given {
            return Err(malformed(RowKind::XnameRule, "it is not in normal form"));
        }
        self.0.put(name, row, changes);
        Ok(())
    }
}

/// Its meta is not the client's to give.
fn normalised(given: &XnameRule) -> Result<XnameRule, Rejection> {
    check_object_name(&given.name, XNAME_RULE_NAME_BYTES_MAX)?;
    if let Some(priority) = given
        .priority
        .filter(|priority| *priority > XNAME_RULE_PRIORITY_MAX)
    {
        let problem = format!("{priority} is given; write 0 to {XNAME_RULE_PRIORITY_MAX}");
        return Err(Rejection::invalid("priority", problem));
    }
    let rule = match &given.rule {
        Some(Rule::Explicit(explicit)) => Rule::Explicit(normal_explicit(explicit)?),
        Some(Rule::Template(template)) => Rule::Template(normal_template(template)?),
        Some(Rule::Dhcp(hint)) => Rule::Dhcp(*hint),
        None => {
            let problem = "it is missing; write explicit, template or dhcp";
            return Err(Rejection::invalid("rule", problem));
        }
    };
    Ok(XnameRule {
        rule: Some(rule),
        meta: None,
        ..given.clone()
    })
}

fn normal_explicit(given: &ExplicitXname) -> Result<ExplicitXname, Rejection> {
    let ExplicitXname {
        address,
        mac,
        serial,
        uuid,
        xname,
    } = given;
    let named = [address, mac, serial, uuid];
    if named.into_iter().filter(|text| !text.is_empty()).count() != 1 {
        let problem = "write exactly one of address, mac, serial and uuid";
        return Err(Rejection::invalid("explicit", problem));
    }
    check_text("explicit.serial", serial, NAME_BYTES_MAX)?;
    check_text("explicit.uuid", uuid, NAME_BYTES_MAX)?;
    let mut normal = ExplicitXname {
        serial: serial.clone(),
        uuid: uuid.to_lowercase(),
        xname: forms::controller("explicit.xname", xname)?.to_string(),
        ..ExplicitXname::default()
    };
    if !address.is_empty() {
        normal.address = forms::host("explicit.address", address)?;
    }
    if !mac.is_empty() {
        normal.mac = parsed::<MacAddr>("explicit.mac", mac)?.to_string();
    }
    Ok(normal)
}

fn normal_template(given: &TemplateXname) -> Result<TemplateXname, Rejection> {
    let subnet: IpNet = parsed("template.subnet", &given.subnet)?;
    let first = match given.first.as_str() {
        "" => String::new(),
        text => first_address(&subnet, text)?.to_string(),
    };
    check_name("template.xname", &given.xname)?;
    check_digits(&given.digits)?;
    let template = TemplateXname {
        subnet: subnet.to_string(),
        first,
        xname: given.xname.to_lowercase(),
        digits: given.digits.clone(),
    };
    check_places(&template)?;
    Ok(template)
}

fn first_address(subnet: &IpNet, text: &str) -> Result<IpAddr, Rejection> {
    let address = text.parse::<IpAddr>().ok();
    address
        .filter(|address| subnet.contains(*address))
        .ok_or_else(|| {
            let problem = format!("{text:?} is no address of {subnet}; write one, or leave it empty");
            Rejection::invalid("template.first", problem)
        })
}

/// Names are different; only the last may be without a bound.
fn check_digits(digits: &[TemplateDigit]) -> Result<(), Rejection> {
    let invalid = |problem: String| Err(Rejection::invalid("template.digits", problem));
    if digits.is_empty() {
        return invalid("none is given; write at least one".to_owned());
    }
    check_count("template.digits", digits.len(), TEMPLATE_DIGITS_MAX)?;
    let mut seen = BTreeSet::new();
    for (place, digit) in digits.iter().enumerate() {
        let name = &digit.name;
        let is_name =
            !name.is_empty() && name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_lowercase());
        if !is_name || !seen.insert(name) {
            return invalid(format!(
                "{name:?} is no name, or another one's, too; write 1 to 32 small letters, each name once"
            ));
        }
        if digit.count == 0 && place + 1 < digits.len() {
            return invalid(format!(
                "{name} has no count; only the last may be without a bound"
            ));
        }
    }
    Ok(())
}

/// Every place of the template is a number that is known, every number has a place, and what comes out is the xname of a controller.
fn check_places(template: &TemplateXname) -> Result<(), Rejection> {
    let invalid = |problem: String| Err(Rejection::invalid("template.xname", problem));
    let mut sample = template.xname.clone();
    for TemplateDigit { name, first, .. } in &template.digits {
        let place = format!("{{{name}}}");
        if !sample.contains(&place) {
            return invalid(format!(
                "{place} does not stand in it, so that two BMCs would get one xname"
            ));
        }
        sample = sample.replace(&place, &first.to_string());
    }
    if sample.contains(['{', '}']) {
        return invalid(format!("{sample} names a number that is none of its digits"));
    }
    forms::controller("template.xname", &sample)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proto::discovery::v1::DhcpHint;

    use super::*;

    fn digit(name: &str, count: u32) -> TemplateDigit {
        TemplateDigit {
            name: name.into(),
            count,
            ..TemplateDigit::default()
        }
    }

    fn template() -> TemplateXname {
        TemplateXname {
            subnet: "10.1.0.0/16".into(),
            first: "10.1.0.10".into(),
            xname: "x{rack}c0s{slot}b{bmc}".into(),
            digits: vec![digit("bmc", 2), digit("slot", 40), digit("rack", 0)],
        }
    }

    fn rule(rule: Rule) -> XnameRule {
        XnameRule {
            name: "rack".into(),
            rule: Some(rule),
            ..XnameRule::default()
        }
    }

    fn refused(given: Rule) -> String {
        normalised(&rule(given)).unwrap_err().to_string()
    }

    #[test]
    fn rules_are_kept_in_one_spelling() {
        let explicit = ExplicitXname {
            mac: "02-00-00-00-00-A1".into(),
            xname: "X1000C0S0B0".into(),
            ..ExplicitXname::default()
        };
        let normal = ExplicitXname {
            mac: "02:00:00:00:00:a1".into(),
            xname: "x1000c0s0b0".into(),
            ..ExplicitXname::default()
        };
        let normal = rule(Rule::Explicit(normal));
        assert_eq!(normalised(&rule(Rule::Explicit(explicit))), Ok(normal));
        let given = rule(Rule::Template(template()));
        assert_eq!(normalised(&given), Ok(given));
        let hint = rule(Rule::Dhcp(DhcpHint {}));
        assert_eq!(normalised(&hint), Ok(hint));
    }

    #[test]
    fn an_explicit_rule_names_one_bmc() {
        let none = ExplicitXname {
            xname: "x1000c0s0b0".into(),
            ..ExplicitXname::default()
        };
        assert!(refused(Rule::Explicit(none.clone())).contains("exactly one"));
        let two = ExplicitXname {
            serial: "s".into(),
            uuid: "u".into(),
            ..none
        };
        assert!(refused(Rule::Explicit(two)).contains("exactly one"));
        for (address, mac, xname, field) in [
            ("10.1.0.7:443", "", "x1000c0s0b0", "explicit.address"),
            ("", "02", "x1000c0s0b0", "explicit.mac"),
            ("10.1.0.7", "", "x1000c0s0b0n0", "explicit.xname"),
            ("10.1.0.7", "", "", "explicit.xname"),
        ] {
            let wrong = ExplicitXname {
                address: address.into(),
                mac: mac.into(),
                xname: xname.into(),
                ..ExplicitXname::default()
            };
            let problem = refused(Rule::Explicit(wrong));
            assert!(problem.starts_with(field), "{problem}");
        }
    }

    #[test]
    fn a_template_that_cannot_work_is_refused_before_a_scan() {
        let with = |change: fn(&mut TemplateXname)| {
            let mut template = template();
            change(&mut template);
            refused(Rule::Template(template))
        };
        for (problem, part) in [
            (with(|it| it.subnet = "10.1.0.0".into()), "template.subnet"),
            (
                with(|it| it.first = "10.2.0.1".into()),
                "no address of 10.1.0.0/16",
            ),
            (with(|it| it.first = "x".into()), "no address of"),
            (with(|it| it.digits.clear()), "at least one"),
            (with(|it| it.digits[0].count = 0), "only the last"),
            (with(|it| it.digits[1].name = "bmc".into()), "each name once"),
            (with(|it| it.digits[1].name = "Slot".into()), "small letters"),
            (
                with(|it| it.xname = "x{rack}c0s0b{bmc}".into()),
                "{slot} does not stand in it",
            ),
            (with(|it| it.xname.push_str("{node}")), "none of its digits"),
            (
                with(|it| it.xname = "x{rack}c0s{slot}b0n{bmc}".into()),
                "not a controller",
            ),
            (with(|it| it.xname = "{rack}{slot}{bmc}".into()), "template.xname"),
        ] {
            assert!(problem.contains(part), "{problem}");
        }
    }
}
