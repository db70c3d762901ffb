//! What a BMC's tree says, as far as it says it: every text may be empty, every number absent, and nothing here is believed
//! further than that a BMC wrote it.

use serde_json::Value;

use crate::Error;

/// One BMC, read whole. Lists are in the order in which the BMC's collections name their members.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// Its service root.
    pub root: ServiceRoot,
    /// Its computer systems, each once: a system that is there twice under one UUID or one URI is one.
    pub systems: Vec<System>,
    /// Its managers.
    pub managers: Vec<Manager>,
    /// Its chassis.
    pub chassis: Vec<Chassis>,
    /// `UpdateService/FirmwareInventory`.
    pub firmware: Vec<FirmwareItem>,
    /// URI of SimpleUpdate; empty: there is none.
    pub simple_update: String,
    /// URI of the event stream (SSE); empty: there is none.
    pub event_stream: String,
    /// Resources that could not be read, and what is missing because of it. Not empty: the inventory is partial.
    pub problems: Vec<Problem>,
    /// Resources that were read.
    pub resources: usize,
}

/// A resource that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its URI.
    pub uri: String,
    /// Why.
    pub problem: String,
}

impl Problem {
    /// That `uri` could not be read because of `error`.
    #[must_use]
    pub fn new(uri: &str, error: &Error) -> Problem {
        Problem {
            uri: uri.to_owned(),
            problem: error.to_string(),
        }
    }
}

/// `/redfish/v1/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceRoot {
    /// `RedfishVersion`.
    pub redfish_version: String,
    /// `UUID`.
    pub uuid: String,
    /// `Vendor`, or what the OEM object is called.
    pub vendor: String,
    /// `Product`.
    pub product: String,
    /// Whether `$expand` with levels is offered (`ProtocolFeaturesSupported.ExpandQuery`).
    pub expands: bool,
}

/// A ComputerSystem.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct System {
    /// `@odata.id`.
    pub uri: String,
    /// `Id`.
    pub id: String,
    /// `Name`.
    pub name: String,
    /// `UUID`.
    pub uuid: String,
    /// `SystemType`, e.g. `Physical`.
    pub system_type: String,
    /// `Manufacturer`.
    pub manufacturer: String,
    /// `Model`.
    pub model: String,
    /// `SerialNumber`.
    pub serial: String,
    /// `PartNumber`.
    pub part_number: String,
    /// `SKU`.
    pub sku: String,
    /// `AssetTag`.
    pub asset_tag: String,
    /// `HostName`.
    pub host_name: String,
    /// `BiosVersion`.
    pub bios_version: String,
    /// `PowerState`, e.g. `On`.
    pub power_state: String,
    /// `PowerMode`.
    pub power_mode: String,
    /// `PowerRestorePolicy`.
    pub power_restore_policy: String,
    /// `Status.Health`, e.g. `OK`.
    pub health: String,
    /// `ProcessorSummary.Count`.
    pub processor_count: Option<u64>,
    /// `ProcessorSummary.Model`.
    pub processor_model: String,
    /// `MemorySummary.TotalSystemMemoryGiB`.
    pub memory_gib: Option<f64>,
    /// URI of `#ComputerSystem.Reset`; empty: it cannot be reset.
    pub reset_target: String,
    /// Allowed values of its `ResetType`, from the action or its ActionInfo.
    pub reset_types: Vec<String>,
    /// `TrustedModules`, as `<InterfaceType> <FirmwareVersion>`.
    pub trusted_modules: Vec<String>,
    /// `Links.Chassis`.
    pub chassis: Vec<String>,
    /// `Links.ManagedBy`.
    pub managed_by: Vec<String>,
    /// URIs of `PowerControl` of its chassis.
    pub power_controls: Vec<String>,
    /// `SerialConsole`.
    pub console: SerialConsole,
    /// `EthernetInterfaces`.
    pub interfaces: Vec<Nic>,
    /// `NetworkInterfaces`, with their adapters.
    pub network_interfaces: Vec<NetworkInterface>,
    /// `Processors` that are no accelerators.
    pub processors: Vec<Part>,
    /// `Memory`: places without a module are there, too, as absent parts.
    pub memory: Vec<Part>,
    /// `Storage` (or `SimpleStorage`): the drives of each controller; [`Part::group`] says of which.
    pub drives: Vec<Part>,
    /// GPUs: `Processors` of that type, and `PCIeDevices` of GPU functions that are not among these.
    pub accelerators: Vec<Part>,
    /// `PCIeDevices`.
    pub pcie_devices: Vec<Part>,
    /// `SecureBoot`: `Some(true)` enabled, `None`: it is not said.
    pub secure_boot: Option<bool>,
    /// `Bios` attributes, sorted by name.
    pub bios: Vec<(String, String)>,
}

/// A Manager.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manager {
    /// `@odata.id`.
    pub uri: String,
    /// `Id`.
    pub id: String,
    /// `Name`.
    pub name: String,
    /// `Description`.
    pub description: String,
    /// `UUID`.
    pub uuid: String,
    /// `ManagerType`, e.g. `BMC`.
    pub manager_type: String,
    /// `Model`.
    pub model: String,
    /// `Manufacturer`.
    pub manufacturer: String,
    /// `SerialNumber`.
    pub serial: String,
    /// `PartNumber`.
    pub part_number: String,
    /// `FirmwareVersion`.
    pub firmware_version: String,
    /// `Status.Health`.
    pub health: String,
    /// `DateTime`, as it is written.
    pub date_time: String,
    /// Allowed values of its own reset.
    pub reset_types: Vec<String>,
    /// `EthernetInterfaces`.
    pub interfaces: Vec<Nic>,
    /// `CommandShell.ConnectTypesSupported`, if it is enabled.
    pub command_shell: Vec<String>,
    /// `SerialConsole.ConnectTypesSupported`, if it is enabled.
    pub serial_console: Vec<String>,
    /// Port of `NetworkProtocol.SSH`, if it is enabled.
    pub ssh_port: Option<u16>,
}

/// A Chassis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chassis {
    /// `@odata.id`.
    pub uri: String,
    /// `Id`.
    pub id: String,
    /// `Name`.
    pub name: String,
    /// `ChassisType`.
    pub chassis_type: String,
    /// `Manufacturer`.
    pub manufacturer: String,
    /// `Model`.
    pub model: String,
    /// `SerialNumber`.
    pub serial: String,
    /// `PartNumber`.
    pub part_number: String,
    /// `SKU`.
    pub sku: String,
    /// `AssetTag`.
    pub asset_tag: String,
    /// `Status.Health`.
    pub health: String,
    /// `Links.ComputerSystems`.
    pub systems: Vec<String>,
    /// `@odata.id` of each `Power.PowerControl`.
    pub power_controls: Vec<String>,
    /// `Power.PowerSupplies`, or `PowerSubsystem/PowerSupplies`.
    pub power_supplies: Vec<Part>,
}

/// An EthernetInterface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nic {
    /// `@odata.id`.
    pub uri: String,
    /// `Id`.
    pub id: String,
    /// `Name`.
    pub name: String,
    /// `Description`.
    pub description: String,
    /// `MACAddress`, else `PermanentMACAddress`; as it is written, empty if it is none.
    pub mac: String,
    /// First of `IPv4Addresses` (else `IPv4StaticAddresses`) that is an address and not 0.0.0.0.
    pub ipv4: String,
    /// `IPv6Addresses` that are neither link-local nor `::`.
    pub ipv6: Vec<String>,
    /// `InterfaceEnabled`; true where it is not said.
    pub enabled: bool,
}

/// A NetworkInterface with its adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkInterface {
    /// `@odata.id`.
    pub uri: String,
    /// `Name`.
    pub name: String,
    /// `Description`.
    pub description: String,
    /// `@odata.id` of the adapter; empty: it names none.
    pub adapter_uri: String,
    /// Its `Name`.
    pub adapter_name: String,
    /// Its `Description`.
    pub adapter_description: String,
    /// Its `Manufacturer`.
    pub adapter_manufacturer: String,
    /// Its `Model`.
    pub adapter_model: String,
    /// Its `SerialNumber`.
    pub adapter_serial: String,
    /// Its `PartNumber`.
    pub adapter_part_number: String,
}

/// A replaceable part: a processor, a memory module, a drive, an accelerator, a power supply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// `@odata.id`.
    pub uri: String,
    /// `Id` or `MemberId`.
    pub id: String,
    /// `Name`.
    pub name: String,
    /// `Location` or `DeviceLocator`, as one text.
    pub location: String,
    /// `Manufacturer`.
    pub manufacturer: String,
    /// `Model`.
    pub model: String,
    /// `PartNumber`.
    pub part_number: String,
    /// `SerialNumber`.
    pub serial: String,
    /// `Status.State` is `Absent`: the place is empty.
    pub is_absent: bool,
    /// `Status.Health`.
    pub health: String,
    /// Of a drive: place of its controller, from 0.
    pub group: u32,
    /// What else is kept of it, with Redfish's keys; an object, of at most 4 KiB as text.
    pub details: Value,
}

/// One of `UpdateService/FirmwareInventory`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirmwareItem {
    /// `@odata.id`.
    pub uri: String,
    /// `Id`.
    pub id: String,
    /// `Name`.
    pub name: String,
    /// `Version`.
    pub version: String,
    /// `Updateable`.
    pub updateable: bool,
}

/// A system's `SerialConsole`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SerialConsole {
    /// Over SSH.
    pub ssh: ConsolePort,
    /// Over telnet.
    pub telnet: ConsolePort,
    /// Over IPMI.
    pub ipmi: ConsolePort,
}

/// One way to a console.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsolePort {
    /// `ServiceEnabled`.
    pub enabled: bool,
    /// `Port`; `None`: it is not said.
    pub port: Option<u16>,
    /// `ConsoleEntryCommand`, `SharedWithManagerCLI`.
    pub entry_command: String,
}
