//! Frames without end: each of the known attacks on HTTP/2 ends the connection that it comes over, and only that one.

use std::time::Duration;

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, Raw, SETTINGS, WINDOW_UPDATE,
    frame, literal, request,
};
use crate::site::{API_PORTS, BOUND, GRPC, HTTPS, Site};

/// Attackers at once, each from an address of its own.
const ATTACKERS: u8 = 4;
/// Frames that are written at once: what comes together is read together, before anything of it is answered.
const AT_ONCE: u32 = 500;
/// More than any limit of a connection: whoever may send so many may send any number.
const STREAMS: u32 = 50_000;
/// How long one write waits where the member has stopped to read.
const HELD_UP_AFTER: Duration = Duration::from_secs(2);

/// What anybody may ask of a port.
fn public(port: u16) -> Vec<u8> {
    match port {
        GRPC => request("POST", "/grpc.health.v1.Health/Check"),
        _ => request("GET", "/livez"),
    }
}

/// Every attacker sends what `frames` makes of a stream's number, for one stream after the other, until his connection ends.
/// Gives how many streams it took each.
fn flood(site: &Site, port: u16, frames: impl Fn(u32) -> Vec<u8> + Sync) -> Vec<u32> {
    let attack = |last| {
        let mut raw = site.raw(last, port);
        let mut begun = 0;
        while begun < STREAMS {
            let batch: Vec<u8> = (begun..begun + AT_ONCE)
                .flat_map(|number| frames(2 * number + 1))
                .collect();
            begun += AT_ONCE;
            if raw.send(&batch).is_err() {
                return begun;
            }
        }
        assert!(raw.ends_within(BOUND), "port {port}: after {begun} streams");
        begun
    };
    std::thread::scope(|scope| {
        let attack = &attack;
        let attackers: Vec<_> = (1..=ATTACKERS)
            .map(|last| scope.spawn(move || attack(last)))
            .collect();
        attackers.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// CVE-2023-44487: a stream that is begun and taken back costs the client nothing and the server a call.
#[test]
fn streams_that_are_reset_at_once_end_their_connection() {
    let mut site = Site::start();
    for port in API_PORTS {
        let headers = public(port);
        let took = site.while_it_serves(|site| {
            flood(site, port, |stream| {
                let mut frames = frame(HEADERS, END_HEADERS | END_STREAM, stream, &headers);
                frames.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
                frames
            })
        });
        println!("port {port}: rapid reset ended after at most {took:?} streams");
    }
}

/// CVE-2025-8671: a client that has us reset its streams, here by a body that is not as long as it said, is one that resets
/// them.
#[test]
fn streams_that_the_member_is_made_to_reset_end_their_connection() {
    let mut site = Site::start();
    for port in API_PORTS {
        let mut headers = public(port);
        literal("content-length", "1", &mut headers);
        let took = site.while_it_serves(|site| {
            flood(site, port, |stream| {
                let mut frames = frame(HEADERS, END_HEADERS, stream, &headers);
                frames.extend(frame(DATA, END_STREAM, stream, b"two"));
                frames
            })
        });
        println!("port {port}: MadeYouReset ended after at most {took:?} streams");
    }
}

/// The same by a window that grows beyond its bound, which no limit of a connection counts: it costs what the streams cost,
/// and keeps nothing.
#[test]
fn streams_whose_window_overflows_leave_nothing_behind() {
    let mut site = Site::start();
    for port in API_PORTS {
        let headers = public(port);
        site.while_it_serves(|site| {
            let mut raw = site.raw(1, port);
            raw.within(HELD_UP_AFTER);
            for begun in (0..STREAMS).step_by(AT_ONCE as usize) {
                let batch: Vec<u8> = (begun..begun + AT_ONCE)
                    .flat_map(|number| {
                        let stream = 2 * number + 1;
                        let mut frames = frame(HEADERS, END_HEADERS, stream, &headers);
                        frames.extend(frame(WINDOW_UPDATE, 0, stream, &0x7FFF_FFFF_u32.to_be_bytes()));
                        frames
                    })
                    .collect();
                if raw.send(&batch).is_err() {
                    break;
                }
            }
        });
    }
}

/// CVE-2024-27316: headers that never end, in frames of which each is allowed.
#[test]
fn headers_that_go_on_and_on_end_their_connection() {
    const SENT_MAX: usize = 64 << 20;
    let mut site = Site::start();
    for port in API_PORTS {
        site.while_it_serves(|site| {
            let mut raw = site.raw(1, port);
            raw.send(&frame(HEADERS, END_STREAM, 1, &public(port))).unwrap();
            let mut block = Vec::new();
            while block.len() < 15 * 1024 {
                literal("x-filler", &"a".repeat(100), &mut block);
            }
            let more = frame(CONTINUATION, 0, 1, &block);
            let mut sent = 0;
            while sent < SENT_MAX && raw.send(&more).is_ok() {
                sent += more.len();
            }
            assert!(sent < SENT_MAX || raw.ends_within(BOUND), "port {port}");
        });
    }
}

/// The same in frames with nothing in them, which no limit of bytes counts.
#[test]
fn empty_continuations_end_their_connection() {
    const FRAMES: u32 = 200_000;
    let mut site = Site::start();
    for port in API_PORTS {
        site.while_it_serves(|site| {
            let mut raw = site.raw(1, port);
            raw.send(&frame(HEADERS, END_STREAM, 1, &public(port))).unwrap();
            let empty: Vec<u8> = (0..AT_ONCE)
                .flat_map(|_| frame(CONTINUATION, 0, 1, &[]))
                .collect();
            let ended = (0..FRAMES / AT_ONCE).any(|_| raw.send(&empty).is_err());
            assert!(ended || raw.ends_within(BOUND), "port {port}");
        });
    }
}

/// Every PING and SETTINGS wants an answer. Whoever reads none is not listened to any longer, and nothing is kept for him.
#[test]
fn questions_of_who_reads_no_answer_are_not_collected() {
    const FRAMES: u32 = 4_000_000;
    let mut site = Site::start();
    for port in API_PORTS {
        for (what, one) in [
            ("PING", frame(PING, 0, 0, &[7; 8])),
            ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ] {
            let sent = site.while_it_serves(|site| {
                let mut raw: Raw = site.raw(1, port);
                raw.within(HELD_UP_AFTER);
                let batch = one.repeat(AT_ONCE as usize);
                (0..FRAMES / AT_ONCE)
                    .take_while(|_| raw.send(&batch).is_ok())
                    .count()
            });
            let sent = sent * AT_ONCE as usize;
            println!("port {port}: {what}: {sent} frames were taken");
            assert!(
                sent < FRAMES as usize,
                "port {port}: {what}: nobody has stopped it"
            );
        }
    }
}

/// A request whose body does not come, and its stream stays open.
fn endless(port: u16) -> Vec<u8> {
    match port {
        GRPC => public(port),
        _ => request("POST", "/hsm/v2/groups"),
    }
}

/// Streams that are begun and never ended: as many as a connection may have, and the next is refused, not kept.
#[test]
fn the_stream_after_the_last_place_is_refused() {
    const BEYOND: u32 = 50;
    let mut site = Site::start();
    for (port, places) in [(GRPC, 256), (HTTPS, 128)] {
        let headers = endless(port);
        let refused = site.while_it_serves(|site| {
            let mut raw = site.raw(1, port);
            for number in 0..places + BEYOND {
                let begin = frame(HEADERS, END_HEADERS, 2 * number + 1, &headers);
                raw.send(&begin).unwrap();
            }
            raw.refused(BEYOND as usize, BOUND)
        });
        let beyond: Vec<u32> = (places..places + BEYOND).map(|number| 2 * number + 1).collect();
        assert_eq!(refused, beyond, "port {port}");
    }
}

/// The same without end, by somebody who reads no refusal: he is not listened to any longer, or his connection ends.
#[test]
fn streams_without_end_take_one_connections_places() {
    let mut site = Site::start();
    for port in API_PORTS {
        let headers = endless(port);
        site.while_it_serves(|site| {
            let mut raw = site.raw(1, port);
            for number in 0..STREAMS / 10 {
                if raw
                    .send(&frame(HEADERS, END_HEADERS, 2 * number + 1, &headers))
                    .is_err()
                {
                    break;
                }
            }
        });
    }
}
