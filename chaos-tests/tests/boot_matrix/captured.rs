//! What a guest's firmware asked for by DHCP, and what the cluster offered, as text that is the same in every run.
//!
//! The codes of all options stand in their order; values only where the firmware's version or the cluster's
//! configuration decides them: no addresses of the guest, no exchange ids, no machine ids. What a guest sends is read
//! before the bridge disguises it (`disguise.rs`), so the ROM of bios-pxe calls itself iPXE here, and is offered what a
//! ROM that does not is.

use std::collections::BTreeSet;

use crate::dhcp_message::{DISCOVER, Message, OFFER, REQUEST};

/// How option 60 begins in what firmware and iPXE send; the guest's own client names itself.
const FIRMWARE: [&[u8]; 2] = [b"PXEClient", b"HTTPClient"];

const VENDOR_OPTIONS: u8 = 43;
const PARAMETERS: u8 = 55;
const MESSAGE_BYTES_MAX: u8 = 57;
const VENDOR_CLASS: u8 = 60;
const TFTP_SERVER: u8 = 66;
const BOOT_FILE: u8 = 67;
const USER_CLASS: u8 = 77;
const ARCHITECTURES: u8 = 93;
const INTERFACE: u8 = 94;

/// Both sides of a boot: of its firmware and of the iPXE that it loads. What is sent again in the same words shows once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Captured {
    /// DHCPDISCOVER and DHCPREQUEST, in their order.
    pub(crate) asked: String,
    /// DHCPOFFER.
    pub(crate) answered: String,
}

impl Captured {
    /// From the messages of a boot, those of other clients and of the guest's own among them.
    pub(crate) fn of(messages: &[Vec<u8>], mac: &str) -> Captured {
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        let mut exchanges = BTreeSet::new();
        let messages = messages.iter().filter_map(|bytes| Message::parse(bytes));
        for message in messages.filter(|message| message.mac == mac) {
            if is_of_firmware(&message) {
                exchanges.insert(message.xid);
            }
            if !exchanges.contains(&message.xid) {
                continue;
            }
            match message.kind {
                DISCOVER => add(&mut asked, asking("DISCOVER", &message)),
                REQUEST => add(&mut asked, asking("REQUEST", &message)),
                OFFER => add(&mut answered, offering(&message)),
                _ => {}
            }
        }
        let (asked, answered) = (asked.join("\n"), answered.join("\n"));
        Captured { asked, answered }
    }
}

fn is_of_firmware(message: &Message<'_>) -> bool {
    let class = message.option(VENDOR_CLASS).unwrap_or_default();
    message.kind != OFFER && FIRMWARE.iter().any(|name| class.starts_with(name))
}

fn add(texts: &mut Vec<String>, text: String) {
    if !texts.contains(&text) {
        texts.push(text);
    }
}

fn asking(kind: &str, message: &Message<'_>) -> String {
    let value_of = |code: u8, value: &[u8]| match code {
        PARAMETERS => numbers(value),
        VENDOR_CLASS | USER_CLASS => value.escape_ascii().to_string(),
        MESSAGE_BYTES_MAX | ARCHITECTURES | INTERFACE => hex(value),
        _ => String::new(),
    };
    line(kind, "") + &options(message, value_of)
}

fn offering(message: &Message<'_>) -> String {
    let value_of = |code: u8, value: &[u8]| match code {
        VENDOR_OPTIONS => hex(value),
        VENDOR_CLASS | TFTP_SERVER | BOOT_FILE => value.escape_ascii().to_string(),
        _ => String::new(),
    };
    let fields = [
        line("OFFER", ""),
        line("siaddr", &message.siaddr.to_string()),
        line("sname", &message.sname.escape_ascii().to_string()),
        line("file", &message.file.escape_ascii().to_string()),
    ];
    fields.concat() + &options(message, value_of)
}

/// A line for each option.
fn options(message: &Message<'_>, value_of: impl Fn(u8, &[u8]) -> String) -> String {
    let lines = message.options.iter();
    lines
        .map(|(code, value)| line(&code.to_string(), &value_of(*code, value)))
        .collect()
}

fn line(name: &str, value: &str) -> String {
    let space = if value.is_empty() { "" } else { " " };
    format!("{name}{space}{value}\n")
}

fn numbers(value: &[u8]) -> String {
    let all: Vec<String> = value.iter().map(u8::to_string).collect();
    all.join(" ")
}

fn hex(value: &[u8]) -> String {
    let all: Vec<String> = value.iter().map(|byte| format!("{byte:02x}")).collect();
    all.join(" ")
}

#[cfg(test)]
mod tests;
