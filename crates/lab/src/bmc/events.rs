//! Server-sent events (Redfish's `ServerSentEventUri`): one for each change of power.

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

use super::answers::Reply;
use super::power::{Power, PowerChange};

/// Events that a client may lag behind before its stream ends.
const BACKLOG_MAX: usize = 64;

/// Answers a GET of the stream's URI.
pub(crate) fn subscribe(streams: &mut Vec<mpsc::Sender<Bytes>>) -> Reply {
    let (sender, receiver) = mpsc::channel(BACKLOG_MAX);
    // the first bytes bring the answer's head on its way
    let begun = sender.try_send(Bytes::from_static(b": events of power\n\n"));
    debug_assert!(begun.is_ok(), "it is empty");
    streams.retain(|stream| !stream.is_closed());
    streams.push(sender);
    Reply::events(receiver)
}

/// Tells all who listen. One that does not keep up is cut off, as BMCs do.
pub(crate) fn tell(streams: &mut Vec<mpsc::Sender<Bytes>>, change: &PowerChange) {
    if streams.is_empty() {
        return;
    }
    let event = event(change);
    streams.retain(|stream| stream.try_send(event.clone()).is_ok());
}

fn event(change: &PowerChange) -> Bytes {
    let (message_id, severity) = match change.state {
        Power::On => ("ResourceEvent.1.3.ResourcePoweredOn", "OK"),
        Power::Off => ("ResourceEvent.1.3.ResourcePoweredOff", "Warning"),
        Power::PoweringOn => ("ResourceEvent.1.3.ResourcePoweringOn", "OK"),
        Power::PoweringOff => ("ResourceEvent.1.3.ResourcePoweringOff", "OK"),
    };
    let text = json!({
        "@odata.type": "#Event.v1_7_0.Event",
        "Id": "1",
        "Name": "Event",
        "Events": [{
            "EventType": "StatusChange",
            "MemberId": "0",
            "MessageId": message_id,
            "Message": format!("the system {} is {}", change.uri, change.state.as_str()),
            "Severity": severity,
            "MessageSeverity": severity,
            "OriginOfCondition": {"@odata.id": change.uri},
        }],
    });
    Bytes::from(format!("id: 1\ndata: {text}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bmc::answers::Content;

    fn change() -> PowerChange {
        PowerChange {
            bmc: 0,
            system: 0,
            uri: "/redfish/v1/Systems/1".to_owned(),
            state: Power::Off,
        }
    }

    #[tokio::test]
    async fn an_event_names_what_and_where() {
        let mut streams = Vec::new();
        let Content::Events(mut events) = subscribe(&mut streams).content else {
            panic!("no stream");
        };
        tell(&mut streams, &change());
        assert!(events.recv().await.unwrap().starts_with(b":"), "a comment");
        let event = String::from_utf8(events.recv().await.unwrap().to_vec()).unwrap();
        assert!(
            event.contains("ResourcePoweredOff") && event.contains("/redfish/v1/Systems/1"),
            "{event}"
        );
        assert!(event.ends_with("\n\n"), "{event}");
    }

    #[test]
    fn whoever_is_gone_or_lags_is_told_no_more() {
        let mut streams = Vec::new();
        drop(subscribe(&mut streams));
        tell(&mut streams, &change());
        assert!(streams.is_empty(), "gone");
        let lagging = subscribe(&mut streams);
        for _ in 0..=BACKLOG_MAX {
            tell(&mut streams, &change());
        }
        assert!(streams.is_empty(), "lagging");
        drop(lagging);
    }
}
