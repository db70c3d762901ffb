//! Answers in gzip or zstd, for clients that accept it: a list of 10,000 components has 1.5 MB and compresses to a tenth.
//! Only JSON is: boot scripts, files and documents for nodes go out as they are.

use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, VARY};
use http::{HeaderValue, Response};
use tokio::sync::Semaphore;

use crate::response::JSON;

/// Smaller answers go out as they are: they fit into a few packets.
const BYTES_MIN: usize = 4 << 10;
/// Larger ones, too: one answer must not occupy a core for seconds.
const BYTES_MAX: usize = 64 << 20;
/// Answers that are compressed at once; others go out as they are meanwhile.
const AT_ONCE_MAX: usize = 2;
/// The fastest of gzip, which already takes nine tenths off a list.
const GZIP_LEVEL: u32 = 1;
/// As fast as gzip's fastest, and smaller.
const ZSTD_LEVEL: i32 = 1;

/// Compresses the answers of one port.
#[derive(Debug)]
pub(crate) struct Compressor(Semaphore);

/// How an answer may be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Zstd,
}

impl Compressor {
    pub(crate) fn new() -> Self {
        Self(Semaphore::new(AT_ONCE_MAX))
    }

    /// `response` as the client with these request headers takes it best.
    pub(crate) async fn compress(
        &self,
        headers: &HeaderMap,
        mut response: Response<Bytes>,
    ) -> Response<Bytes> {
        if !is_json(&response) || response.body().len() < BYTES_MIN {
            return response;
        }
        response
            .headers_mut()
            .append(VARY, HeaderValue::from_static("accept-encoding"));
        let coding = accepted(headers).filter(|_| response.body().len() <= BYTES_MAX);
        let (Some(coding), Ok(_turn)) = (coding, self.0.try_acquire()) else {
            return response;
        };
        let body = response.body().clone();
        let compressed = tokio::task::spawn_blocking(move || coding.compress(&body)).await;
        let Ok(Ok(compressed)) = compressed else {
            tracing::error!("an answer could not be compressed; it goes out as it is");
            return response;
        };
        *response.body_mut() = compressed.into();
        response
            .headers_mut()
            .insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        weaken(response.headers_mut());
        response
    }
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    fn compress(self, body: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let room = Vec::with_capacity(body.len() / 8);
                let mut encoder = GzEncoder::new(room, Compression::new(GZIP_LEVEL));
                encoder.write_all(body)?;
                encoder.finish()
            }
            Self::Zstd => zstd::bulk::compress(body, ZSTD_LEVEL),
        }
    }
}

fn is_json(response: &Response<Bytes>) -> bool {
    response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind == JSON)
}

/// The name of the coding in which a client with these request headers takes answers; `None`: as they are.
pub(crate) fn coding(headers: &HeaderMap) -> Option<&'static str> {
    accepted(headers).map(Coding::name)
}

/// The coding that the client likes best; of equals zstd. `None`: as it is.
fn accepted(headers: &HeaderMap) -> Option<Coding> {
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    let quality = |coding: Coding| {
        let mut offers = values.iter().flat_map(|value| value.split(','));
        offers.find_map(|offer| quality_of(offer, coding.name()))
    };
    let zstd = quality(Coding::Zstd).unwrap_or(0);
    let gzip = quality(Coding::Gzip).unwrap_or(0);
    match (zstd, gzip) {
        (0, 0) => None,
        (zstd, gzip) if zstd >= gzip => Some(Coding::Zstd),
        _ => Some(Coding::Gzip),
    }
}

/// The quality of `coding` in one offer, in thousandths, e.g. 500 of `gzip;q=0.5`; `None` if it offers another one.
fn quality_of(offer: &str, coding: &str) -> Option<u32> {
    let mut parts = offer.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(coding) {
        return None;
    }
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let Some(quality) = quality else {
        return Some(1000);
    };
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    let thousandths = format!("{fraction:0<3}");
    let whole: u32 = whole.parse().unwrap_or(0);
    Some((whole.min(1) * 1000 + thousandths.parse::<u32>().unwrap_or(0)).min(1000))
}

/// The same answer in other bytes has a weak ETag.
fn weaken(headers: &mut HeaderMap) {
    let weak = headers.get(ETAG).and_then(|etag| {
        let etag = etag.to_str().ok()?;
        HeaderValue::try_from(format!("W/{etag}")).ok()
    });
    if let Some(weak) = weak {
        headers.insert(ETAG, weak);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(accept: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !accept.is_empty() {
            headers.insert(ACCEPT_ENCODING, accept.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_client_chooses() {
        for (accept, expected) in [
            ("", None),
            ("identity", None),
            ("br, deflate", None),
            ("gzip", Some(Coding::Gzip)),
            ("GZIP, deflate", Some(Coding::Gzip)),
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("zstd;q=0.5, gzip;q=0.8", Some(Coding::Gzip)),
            ("zstd;q=0.001, gzip;q=0", Some(Coding::Zstd)),
            ("gzip;q=0", None),
            ("gzip;q=nonsense", None),
            ("gzipped", None),
        ] {
            assert_eq!(accepted(&asking(accept)), expected, "{accept}");
        }
    }

    fn json(bytes: usize) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from("[1] ".repeat(bytes / 4)));
        response.headers_mut().insert(CONTENT_TYPE, JSON.parse().unwrap());
        response.headers_mut().insert(ETAG, "\"c-7\"".parse().unwrap());
        response
    }

    #[tokio::test]
    async fn what_comes_out_is_what_went_in_under_a_weak_etag() {
        let compressor = Compressor::new();
        for coding in ["gzip", "zstd"] {
            let given = json(BYTES_MIN);
            let got = compressor.compress(&asking(coding), json(BYTES_MIN)).await;
            assert_eq!(got.headers()[CONTENT_ENCODING], coding);
            assert_eq!(got.headers()[VARY], "accept-encoding");
            assert_eq!(got.headers()[ETAG], "W/\"c-7\"");
            assert!(got.body().len() < given.body().len() / 10, "{coding}");
            let back = match coding {
                "gzip" => {
                    let mut back = Vec::new();
                    let mut decoder = flate2::read::GzDecoder::new(got.body().as_ref());
                    io::Read::read_to_end(&mut decoder, &mut back).unwrap();
                    back
                }
                _ => zstd::bulk::decompress(got.body(), BYTES_MIN).unwrap(),
            };
            assert_eq!(back, given.body().as_ref(), "{coding}");
        }
    }

    /// One that is small, raw, or comes while the cores are busy.
    #[tokio::test]
    async fn others_go_out_as_they_are() {
        let compressor = Compressor::new();
        let as_it_is = |response: &Response<Bytes>| !response.headers().contains_key(CONTENT_ENCODING);
        let small = compressor.compress(&asking("gzip"), json(BYTES_MIN - 4)).await;
        assert!(as_it_is(&small) && !small.headers().contains_key(VARY));
        let mut script = json(BYTES_MIN);
        script
            .headers_mut()
            .insert(CONTENT_TYPE, "text/plain".parse().unwrap());
        assert!(as_it_is(&compressor.compress(&asking("gzip"), script).await));
        let plain = compressor.compress(&asking(""), json(BYTES_MIN)).await;
        assert!(as_it_is(&plain) && plain.headers().contains_key(VARY));
        let _busy = compressor.0.acquire_many(AT_ONCE_MAX as u32).await.unwrap();
        let busy = compressor.compress(&asking("gzip"), json(BYTES_MIN)).await;
        assert!(as_it_is(&busy) && busy.headers()[ETAG] == "\"c-7\"");
    }
}
