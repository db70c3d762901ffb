//! PCIe devices, and which of them are GPUs that the processors do not name.

use futures::future::join_all;
use serde_json::Value;

use crate::read::chassis::Place;
use crate::read::parts::{self, DEVICE};
use crate::read::reading::{Member, Reading};
use crate::{Part, value};

/// Words in a device's texts for which its functions are worth a look: asking for those of all devices would double the requests.
const HINTS: [&str; 6] = [
    "gpu",
    "nvidia",
    "instinct",
    "accelerator",
    "3d controller",
    "tensor",
];

/// Classes of functions of a GPU.
const CLASSES: [&str; 2] = ["DisplayController", "ProcessingAccelerators"];

/// The devices of a system: its own list, else those of chassis that only it is in. Second, those that are accelerators.
pub(crate) async fn devices(
    reading: &Reading<'_>,
    system: &Value,
    own: &[Place<'_>],
) -> (Vec<Part>, Vec<Part>) {
    let mut members = reading.members(system, "PCIeDevices").await;
    if members.is_empty() {
        let own = own.iter().filter(|place| !place.is_shared);
        let of_each = own.map(|place| {
            let chassis = &*place.member.value;
            let path = value::first_path(chassis, ["PCIeDevices", "Links/PCIeDevices"]);
            reading.members(chassis, path)
        });
        for member in join_all(of_each).await.into_iter().flatten() {
            if members.iter().all(|known| known.uri != member.uri) {
                members.push(member);
            }
        }
    }
    let are_gpus = join_all(members.iter().map(|member| is_gpu(reading, member))).await;
    let parts: Vec<Part> = members.iter().map(|member| parts::part(member, DEVICE)).collect();
    let gpus = parts.iter().zip(are_gpus).filter(|(_, is_gpu)| *is_gpu);
    let gpus = gpus.map(|(part, _)| part.clone()).collect();
    (parts, gpus)
}

/// Accelerators that the processors name, and those of `devices` that are not among them.
pub(crate) fn joined(mut accelerators: Vec<Part>, devices: Vec<Part>) -> Vec<Part> {
    let is_known = |device: &Part| {
        let same_serial = |known: &Part| !known.serial.is_empty() && known.serial == device.serial;
        // processors of that type without usable serial numbers: they are most likely these devices
        accelerators.iter().any(same_serial) || accelerators.iter().any(|known| known.serial.is_empty())
    };
    let more: Vec<Part> = devices.into_iter().filter(|device| !is_known(device)).collect();
    accelerators.extend(more);
    accelerators
}

async fn is_gpu(reading: &Reading<'_>, device: &Member) -> bool {
    if !may_be_gpu(&device.value) {
        return false;
    }
    let path = value::first_path(&device.value, ["PCIeFunctions", "Links/PCIeFunctions"]);
    let functions = reading.members(&device.value, path).await;
    let class = |function: &Member| value::text(&function.value, "DeviceClass");
    functions
        .iter()
        .any(|function| CLASSES.contains(&class(function).as_str()))
}

fn may_be_gpu(device: &Value) -> bool {
    let texts = ["Name", "Model", "Manufacturer", "Description"].map(|key| value::text(device, key));
    let text = texts.join(" ").to_ascii_lowercase();
    HINTS.iter().any(|hint| text.contains(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn part(uri: &str, serial: &str) -> Part {
        Part {
            uri: uri.to_owned(),
            serial: serial.to_owned(),
            ..Part::default()
        }
    }

    fn uris(parts: &[Part]) -> Vec<&str> {
        parts.iter().map(|part| part.uri.as_str()).collect()
    }

    #[test]
    fn a_gpu_that_is_a_processor_and_a_device_is_one() {
        let joined = joined(
            vec![part("/p/1", "A")],
            vec![part("/d/1", "A"), part("/d/2", "B")],
        );
        assert_eq!(uris(&joined), ["/p/1", "/d/2"]);
    }

    #[test]
    fn devices_alone_are_all_there_is() {
        let joined = joined(Vec::new(), vec![part("/d/1", ""), part("/d/2", "")]);
        assert_eq!(uris(&joined), ["/d/1", "/d/2"]);
    }

    #[test]
    fn only_what_may_be_a_gpu_is_looked_at_closer() {
        assert!(may_be_gpu(&json!({"Manufacturer": "NVIDIA Corporation"})));
        assert!(may_be_gpu(&json!({"Name": "AMD INSTINCT MI200"})));
        assert!(!may_be_gpu(&json!({"Name": "Marvell FastLinQ 41000"})));
        assert!(!may_be_gpu(&json!({"Name": 7, "Model": null})));
    }
}
