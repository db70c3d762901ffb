//! The comments of .proto files, by what they stand at.

use std::collections::HashMap;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, EnumValueDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor,
    MethodDescriptor, ServiceDescriptor,
};

/// What ends no sentence although a blank follows.
const ABBREVIATIONS: [&str; 3] = ["e.g.", "i.e.", "etc."];

/// The comments of all files of a descriptor that was made with them; without them, every text is empty.
#[derive(Clone, Debug, Default)]
pub struct Comments(HashMap<String, HashMap<Vec<i32>, String>>);

impl Comments {
    /// Those of the files in `pool`.
    pub fn of(pool: &DescriptorPool) -> Self {
        Self(
            pool.files()
                .map(|file| (file.name().to_owned(), places(&file)))
                .collect(),
        )
    }

    /// What is written above a message.
    pub fn message(&self, message: &MessageDescriptor) -> &str {
        self.at(&message.parent_file(), message.path())
    }

    /// What is written above a field, or behind it.
    pub fn field(&self, field: &FieldDescriptor) -> &str {
        self.at(&field.parent_file(), field.path())
    }

    /// What is written above an enum.
    pub fn enumeration(&self, of: &EnumDescriptor) -> &str {
        self.at(&of.parent_file(), of.path())
    }

    /// What is written above the value of an enum, or behind it.
    pub fn value(&self, value: &EnumValueDescriptor) -> &str {
        self.at(&value.parent_file(), value.path())
    }

    /// What is written above a service.
    pub fn service(&self, service: &ServiceDescriptor) -> &str {
        self.at(&service.parent_file(), service.path())
    }

    /// What is written above a method.
    pub fn method(&self, method: &MethodDescriptor) -> &str {
        self.at(&method.parent_file(), method.path())
    }

    fn at(&self, file: &FileDescriptor, path: &[i32]) -> &str {
        let text = self.0.get(file.name()).and_then(|places| places.get(path));
        text.map_or("", String::as_str)
    }
}

/// The comments of one file by their paths, as `google.protobuf.SourceCodeInfo` counts them.
fn places(file: &FileDescriptor) -> HashMap<Vec<i32>, String> {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let locations = info.map_or(&[][..], |info| info.location.as_slice());
    let texts = locations.iter().map(|location| {
        let comments = [&location.leading_comments, &location.trailing_comments];
        let texts: Vec<String> = comments.into_iter().flatten().map(|text| clean(text)).collect();
        (location.path.clone(), texts.join("\n"))
    });
    texts.filter(|(_, text)| !text.is_empty()).collect()
}

/// The text without the blank that stands before each line.
fn clean(comment: &str) -> String {
    let lines: Vec<&str> = comment
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
        .collect();
    lines.join("\n").trim().to_owned()
}

/// The first sentence of a comment, in one line, without its full stop.
pub fn summary(comment: &str) -> String {
    let paragraph = comment.split("\n\n").next().unwrap_or_default();
    let mut sentence = String::new();
    for word in paragraph.split_whitespace() {
        if !sentence.is_empty() {
            sentence.push(' ');
        }
        sentence.push_str(word);
        let ends = word.ends_with(['.', ':']) && !ABBREVIATIONS.iter().any(|short| word.ends_with(short));
        if ends {
            break;
        }
    }
    sentence.trim_end_matches(['.', ':']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_one_sentence_in_one_line() {
        for (comment, expected) in [
            ("", ""),
            ("Lists components", "Lists components"),
            ("Lists\ncomponents. In pages.", "Lists components"),
            ("As HSM does, e.g. `x0c0`. More.", "As HSM does, e.g. `x0c0`"),
            (
                "A port (i.e. 8443) is\nopen.\n\nMore.",
                "A port (i.e. 8443) is open",
            ),
            ("Version 1.2 is old. So what", "Version 1.2 is old"),
            ("First paragraph\n\nSecond one.", "First paragraph"),
        ] {
            assert_eq!(summary(comment), expected, "{comment:?}");
        }
    }

    #[test]
    fn lines_lose_their_blank_and_keep_their_indent() {
        assert_eq!(clean(" One\n   two \n\n three\n"), "One\n  two\n\nthree");
        assert_eq!(clean(""), "");
    }

    /// Messages, fields, methods, enums, values: each is found at its own place, nested ones too.
    #[test]
    fn each_thing_has_its_own_comment() {
        let pool = DescriptorPool::decode(proto::DOCUMENTED_DESCRIPTOR).unwrap();
        let comments = Comments::of(&pool);
        let rule = pool.get_message_by_name("chamois.http.v1.MethodRule").unwrap();
        assert!(comments.message(&rule).starts_with("The rule of one method"));
        let field = rule.get_field_by_name("location_field").unwrap();
        assert!(comments.field(&field).contains("`Location` header"));
        let access = pool.get_enum_by_name("chamois.http.v1.Access").unwrap();
        assert!(comments.enumeration(&access).starts_with("What a method does"));
        let admin = access.get_value_by_name("ACCESS_ADMIN").unwrap();
        assert!(comments.value(&admin).contains("hands out everything"));
        let services: Vec<_> = pool.services().collect();
        let of_services = services
            .iter()
            .filter(|service| !comments.service(service).is_empty());
        assert!(of_services.count() > 20);
        let methods = services
            .iter()
            .flat_map(|service| service.methods().collect::<Vec<_>>());
        assert!(
            methods
                .filter(|method| !comments.method(method).is_empty())
                .count()
                > 100
        );
    }

    /// What members work with is the smaller descriptor.
    #[test]
    fn the_other_descriptor_has_no_comments() {
        let pool = DescriptorPool::decode(proto::DESCRIPTOR).unwrap();
        let comments = Comments::of(&pool);
        assert!(comments.0.values().all(HashMap::is_empty));
        assert!(2 * proto::DESCRIPTOR.len() < proto::DOCUMENTED_DESCRIPTOR.len());
    }
}
