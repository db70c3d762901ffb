//! What files are known by: whoever has them is not sent them again.

use std::fmt::Write as _;

use proto::configurator::v1::GeneratedFile;
use sha2::{Digest as _, Sha256};
use tonic::Response;
use tonic::metadata::MetadataValue;

/// Bytes of the hash that are shown.
const SHOWN_BYTES: usize = 16;

/// The ETag of files by what they say: what they are made of is not enough, as callers with other rights and members with another
/// program see other files of the same revision.
pub(crate) fn of(files: &[GeneratedFile]) -> String {
    let mut hash = Sha256::new();
    for text in files.iter().flat_map(|file| [&file.path, &file.content]) {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    let mut etag = String::from("\"f-");
    for byte in hash.finalize().iter().take(SHOWN_BYTES) {
        let _ = write!(etag, "{byte:02x}");
    }
    etag.push('"');
    etag
}

/// An answer with its ETag; the gateway makes 304 of it for who has named it.
pub(crate) fn with<T>(mut answer: Response<T>, etag: &str) -> Response<T> {
    if let Ok(value) = MetadataValue::try_from(etag) {
        answer.metadata_mut().insert(rpc::ETAG, value);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str) -> GeneratedFile {
        GeneratedFile {
            path: path.to_owned(),
            content: content.to_owned(),
            ..GeneratedFile::default()
        }
    }

    #[test]
    fn other_files_have_another_etag() {
        let sets = [
            vec![],
            vec![file("a", "b")],
            vec![file("ab", "")],
            vec![file("", "ab")],
            vec![file("a", "b"), file("", "")],
            vec![file("a", "b"), file("c", "d")],
            vec![file("c", "d"), file("a", "b")],
        ];
        let etags: std::collections::BTreeSet<String> = sets.iter().map(|files| of(files)).collect();
        assert_eq!(etags.len(), sets.len());
        assert_eq!(of(&sets[1]), of(&[file("a", "b")]));
    }

    #[test]
    fn it_is_one_as_http_writes_it() {
        let etag = of(&[file("a", "b")]);
        assert!(etag.starts_with("\"f-") && etag.ends_with('"') && etag.len() == 4 + 2 * SHOWN_BYTES);
        assert!(rpc::is_current(&etag, &format!("W/{etag}, \"other\"")));
        let answer = with(Response::new(()), &etag);
        assert_eq!(answer.metadata().get(rpc::ETAG).unwrap(), etag.as_str());
    }
}
