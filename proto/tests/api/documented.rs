//! What has no comment is found here. `chamois api explain`, `/openapi.json` and the SDKs show nothing but these comments.

use std::path::Path;

use prost_types::source_code_info::Location;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, ServiceDescriptorProto};

use crate::files;

/// Numbers of fields in `descriptor.proto`, which the path of a comment is made of.
const MESSAGES_OF_FILE: i32 = 4;
const ENUMS_OF_FILE: i32 = 5;
const SERVICES_OF_FILE: i32 = 6;
const FIELDS: i32 = 2;
const MESSAGES: i32 = 3;
const ENUMS: i32 = 4;
const METHODS: i32 = 2;

/// What is to be documented, and its comment: empty for none.
struct Documented {
    name: String,
    comment: String,
}

/// Goes through a file. Values of enums are left out: most of them say all by their names.
struct Walk<'a> {
    locations: &'a [Location],
    found: Vec<Documented>,
}

impl Walk<'_> {
    fn of(file: &FileDescriptorProto) -> Vec<Documented> {
        let locations = file
            .source_code_info
            .as_ref()
            .map(|info| info.location.as_slice());
        let mut walk = Walk {
            locations: locations.unwrap_or_default(),
            found: Vec::new(),
        };
        for (place, message) in numbered(&file.message_type) {
            walk.message(message, &[MESSAGES_OF_FILE, place], file.package());
        }
        for (place, enumeration) in numbered(&file.enum_type) {
            walk.enumeration(enumeration, &[ENUMS_OF_FILE, place], file.package());
        }
        for (place, service) in numbered(&file.service) {
            walk.service(service, &[SERVICES_OF_FILE, place], file.package());
        }
        walk.found
    }

    fn message(&mut self, message: &DescriptorProto, path: &[i32], scope: &str) {
        // the entry of a map is made by the compiler
        if message
            .options
            .as_ref()
            .is_some_and(|options| options.map_entry())
        {
            return;
        }
        let name = format!("{scope}.{}", message.name());
        self.add(path, &name);
        for (place, field) in numbered(&message.field) {
            self.add(
                &[path, &[FIELDS, place]].concat(),
                &format!("{name}.{}", field.name()),
            );
        }
        for (place, nested) in numbered(&message.nested_type) {
            self.message(nested, &[path, &[MESSAGES, place]].concat(), &name);
        }
        for (place, nested) in numbered(&message.enum_type) {
            self.enumeration(nested, &[path, &[ENUMS, place]].concat(), &name);
        }
    }

    fn enumeration(&mut self, enumeration: &EnumDescriptorProto, path: &[i32], scope: &str) {
        self.add(path, &format!("{scope}.{}", enumeration.name()));
    }

    fn service(&mut self, service: &ServiceDescriptorProto, path: &[i32], scope: &str) {
        let name = format!("{scope}.{}", service.name());
        self.add(path, &name);
        for (place, method) in numbered(&service.method) {
            self.add(
                &[path, &[METHODS, place]].concat(),
                &format!("{name}.{}", method.name()),
            );
        }
    }

    fn add(&mut self, path: &[i32], name: &str) {
        let location = self.locations.iter().find(|location| location.path == path);
        let comment = location.and_then(|location| {
            let leading = location.leading_comments.as_deref();
            leading.or(location.trailing_comments.as_deref())
        });
        self.found.push(Documented {
            name: name.to_owned(),
            comment: comment.unwrap_or_default().trim().to_owned(),
        });
    }
}

fn numbered<T>(items: &[T]) -> impl Iterator<Item = (i32, &T)> {
    (0..).zip(items)
}

/// Names of those in all files of which `is_wrong` is true.
fn those(is_wrong: impl Fn(&Documented) -> bool) -> Vec<String> {
    let all = files().flat_map(Walk::of);
    all.filter(is_wrong).map(|documented| documented.name).collect()
}

/// Letters and digits alone, in small letters.
fn bare(text: &str) -> String {
    let kept = text.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|c| c.to_ascii_lowercase()).collect()
}

#[test]
fn every_message_field_enum_service_and_method_is_documented() {
    let missing = those(|documented| documented.comment.is_empty());
    assert!(
        missing.is_empty(),
        "write above each what it means, its unit, and what is accepted: {missing:#?}"
    );
}

/// A comment that says the name again is none.
#[test]
fn comments_say_more_than_the_name() {
    let again = those(|documented| {
        let name = documented.name.rsplit('.').next().unwrap_or_default();
        bare(&documented.comment) == bare(name)
    });
    assert!(again.is_empty(), "{again:#?}");
}

/// They are shown to people, one below the other.
#[test]
fn comments_are_sentences() {
    let ends = ['.', ':', ')', '`'];
    let others = those(|documented| !documented.comment.is_empty() && !documented.comment.ends_with(ends));
    assert!(others.is_empty(), "end with a full stop: {others:#?}");
}

/// The rules above, turned on a file with faults: one that finds nothing in it would find nothing anywhere.
#[test]
fn what_is_missing_is_found() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("documented");
    std::fs::create_dir_all(&folder).unwrap();
    let text = "syntax = \"proto3\";\npackage chamois.x;\n// A thing.\nmessage Thing {\n  string name = 1;\n  \
                // Its size.\n  uint32 size = 2;\n  enum Kind { KIND_UNSPECIFIED = 0; }\n}\n";
    std::fs::write(folder.join("x.proto"), text).unwrap();
    let mut compiler = protox::Compiler::new([&folder]).unwrap();
    compiler.include_source_info(true);
    compiler.open_file(folder.join("x.proto")).unwrap();
    let compiled = compiler.file_descriptor_set();
    let found = compiled.file.iter().flat_map(Walk::of);
    let missing = found.filter(|documented| documented.comment.is_empty());
    let names: Vec<String> = missing.map(|documented| documented.name).collect();
    assert_eq!(names, ["chamois.x.Thing.name", "chamois.x.Thing.Kind"]);
}
