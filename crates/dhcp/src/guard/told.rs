//! What an answer tells its client, ours or another server's, as far as the two are compared. Pure.

use std::net::Ipv4Addr;

use dhcproto::v4::MessageType;
use model::MacAddr;
use proto::dhcp::v1::observed_answer::Difference;

use crate::counters::Count;
use crate::precheck;

/// Options that are compared.
mod code {
    pub(super) const NETMASK: u8 = 1;
    pub(super) const ROUTER: u8 = 3;
    pub(super) const DNS: u8 = 6;
    pub(super) const LEASE_TIME: u8 = 51;
    pub(super) const OVERLOAD: u8 = 52;
    pub(super) const MESSAGE_TYPE: u8 = 53;
    pub(super) const SERVER_ID: u8 = 54;
    pub(super) const BOOT_FILE: u8 = 67;
}

/// The `file` field.
const FILE: std::ops::Range<usize> = 108..236;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) message_type: MessageType,
    pub(super) xid: u32,
    pub(super) giaddr: Ipv4Addr,
    /// The client.
    pub(super) mac: MacAddr,
    /// Option 54.
    pub(super) server: Option<Ipv4Addr>,
    /// By the field's name, as an administrator reads it; empty for what the answer does not say.
    fields: [(&'static str, String); FIELDS],
}

const FIELDS: usize = 7;

impl Told {
    /// Reads the answer of a server.
    ///
    /// # Errors
    /// Why it is none that a client would take.
    pub(super) fn parse(packet: &[u8]) -> Result<Told, Count> {
        let checked = precheck::check_reply(packet)?;
        let fixed = checked.fixed;
        let address = |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
        let [message_type] = checked
            .exact::<1>(code::MESSAGE_TYPE)?
            .ok_or(Count::NoMessageType)?;
        let addresses = |code| text_of_addresses(&checked.option(code).unwrap_or_default());
        let lease_s = checked.exact(code::LEASE_TIME)?.map(u32::from_be_bytes);
        // with option 52 the field holds options
        let has_file = checked
            .option(code::OVERLOAD)
            .is_none_or(|areas| areas.first().is_some_and(|areas| areas & 1 == 0));
        let boot_file = match checked.option(code::BOOT_FILE) {
            Some(option) => text(&option),
            None if has_file => text(&fixed[FILE]),
            None => String::new(),
        };
        Ok(Told {
            message_type: MessageType::from(message_type),
            xid: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            giaddr: address(24),
            mac: MacAddr([fixed[28], fixed[29], fixed[30], fixed[31], fixed[32], fixed[33]]),
            server: checked.exact(code::SERVER_ID)?.map(Ipv4Addr::from),
            fields: [
                ("address", shown(address(16))),
                ("router", addresses(code::ROUTER)),
                ("netmask", addresses(code::NETMASK)),
                ("dns", addresses(code::DNS)),
                ("boot-file", boot_file),
                ("next-server", shown(address(20))),
                ("lease-s", lease_s.map(|s| s.to_string()).unwrap_or_default()),
            ],
        })
    }

    /// What the other server says otherwise. Where our address would be any of a pool's, it is not compared.
    pub(super) fn differences(&self, theirs: &Told, is_of_a_pool: bool) -> Vec<Difference> {
        let is_nak = |told: &Told| told.message_type == MessageType::Nak;
        if is_nak(self) != is_nak(theirs) {
            return vec![difference("answer", self.answer(), theirs.answer())];
        }
        let pairs = self.fields.iter().zip(&theirs.fields);
        let pairs = pairs.filter(|((name, _), _)| !(is_of_a_pool && *name == "address"));
        pairs
            .filter(|((_, ours), (_, theirs))| ours != theirs)
            .map(|((name, ours), (_, theirs))| difference(name, ours, theirs))
            .collect()
    }

    /// The address given, in the form of [`Told::differences`].
    pub(super) fn address(&self) -> &str {
        &self.fields[0].1
    }

    /// What kind of answer it is.
    pub(super) fn answer(&self) -> &'static str {
        match self.message_type {
            MessageType::Offer => "offer",
            MessageType::Ack => "ack",
            MessageType::Nak => "nak",
            _ => "another message",
        }
    }
}

pub(super) fn difference(field: &str, ours: &str, theirs: &str) -> Difference {
    Difference {
        field: field.to_owned(),
        ours: ours.to_owned(),
        theirs: theirs.to_owned(),
    }
}

fn shown(address: Ipv4Addr) -> String {
    match address.is_unspecified() {
        true => String::new(),
        false => address.to_string(),
    }
}

fn text_of_addresses(value: &[u8]) -> String {
    let addresses = value
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| Ipv4Addr::from(*bytes).to_string());
    addresses.collect::<Vec<_>>().join(" ")
}

/// A text up to its end mark, with a question mark for what cannot be shown.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.iter().take_while(|byte| **byte != 0);
    let printable = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    bytes.map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tests::answer;
    use proptest::prelude::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 97, 2, 1);

    fn told(options: &[(u8, &[u8])]) -> Told {
        Told::parse(&answer(2, ADDRESS, options)).unwrap()
    }

    const FULL: &[(u8, &[u8])] = &[
        (54, &[10, 97, 9, 9]),
        (1, &[255, 255, 0, 0]),
        (3, &[10, 97, 0, 254]),
        (6, &[10, 97, 0, 53, 10, 97, 0, 54]),
        (51, &[0, 0, 14, 16]),
        (67, b"snponly.efi\0"),
    ];

    #[test]
    fn an_answer_is_read_as_a_client_does() {
        let told = told(FULL);
        assert_eq!(told.server, Some(Ipv4Addr::new(10, 97, 9, 9)));
        let fields: Vec<&str> = told.fields.iter().map(|(_, value)| value.as_str()).collect();
        let expected = [
            "10.97.2.1",
            "10.97.0.254",
            "255.255.0.0",
            "10.97.0.53 10.97.0.54",
            "snponly.efi",
            "",
            "3600",
        ];
        assert_eq!(fields, expected);
        assert_eq!((told.address(), told.answer()), ("10.97.2.1", "offer"));
    }

    #[test]
    fn the_boot_file_may_stand_in_its_field() {
        let mut packet = answer(2, ADDRESS, &[]);
        packet[108..111].copy_from_slice(b"a\xffb");
        packet[20..24].copy_from_slice(&[10, 97, 0, 7]);
        let told = Told::parse(&packet).unwrap();
        assert_eq!(told.fields[4].1, "a?b");
        assert_eq!(told.fields[5].1, "10.97.0.7");
        let mut overloaded = answer(2, ADDRESS, &[(52, &[1])]);
        overloaded[108..111].copy_from_slice(&[12, 1, b'x']);
        assert_eq!(Told::parse(&overloaded).unwrap().fields[4].1, "");
    }

    #[test]
    fn each_field_that_differs_is_named_with_both_values() {
        let ours = told(FULL);
        assert_eq!(ours.differences(&ours, false), []);
        let others: [(u8, &[u8], &str); 5] = [
            (3, &[10, 97, 0, 1], "router"),
            (1, &[255, 255, 255, 0], "netmask"),
            (6, &[], "dns"),
            (51, &[0, 0, 0, 60], "lease-s"),
            (67, b"pxelinux.0", "boot-file"),
        ];
        for (code, value, field) in others {
            let changed: Vec<_> = FULL
                .iter()
                .map(|(other, old)| (*other, if *other == code { value } else { old }))
                .collect();
            let differences = ours.differences(&told(&changed), false);
            assert_eq!(differences.len(), 1, "{field}");
            assert_eq!(differences[0].field, field);
            assert_ne!(differences[0].ours, differences[0].theirs);
        }
    }

    /// Which address of a pool a client gets is chance; that it is refused is not.
    #[test]
    fn an_address_of_a_pool_is_not_compared_and_a_refusal_is() {
        let ours = told(FULL);
        let other = Told::parse(&answer(5, Ipv4Addr::new(10, 97, 2, 9), FULL)).unwrap();
        assert_eq!(ours.differences(&other, true), []);
        assert_eq!(
            ours.differences(&other, false),
            [difference("address", "10.97.2.1", "10.97.2.9")]
        );
        let nak = Told::parse(&answer(6, Ipv4Addr::UNSPECIFIED, FULL)).unwrap();
        assert_eq!(
            ours.differences(&nak, true),
            [difference("answer", "offer", "nak")]
        );
    }

    #[test]
    fn what_is_no_answer_is_not_read() {
        let question = crate::testing::RawPacket::discover().bytes();
        assert_eq!(Told::parse(&question).unwrap_err(), Count::NotARequest);
        let nameless = answer(2, ADDRESS, &[]);
        assert_eq!(Told::parse(&nameless[..200]).unwrap_err(), Count::TooShort);
    }

    proptest! {
        /// It comes from anybody on the network.
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Told::parse(&bytes);
            let good = answer(2, ADDRESS, FULL);
            let fixed = bytes.len().min(240);
            bytes[..fixed].copy_from_slice(&good[..fixed]);
            let _ = Told::parse(&bytes);
        }
    }
}
