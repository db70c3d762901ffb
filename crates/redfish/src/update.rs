//! Firmware updates by SimpleUpdate, and the tasks that they and other requests become.

use serde_json::{Value, json};

use crate::bmc::{Answer, Bmc};
use crate::{Error, value};

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Not at its end.
    Running,
    /// Done.
    Succeeded,
    /// Ended without being done.
    Failed,
}

/// A task of a BMC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// How far it is.
    pub state: TaskState,
    /// `PercentComplete`, 0 to 100; `None`: it is not said.
    pub percent: Option<u8>,
    /// The latest of its messages; empty: there is none.
    pub message: String,
}

/// Tells the BMC to fetch the image at `image_uri` and install it on `target_uris` (none: on what it is for). The URI of the task or
/// its monitor; empty: the BMC names none.
///
/// # Errors
/// [`Error::Unsupported`] if `target`, the action's URI, is empty, else as [`Bmc::post`].
pub async fn simple_update(
    bmc: &Bmc,
    target: &str,
    image_uri: &str,
    target_uris: &[String],
) -> Result<String, Error> {
    if target.is_empty() {
        return Err(Error::Unsupported(
            "its update service has no action SimpleUpdate".to_owned(),
        ));
    }
    let answer = bmc.post(target, &request(image_uri, target_uris)).await?;
    let own = task_uri(&answer);
    Ok(bmc.core().key(own).unwrap_or_default())
}

fn request(image_uri: &str, target_uris: &[String]) -> Value {
    let mut body = json!({"ImageURI": image_uri});
    if let Some((scheme, _)) = image_uri.split_once("://") {
        body["TransferProtocol"] = json!(scheme.to_ascii_uppercase());
    }
    if !target_uris.is_empty() {
        body["Targets"] = json!(target_uris);
    }
    body
}

/// The monitor that the answer's header names, else the task in its body.
fn task_uri(answer: &Answer) -> &str {
    match answer.location.as_str() {
        "" => value::first_link(&answer.body, &["TaskMonitor", "@odata.id"]),
        location => location,
    }
}

/// How far the task at `uri` is, which is a task or the monitor of one.
///
/// # Errors
/// As [`Bmc::fresh`]. A monitor is gone some time after its task has ended: that is status 404.
pub async fn task(bmc: &Bmc, uri: &str) -> Result<Task, Error> {
    let (status, body) = Box::pin(bmc.core().status_of(uri)).await?;
    Ok(of(status, &body))
}

fn of(status: u16, body: &Value) -> Task {
    let messages = value::list(body, "Messages");
    let said = messages.last().unwrap_or(&Value::Null);
    let percent = value::count(body, "PercentComplete").filter(|percent| *percent <= 100);
    Task {
        state: state(status, body),
        percent: percent.and_then(|percent| u8::try_from(percent).ok()),
        message: value::first_text(said, &["Message", "MessageId"]),
    }
}

/// A task says its state; a monitor answers 202 until it is over, and then as the request itself would have been answered.
fn state(status: u16, body: &Value) -> TaskState {
    let is_bad = value::text(body, "TaskStatus").eq_ignore_ascii_case("Critical");
    match value::text(body, "TaskState").to_ascii_lowercase().as_str() {
        "completed" if is_bad => TaskState::Failed,
        "completed" => TaskState::Succeeded,
        "exception" | "killed" | "cancelled" | "canceled" => TaskState::Failed,
        "" if status != 202 => TaskState::Succeeded,
        _ => TaskState::Running,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_says_its_state_and_a_monitor_shows_it() {
        for (status, body, expected) in [
            (200, json!({"TaskState": "Running"}), TaskState::Running),
            (202, json!({"TaskState": "Starting"}), TaskState::Running),
            (200, json!({"TaskState": "Suspended"}), TaskState::Running),
            (202, json!(null), TaskState::Running),
            (
                200,
                json!({"TaskState": "Completed", "TaskStatus": "OK"}),
                TaskState::Succeeded,
            ),
            (
                200,
                json!({"TaskState": "Completed", "TaskStatus": "Critical"}),
                TaskState::Failed,
            ),
            (200, json!({"TaskState": "Exception"}), TaskState::Failed),
            (200, json!({"TaskState": "Cancelled"}), TaskState::Failed),
            (204, json!(null), TaskState::Succeeded),
            (200, json!({"TaskState": 7}), TaskState::Running),
        ] {
            assert_eq!(of(status, &body).state, expected, "{status} {body}");
        }
    }

    #[test]
    fn percent_and_message_are_kept_where_they_make_sense() {
        let task = of(
            200,
            &json!({"TaskState": "Running", "PercentComplete": 40,
                "Messages": [{"Message": "first"}, {"MessageId": "Update.1.0.Installing"}]}),
        );
        assert_eq!(
            (task.percent, task.message.as_str()),
            (Some(40), "Update.1.0.Installing")
        );
        let odd = of(200, &json!({"PercentComplete": 400, "Messages": "none"}));
        assert_eq!((odd.percent, odd.message.as_str()), (None, ""));
    }

    #[test]
    fn a_request_names_its_protocol_and_only_given_targets() {
        assert_eq!(
            request("http://10.0.0.1/bios.bin", &[]),
            json!({"ImageURI": "http://10.0.0.1/bios.bin", "TransferProtocol": "HTTP"})
        );
        let targets = ["/redfish/v1/UpdateService/FirmwareInventory/BMC".to_owned()];
        assert_eq!(
            request("bios.bin", &targets),
            json!({"ImageURI": "bios.bin", "Targets": targets})
        );
    }

    #[test]
    fn the_header_goes_before_the_body() {
        let answer = |location: &str, body: Value| Answer {
            status: 202,
            location: location.to_owned(),
            body,
        };
        assert_eq!(task_uri(&answer("/m", json!({"@odata.id": "/t"}))), "/m");
        assert_eq!(task_uri(&answer("", json!({"@odata.id": "/t"}))), "/t");
        assert_eq!(
            task_uri(&answer("", json!({"TaskMonitor": "/m", "@odata.id": "/t"}))),
            "/m"
        );
        assert_eq!(task_uri(&answer("", json!(null))), "");
    }
}
