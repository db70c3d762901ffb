//! What a recorded release has said stays: `releases/<version>.binpb` are its protos, compiled. `.ci/protos` asks more (JSON names,
//! options, packages), but needs a tool; this needs none and finds what would break clients and stored logs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use prost::Message as _;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet};

use crate::{files, is_ours, root};

/// What a client or a log relies on, and how it is: a field by message and number, a value by enum and number, a method by name.
#[derive(Default)]
struct Promises(BTreeMap<String, String>);

impl Promises {
    fn of<'a>(files: impl Iterator<Item = &'a FileDescriptorProto>) -> Promises {
        let mut promises = Promises::default();
        for file in files {
            let package = file.package();
            for message in &file.message_type {
                promises.message(message, package);
            }
            for enumeration in &file.enum_type {
                promises.enumeration(enumeration, package);
            }
            for service in &file.service {
                for method in &service.method {
                    let name = format!("{package}.{}/{}", service.name(), method.name());
                    let (client, server) = (method.client_streaming(), method.server_streaming());
                    let shape = format!(
                        "{} to {}, streaming {client} {server}",
                        method.input_type(),
                        method.output_type()
                    );
                    promises.0.insert(name, shape);
                }
            }
        }
        promises
    }

    fn message(&mut self, message: &DescriptorProto, scope: &str) {
        let name = format!("{scope}.{}", message.name());
        for field in &message.field {
            let shape = format!(
                "{} {:?} {:?} {} optional {}",
                field.name(),
                field.label(),
                field.r#type(),
                field.type_name(),
                field.proto3_optional()
            );
            self.0.insert(format!("{name} {}", field.number()), shape);
        }
        for nested in &message.nested_type {
            self.message(nested, &name);
        }
        for nested in &message.enum_type {
            self.enumeration(nested, &name);
        }
    }

    fn enumeration(&mut self, enumeration: &EnumDescriptorProto, scope: &str) {
        for value in &enumeration.value {
            let key = format!("{scope}.{} {}", enumeration.name(), value.number());
            self.0.insert(key, value.name().to_owned());
        }
    }

    /// What of `self` is gone or otherwise in `now`.
    fn broken_by(&self, now: &Promises) -> Vec<String> {
        let broken = self.0.iter().filter(|(what, how)| now.0.get(*what) != Some(*how));
        broken
            .map(|(what, how)| format!("{what} was {how}, is {:?}", now.0.get(what)))
            .collect()
    }
}

/// The recorded releases, by file.
fn releases() -> Vec<(PathBuf, FileDescriptorSet)> {
    let entries = std::fs::read_dir(root().join("releases")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let images = paths.filter(|path| path.extension().is_some_and(|extension| extension == "binpb"));
    images
        .map(|path| {
            let bytes = std::fs::read(&path).unwrap();
            let files = FileDescriptorSet::decode(bytes.as_slice()).unwrap();
            (path, files)
        })
        .collect()
}

#[test]
fn no_field_value_or_method_of_a_recorded_release_is_gone_or_changed() {
    let now = Promises::of(files());
    let releases = releases();
    assert!(!releases.is_empty());
    for (path, release) in releases {
        let promised = Promises::of(release.file.iter().filter(|file| is_ours(file)));
        assert!(promised.0.len() > 1000, "{} says little", path.display());
        let broken = promised.broken_by(&now);
        assert!(
            broken.is_empty(),
            "{} promised otherwise; add a field or method instead, and mark the old one as deprecated: {broken:#?}",
            path.display()
        );
    }
}

/// Each kind of change that breaks somebody is seen.
#[test]
fn what_breaks_a_promise_is_found() {
    let promises = |changed: &[(&str, &str)]| {
        let mut promises = Promises::default();
        for (what, how) in [("a.B 1", "name String"), ("a.S/Get", ".a.B to .a.B")]
            .iter()
            .chain(changed)
        {
            promises.0.insert((*what).to_owned(), (*how).to_owned());
        }
        promises
    };
    let before = promises(&[]);
    assert!(before.broken_by(&before).is_empty());
    assert!(
        before
            .broken_by(&promises(&[("a.B 2", "more String")]))
            .is_empty()
    );
    assert_eq!(before.broken_by(&promises(&[("a.B 1", "name Bytes")])).len(), 1);
    assert_eq!(before.broken_by(&Promises::default()).len(), 2);
}
