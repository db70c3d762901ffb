//! Sessions, accounts, updates, tasks, events.

use serde_json::json;

use super::{Made, Plan, link};

pub(super) fn add(made: &mut Made, plan: &Plan) {
    sessions_and_accounts(made);
    updates(made, plan);
    made.put(
        "/redfish/v1/TaskService",
        "TaskService.v1_2_0",
        "Task service",
        json!({"ServiceEnabled": true, "Tasks": link("/redfish/v1/TaskService/Tasks")}),
    );
    made.collection("/redfish/v1/TaskService/Tasks", "Task", []);
    made.put(
        "/redfish/v1/EventService",
        "EventService.v1_7_0",
        "Event service",
        json!({"ServiceEnabled": true, "ServerSentEventUri": "/redfish/v1/EventService/SSE"}),
    );
}

fn sessions_and_accounts(made: &mut Made) {
    made.put(
        "/redfish/v1/SessionService",
        "SessionService.v1_1_8",
        "Session service",
        json!({"ServiceEnabled": true, "SessionTimeout": 600, "Sessions": link("/redfish/v1/SessionService/Sessions")}),
    );
    made.collection("/redfish/v1/SessionService/Sessions", "Session", []);
    let accounts = "/redfish/v1/AccountService/Accounts";
    made.put(
        "/redfish/v1/AccountService",
        "AccountService.v1_9_0",
        "Account service",
        json!({
            "ServiceEnabled": true,
            "MinPasswordLength": 4,
            "MaxPasswordLength": 64,
            "Accounts": link(accounts),
            "Roles": link("/redfish/v1/AccountService/Roles"),
        }),
    );
    made.listed(accounts, "ManagerAccount.v1_8_0", &["1".to_owned()], |_| {
        let account = json!({
            "UserName": "admin",
            "Password": null,
            "RoleId": "Administrator",
            "Enabled": true,
            "Links": {"Role": link("/redfish/v1/AccountService/Roles/Administrator")},
        });
        ("User account".to_owned(), account)
    });
    let roles = ["Administrator".to_owned()];
    made.listed("/redfish/v1/AccountService/Roles", "Role.v1_3_0", &roles, |_| {
        let privileges = [
            "Login",
            "ConfigureManager",
            "ConfigureUsers",
            "ConfigureComponents",
            "ConfigureSelf",
        ];
        (
            "User role".to_owned(),
            json!({"IsPredefined": true, "AssignedPrivileges": privileges}),
        )
    });
}

fn updates(made: &mut Made, plan: &Plan) {
    let firmware = "/redfish/v1/UpdateService/FirmwareInventory";
    made.put(
        "/redfish/v1/UpdateService",
        "UpdateService.v1_8_0",
        "Update service",
        json!({
            "ServiceEnabled": true,
            "FirmwareInventory": link(firmware),
            "Actions": {"#UpdateService.SimpleUpdate": {
                "target": "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate",
                "TransferProtocol@Redfish.AllowableValues": ["HTTP", "HTTPS"],
            }},
        }),
    );
    let bios = plan.systems.iter().map(|(id, _)| format!("BIOS_{id}"));
    let ids: Vec<String> = std::iter::once("BMC".to_owned()).chain(bios).collect();
    made.listed(firmware, "SoftwareInventory.v1_4_0", &ids, |place| {
        let (name, version) = match place {
            0 => ("BMC firmware", super::manager::VERSION),
            _ => ("System BIOS", super::system::BIOS_VERSION),
        };
        let item = json!({
            "Version": version,
            "Updateable": true,
            "SoftwareId": format!("{}-{place}", plan.model),
            "Status": super::healthy(),
        });
        (name.to_owned(), item)
    });
}
