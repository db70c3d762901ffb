//! How a provider is asked. The process says how: dialling and TLS are no business of this crate.

use futures::future::BoxFuture;

/// One request to a provider.
#[derive(Clone, Default)]
pub struct Ask {
    /// `https://…`, or `http://` on this machine.
    pub url: String,
    /// CAs to trust, PEM; empty: those of the host.
    pub ca_pem: String,
    /// The form to post; `None`: a GET.
    pub form: Option<String>,
    /// The `Authorization` header; empty: none.
    pub authorization: String,
    /// Whether the provider was put at an address of this machine or of its link: no other one's name may lead there.
    pub is_inside: bool,
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ask")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// An answer of a provider, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// HTTP's.
    pub status: u16,
    /// All of it.
    pub body: Vec<u8>,
}

/// Asks providers: within a bounded time, for a bounded answer, and following no redirect.
pub trait Fetch: Send + Sync {
    /// One request and its answer.
    ///
    /// # Errors
    /// What went wrong, without anything that was sent.
    fn fetch(&self, ask: Ask) -> BoxFuture<'static, Result<Fetched, String>>;
}

/// The body of an answer that is one.
///
/// # Errors
/// For any status but 200: a redirect is not followed, it could lead anywhere.
pub(super) fn body(answer: &Fetched) -> Result<&[u8], String> {
    match answer.status {
        200 => Ok(&answer.body),
        status @ 300..400 => Err(format!("it answers {status}, and redirects are not followed")),
        status => Err(format!("it answers {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_no_answer() {
        let answer = |status| Fetched {
            status,
            body: b"x".to_vec(),
        };
        assert_eq!(body(&answer(200)), Ok(&b"x"[..]));
        for (status, text) in [(302, "redirects"), (307, "redirects"), (404, "404"), (503, "503")] {
            assert!(body(&answer(status)).unwrap_err().contains(text), "{status}");
        }
    }

    /// It may hold a client's secret and an authorization code.
    #[test]
    fn what_is_sent_is_not_shown() {
        let ask = Ask {
            url: "https://idp".into(),
            form: Some("code=c4n4ry".into()),
            authorization: "Basic c4n4ry".into(),
            ..Ask::default()
        };
        let shown = format!("{ask:?}");
        assert!(
            shown.contains("https://idp") && !shown.contains("c4n4ry"),
            "{shown}"
        );
    }
}
