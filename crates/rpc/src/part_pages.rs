//! Pages for callers with a part of the system. A page ends at an object that may be another's, and its token says at which; so what they
//! are given is sealed, and opened again when they send it. To give them the list whole would be simpler, and 10,000 nodes at once.

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt as _, Full, Limited};
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{Kind, MethodDescriptor};
use tonic::body::Body;

use crate::frame::{framed, unframed};
use crate::scoped_answer::Field;
use crate::{Authority, Error, invalid};

/// The field of a request that has the token of the page before.
const TOKEN: &str = "page_token";
/// The field of an answer that has the token of the next page.
const NEXT: &str = "next_page_token";
/// A request that is longer is refused by the services as well, bytes.
const REQUEST_BYTES_MAX: usize = 4 << 20;

/// Where a list's pages are named, by the numbers of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageFields {
    token: u32,
    next: u32,
}

impl PageFields {
    /// `None` for a method that has no pages. A stream has none.
    pub(crate) fn of(method: &MethodDescriptor) -> Option<PageFields> {
        if method.is_client_streaming() || method.is_server_streaming() {
            return None;
        }
        let (input, output) = (method.input(), method.output());
        let is_text = |field: &prost_reflect::FieldDescriptor| matches!(field.kind(), Kind::String);
        let token = input.get_field_by_name(TOKEN).filter(is_text)?;
        let next = output.get_field_by_name(NEXT).filter(is_text)?;
        Some(PageFields {
            token: token.number(),
            next: next.number(),
        })
    }

    /// The request with the token that the service has made.
    ///
    /// # Errors
    /// As [`Authority::open_page`]; `Invalid` for what is no request.
    pub(crate) async fn opened(
        self,
        request: Request<Body>,
        authority: &dyn Authority,
    ) -> Result<Request<Body>, Error> {
        let (mut parts, body) = request.into_parts();
        let collected = Limited::new(body, REQUEST_BYTES_MAX).collect().await;
        let bytes = collected
            .map_err(|_| invalid("request", "it is longer than 4 MiB, or ends too early"))?
            .to_bytes();
        // what is none is the service's to refuse
        let opened = match unframed(&bytes) {
            None => None,
            Some(message) => replaced(message, self.token, |token| authority.open_page(token))?,
        };
        let bytes: Bytes = match opened {
            None => bytes,
            Some(message) => framed(&message).ok_or_else(malformed)?,
        };
        parts.headers.remove(CONTENT_LENGTH);
        Ok(Request::from_parts(parts, Body::new(Full::new(bytes))))
    }

    /// The message of an answer with a token that tells nothing; `None`: it names no next page.
    ///
    /// # Errors
    /// As [`Authority::seal_page`].
    pub(crate) fn sealed(self, message: &[u8], authority: &dyn Authority) -> Result<Option<Vec<u8>>, Error> {
        replaced(message, self.next, |token| authority.seal_page(token))
    }
}

/// The message with another text in a field; `None` if the field is empty.
fn replaced(
    message: &[u8],
    number: u32,
    with: impl Fn(&str) -> Result<String, Error>,
) -> Result<Option<Vec<u8>>, Error> {
    let (mut rest, mut changed) = (message, false);
    let mut copy = Vec::with_capacity(message.len());
    while !rest.is_empty() {
        let field = Field::take(&mut rest).ok_or_else(malformed)?;
        match field
            .bytes
            .filter(|text| field.number == number && !text.is_empty())
        {
            None => copy.extend_from_slice(field.whole),
            Some(text) => {
                let text = with(std::str::from_utf8(text).map_err(|_| malformed())?)?;
                encode_key(number, WireType::LengthDelimited, &mut copy);
                encode_varint(text.len() as u64, &mut copy);
                copy.extend_from_slice(text.as_bytes());
                changed = true;
            }
        }
    }
    Ok(changed.then_some(copy))
}

fn malformed() -> Error {
    invalid(TOKEN, "the message that has it does not decode")
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_reflect::DescriptorPool;
    use proto::smd::v1::{Component, ListComponentsRequest, ListComponentsResponse};
    use tokio::sync::watch;

    use super::*;
    use crate::{Access, Identity};

    /// Turns texts round.
    struct Turning;

    impl Authority for Turning {
        fn authenticate(&self, _: &str) -> Result<Option<Identity>, Error> {
            Ok(None)
        }

        fn access(&self, _: &Identity, _: &str) -> Result<Access, Error> {
            Err(Error::SessionExpired)
        }

        fn changes(&self) -> watch::Receiver<u64> {
            watch::channel(0).1
        }

        fn seal_page(&self, token: &str) -> Result<String, Error> {
            Ok(token.chars().rev().collect())
        }

        fn open_page(&self, token: &str) -> Result<String, Error> {
            match token {
                "forged" => Err(invalid(TOKEN, "it is no page token")),
                token => self.seal_page(token),
            }
        }
    }

    /// Says nothing of pages.
    struct Silent;

    impl Authority for Silent {
        fn authenticate(&self, _: &str) -> Result<Option<Identity>, Error> {
            Ok(None)
        }

        fn access(&self, _: &Identity, _: &str) -> Result<Access, Error> {
            Err(Error::SessionExpired)
        }

        fn changes(&self) -> watch::Receiver<u64> {
            watch::channel(0).1
        }
    }

    fn fields() -> PageFields {
        let pool = DescriptorPool::decode(proto::DESCRIPTOR).unwrap();
        let service = pool
            .get_service_by_name("chamois.smd.v1.ComponentService")
            .unwrap();
        let method = service.methods().find(|method| method.name() == "ListComponents");
        PageFields::of(&method.unwrap()).unwrap()
    }

    fn asking(page_token: &str) -> ListComponentsRequest {
        ListComponentsRequest {
            page_size: 7,
            page_token: page_token.into(),
            ..ListComponentsRequest::default()
        }
    }

    async fn opened(body: Bytes) -> Result<Bytes, Error> {
        let request = Request::new(Body::new(Full::new(body)));
        let request = fields().opened(request, &Turning).await?;
        Ok(request.into_body().collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn a_token_is_opened_on_its_way_in_and_nothing_else_is_changed() {
        let whole = opened(framed(&asking("321x").encode_to_vec()).unwrap())
            .await
            .unwrap();
        let read = ListComponentsRequest::decode(unframed(&whole).unwrap()).unwrap();
        assert_eq!(read, asking("x123"));
        let without = framed(&asking("").encode_to_vec()).unwrap();
        assert_eq!(opened(without.clone()).await.unwrap(), without);
        let forged = framed(&asking("forged").encode_to_vec()).unwrap();
        let refused = opened(forged).await.unwrap_err().to_string();
        assert_eq!(refused, "page_token: it is no page token");
    }

    /// What cannot be read is the service's to refuse; what is too long is read by nobody.
    #[tokio::test]
    async fn what_is_no_request_is_passed_on_or_refused() {
        let compressed = Bytes::from_static(b"\x01\0\0\0\x01x");
        assert_eq!(opened(compressed.clone()).await.unwrap(), compressed);
        let broken = framed(&[0xff; 4]).unwrap();
        assert!(matches!(opened(broken).await, Err(Error::Invalid { .. })));
        let long = Bytes::from(vec![0; REQUEST_BYTES_MAX + 1]);
        assert!(matches!(opened(long).await, Err(Error::Invalid { .. })));
    }

    #[test]
    fn a_token_is_sealed_on_its_way_out() {
        let answer = |next: &str| ListComponentsResponse {
            components: vec![Component::default(); 2],
            revision: 7,
            next_page_token: next.into(),
        };
        let sealed = fields().sealed(&answer("x123").encode_to_vec(), &Turning);
        let read = ListComponentsResponse::decode(sealed.unwrap().unwrap().as_slice()).unwrap();
        assert_eq!(read, answer("321x"));
        let last = fields().sealed(&answer("").encode_to_vec(), &Turning);
        assert_eq!(last.unwrap(), None, "there is no next page");
    }

    /// A token that nobody can seal is not handed out.
    #[test]
    fn an_authority_that_cannot_seal_shows_no_pages() {
        assert!(matches!(Silent.seal_page("x123"), Err(Error::Denied { .. })));
        assert!(matches!(Silent.open_page("x123"), Err(Error::Denied { .. })));
    }

    /// They share their answers with lists, and give all at once.
    const WITHOUT_PAGES: [&str; 4] = [
        "chamois.smd.v1.ComponentQueryService.QueryComponent",
        "chamois.smd.v1.ComponentQueryService.QueryComponents",
        "chamois.smd.v1.ComponentQueryService.QueryComponentsByNid",
        "chamois.smd.v1.RedfishEndpointService.QueryRedfishEndpoints",
    ];

    /// Whoever adds a list with pages need not think of it.
    #[test]
    fn every_list_with_pages_is_known() {
        let pool = DescriptorPool::decode(proto::DESCRIPTOR).unwrap();
        let mut lists = 0;
        for method in pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
        {
            let names_next = method.output().get_field_by_name(NEXT).is_some();
            let has_pages = names_next && !WITHOUT_PAGES.contains(&method.full_name());
            assert_eq!(
                PageFields::of(&method).is_some(),
                has_pages,
                "{}",
                method.full_name()
            );
            lists += usize::from(has_pages);
        }
        assert!(lists > 10, "{lists} lists");
    }
}
