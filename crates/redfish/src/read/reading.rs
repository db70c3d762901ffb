//! One reading of a tree: follows links and collections, and keeps what could not be read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use crate::bmc::Bmc;
use crate::value;
use crate::{Error, Problem};

/// A reading, until its time is over.
pub(crate) struct Reading<'a> {
    bmc: &'a Bmc,
    deadline: Instant,
    problems: Mutex<BTreeMap<String, Problem>>,
}

/// A resource and its URI; an empty one: it stands inside another and has none.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) uri: String,
    pub(crate) value: Arc<Value>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(bmc: &'a Bmc) -> Reading<'a> {
        Reading {
            bmc,
            deadline: Instant::now() + bmc.limits().total,
            problems: Mutex::default(),
        }
    }

    pub(crate) fn bmc(&self) -> &Bmc {
        self.bmc
    }

    /// What could not be read, by URI.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        problems.values().cloned().collect()
    }

    fn note(&self, uri: &str, error: &Error) {
        let uri = value::cut(uri, 300);
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if problems.len() < self.bmc.limits().resources_max {
            problems
                .entry(uri.to_owned())
                .or_insert_with(|| Problem::new(uri, error));
        }
    }

    /// `uri` as a path on this BMC, empty if it is none.
    pub(crate) fn path(&self, uri: &str) -> String {
        match uri {
            "" => String::new(),
            uri => self.bmc.core().key(uri).unwrap_or_default(),
        }
    }

    /// The paths of the links in the list `key`, which stands in `Links` or, in old trees, in the resource itself.
    pub(crate) fn links(&self, from: &Value, key: &str) -> Vec<String> {
        let in_links = format!("Links/{key}");
        let links = value::links(from, value::first_path(from, [&in_links, key]));
        let paths = links.iter().map(|link| self.path(link));
        paths.filter(|path| !path.is_empty()).collect()
    }

    /// The resource at `uri`, within the time of this reading.
    pub(crate) async fn ask(&self, uri: &str) -> Result<Arc<Value>, Error> {
        self.in_time(self.bmc.get(uri)).await
    }

    async fn in_time(
        &self,
        work: impl Future<Output = Result<Arc<Value>, Error>>,
    ) -> Result<Arc<Value>, Error> {
        let total = self.bmc.limits().total;
        tokio::time::timeout_at(self.deadline, work)
            .await
            .unwrap_or_else(|_| {
                Err(Error::Timeout {
                    what: "the whole of it".to_owned(),
                    ms: u64::try_from(total.as_millis()).unwrap_or(u64::MAX),
                })
            })
    }

    /// The resource at `uri`; `None`: it cannot be read, which is noted.
    pub(crate) async fn resource(&self, uri: &str) -> Option<Arc<Value>> {
        let result = self.ask(uri).await;
        result.inspect_err(|error| self.note(uri, error)).ok()
    }

    /// What the member `path` of `from` is, or points to.
    pub(crate) async fn linked(&self, from: &Value, path: &str) -> Option<Arc<Value>> {
        let value = value::at(from, path);
        if value::is_inline(value) {
            return Some(Arc::new(value.clone()));
        }
        match value::link_of(value) {
            "" => None,
            uri => self.resource(uri).await,
        }
    }

    /// The members of the collection or list at `path` of `from`, in its order, each once.
    pub(crate) async fn members(&self, from: &Value, path: &str) -> Vec<Member> {
        let collection = value::at(from, path);
        let entries = match collection {
            Value::Array(entries) => entries.clone(),
            Value::Object(_) if collection.get("Members").is_some() => {
                value::list(collection, "Members").to_vec()
            }
            collection => match value::link_of(collection) {
                "" => return Vec::new(),
                uri => self.pages(uri).await,
            },
        };
        let mut seen = BTreeSet::new();
        let distinct = entries.iter().filter(|entry| match value::link_of(entry) {
            "" => true,
            // a part of a resource: its path is that of all others there
            link if link.contains('#') => seen.insert(link.to_owned()),
            link => seen.insert(match self.path(link) {
                path if path.is_empty() => link.to_owned(),
                path => path,
            }),
        });
        let members = join_all(distinct.map(|entry| self.member(entry, path))).await;
        members.into_iter().flatten().collect()
    }

    async fn member(&self, entry: &Value, of: &str) -> Option<Member> {
        let link = value::link_of(entry);
        let has_no_resource = link.is_empty() || link.contains('#');
        if value::is_whole(entry) || (has_no_resource && value::is_inline(entry)) {
            return Some(Member {
                uri: self.path(link),
                value: Arc::new(entry.clone()),
            });
        }
        if link.is_empty() {
            let error = Error::Broken {
                what: of.to_owned(),
                problem: "a member of it has no @odata.id".to_owned(),
            };
            self.note(of, &error);
            return None;
        }
        Some(Member {
            value: self.resource(link).await?,
            uri: self.path(link),
        })
    }

    /// The entries of a collection, through its pages.
    async fn pages(&self, uri: &str) -> Vec<Value> {
        let (mut entries, mut seen) = (Vec::new(), BTreeSet::new());
        let mut next = uri.to_owned();
        while !next.is_empty() && seen.insert(self.path(&next)) {
            let depth_max = self.bmc.limits().depth_max;
            if seen.len() > depth_max {
                let error = Error::Limit {
                    what: format!("GET {uri}"),
                    problem: format!("it has more than {depth_max} pages"),
                };
                self.note(uri, &error);
                break;
            }
            let page = match self.in_time(Box::pin(self.bmc.core().collection(&next))).await {
                Ok(page) => page,
                Err(error) => {
                    self.note(&next, &error);
                    break;
                }
            };
            entries.extend_from_slice(value::list(&page, "Members"));
            next = value::link(&page, "Members@odata.nextLink").to_owned();
        }
        entries
    }
}
