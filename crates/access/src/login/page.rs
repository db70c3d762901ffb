//! What a browser is shown: a few lines of HTML without a script, and nothing from elsewhere.

use proto::google::api::HttpBody;
use rpc::{Error, set_http_header, set_http_status};
use tonic::Response;

use super::ticket::{shown_code, typed_code};
use crate::issued::Issued;

/// Nothing is loaded, framed or run.
const CSP: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
/// Longest text of a provider that is shown, characters.
const TEXT_CHARS_MAX: usize = 300;

/// An answer.
#[derive(Debug)]
pub(super) struct Page {
    status: u16,
    html: String,
    headers: Vec<(&'static str, String)>,
}

impl Page {
    fn new(status: u16, title: &str, content: &str) -> Page {
        let html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\
             <body><h1>{title}</h1>\n{content}\n</body></html>\n"
        );
        Page {
            status,
            html,
            headers: Vec::new(),
        }
    }

    pub(super) fn redirect(status: u16, location: &str) -> Page {
        Page::new(status, "To the provider", "<p>The browser goes on by itself.</p>")
            .with_header("location", location.to_owned())
    }

    pub(super) fn with_header(mut self, name: &'static str, value: String) -> Page {
        self.headers.push((name, value));
        self
    }
}

/// The answer as HTTP.
pub(super) fn answer(page: Result<Page, Error>) -> Response<HttpBody> {
    let page = page.unwrap_or_else(|error| of_error(&error));
    let mut response = Response::new(HttpBody {
        content_type: "text/html; charset=utf-8".to_owned(),
        data: page.html.into_bytes(),
        ..HttpBody::default()
    });
    let metadata = response.metadata_mut();
    set_http_status(metadata, page.status);
    let fixed = [
        ("cache-control", "no-store"),
        ("content-security-policy", CSP),
        // `no-referrer` would make browsers say of our own form that it is nobody's
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
    ];
    for (name, value) in fixed {
        set_http_header(metadata, name, value);
    }
    for (name, value) in &page.headers {
        set_http_header(metadata, name, value);
    }
    response
}

fn of_error(error: &Error) -> Page {
    let text = error.to_string();
    match error {
        Error::Invalid { .. } | Error::TooLarge { .. } => refusal(400, &text),
        Error::Unauthenticated { reason } | Error::Denied { reason } => refusal(403, reason),
        Error::NotReady { .. }
        | Error::NoQuorum { .. }
        | Error::OutcomeUnknown
        | Error::Overloaded { .. }
        | Error::DeadlineExceeded { .. }
        | Error::FeatureLevel { .. } => refusal(503, &text).with_header("retry-after", "5".to_owned()),
        _ => {
            tracing::error!("a login could not be handled: {text}");
            refusal(500, "the log of this member has the reason")
        }
    }
}

/// Why there is no login.
pub(super) fn refusal(status: u16, reason: &str) -> Page {
    let reason: String = reason.chars().take(TEXT_CHARS_MAX).collect();
    Page::new(status, "Not logged in", &format!("<p>{}</p>", escaped(&reason)))
}

/// The token, which is in no URL, no cookie and no cache.
pub(super) fn logged_in(principal: &str, access: &Issued, target: &str) -> Page {
    let on = match target {
        "" => String::new(),
        target => format!("<p><a href=\"{0}\">{0}</a></p>", escaped(target)),
    };
    let content = format!(
        "<p>{} has this access token for {} seconds:</p><p><code id=\"access_token\">{}</code></p>{on}",
        escaped(principal),
        access.expires_in_s,
        escaped(&access.token)
    );
    Page::new(200, "Logged in", &content)
}

/// Somebody has said yes to a device.
pub(super) fn approved(principal: &str, user_code: &str) -> Page {
    let content = format!(
        "<p>The device with the code {} is logged in as {}. This page can be closed.</p>",
        escaped(&shown_code(user_code)),
        escaped(principal)
    );
    Page::new(200, "Device logged in", &content)
}

/// The form that asks for a device's code. What is filled in is a code or nothing.
pub(super) fn device_form(user_code: &str, providers: &[&str]) -> Page {
    let code = typed_code(user_code).map(|code| shown_code(&code));
    let options: String = providers
        .iter()
        .map(|name| format!("<option>{}</option>", escaped(name)))
        .collect();
    let choice = match providers.len() {
        0 | 1 => String::new(),
        _ => format!("<p><label>Provider <select name=\"provider\">{options}</select></label></p>"),
    };
    let content = format!(
        "<p>Go on only if you have just begun a login yourself and your own device shows this code: whoever shows it will act in \
         your name.</p><form method=\"post\" action=\"/device\"><p><label>Code <input name=\"user_code\" value=\"{}\" \
         autocomplete=\"off\" required></label></p>{choice}<p><button>Log the device in</button></p></form>",
        escaped(&code.unwrap_or_default())
    );
    Page::new(200, "Log a device in", &content)
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "<script>alert('x')</script>\"";

    fn text(page: Page) -> String {
        String::from_utf8(answer(Ok(page)).into_inner().data).unwrap()
    }

    #[test]
    fn nothing_that_is_shown_runs() {
        let access = Issued {
            token: SCRIPT.into(),
            expires_in_s: 1,
            scope: None,
        };
        for page in [
            refusal(403, SCRIPT),
            logged_in(SCRIPT, &access, SCRIPT),
            approved(SCRIPT, SCRIPT),
            device_form(SCRIPT, &[SCRIPT, SCRIPT]),
        ] {
            let html = text(page);
            assert!(!html.contains("<script") && !html.contains("alert('"), "{html}");
        }
        assert!(!text(device_form(SCRIPT, &[])).contains("alert"));
    }

    #[test]
    fn every_page_is_kept_and_framed_by_nobody() {
        let response = answer(Ok(device_form("bcdf-ghjk", &["idp"])));
        let header = |name: &str| {
            response
                .metadata()
                .get(format!("http-header-{name}"))
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(header("cache-control"), "no-store");
        assert!(header("content-security-policy").contains("default-src 'none'"));
        let html = String::from_utf8(response.get_ref().data.clone()).unwrap();
        assert!(
            html.contains("value=\"BCDF-GHJK\"") && !html.contains("<select"),
            "{html}"
        );
    }

    #[test]
    fn errors_have_the_status_of_their_kind() {
        for (error, status) in [
            (rpc::invalid("a", "b"), "400"),
            (Error::Unauthenticated { reason: "x".into() }, "403"),
            (Error::Denied { reason: "x".into() }, "403"),
            (Error::OutcomeUnknown, "503"),
            (Error::Internal("/secret".into()), "500"),
        ] {
            let response = answer(Err(error));
            assert_eq!(response.metadata().get(rpc::HTTP_STATUS).unwrap(), status);
            assert!(!String::from_utf8_lossy(&response.get_ref().data).contains("secret"));
        }
    }
}
