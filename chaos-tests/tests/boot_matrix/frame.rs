//! Reading Ethernet frames: as much of IPv4, UDP, TCP and router advertisements as the matrix needs.

/// A frame to or from the guest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// Source MAC address.
    pub(crate) source: [u8; 6],
    pub(crate) body: Body<'a>,
}

/// What it carries.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Body<'a> {
    Udp {
        from: u16,
        to: u16,
        payload: &'a [u8],
    },
    Tcp {
        from: u16,
        to: u16,
        payload: &'a [u8],
    },
    /// ICMPv6 134 with its router lifetime, seconds.
    RouterAdvert {
        lifetime_s: u16,
    },
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// `None` for anything else, and for what is cut off.
pub(crate) fn parse(bytes: &[u8]) -> Option<Frame<'_>> {
    let source = bytes.get(6..12)?.try_into().ok()?;
    let body = match number(bytes, 12)? {
        IPV4 => ipv4(bytes.get(14..)?)?,
        IPV6 => router_advert(bytes.get(14..)?)?,
        _ => return None,
    };
    Some(Frame { source, body })
}

fn ipv4(packet: &[u8]) -> Option<Body<'_>> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    // Ethernet pads short packets, so the IP header says where this one ends.
    let packet = packet.get(..usize::from(number(packet, 2)?))?;
    let (protocol, inner) = (*packet.get(9)?, packet.get(header..)?);
    let (from, to) = (number(inner, 0)?, number(inner, 2)?);
    match protocol {
        17 => Some(Body::Udp {
            from,
            to,
            payload: inner.get(8..)?,
        }),
        6 => {
            let offset = usize::from(inner.get(12)? >> 4) * 4;
            let payload = inner.get(offset..)?;
            Some(Body::Tcp { from, to, payload })
        }
        _ => None,
    }
}

fn router_advert(packet: &[u8]) -> Option<Body<'_>> {
    let is_advert = *packet.get(6)? == 58 && *packet.get(40)? == 134;
    let lifetime_s = number(packet, 46)?;
    is_advert.then_some(Body::RouterAdvert { lifetime_s })
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([two[0], two[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ethernet and IPv4 around `inner`.
    fn around(protocol: u8, inner: &[u8], padding: usize) -> Vec<u8> {
        let mut bytes = vec![0; 12];
        bytes[6..12].copy_from_slice(&[2, 0x97, 0, 0, 1, 1]);
        bytes.extend([8, 0, 0x45, 0]);
        bytes.extend(u16::try_from(20 + inner.len()).unwrap().to_be_bytes());
        bytes.extend([0, 0, 0, 0, 64, protocol, 0, 0, 10, 97, 0, 1, 10, 97, 5, 1]);
        bytes.extend(inner);
        bytes.extend(vec![0; padding]);
        bytes
    }

    #[test]
    fn a_datagram_ends_where_ip_says_and_not_with_the_padding() {
        let bytes = around(17, &[0, 69, 4, 0, 0, 11, 0, 0, b'a', b'b', b'c'], 9);
        let frame = parse(&bytes).unwrap();
        assert_eq!(frame.source, [2, 0x97, 0, 0, 1, 1]);
        let payload: &[u8] = b"abc";
        assert_eq!(
            frame.body,
            Body::Udp {
                from: 69,
                to: 1024,
                payload
            }
        );
    }

    #[test]
    fn a_segment_begins_behind_its_options() {
        let mut inner = vec![
            0x1f, 0x91, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x60, 0x18, 0, 0, 0, 0, 0, 0,
        ];
        inner.extend([1, 1, 1, 1]);
        inner.extend(b"GET /");
        let bytes = around(6, &inner, 0);
        let payload: &[u8] = b"GET /";
        assert_eq!(
            parse(&bytes).unwrap().body,
            Body::Tcp {
                from: 8081,
                to: 49152,
                payload
            }
        );
    }

    #[test]
    fn what_is_cut_off_is_nothing() {
        let bytes = around(17, &[0, 69, 4, 0, 0, 11, 0, 0, b'a', b'b', b'c'], 0);
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), None, "{length} bytes");
        }
    }
}
