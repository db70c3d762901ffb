//! Which boot parameters a GET asks for, and what it is answered: pure, from the state.

use std::collections::BTreeSet;
use std::sync::Arc;

use proto::bss::v1::{BootParameters, BootParametersEntry, ListBootParametersRequest};
use rpc::Error;
use rpc::page::Page;
use state::State;
use tonic::Status;

use crate::go_number;
use crate::legacy;
use crate::lookup::{self, Asked};
use crate::parameters;

/// What a list is asked for.
pub(crate) enum Query {
    /// Everything.
    All,
    /// Images that entries boot, then the entries that these names have for themselves.
    Of {
        kernel: String,
        initrd: String,
        asked: Vec<Asked>,
        /// As BSS's 404 names what was asked for.
        kinds: Vec<&'static str>,
    },
}

impl Query {
    /// Query and body add up.
    ///
    /// # Errors
    /// 400 for a name of the wrong form, and for a body that asks for nothing.
    pub(crate) fn parse(request: &ListBootParametersRequest) -> Result<Query, Status> {
        let has_body = request.filter.is_some();
        let filter = request.filter.clone().unwrap_or_default();
        let names = items(&request.name)
            .chain(items(&filter.hosts))
            .map(|name| Ok(Asked::Name(parameters::host_key(name)?)));
        let macs = items(&request.mac).chain(items(&filter.macs)).map(|mac| {
            mac.parse()
                .map(Asked::Mac)
                .map_err(|problem| Status::from(rpc::invalid("mac", problem)))
        });
        let filter_nids: Vec<String> = filter.nids.iter().map(i64::to_string).collect();
        let nids = items(&request.nid).chain(items(&filter_nids)).map(|nid| {
            go_number::nid(nid)
                .map(Asked::Nid)
                .ok_or_else(|| legacy::invalid_nid(nid))
        });
        let parts: [(&'static str, Vec<Asked>); 3] = [
            ("Hosts", names.collect::<Result<_, Error>>()?),
            ("MACs", macs.collect::<Result<_, Status>>()?),
            ("NIDs", nids.collect::<Result<_, Status>>()?),
        ];
        let named = parts.iter().map(|(kind, asked)| (*kind, asked.is_empty()));
        let images = [
            ("kernel", filter.kernel.is_empty()),
            ("initrd", filter.initrd.is_empty()),
        ];
        let kinds: Vec<_> = named
            .chain(images)
            .filter(|(_, is_empty)| !is_empty)
            .map(|(kind, _)| kind)
            .collect();
        match kinds.is_empty() {
            true if has_body => Err(legacy::nothing_requested()),
            true => Ok(Query::All),
            false => Ok(Query::Of {
                kernel: filter.kernel,
                initrd: filter.initrd,
                asked: parts.into_iter().flat_map(|(_, asked)| asked).collect(),
                kinds,
            }),
        }
    }

    /// What is found, and the token of the next page: everything is cut into pages, what names were asked for is not.
    ///
    /// # Errors
    /// 404 in BSS's words, if something was asked for and nothing is found.
    pub(crate) fn answer(
        &self,
        state: &State,
        page: &Page<String>,
    ) -> Result<(Vec<BootParameters>, String), Status> {
        let Query::Of {
            kernel,
            initrd,
            asked,
            kinds,
        } = self
        else {
            let entries = state.bss.entries();
            let ahead = entries.filter(|entry| page.after().is_none_or(|after| entry.key > *after));
            return Ok(page.cut(ahead, |entry| &entry.key, |entry| parameters::shown(entry)));
        };
        let images = images(state, kernel, initrd);
        let entries = found(state, asked);
        let entries = entries.iter().map(|entry| parameters::shown(entry));
        let found: Vec<_> = images.chain(entries).collect();
        match found.is_empty() {
            true => Err(legacy::none_found(kinds)),
            false => Ok((found, String::new())),
        }
    }
}

/// An image that some entry boots, as BSS shows one: alone, without hosts.
fn images(state: &State, kernel: &str, initrd: &str) -> impl Iterator<Item = BootParameters> + use<> {
    let is_booted = |has: fn(&BootParametersEntry) -> &str, image: &str| {
        !image.is_empty() && state.bss.entries().any(|entry| has(entry) == image)
    };
    let kernel = is_booted(|entry| &entry.kernel, kernel).then(|| BootParameters {
        kernel: kernel.to_owned(),
        ..BootParameters::default()
    });
    let initrd = is_booted(|entry| &entry.initrd, initrd).then(|| BootParameters {
        initrd: initrd.to_owned(),
        ..BootParameters::default()
    });
    kernel.into_iter().chain(initrd)
}

/// Each entry once, in the order of the question.
fn found(state: &State, asked: &[Asked]) -> Vec<Arc<BootParametersEntry>> {
    let mut seen = BTreeSet::new();
    let own = |asked: &Asked| lookup::own_entry_of(state, asked, asked.component(state).as_deref());
    asked
        .iter()
        .filter_map(own)
        .filter(|entry| seen.insert(entry.key.clone()))
        .collect()
}

/// The items of comma lists, which may be repeated.
pub(crate) fn items(lists: &[String]) -> impl Iterator<Item = &str> {
    lists
        .iter()
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|item| !item.is_empty())
}
