//! One file over HTTP/1.1, read to its end and discarded: a client's memory does not grow with the file.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

/// Bytes read at a time.
const PIECE_BYTES: usize = 256 << 10;
/// Longest head of an answer, bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Downloads `path` of `server` from the address `from` (port 0: any); `seen` is shown each piece of the body.
///
/// # Errors
/// Of the connection; an answer other than 200; one that is not `bytes` long.
pub async fn download(
    from: SocketAddr,
    server: SocketAddr,
    path: &str,
    bytes: u64,
    mut seen: impl FnMut(&[u8]),
) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(from)?;
    let mut stream = socket.connect(server).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let (mut piece, mut filled) = (vec![0; PIECE_BYTES], 0);
    let head = loop {
        let count = stream.read(&mut piece[filled..]).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += count;
        match piece[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
            Some(end) => break end + 4,
            None if filled > HEAD_BYTES_MAX => {
                return Err(io::Error::other("an answer without an end of its headers"));
            }
            None => {}
        }
    };
    check_head(&piece[..head], bytes)?;
    seen(&piece[head..filled]);
    let mut got = (filled - head) as u64;
    while got < bytes {
        match stream.read(&mut piece).await? {
            0 => return Err(io::Error::other(format!("{got} of {bytes} bytes came"))),
            count => {
                seen(&piece[..count]);
                got += count as u64;
            }
        }
    }
    match got == bytes {
        true => Ok(()),
        false => Err(io::Error::other(format!("more than {bytes} bytes came"))),
    }
}

fn check_head(head: &[u8], bytes: u64) -> io::Result<()> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(io::Error::other(status.to_owned()));
    }
    let mut headers = lines.filter_map(|line| line.split_once(':'));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    match length.and_then(|(_, length)| length.trim().parse::<u64>().ok()) {
        Some(length) if length == bytes => Ok(()),
        other => Err(io::Error::other(format!(
            "an answer of {other:?} bytes instead of {bytes}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Downloads from a server that gives `answer`; how many bytes were seen.
    async fn from_server(answer: Vec<u8>, bytes: u64) -> io::Result<u64> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let server = listener.local_addr()?;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 1000];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            // a client that has seen enough may be gone
            let _ = stream.write_all(&answer).await;
        });
        let mut seen = 0;
        let from = SocketAddr::from(([127, 0, 0, 1], 0));
        download(from, server, "/file", bytes, |piece| seen += piece.len() as u64).await?;
        Ok(seen)
    }

    fn answer(status: &str, length: usize, body: usize) -> Vec<u8> {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
        [head.as_bytes(), &vec![7; body]].concat()
    }

    #[tokio::test]
    async fn a_file_is_seen_whole() {
        let bytes = 3 * PIECE_BYTES + 5;
        assert_eq!(
            from_server(answer("200 OK", bytes, bytes), bytes as u64)
                .await
                .unwrap(),
            bytes as u64
        );
    }

    /// A fast half of a file is no download.
    #[tokio::test]
    async fn what_is_not_the_file_is_an_error() {
        for (answer, expected) in [
            (answer("404 Not Found", 0, 0), "404"),
            (answer("200 OK", 9, 9), "instead of 10"),
            (answer("200 OK", 10, 9), "9 of 10 bytes"),
            (answer("200 OK", 10, 11), "more than 10 bytes"),
            (b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), "instead of 10"),
            (vec![b'x'; HEAD_BYTES_MAX + 1], "without an end"),
        ] {
            let error = from_server(answer, 10).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
