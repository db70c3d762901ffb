//! `warewulf`.

use proto::watch::v1::object::Kind;

use crate::{Error, Target};

const NAME: &str = "warewulf";

pub(crate) const TARGET: Target = Target {
    name: NAME,
    summary: "not there yet",
    reads: &[Kind::Component],
    options: &[],
    checks: &[],
    render: |_, _| Err(Error::not_possible(NAME, "not there yet")),
};
