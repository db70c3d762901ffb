//! UUIDs as firmware tells them: some boards have none of their own.

/// UUIDs that name nothing: boards without one of their own carry them.
const NO_UUIDS: [&str; 3] = [
    "",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
];

/// The UUID in lower case, if it names something.
pub(crate) fn told_uuid(text: &str) -> Option<String> {
    let uuid = text.trim().to_ascii_lowercase();
    (!NO_UUIDS.contains(&uuid.as_str())).then_some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_nothing_is_none_and_case_and_blanks_do_not_matter() {
        assert_eq!(told_uuid(" 4C4C4544-A ").as_deref(), Some("4c4c4544-a"));
        for none in [
            "",
            " ",
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        ] {
            assert_eq!(told_uuid(none), None, "{none}");
        }
    }
}
