//! Pages of a list: part of it, and where the next part begins. A list that nobody cuts into pages is whole, as HSM's
//! clients expect it.

use std::str::FromStr;

use prost::Message;

use crate::{Error, PageScope, invalid};

/// Most objects of one page.
const SIZE_MAX: u32 = 10_000;
/// Objects of a page after the first, if the request names no number.
const SIZE_DEFAULT: u32 = 1000;

/// What a request says of pages, apart from its filters.
#[derive(Debug)]
pub struct Asked {
    size: u32,
    token: String,
}

/// A page of a list that is sorted by keys `K`. An object that comes or goes between two pages is shown or not; one that
/// stays is shown once.
#[derive(Debug)]
pub struct Page<K> {
    size: usize,
    after: Option<K>,
    scope: Option<PageScope>,
}

impl Asked {
    /// Takes it out of a request, so that the filters are left.
    pub fn take(size: &mut u32, token: &mut String) -> Asked {
        Asked {
            size: std::mem::take(size),
            token: std::mem::take(token),
        }
    }

    /// The page of the list of this cluster that `filters`, a request of its own type, asks for.
    ///
    /// # Errors
    /// `Invalid` for a page that is too large, and for a token that is not of this list.
    pub fn of<K: FromStr, M: Message>(&self, filters: &M, cluster_id: &str) -> Result<Page<K>, Error> {
        let size = size(self.size, SIZE_DEFAULT, SIZE_MAX)?;
        if self.size == 0 && self.token.is_empty() {
            return Ok(Page {
                size: usize::MAX,
                after: None,
                scope: None,
            });
        }
        let list = std::any::type_name::<M>();
        let scope = PageScope::new(cluster_id, list, &filters.encode_to_vec());
        let after = match self.token.as_str() {
            "" => None,
            token => {
                let key = scope.key(token)?.parse();
                Some(key.map_err(|_| invalid("page_token", "it names no place in this list"))?)
            }
        };
        Ok(Page {
            size,
            after,
            scope: Some(scope),
        })
    }
}

/// Objects of a page, of which a request asks for `asked`: `default` if it names no number.
///
/// # Errors
/// `Invalid` naming `page_size` for more than `max`.
pub fn size(asked: u32, default: u32, max: u32) -> Result<usize, Error> {
    match asked {
        0 => Ok(default as usize),
        size if size <= max => Ok(size as usize),
        size => {
            let problem = format!("{size} is given, at most {max} are accepted");
            Err(invalid("page_size", problem))
        }
    }
}

impl<K> Page<K> {
    /// The key after which the page begins.
    pub fn after(&self) -> Option<&K> {
        self.after.as_ref()
    }

    /// The first of `items` that the page has room for, as `show` shows them, and the token of the next page; an empty one
    /// if there is none. `items` begin after [`Page::after`] and are sorted by `key`.
    pub fn cut<I: Iterator, T>(
        &self,
        mut items: I,
        key: impl Fn(&I::Item) -> &str,
        show: impl Fn(I::Item) -> T,
    ) -> (Vec<T>, String) {
        let Some(scope) = self.scope else {
            return (items.map(show).collect(), String::new());
        };
        let mut shown = Vec::new();
        let mut last = String::new();
        for item in items.by_ref().take(self.size) {
            if shown.len() + 1 == self.size {
                last = scope.token(key(&item));
            }
            shown.push(show(item));
        }
        let more = items.next().is_some();
        (shown, if more { last } else { String::new() })
    }
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::ListGroupsRequest;

    use super::*;

    const LABELS: [&str; 5] = ["a", "b", "c", "d", "e"];

    fn page(size: u32, token: &str, tag: &str) -> Result<(Vec<&'static str>, String), Error> {
        let filters = ListGroupsRequest {
            tag: vec![tag.to_owned()],
            ..ListGroupsRequest::default()
        };
        let asked = Asked {
            size,
            token: token.to_owned(),
        };
        let page: Page<String> = asked.of(&filters, "c")?;
        let rest = LABELS
            .into_iter()
            .filter(|label| page.after().is_none_or(|after| *label > after.as_str()));
        Ok(page.cut(rest, |label| *label, |label| label))
    }

    #[test]
    fn pages_together_are_the_list_and_the_last_says_so() {
        for size in 1..=6 {
            let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
            loop {
                let (part, next) = page(size, &token, "t").unwrap();
                seen.extend(part);
                (token, pages) = (next, pages + 1);
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!(seen, LABELS, "{size}");
            assert_eq!(pages, 5_u32.div_ceil(size), "{size}");
        }
    }

    #[test]
    fn without_a_word_of_pages_the_list_is_whole() {
        assert_eq!(page(0, "", "t").unwrap(), (LABELS.to_vec(), String::new()));
        let (_, token) = page(2, "", "t").unwrap();
        assert_eq!(page(0, &token, "t").unwrap().0, ["c", "d", "e"]);
    }

    #[test]
    fn a_token_of_other_filters_and_a_page_too_large_are_refused() {
        let (_, token) = page(2, "", "t").unwrap();
        let error = page(2, &token, "other").unwrap_err().to_string();
        assert!(error.starts_with("page_token: "), "{error}");
        let error = page(SIZE_MAX + 1, "", "t").unwrap_err().to_string();
        assert_eq!(error, "page_size: 10001 is given, at most 10000 are accepted");
    }
}
