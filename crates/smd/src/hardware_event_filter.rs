//! The filters of HSM's hardware history, and an event as it is shown.

use prost_types::Timestamp;
use proto::smd::v1::HardwareEvent;
use proto::smd::v1::hardware_history_record::{Event, Type};
use tonic::Status;

use crate::ethernet_interface_filter::time;
use crate::filter::OneOf;
use crate::hardware_filter::xnames;

/// Which events are wanted: every key must admit one.
#[derive(Clone, Debug)]
pub(crate) struct HardwareEventFilter {
    place: Option<OneOf<String>>,
    fru_id: Option<OneOf<String>>,
    event_type: OneOf<&'static str>,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
}

impl HardwareEventFilter {
    /// # Errors
    /// `INVALID_ARGUMENT` with HSM's text for a type or a time that is none.
    pub(crate) fn parse(
        event_type: &[String],
        start_time: &str,
        end_time: &str,
    ) -> Result<HardwareEventFilter, Status> {
        Ok(HardwareEventFilter {
            place: None,
            fru_id: None,
            event_type: OneOf::parse(event_type, |text| {
                let named = NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
                named.map(|(_, name)| *name).ok_or_else(|| {
                    let accepted = NAMES.map(|(_, name)| name).join(", ");
                    rpc::invalid("Invalid HWInvHist event type", format!("write one of {accepted}"))
                })
            })?,
            after: time(start_time)?,
            before: time(end_time)?,
        })
    }

    /// The same, for events of these places and units only.
    ///
    /// # Errors
    /// `Invalid xname`.
    pub(crate) fn of(self, places: &[String], fru_ids: &[String]) -> Result<HardwareEventFilter, Status> {
        Ok(HardwareEventFilter {
            place: Some(xnames(places)?),
            fru_id: Some(OneOf::parse(fru_ids, |text| Ok(text.to_owned()))?),
            ..self
        })
    }

    /// Whether an event of `place` is wanted.
    pub(crate) fn admits(&self, place: &String, event: &Event) -> bool {
        let at = timestamp(event.at_ms);
        let key = |time: &Timestamp| (time.seconds, time.nanos);
        self.place.as_ref().is_none_or(|wanted| wanted.admits(place))
            && self
                .fru_id
                .as_ref()
                .is_none_or(|wanted| wanted.admits(&event.fru_id))
            && self.event_type.admits(&name(event.r#type()))
            && self.after.as_ref().is_none_or(|limit| key(&at) > key(limit))
            && self.before.as_ref().is_none_or(|limit| key(&at) < key(limit))
    }
}

/// HSM's names of the events.
const NAMES: [(Type, &str); 4] = [
    (Type::Added, "Added"),
    (Type::Removed, "Removed"),
    (Type::Scanned, "Scanned"),
    (Type::Detected, "Detected"),
];

fn name(event_type: Type) -> &'static str {
    let named = NAMES.iter().find(|(known, _)| *known == event_type);
    named.map_or("", |(_, name)| name)
}

/// An event of `place` as HSM shows it.
pub(crate) fn shown_event(place: &str, event: &Event) -> HardwareEvent {
    HardwareEvent {
        id: place.to_owned(),
        fru_id: event.fru_id.clone(),
        timestamp: timestamp(event.at_ms).to_string(),
        event_type: name(event.r#type()).to_owned(),
        revision: event.revision,
    }
}

fn timestamp(at_ms: u64) -> Timestamp {
    let nanos = i32::try_from(at_ms % 1000).unwrap_or(0) * 1_000_000;
    Timestamp {
        seconds: i64::try_from(at_ms / 1000).unwrap_or(i64::MAX),
        nanos,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "x0c0s0b0n0";
    /// 2026-11-25T07:35:44.123Z.
    const AT_MS: u64 = 1_795_592_144_123;

    fn event() -> Event {
        Event {
            r#type: Type::Detected.into(),
            fru_id: "Node.HPE.1".into(),
            at_ms: AT_MS,
            revision: 7,
        }
    }

    fn admits(event_type: &str, start: &str, end: &str) -> Result<bool, Status> {
        let types: Vec<String> = event_type.split_terminator(',').map(str::to_owned).collect();
        let filter = HardwareEventFilter::parse(&types, start, end)?;
        Ok(filter.admits(&PLACE.to_owned(), &event()))
    }

    #[test]
    fn an_event_is_shown_as_hsm_shows_it() {
        let shown = shown_event(PLACE, &event());
        assert_eq!(shown.timestamp, "2026-11-25T07:35:44.123Z");
        assert_eq!(
            (shown.event_type.as_str(), shown.fru_id.as_str()),
            ("Detected", "Node.HPE.1")
        );
    }

    #[test]
    fn types_and_times_select() {
        for (event_type, start, end, admitted) in [
            ("", "", "", true),
            ("detected", "", "", true),
            ("Added,DETECTED", "", "", true),
            ("Removed", "", "", false),
            ("!Removed", "", "", true),
            ("", "2026-11-25T07:35:44Z", "2026-11-25T08:35:45+01:00", true),
            ("", "2026-11-25T07:35:44.123Z", "", false),
            ("", "", "2026-11-25T07:35:44.123Z", false),
        ] {
            assert_eq!(
                admits(event_type, start, end).unwrap(),
                admitted,
                "{event_type} {start} {end}"
            );
        }
    }

    #[test]
    fn places_and_units_select() {
        let of = |places: &[&str], units: &[&str]| {
            let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            let filter = HardwareEventFilter::parse(&[], "", "").unwrap();
            let filter = filter.of(&texts(places), &texts(units)).unwrap();
            filter.admits(&PLACE.to_owned(), &event())
        };
        assert!(of(&[], &[]) && of(&["X0c0s0b0n0"], &["Node.HPE.1", "b"]));
        assert!(!of(&["x0c0s0b0n1"], &[]) && !of(&[], &["Node"]));
    }

    #[test]
    fn bad_values_are_named_with_what_is_accepted() {
        let error = admits("Lost", "", "").unwrap_err();
        let text = "Invalid HWInvHist event type: write one of Added, Removed, Scanned, Detected";
        assert_eq!(error.message(), text);
        let error = admits("", "yesterday", "").unwrap_err();
        assert!(error.message().contains("RFC3339"), "{error:?}");
    }
}
