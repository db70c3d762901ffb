//! `chamois discover rule list`.

use proto::discovery::v1::xname_rule::Rule;
use proto::discovery::v1::xname_rule_service_client::XnameRuleServiceClient;
use proto::discovery::v1::{ListXnameRulesRequest, TemplateDigit, XnameRule};

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output::{self, Shape, changed, column, wide};

/// Priority of a rule that names none.
const PRIORITY: u32 = 500;

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let client = XnameRuleServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let answer = client
        .list_xname_rules(ListXnameRulesRequest {})
        .await?
        .into_inner();
    output::list(
        global,
        ("chamois.discovery.v1.ListXnameRulesResponse", &answer),
        &answer.rules,
        &RULES,
    )
}

/// A row per rule.
pub(super) const RULES: Shape<XnameRule> = Shape {
    message: "chamois.discovery.v1.XnameRule",
    key: |rule| rule.name.clone(),
    columns: &[
        column("NAME", |rule| rule.name.clone()),
        column("PRIORITY", |rule| rule.priority.unwrap_or(PRIORITY).to_string()),
        column("BMCS", |rule| meaning(rule).0),
        column("XNAME", |rule| meaning(rule).1),
        wide("CHANGED", |rule| changed(rule.meta.as_ref())),
    ],
};

/// Of which BMCs, and which xname.
fn meaning(rule: &XnameRule) -> (String, String) {
    match &rule.rule {
        Some(Rule::Explicit(one)) => {
            let by = [
                ("address", &one.address),
                ("MAC", &one.mac),
                ("serial number", &one.serial),
                ("UUID", &one.uuid),
            ];
            let by = by.iter().find(|(_, value)| !value.is_empty());
            let bmc = by.map_or_else(String::new, |(name, value)| format!("{name} {value}"));
            (bmc, one.xname.clone())
        }
        Some(Rule::Template(template)) => {
            let digits: Vec<String> = template.digits.iter().map(digit).collect();
            let xname = format!("{}  {}", template.xname, digits.join(" "));
            (format!("in {}", template.subnet), xname.trim_end().to_owned())
        }
        Some(Rule::Dhcp(_)) => (
            "with an interface in SMD".to_owned(),
            "that of its component".to_owned(),
        ),
        None => ("?".to_owned(), "?".to_owned()),
    }
}

/// As `--digit` takes it.
fn digit(digit: &TemplateDigit) -> String {
    format!(
        "{}={}:{}:{}",
        digit.name,
        digit.count,
        digit.first,
        digit.step.max(1)
    )
}

#[cfg(test)]
mod tests {
    use proto::discovery::v1::{DhcpHint, ExplicitXname, TemplateXname};

    use super::*;

    fn rule(name: &str, rule: Rule) -> XnameRule {
        XnameRule {
            name: name.into(),
            rule: Some(rule),
            ..XnameRule::default()
        }
    }

    #[test]
    fn each_kind_of_rule_says_what_it_does() {
        let explicit = rule(
            "one",
            Rule::Explicit(ExplicitXname {
                serial: "CZ1".into(),
                xname: "x0c0s0b0".into(),
                ..ExplicitXname::default()
            }),
        );
        let template = rule(
            "rack",
            Rule::Template(TemplateXname {
                subnet: "10.1.0.0/24".into(),
                xname: "x1000c0s{slot}b0".into(),
                digits: vec![TemplateDigit {
                    name: "slot".into(),
                    count: 42,
                    first: 1,
                    step: 0,
                }],
                ..TemplateXname::default()
            }),
        );
        let text = output::plain(
            &[explicit, template, rule("dhcp", Rule::Dhcp(DhcpHint {}))],
            &RULES,
        );
        for part in [
            "serial number CZ1",
            "500",
            "in 10.1.0.0/24",
            "slot=42:1:1",
            "that of its component",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
