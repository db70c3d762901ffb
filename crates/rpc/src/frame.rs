//! gRPC's framing of one message that is not compressed: a flag, the length, and the message.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Bytes before a message.
const HEAD: usize = 5;

/// The message; `None` for what is not exactly one, or is compressed.
pub(crate) fn unframed(framed: &[u8]) -> Option<&[u8]> {
    let (head, message) = framed.split_at_checked(HEAD)?;
    let is_whole = head[0] == 0 && head[1..] == u32::try_from(message.len()).ok()?.to_be_bytes();
    is_whole.then_some(message)
}

/// `None` for a message that is longer than a frame can say.
pub(crate) fn framed(message: &[u8]) -> Option<Bytes> {
    let mut frame = BytesMut::with_capacity(HEAD + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).ok()?);
    frame.put_slice(message);
    Some(frame.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_is_framed_and_back() {
        for message in [&b""[..], b"m", &[7; 70_000]] {
            let frame = framed(message).unwrap();
            assert_eq!(unframed(&frame), Some(message));
        }
    }

    #[test]
    fn anything_else_is_no_message() {
        for wrong in [
            &b""[..],
            b"\0\0",
            b"\x01\0\0\0\0",
            b"\0\0\0\0\x01",
            b"\0\0\0\0\0\0",
            b"\0\0\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(unframed(wrong), None, "{wrong:?}");
        }
    }
}
