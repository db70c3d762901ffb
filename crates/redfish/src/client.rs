//! Reads resources of one BMC: in the name of the login, through redirects within the BMC, expanded where that is offered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde_json::Value;

use crate::answer;
use crate::held::{Held, Outcome, Resource};
use crate::session::Auth;
use crate::uri;
use crate::value;
use crate::wire::{Received, Sent, Wire};
use crate::{Address, Error};

/// One BMC that is open.
pub(crate) struct Core {
    pub(crate) wire: Wire,
    pub(crate) auth: Auth,
    pub(crate) held: Held,
    /// Whether collections are asked for with their members; off once that has failed.
    expands: AtomicBool,
    /// With which query.
    expand_query: &'static str,
}

impl Core {
    pub(crate) fn new(wire: Wire, auth: Auth) -> Core {
        Core {
            held: Held::new(wire.limits()),
            wire,
            auth,
            expands: AtomicBool::new(false),
            expand_query: "",
        }
    }

    /// Asks for collections with their members from now on, in the form that the service root `root` offers.
    pub(crate) fn expand_as(&mut self, root: &Value) {
        self.expand_query = expand_query(root);
        self.expands = AtomicBool::new(!self.expand_query.is_empty());
    }

    pub(crate) fn address(&self) -> &Address {
        self.wire.way().address()
    }

    /// The URI in the spelling under which resources are held.
    pub(crate) fn key(&self, uri: &str) -> Result<String, Error> {
        uri::normalise(self.address(), uri)
    }

    /// The resource at `uri`; it is asked for once, whoever asks how often.
    pub(crate) async fn get(&self, uri: &str) -> Result<Arc<Value>, Error> {
        let key = self.key(uri)?;
        let slot = self.held.slot(&key)?;
        let outcome = slot.get_or_init(|| self.read(&key, "")).await;
        value_of(outcome)
    }

    /// As [`Core::get`]; of a collection the members come along where the BMC can do that.
    pub(crate) async fn collection(&self, uri: &str) -> Result<Arc<Value>, Error> {
        let key = self.key(uri)?;
        let slot = self.held.slot(&key)?;
        let outcome = slot.get_or_init(|| self.read_expanded(&key)).await;
        value_of(outcome)
    }

    /// The resource at `uri` as it is now.
    pub(crate) async fn fresh(&self, uri: &str) -> Result<Arc<Value>, Error> {
        let key = self.key(uri)?;
        let known = self.held.get(&key);
        let etag = known.as_ref().map_or("", |known| known.etag.as_str());
        let (sent, received) = self.asked(&key, etag).await?;
        if received.status == StatusCode::NOT_MODIFIED
            && let Some(known) = known
        {
            return Ok(known.value);
        }
        let resource = self.resource(&key, &sent, &received)?;
        let value = resource.value.clone();
        self.held.replace(&key, resource)?;
        Ok(value)
    }

    /// The resource at `uri` as it is now, asked for without a condition: the ETag of some BMCs stays when the power changes.
    pub(crate) async fn read_back(&self, uri: &str) -> Result<Arc<Value>, Error> {
        let key = self.key(uri)?;
        let (sent, received) = self.asked(&key, "").await?;
        let resource = self.resource(&key, &sent, &received)?;
        let value = resource.value.clone();
        self.held.replace(&key, resource)?;
        Ok(value)
    }

    /// Sends `body` to `uri`. Redirects are not followed: what is told to one place is not repeated at another.
    pub(crate) async fn send(&self, method: Method, uri: &str, body: &Value) -> Result<Received, Error> {
        // another kind of error than that of a broken answer: nothing was sent, so the outcome is known
        let key = self
            .key(uri)
            .map_err(|error| Error::Unsupported(error.to_string()))?;
        let mut sent = Sent::new(method, &key);
        sent.body = body.to_string().into();
        if sent.method == Method::PATCH
            && let Some(known) = self.held.get(&key)
        {
            sent.headers.extend(condition(header::IF_MATCH, &known.etag));
        }
        let received = self.exchange(&sent).await?;
        match received.status.is_success() {
            true => Ok(received),
            false => Err(answer::status(self.wire.limits(), &sent, &received)),
        }
    }

    async fn read_expanded(&self, key: &str) -> Outcome {
        if !self.expands.load(Ordering::Relaxed) || key.contains('?') {
            return self.read(key, "").await;
        }
        match self.read(key, self.expand_query).await {
            Ok(resource) => {
                self.seed_members(&resource);
                Ok(resource)
            }
            Err(error @ (Error::Unreachable { .. } | Error::Tls { .. } | Error::KeyChanged { .. })) => {
                Err(error)
            }
            // whatever it is, it may be the query's fault
            Err(_) => {
                let outcome = self.read(key, "").await;
                if outcome.is_ok() {
                    self.expands.store(false, Ordering::Relaxed);
                }
                outcome
            }
        }
    }

    /// Holds the members that came along with a collection; if none did, the BMC does not expand.
    fn seed_members(&self, collection: &Resource) {
        let members = value::list(&collection.value, "Members");
        if members.is_empty() {
            return;
        }
        if !members.iter().any(value::is_inline) {
            self.expands.store(false, Ordering::Relaxed);
            return;
        }
        for member in members.iter().filter(|member| value::is_whole(member)) {
            let Ok(key) = self.key(value::link_of(member)) else {
                continue;
            };
            self.held.seed(
                &key,
                Resource {
                    value: Arc::new(member.clone()),
                    etag: value::text(member, "@odata.etag"),
                    weight: 0, // it was charged with its collection
                },
            );
        }
    }

    async fn read(&self, key: &str, query: &str) -> Outcome {
        let asked = format!("{}{query}", uri::sent(key));
        let (sent, received) = self.asked(&asked, "").await?;
        let mut resource = self.resource(key, &sent, &received)?;
        if !query.is_empty() {
            // its members are held a second time, one by one
            self.held.charge(key, resource.weight)?;
            resource.weight *= 2;
        }
        Ok(resource)
    }

    fn resource(&self, key: &str, sent: &Sent, received: &Received) -> Outcome {
        let (value, weight) = answer::resource(self.wire.limits(), sent, received)?;
        self.held.charge(key, weight)?;
        let etag = match received.header(header::ETAG) {
            "" => value::text(&value, "@odata.etag"),
            etag => etag.to_owned(),
        };
        Ok(Resource {
            value: Arc::new(value),
            etag,
            weight,
        })
    }

    /// GET through redirects; with an ETag, only if it has changed.
    async fn asked(&self, path: &str, etag: &str) -> Result<(Sent, Received), Error> {
        let mut sent = Sent::new(Method::GET, uri::sent(path));
        let json = HeaderValue::from_static("application/json");
        sent.headers.push((header::ACCEPT, json));
        sent.headers.extend(condition(header::IF_NONE_MATCH, etag));
        let redirects_max = self.wire.limits().redirects_max;
        for _ in 0..=redirects_max {
            let received = self.exchange(&sent).await?;
            if !answer::is_redirect(received.status) {
                return Ok((sent, received));
            }
            sent.path = self.redirected(received.header(header::LOCATION))?;
        }
        Err(Error::Limit {
            what: sent.what(),
            problem: format!("more than {redirects_max} redirects"),
        })
    }

    /// Where a redirect leads. A slash at its end stays: that may be all that it is about.
    fn redirected(&self, location: &str) -> Result<String, Error> {
        let mut path = self.key(location)?;
        if location.ends_with('/') && !path.ends_with('/') && !path.contains('?') {
            path.push('/');
        }
        Ok(path)
    }

    pub(crate) async fn exchange(&self, sent: &Sent) -> Result<Received, Error> {
        Box::pin(self.auth.exchange(&self.wire, sent)).await
    }

    /// GET of something that is no resource, e.g. the monitor of a task: its status, and its JSON where there is some.
    pub(crate) async fn status_of(&self, uri: &str) -> Result<(u16, Value), Error> {
        let key = self.key(uri)?;
        let (sent, received) = self.asked(&key, "").await?;
        if !received.status.is_success() {
            return Err(answer::status(self.wire.limits(), &sent, &received));
        }
        let value = match received.body.is_empty() {
            true => Value::Null,
            false => answer::body(self.wire.limits(), &sent, &received)?.0,
        };
        Ok((received.status.as_u16(), value))
    }
}

/// The header `name` with an ETag, if there is one that can be sent.
fn condition(name: HeaderName, etag: &str) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::from_str(etag).ok()?;
    (!etag.is_empty()).then_some((name, value))
}

fn value_of(outcome: &Outcome) -> Result<Arc<Value>, Error> {
    match outcome {
        Ok(resource) => Ok(resource.value.clone()),
        Err(error) => Err(error.clone()),
    }
}

/// The query with which a collection's members come along, as far as the service root offers it: `*` expands all links, `.` those
/// that are no references to elsewhere.
fn expand_query(root: &Value) -> &'static str {
    let offered = value::at(root, "ProtocolFeaturesSupported/ExpandQuery");
    let offers = |kind: &str| value::flag(offered, kind).unwrap_or(false);
    match (offers("Levels"), offers("ExpandAll"), offers("NoLinks")) {
        (true, true, _) => "?$expand=*($levels=1)",
        (true, false, true) => "?$expand=.($levels=1)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_expanded_only_in_a_form_that_is_offered() {
        let root = |features: Value| json!({"ProtocolFeaturesSupported": {"ExpandQuery": features}});
        let all = root(json!({"Levels": true, "ExpandAll": true, "NoLinks": true}));
        assert_eq!(expand_query(&all), "?$expand=*($levels=1)");
        let ilo = root(json!({"Levels": true, "ExpandAll": false, "NoLinks": true}));
        assert_eq!(expand_query(&ilo), "?$expand=.($levels=1)");
        for none in [
            root(json!({"Levels": false, "ExpandAll": true})),
            root(json!({"Levels": true, "Links": true})),
            root(json!(null)),
            json!({}),
            json!({"ProtocolFeaturesSupported": 7}),
        ] {
            assert_eq!(expand_query(&none), "", "{none}");
        }
    }
}
