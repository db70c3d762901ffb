//! Tasks: SimpleUpdate begins one, and it advances with time.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answers::Reply;
use super::faults::Fault;
use super::overlay::Overlay;

/// Where tasks are, whatever the tree says of its own.
pub(crate) const TASKS: &str = "/redfish/v1/TaskService/Tasks";
/// Where their monitors are.
const MONITORS: &str = "/redfish/v1/TaskService/TaskMonitors";
/// How long a task takes.
const TASK_TIME: Duration = Duration::from_millis(500);

/// The tasks of one BMC; the first has number 1.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Vec<Task>);

#[derive(Debug)]
struct Task {
    begun: Instant,
    takes: Duration,
    fails: bool,
    /// Firmware that it replaces, by URI.
    targets: Vec<String>,
    version: String,
}

impl Tasks {
    /// A task, or its monitor; `None`: there is no such one.
    pub(crate) fn show(&self, uri: &str) -> Option<Reply> {
        let task = |folder: &str| self.numbered(uri.strip_prefix(folder)?.strip_prefix('/')?);
        if let Some((number, task)) = task(TASKS) {
            return Some(Reply::made(StatusCode::OK, &task.shown(number)));
        }
        let (number, task) = task(MONITORS)?;
        let status = if task.is_over() {
            StatusCode::OK
        } else {
            StatusCode::ACCEPTED
        };
        Some(Reply::made(status, &task.shown(number)))
    }

    /// The list of tasks; `None`: there never was one, and what the tree says is true.
    pub(crate) fn list(&self) -> Option<Value> {
        let members: Vec<Value> = (1..=self.0.len())
            .map(|number| json!({"@odata.id": task_uri(number)}))
            .collect();
        (!members.is_empty()).then(|| {
            json!({
                "@odata.id": TASKS,
                "@odata.type": "#TaskCollection.TaskCollection",
                "Name": "Tasks",
                "Members@odata.count": members.len(),
                "Members": members,
            })
        })
    }

    /// The version of the firmware at `uri`, if a task that is over has replaced it.
    pub(crate) fn version_of(&self, uri: &str) -> Option<&str> {
        let mut done = self.0.iter().rev().filter(|task| task.is_over() && !task.fails);
        let task = done.find(|task| task.targets.iter().any(|target| target == uri))?;
        Some(&task.version)
    }

    fn numbered(&self, number: &str) -> Option<(usize, &Task)> {
        let number: usize = number.parse().ok()?;
        Some((number, self.0.get(number.checked_sub(1)?)?))
    }
}

/// Answers a POST to SimpleUpdate.
pub(crate) fn simple_update(overlay: &mut Overlay, uri: &str, body: &Value) -> Reply {
    let Some(image) = body
        .get("ImageURI")
        .and_then(Value::as_str)
        .filter(|image| !image.is_empty())
    else {
        return Reply::error(
            StatusCode::BAD_REQUEST,
            "Base.1.8.ActionParameterMissing",
            "the action SimpleUpdate needs the parameter ImageURI",
        );
    };
    let faults = &overlay.faults;
    let takes = faults.behaviour(uri, |fault| match fault {
        Fault::SlowTasks(time) => Some(*time),
        _ => None,
    });
    let fails = faults.behaviour(uri, |fault| (*fault == Fault::TasksFail).then_some(()));
    let targets = body
        .get("Targets")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let task = Task {
        begun: Instant::now(),
        takes: takes.unwrap_or(TASK_TIME),
        fails: fails.is_some(),
        targets: targets
            .filter_map(Value::as_str)
            .map(super::tree::normal)
            .collect(),
        version: version_of_image(image),
    };
    overlay.tasks.0.push(task);
    let number = overlay.tasks.0.len();
    let shown = overlay.tasks.0[number - 1].shown(number);
    Reply::made(StatusCode::ACCEPTED, &shown).at(&format!("{MONITORS}/{number}"))
}

/// What an image is called is the version that it brings: `…/bios-2.53.bin` is `bios-2.53`.
fn version_of_image(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or_default();
    name.strip_suffix(".bin").unwrap_or(name).to_owned()
}

fn task_uri(number: usize) -> String {
    format!("{TASKS}/{number}")
}

impl Task {
    fn is_over(&self) -> bool {
        self.begun.elapsed() >= self.takes
    }

    fn percent(&self) -> u64 {
        let done = self.begun.elapsed().as_secs_f64() / self.takes.as_secs_f64().max(0.001);
        (done.min(1.0) * 100.0) as u64
    }

    fn shown(&self, number: usize) -> Value {
        let (state, health, message) = match (self.is_over(), self.fails) {
            (false, _) => ("Running", "OK", "the image is being written"),
            (true, false) => ("Completed", "OK", "the image was written"),
            (true, true) => ("Exception", "Critical", "the image's signature is not valid"),
        };
        json!({
            "@odata.id": task_uri(number),
            "@odata.type": "#Task.v1_5_0.Task",
            "Id": number.to_string(),
            "Name": "Firmware update",
            "TaskState": state,
            "TaskStatus": health,
            "PercentComplete": self.percent(),
            "TaskMonitor": format!("{MONITORS}/{number}"),
            "Messages": [{"MessageId": "Update.1.0.UpdateMessage", "Message": message, "Severity": health}],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(age: Duration, fails: bool) -> Task {
        Task {
            begun: Instant::now().checked_sub(age).unwrap(),
            takes: Duration::from_secs(10),
            fails,
            targets: vec!["/f/BIOS".to_owned()],
            version: "2.53".to_owned(),
        }
    }

    #[test]
    fn a_task_advances_with_time() {
        let half = task(Duration::from_secs(5), false).shown(1);
        assert_eq!(
            (&half["TaskState"], half["PercentComplete"].as_u64()),
            (&json!("Running"), Some(50))
        );
        let over = task(Duration::from_secs(60), false).shown(1);
        assert_eq!(
            (&over["TaskState"], over["PercentComplete"].as_u64()),
            (&json!("Completed"), Some(100))
        );
        assert_eq!(
            task(Duration::from_secs(60), true).shown(1)["TaskState"],
            "Exception"
        );
    }

    #[test]
    fn a_monitor_is_accepted_until_its_task_is_over() {
        let tasks = Tasks(vec![
            task(Duration::ZERO, false),
            task(Duration::from_secs(60), false),
        ]);
        let status = |uri: &str| tasks.show(uri).map(|reply| reply.status.as_u16());
        assert_eq!(status("/redfish/v1/TaskService/TaskMonitors/1"), Some(202));
        assert_eq!(status("/redfish/v1/TaskService/TaskMonitors/2"), Some(200));
        assert_eq!(status("/redfish/v1/TaskService/Tasks/1"), Some(200));
        for unknown in ["Tasks/0", "Tasks/3", "Tasks/x", "TaskMonitors/3", "Tasks"] {
            assert_eq!(
                status(&format!("/redfish/v1/TaskService/{unknown}")),
                None,
                "{unknown}"
            );
        }
    }

    #[test]
    fn only_a_task_that_succeeded_brings_its_version() {
        let version = |task| Tasks(vec![task]).version_of("/f/BIOS").map(str::to_owned);
        assert_eq!(
            version(task(Duration::from_secs(60), false)).as_deref(),
            Some("2.53")
        );
        assert_eq!(version(task(Duration::from_secs(60), true)), None);
        assert_eq!(version(task(Duration::ZERO, false)), None);
        assert_eq!(version_of_image("http://10.0.0.1/fw/bios-2.53.bin"), "bios-2.53");
    }
}
