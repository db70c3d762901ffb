//! Which images nodes can boot: on which members every part lies.

use std::collections::BTreeSet;

use model::Sha256;
use proto::boot_file::v1::{Image, ImageFile, ImageFileStatus, ImageStatus};

use crate::BootFiles;
use crate::holders::{self, Holder};

/// The parts that an image has: kernel, initial RAM disk, root file system, signatures.
pub(crate) fn parts(image: &Image) -> impl Iterator<Item = &ImageFile> {
    let parts = [
        &image.kernel,
        &image.initrd,
        &image.root_fs,
        &image.kernel_signature,
        &image.initrd_signature,
    ];
    parts.into_iter().flatten()
}

impl BootFiles {
    /// The statuses of `images` at the moment: every member is asked.
    pub(crate) async fn statuses_of(&self, images: &[Image]) -> Vec<ImageStatus> {
        let parts = images.iter().flat_map(parts);
        let wanted: BTreeSet<Sha256> = parts.filter_map(|file| file.sha256.parse().ok()).collect();
        let mut holders = holders::ask_each(&(self.0.members)().others, &wanted).await;
        let own = self.0.contents.among(wanted.into_iter(), &self.named());
        holders.push(Holder {
            id: self.0.own_id,
            has: own.into_iter().collect(),
            serves_boot: Some(self.0.serves_boot),
        });
        holders.sort_unstable_by_key(|holder| holder.id);
        images.iter().map(|image| status(image, &holders)).collect()
    }
}

/// What these members make of an image.
fn status(image: &Image, holders: &[Holder]) -> ImageStatus {
    let files: Vec<ImageFileStatus> = parts(image).map(|file| file_status(file, holders)).collect();
    let is_whole = |holder: &&Holder| files.iter().all(|file| file.members.contains(&holder.id));
    // who does not answer may be one that nodes boot from, and then they would find nothing there
    let is_boot = |holder: &&Holder| holder.serves_boot != Some(false);
    let ids = |holders: Vec<&Holder>| holders.into_iter().map(|holder| holder.id).collect::<Vec<u64>>();
    let boot: Vec<&Holder> = holders.iter().filter(is_boot).collect();
    let problem = problem(image, &boot, is_whole);
    ImageStatus {
        image: Some(image.clone()),
        boot_members: ids(boot),
        whole_members: ids(holders.iter().filter(is_whole).collect()),
        silent_members: ids(holders
            .iter()
            .filter(|holder| holder.serves_boot.is_none())
            .collect()),
        files,
        bootable: problem.is_none(),
        reason: problem.unwrap_or_default(),
    }
}

fn file_status(file: &ImageFile, holders: &[Holder]) -> ImageFileStatus {
    let sha256: Option<Sha256> = file.sha256.parse().ok();
    let has = |holder: &&Holder| sha256.is_some_and(|sha256| holder.has.contains(&sha256));
    ImageFileStatus {
        file: Some(file.clone()),
        members: holders.iter().filter(has).map(|holder| holder.id).collect(),
    }
}

/// Why an image is not bootable; `boot`: the members that nodes boot from.
fn problem(image: &Image, boot: &[&Holder], is_whole: impl Fn(&&Holder) -> bool) -> Option<String> {
    let (whole, lacking): (Vec<&Holder>, Vec<&Holder>) =
        boot.iter().copied().partition(|holder| is_whole(holder));
    let needed = match image.min_members {
        0 => boot.len().max(1),
        stated => stated as usize,
    };
    if whole.len() >= needed {
        return None;
    }
    let lacking: Vec<String> = lacking
        .iter()
        .map(|holder| match holder.serves_boot {
            Some(_) => format!("member {} lacks a part", holder.id),
            None => format!("member {} does not answer", holder.id),
        })
        .collect();
    let because = if lacking.is_empty() {
        "no other member serves nodes".to_owned()
    } else {
        lacking.join(", ")
    };
    Some(format!(
        "{} of {needed} members have it whole: {because}",
        whole.len()
    ))
}

/// The image that lets this one go: bootable, or on as many members. `None`: this one is the last good one.
pub(crate) fn remaining<'a>(name: &str, statuses: &'a [ImageStatus]) -> Option<&'a str> {
    let name_of = |status: &'a ImageStatus| status.image.as_ref().map(|image| image.name.as_str());
    let own = statuses.iter().find(|status| name_of(status) == Some(name));
    let whole = own.map_or(0, |own| own.whole_members.len());
    let others = statuses.iter().filter(|status| name_of(status) != Some(name));
    others
        .filter(|other| other.bootable || other.whole_members.len() >= whole)
        .max_by_key(|other| (other.bootable, other.whole_members.len()))
        .and_then(name_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha256(n: u8) -> Sha256 {
        Sha256([n; 32])
    }

    fn file(n: u8) -> Option<ImageFile> {
        Some(ImageFile {
            name: format!("f{n}"),
            size: 1,
            sha256: sha256(n).to_string(),
        })
    }

    /// An image of the contents 1 and 2.
    fn image(min_members: u32) -> Image {
        Image {
            name: "debian".into(),
            kernel: file(1),
            root_fs: file(2),
            min_members,
            ..Image::default()
        }
    }

    fn holder(id: u64, has: &[u8], serves_boot: Option<bool>) -> Holder {
        Holder {
            id,
            has: has.iter().copied().map(sha256).collect(),
            serves_boot,
        }
    }

    #[test]
    fn an_image_is_bootable_when_every_member_that_nodes_boot_from_has_every_part() {
        let whole = |id| holder(id, &[1, 2], Some(true));
        let found = status(&image(0), &[whole(1), whole(2), holder(3, &[], Some(false))]);
        assert!(found.bootable && found.reason.is_empty());
        assert_eq!(
            (found.boot_members, found.whole_members),
            (vec![1, 2], vec![1, 2])
        );
        let members: Vec<_> = found.files.iter().map(|file| file.members.clone()).collect();
        assert_eq!(members, [[1, 2], [1, 2]]);
        let found = status(&image(0), &[whole(1), holder(2, &[1], Some(true))]);
        assert!(!found.bootable);
        assert_eq!(
            found.reason,
            "1 of 2 members have it whole: member 2 lacks a part"
        );
    }

    /// A node that is sent to a silent member would find nothing there.
    #[test]
    fn a_member_that_does_not_answer_counts_as_one_without_it() {
        let members = [holder(1, &[1, 2], Some(true)), holder(2, &[], None)];
        let found = status(&image(0), &members);
        assert_eq!(found.boot_members, [1, 2]);
        assert_eq!(
            found.reason,
            "1 of 2 members have it whole: member 2 does not answer"
        );
        assert!(
            status(&image(1), &members).bootable,
            "one is enough by its own word"
        );
    }

    #[test]
    fn a_stated_number_is_of_members_that_nodes_boot_from() {
        let members = [holder(1, &[1, 2], Some(false)), holder(2, &[1, 2], Some(true))];
        assert!(status(&image(1), &members).bootable);
        let found = status(&image(2), &members);
        assert_eq!(
            found.reason,
            "1 of 2 members have it whole: no other member serves nodes"
        );
        let nowhere = status(&image(0), &[holder(1, &[1, 2], Some(false))]);
        assert!(!nowhere.bootable, "nodes boot from nobody");
    }

    #[test]
    fn the_last_good_image_is_the_one_that_no_other_equals() {
        let named = |name: &str, whole: &[u64], bootable| ImageStatus {
            image: Some(Image {
                name: name.into(),
                ..Image::default()
            }),
            whole_members: whole.to_vec(),
            bootable,
            ..ImageStatus::default()
        };
        let good = named("good", &[1, 2, 3], true);
        assert_eq!(remaining("good", std::slice::from_ref(&good)), None);
        assert_eq!(
            remaining("good", &[good.clone(), named("half", &[1], false)]),
            None
        );
        assert_eq!(
            remaining("good", &[good.clone(), named("one", &[1], true)]),
            Some("one")
        );
        assert_eq!(
            remaining("half", &[good, named("half", &[1], false)]),
            Some("good")
        );
        // one member is down, so that none is bootable
        let two = [
            named("a", &[1, 2], false),
            named("b", &[1, 2], false),
            named("c", &[1], false),
        ];
        assert_eq!(remaining("a", &two), Some("b"));
        assert_eq!(remaining("a", &[two[0].clone(), two[2].clone()]), None);
    }
}
