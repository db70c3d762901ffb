use super::*;

const MAC: Mac = [2, 0, 0, 0, 0, 9];
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 1);
const X: Ipv4Addr = Ipv4Addr::new(10, 97, 200, 1);

fn client() -> Client {
    Client::new(MAC, vec![], 0, Dice::new(1))
}

fn answer(kind: Kind, to: &Client) -> Answer {
    Answer {
        kind,
        xid: to.xid,
        mac: MAC,
        address: X,
        server: Some(SERVER),
        lease_s: Some(20),
    }
}

fn last(step: &Step) -> &Message {
    &step.sent.last().unwrap().message
}

/// At 2 s it has X for 20 s.
fn bound() -> Client {
    let mut client = client();
    client.wake(1000);
    client.hear(&answer(Kind::Offer, &client), 1500);
    client.hear(&answer(Kind::Ack, &client), 2000);
    client
}

fn with_plan(plan: Plan) -> Client {
    let mut client = bound();
    client.phase = Phase::Bound(plan);
    client
}

#[test]
fn an_address_is_asked_for_and_noted() {
    let mut client = client();
    assert_eq!(last(&client.wake(1000)).kind, Kind::Discover);
    let step = client.hear(&answer(Kind::Offer, &client), 1500);
    let request = last(&step);
    assert_eq!(
        (request.kind, request.requested, request.server),
        (Kind::Request, Some(X), Some(SERVER))
    );
    let step = client.hear(&answer(Kind::Ack, &client), 2000);
    let (until_ms, how) = (22_000, How::Selecting);
    assert_eq!(
        step.events,
        [Event::Acked {
            address: X,
            until_ms,
            how
        }]
    );
    assert!(client.has(X, 21_999) && !client.has(X, 22_000));
    let again = client.hear(&answer(Kind::Ack, &client), 3000);
    assert_eq!(again, Step::default(), "a second answer changes nothing");
}

/// Else a late answer to another would be an address that nobody was given.
#[test]
fn what_is_for_others_is_not_heard() {
    let mut client = client();
    client.wake(1000);
    let late = Answer {
        xid: client.xid.wrapping_add(1),
        ..answer(Kind::Offer, &client)
    };
    assert_eq!(client.hear(&late, 1500), Step::default());
    let unasked = answer(Kind::Ack, &client);
    assert_eq!(
        client.hear(&unasked, 1500),
        Step::default(),
        "nothing was requested"
    );
}

#[test]
fn it_repeats_with_the_same_xid_and_gives_up() {
    let mut client = client();
    let xid = last(&client.wake(1000)).xid;
    for _ in 1..DISCOVERS_MAX {
        let at = client.wakes_at_ms();
        assert_eq!(last(&client.wake(at)).xid, xid);
    }
    let at = client.wakes_at_ms();
    assert_eq!(client.wake(at).sent, []);
    let at = client.wakes_at_ms();
    assert_ne!(last(&client.wake(at)).xid, xid, "a new try");
}

#[test]
fn a_refused_client_stops() {
    let mut client = with_plan(Plan::PowerCycle);
    let reboot = client.wake(3000);
    let (message, unicast) = (last(&reboot), reboot.sent[0].unicast);
    assert_eq!(
        (message.requested, message.server, message.own, unicast),
        (Some(X), None, None, false)
    );
    let step = client.hear(&answer(Kind::Nak, &client), 4000);
    let why = Why::Refused;
    assert_eq!(step.events, [Event::Stopped { address: X, why }]);
    assert!(!client.has(X, 4000));
}

#[test]
fn it_renews_by_unicast_then_by_broadcast_and_no_longer_than_the_lease() {
    let mut client = with_plan(Plan::Renew);
    let renewal = client.wake(12_000);
    assert_eq!((last(&renewal).own, renewal.sent[0].unicast), (Some(X), true));
    let rebinding = client.wake(19_500);
    assert_eq!(
        (last(&rebinding).own, rebinding.sent[0].unicast),
        (Some(X), false)
    );
    assert_eq!(last(&client.wake(22_000)).kind, Kind::Discover);
    let mut client = with_plan(Plan::Renew);
    client.wake(12_000);
    let step = client.hear(&answer(Kind::Ack, &client), 12_100);
    let (until_ms, how) = (32_100, How::Renewing);
    assert_eq!(
        step.events,
        [Event::Acked {
            address: X,
            until_ms,
            how
        }]
    );
}

#[test]
fn it_says_when_it_gives_an_address_back() {
    for (plan, kind, why) in [
        (Plan::Release, Kind::Release, Why::Released),
        (Plan::Decline, Kind::Decline, Why::Declined),
    ] {
        let mut client = with_plan(plan);
        client.declines_left = 1;
        let step = client.wake(3000);
        assert_eq!(step.events, [Event::Stopped { address: X, why }]);
        assert_eq!(last(&step).kind, kind);
    }
}

/// It has the address still: the judge counts it to the end of the lease.
#[test]
fn who_vanishes_says_nothing() {
    let step = with_plan(Plan::Vanish).wake(3000);
    assert_eq!(step, Step::default());
}
