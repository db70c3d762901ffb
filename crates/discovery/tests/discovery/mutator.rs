//! Breaks trees as BMCs do, and worse: members that are missing, of another type, nested, looped, endless; bodies that are cut off.
//! A seed gives the same broken tree each time.

use serde_json::{Map, Value, json};

use crate::server::Bodies;
use crate::trees::{self, Tree};

/// A small generator (splitmix64): tests have to be repeatable, not unpredictable.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn of(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `count` - 1.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count.max(1) as u64).unwrap_or(0)
    }
}

/// The tree with one to four things broken in it.
pub(crate) fn broken(tree: &Tree, random: &mut Random) -> Bodies {
    let mut tree = tree.clone();
    let paths: Vec<String> = tree.keys().cloned().collect();
    for _ in 0..=random.below(4) {
        let path = &paths[random.below(paths.len())];
        let other = &paths[random.below(paths.len())];
        if let Some(resource) = tree.get_mut(path) {
            break_inside(resource, other, random);
        }
        if random.below(16) == 0 {
            tree.remove(path);
        }
    }
    let mut bodies = trees::bodies(&tree);
    if random.below(3) == 0 {
        let path = &paths[random.below(paths.len())];
        if let Some(body) = bodies.get_mut(path) {
            break_body(body, random);
        }
    }
    bodies
}

/// Goes down to some value, and breaks it.
fn break_inside(value: &mut Value, other: &str, random: &mut Random) {
    let goes_on = random.below(5) > 0;
    match value {
        Value::Object(members) if goes_on && !members.is_empty() => break_member(members, other, random),
        Value::Array(entries) if goes_on && !entries.is_empty() => {
            let place = random.below(entries.len());
            match random.below(6) {
                0 => drop(entries.remove(place)),
                1 => entries.extend(entries.clone().into_iter().cycle().take(2_000)),
                _ => break_inside(&mut entries[place], other, random),
            }
        }
        value => *value = strange(value, other, random),
    }
}

fn break_member(members: &mut Map<String, Value>, other: &str, random: &mut Random) {
    let keys: Vec<String> = members.keys().cloned().collect();
    let key = &keys[random.below(keys.len())];
    match random.below(8) {
        0 => drop(members.remove(key)),
        1 => {
            let member = members.remove(key).unwrap_or_default();
            members.insert(key.to_uppercase(), member);
        }
        _ => {
            if let Some(member) = members.get_mut(key) {
                break_inside(member, other, random);
            }
        }
    }
}

/// Something that nobody expects there.
fn strange(value: &Value, other: &str, random: &mut Random) -> Value {
    match random.below(16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(u64::MAX),
        4 => json!(1e308),
        5 => json!(""),
        6 => json!("\u{0}\u{1b}[2J\u{202e}\u{10ffff}"),
        7 => json!("x".repeat(100_000)),
        8 => json!({}),
        9 => json!([]),
        10 => json!([value, value, null, 7]),
        11 => json!({ "Members": value, "@odata.id": value }),
        12 => (0..50).fold(value.clone(), |inner, _| json!([inner])),
        // loops, and what is of another kind
        13 => json!({ "@odata.id": other }),
        14 => json!({ "@odata.id": "https://192.0.2.1/redfish/v1/Systems", "Members@odata.nextLink": other }),
        _ => {
            json!([{ "@odata.id": other }, { "@odata.id": "/redfish/v1/none" }, { "@odata.id": "../../etc/passwd" }])
        }
    }
}

/// What is no JSON at all, or too much of it.
fn break_body(body: &mut Vec<u8>, random: &mut Random) {
    match random.below(6) {
        0 => body.truncate(random.below(body.len())),
        1 => body.clear(),
        2 => *body = b"[".repeat(100_000),
        3 => *body = b"<html>It works!</html>".to_vec(),
        4 => {
            let place = random.below(body.len());
            if let Some(byte) = body.get_mut(place) {
                *byte ^= 0x80;
            }
        }
        _ => body.extend_from_slice(b"} trailing"),
    }
}

#[test]
fn a_seed_gives_the_same_tree_and_another_seed_another() {
    let tree = trees::rack_server();
    let of = |seed: u64| broken(&tree, &mut Random::of(seed));
    assert_eq!(of(7), of(7));
    let same = (0..100).filter(|seed| of(*seed) == of(seed + 100)).count();
    assert!(same < 10, "{same} of 100");
}
