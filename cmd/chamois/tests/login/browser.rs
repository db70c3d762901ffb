//! A browser as far as a login needs one: it keeps cookies, follows the provider's redirects and fills in its forms.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddrV4, TcpStream};
use std::time::Duration;

use crate::common::http::Answer;
use crate::idp::Idp;
use crate::site::Site;

/// Steps of a login at the provider, at most: redirects, a form for the name, one for the consent.
const STEPS_MAX: usize = 12;
const TIMEOUT: Duration = Duration::from_secs(20);

/// One person's.
pub(crate) struct Browser {
    /// Of the provider.
    cookies: BTreeMap<String, String>,
    /// Of the cluster.
    pub(crate) own_cookie: String,
}

/// What the provider answers.
struct Page {
    location: Option<String>,
    body: String,
}

impl Browser {
    pub(crate) fn new() -> Browser {
        Browser {
            cookies: BTreeMap::new(),
            own_cookie: String::new(),
        }
    }

    /// Takes a redirect to the provider, logs in there under a name, and gives path and query of where it is sent back to.
    pub(crate) fn log_in(&mut self, idp: &Idp, redirect: &Answer, name: &str) -> String {
        let cookie = redirect.header("set-cookie").unwrap();
        self.own_cookie = cookie.split(';').next().unwrap().to_owned();
        let mut url = redirect.header("location").unwrap().to_owned();
        for _ in 0..STEPS_MAX {
            if url.contains("/oidc/callback") {
                let (_, path) = url.split_once(":8443").unwrap();
                return path.to_owned();
            }
            let page = self.ask(idp.address(), &url, "");
            url = match page.location {
                Some(location) => location,
                None => self.fill_in(idp, &page.body, name),
            };
        }
        panic!("the login never ends: {url}")
    }

    fn fill_in(&mut self, idp: &Idp, page: &str, name: &str) -> String {
        let form = match page.contains("value=\"login\"") {
            true => format!("prompt=login&login={name}&password=any"),
            false => "prompt=consent".to_owned(),
        };
        let (_, action) = page
            .split_once("action=\"")
            .unwrap_or_else(|| panic!("no form: {page}"));
        let action = action.split('"').next().unwrap().to_owned();
        self.ask(idp.address(), &action, &form).location.unwrap()
    }

    /// A GET, or a POST of a form, at the provider.
    fn ask(&mut self, address: SocketAddrV4, url: &str, form: &str) -> Page {
        let origin = format!("http://{address}");
        let path = url.strip_prefix(&origin).unwrap_or(url);
        assert!(path.starts_with('/'), "the provider sends elsewhere: {url}");
        let method = if form.is_empty() { "GET" } else { "POST" };
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        // so that the answer is not in chunks
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: {address}\r\nCookie: {}\r\nAccept: text/html\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            cookies.join("; "),
            form.len()
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text}"));
        self.keep_cookies(head);
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let location = lines.find(|(name, _)| name.eq_ignore_ascii_case("location"));
        Page {
            location: location.map(|(_, value)| value.to_owned()),
            body: body.to_owned(),
        }
    }

    fn keep_cookies(&mut self, head: &str) {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        for (_, cookie) in lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').unwrap();
            match value.is_empty() {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
    }
}

/// What member `id` answers to a browser.
pub(crate) fn get(site: &Site, id: u64, path: &str, cookie: &str) -> Answer {
    let headers = match cookie {
        "" => String::new(),
        cookie => format!("Cookie: {cookie}\r\n"),
    };
    site.as_nobody().send_with(site.ip(id), "GET", path, &headers, "")
}

/// The answer of a member that can ask the provider by now.
pub(crate) fn begun(site: &Site, id: u64, path: &str) -> Answer {
    let mut answer = get(site, id, path, "");
    site.until("a login begins", || {
        if answer.status == 503 {
            answer = get(site, id, path, "");
        }
        answer.status != 503
    });
    assert_eq!(answer.status, 302, "{answer:?}");
    answer
}
