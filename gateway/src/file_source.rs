//! Where the bytes of boot files come from: the gateway asks for a name and speaks HTTP about the answer.

use std::fs::{File, Metadata};
use std::net::SocketAddr;

use futures::future::BoxFuture;
use tonic::Status;

/// Finds files; the gateway's owner has one.
pub trait FileSource: Send + Sync {
    /// The file that is asked for.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none, `UNAVAILABLE` when that cannot be said now.
    fn find<'a>(&'a self, asked: AskedFile<'a>) -> BoxFuture<'a, Result<FoundFile, Status>>;
}

/// What a node asks for.
#[derive(Clone, Copy, Debug)]
pub struct AskedFile<'a> {
    /// Relative path, decoded: no segment is empty, `.` or `..`.
    pub name: &'a str,
    /// This member's end of the connection: tells which network the node is on.
    pub local: Option<SocketAddr>,
    /// Whether another member has sent the node here: then it must not be sent on.
    pub is_redirected: bool,
}

/// Where the bytes are.
#[derive(Debug)]
pub enum FoundFile {
    /// Here.
    Here(OpenedFile),
    /// At another member's HTTP port, e.g. `http://10.97.1.2:8081`.
    At(String),
}

/// A file that can be sent.
#[derive(Debug)]
pub struct OpenedFile {
    /// The open file. One that is written while it is sent breaks the connection.
    pub file: File,
    /// Its length and times when `sha256` and `version` were true of it.
    pub meta: Box<Metadata>,
    /// SHA-256 of the bytes: the ETag, the same on every member.
    pub sha256: Option<[u8; 32]>,
    /// Without it: letters, digits and dashes that change whenever the file is written. It becomes a weak ETag, which
    /// never joins parts of two versions.
    pub version: String,
}
