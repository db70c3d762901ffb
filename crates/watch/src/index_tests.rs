//! Whom a change concerns is found, and nobody else is woken.

use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{
    AddGroupMember, Change, CreateComponents, CreateGroup, DeleteComponents, DeleteGroup, RemoveGroupMember,
};
use proto::smd::v1::{Component, SmdCommand, component};
use proto::watch::v1::WatchRequest;
use proto::watch::v1::object::Kind;
use raft::{Store, Watch};

use super::*;
use crate::filter::Filter;
use crate::line::Taken;

const NODE: &str = "x0c0s0b0n0";
const OTHER: &str = "x0c0s1b0n0";

/// A member of its own, and what it does.
struct Site {
    store: Store,
    watch: Watch,
}

impl Site {
    fn new() -> Site {
        let store = Store::in_memory();
        let watch = store.watch().1;
        Site { store, watch }
    }

    /// Makes a change; gives the revision, unless nothing came of it.
    async fn change(&mut self, change: Change) -> Option<Arc<Revision>> {
        let command = Command::Smd(SmdCommand { change: Some(change) });
        self.store.propose("user/admin", command, None).await.ok()?;
        let mut revisions = self.watch.next().await.unwrap();
        assert!(revisions.len() <= 1, "{revisions:?}");
        revisions.pop()
    }

    async fn put(&mut self, id: &str) -> Arc<Revision> {
        self.change(put(id, self.store.state().applied_index()))
            .await
            .unwrap()
    }
}

/// Creates a component or overwrites it with something new.
fn put(id: &str, n: u64) -> Change {
    Change::CreateComponents(CreateComponents {
        components: vec![Component {
            id: id.to_owned(),
            state: component::State::On.into(),
            subtype: n.to_string(),
            ..Component::default()
        }],
        force: true,
        ..Default::default()
    })
}

fn delete(id: &str) -> Change {
    Change::DeleteComponents(DeleteComponents {
        ids: vec![id.to_owned()],
        ..Default::default()
    })
}

fn group(label: &str) -> Change {
    Change::CreateGroup(CreateGroup {
        group: Some(Group {
            label: label.to_owned(),
            ..Group::default()
        }),
    })
}

fn join(label: &str, id: &str) -> Change {
    Change::AddGroupMember(AddGroupMember {
        label: label.to_owned(),
        ids: vec![id.to_owned()],
        ..Default::default()
    })
}

fn part(label: &str, id: &str) -> Change {
    Change::RemoveGroupMember(RemoveGroupMember {
        label: label.to_owned(),
        ids: vec![id.to_owned()],
        ..Default::default()
    })
}

fn of_xname(name: &str) -> WatchRequest {
    WatchRequest {
        xnames: vec![name.to_owned()],
        ..WatchRequest::default()
    }
}

fn of_group(label: &str) -> WatchRequest {
    WatchRequest {
        group: label.to_owned(),
        ..WatchRequest::default()
    }
}

fn of_kind(kind: Kind) -> WatchRequest {
    WatchRequest {
        kinds: vec![kind.into()],
        ..WatchRequest::default()
    }
}

fn line(request: &WatchRequest) -> Arc<Line> {
    Arc::new(Line::new(Filter::parse(request).unwrap().interest()))
}

/// Indexes of what waits in a line.
fn waiting(line: &Line) -> Vec<u64> {
    match line.take() {
        Taken::Revisions(revisions) => revisions
            .iter()
            .map(|revision| revision.upgrade().unwrap().index)
            .collect(),
        Taken::Behind(from) => panic!("behind {from}"),
    }
}

#[tokio::test]
async fn only_whom_a_change_concerns_is_woken() {
    let mut site = Site::new();
    let mut index = Index::default();
    let concerned = [
        WatchRequest::default(),
        of_kind(Kind::Component),
        of_xname(NODE),
        of_xname("x0c0"),
        of_xname("s0"),
    ];
    let mut elsewhere = of_xname(NODE);
    elsewhere.kinds = vec![Kind::BootParameters.into()];
    let others = [
        of_kind(Kind::Group),
        of_xname(OTHER),
        of_group("compute"),
        elsewhere,
    ];
    let lines: Vec<_> = concerned.iter().chain(&others).map(line).collect();
    for line in &lines {
        index.add(line, &site.store.state());
    }
    let revision = site.put(NODE).await;
    let mut woken = Vec::new();
    index.route(&revision, &mut woken);
    for (at, line) in lines.iter().enumerate() {
        let expected = at < concerned.len();
        assert_eq!(
            waiting(line) == [revision.index],
            expected,
            "{:?}",
            line.interest()
        );
        let was_woken = woken.iter().any(|other| Arc::ptr_eq(other, line));
        assert_eq!(was_woken, expected, "{:?}", line.interest());
    }
}

/// Who is a member when it changes, before or after that.
#[tokio::test]
async fn the_members_of_a_group_are_followed() {
    let mut site = Site::new();
    site.put(NODE).await;
    site.change(group("compute")).await.unwrap();
    let (mut index, mut woken) = (Index::default(), Vec::new());
    let mut components = of_group("compute");
    components.kinds = vec![Kind::Component.into()];
    // the second one wants no groups, and must know of its group all the same
    let lines = [line(&of_group("compute")), line(&components)];
    for line in &lines {
        index.add(line, &site.store.state());
    }
    let mut step = async |site: &mut Site, change: Change, concerns: bool| {
        let revision = site.change(change).await.unwrap();
        index.route(&revision, &mut woken);
        for line in &lines {
            assert_eq!(
                waiting(line) == [revision.index],
                concerns,
                "{:?}",
                revision.events
            );
        }
    };
    step(&mut site, put(NODE, 1), false).await;
    step(&mut site, join("compute", NODE), true).await;
    step(&mut site, put(NODE, 2), true).await;
    step(&mut site, put(OTHER, 1), false).await;
    step(&mut site, part("compute", NODE), true).await;
    step(&mut site, put(NODE, 3), false).await;
    step(&mut site, join("compute", NODE), true).await;
    // one entry: the component goes, and leaves its group
    step(&mut site, delete(NODE), true).await;
}

/// A watch may know a later state than was routed when it comes: what was routed late must not take its members back for good.
#[tokio::test]
async fn a_line_that_comes_ahead_of_what_was_routed_ends_up_with_the_members_of_its_state() {
    let mut site = Site::new();
    site.put(NODE).await;
    let mut late = Vec::new();
    for change in [
        group("compute"),
        join("compute", NODE),
        part("compute", NODE),
        join("compute", NODE),
    ] {
        late.push(site.change(change).await.unwrap());
    }
    let (mut index, mut woken) = (Index::default(), Vec::new());
    let line = line(&of_group("compute"));
    index.add(&line, &site.store.state());
    for revision in &late {
        index.route(revision, &mut woken);
    }
    line.take();
    let next = site.put(NODE).await;
    index.route(&next, &mut woken);
    assert_eq!(waiting(&line), [next.index]);
}

/// The state was replaced: members are those of the new one, and whoever watches has to look for himself.
#[tokio::test]
async fn after_a_jump_everybody_is_behind_and_groups_are_read_anew() {
    let mut site = Site::new();
    site.put(NODE).await;
    let (mut index, mut woken) = (Index::default(), Vec::new());
    let lines = [line(&of_group("compute")), line(&of_xname(OTHER))];
    for line in &lines {
        index.add(line, &site.store.state());
    }
    site.change(group("compute")).await.unwrap();
    site.change(join("compute", NODE)).await.unwrap();
    assert_eq!(index.begin_again(&site.store.state()).len(), 2);
    assert!(lines.iter().all(|line| matches!(line.take(), Taken::Behind(0))));
    let next = site.put(NODE).await;
    index.route(&next, &mut woken);
    assert_eq!(waiting(&lines[0]), [next.index]);
}

/// A thousand watches that have gone must leave nothing behind.
#[tokio::test]
async fn what_is_taken_out_is_nowhere_any_more() {
    let site = Site::new();
    let mut index = Index::default();
    let requests = [
        WatchRequest::default(),
        of_kind(Kind::Component),
        of_xname(NODE),
        of_group("compute"),
    ];
    let mut numbers = Vec::new();
    for request in requests.iter().chain(&requests) {
        numbers.push(index.add(&line(request), &site.store.state()));
    }
    for number in numbers {
        assert!(!index.is_empty());
        index.remove(number);
        index.remove(number);
    }
    assert!(index.is_empty() && index.of_everything.is_empty() && index.of_kind.is_empty());
    assert!(index.of_xname.is_empty() && index.of_group.is_empty());
}

/// Whatever happens: what a filter selects, and what its group needs to know, is in its line.
#[tokio::test]
async fn nothing_that_a_filter_selects_is_missed() {
    let mut site = Site::new();
    let mut requests = vec![WatchRequest::default(), of_xname("x0c0s2"), of_xname("x0")];
    requests.extend([Kind::Component, Kind::Group].map(of_kind));
    requests.extend(["a", "b"].map(of_group));
    let mut both = of_group("a");
    both.xnames = vec!["x0c0s1".to_owned()];
    requests.push(both);
    let (mut index, mut woken) = (Index::default(), Vec::new());
    let mut watches = Vec::new();
    for request in &requests {
        let mut filter = Filter::parse(request).unwrap();
        filter.begin_at(&site.store.state());
        let line = line(request);
        index.add(&line, &site.store.state());
        watches.push((filter, line));
    }
    let mut told = vec![0; watches.len()];
    for step in 0..600_u64 {
        let Some(revision) = site.change(any_change(step)).await else {
            continue;
        };
        index.route(&revision, &mut woken);
        for (at, (filter, line)) in watches.iter_mut().enumerate() {
            let selected = filter.select(&revision).len();
            let is_here = !waiting(line).is_empty();
            assert!(is_here || selected == 0, "{:?}: {revision:?}", requests[at]);
            told[at] += selected;
        }
    }
    assert!(told.iter().all(|selected| *selected > 0), "{told:?}");
}

/// Different from step to step and the same in every run; some of them are refused.
fn any_change(step: u64) -> Change {
    let mixed = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let id = format!("x0c0s{}b0n0", mixed % 4);
    let label = if (mixed / 4).is_multiple_of(2) { "a" } else { "b" };
    match mixed / 8 % 8 {
        0 => group(label),
        1 => Change::DeleteGroup(DeleteGroup {
            label: label.to_owned(),
            ..Default::default()
        }),
        2 | 3 => join(label, &id),
        4 => part(label, &id),
        5 => delete(&id),
        _ => put(&id, step),
    }
}
