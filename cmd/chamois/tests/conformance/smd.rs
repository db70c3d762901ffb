//! What `ochami smd` and `ochami discover static` send, in the order in which each can succeed.

use crate::request::{Request, public, reader, token};

/// Inventory: components, BMCs, interfaces, groups.
pub(crate) const SMD: &[Request] = &[
    token("smd component add", "POST /hsm/v2/State/Components", r#"{"Components":[{"ID":"x1000c0s0b0n0","Type":"","State":"Ready","Enabled":true,"Role":"Compute","Arch":"X86"}]}"#, 204),
    token("discover static", "PATCH /hsm/v2/State/Components/BulkNID", r#"{"Components":[{"ID":"x1000c0s0b0n0","NID":1}]}"#, 204),
    token("discover static --overwrite", "PUT /hsm/v2/State/Components/x1000c0s0b0n0", r#"{"Component":{"ID":"x1000c0s0b0n0","Type":"Node","State":"On","Enabled":true,"Role":"Compute","NID":1,"Arch":"X86"},"Force":true}"#, 204),
    reader("smd component get", "GET /hsm/v2/State/Components", "", 200).showing(r#"{"Components":[{"ID":"x1000c0s0b0n0""#),
    token("smd component get -x", "GET /hsm/v2/State/Components/x1000c0s0b0n0", "", 200),
    token("smd component get -n", "GET /hsm/v2/State/Components/ByNID/1", "", 200).showing(r#""NID":1"#),
    token("smd rfe add", "POST /hsm/v2/Inventory/RedfishEndpoints", r#"{"ID":"x1000c0s0b0","Name":"bmc","UUID":"00000000-0000-0000-0000-000000000000","MACAddr":"02:00:00:00:10:b0","IPAddress":"172.16.0.10","DiscoveryInfo":{"LastAttempt":"0001-01-01T00:00:00Z"}}"#, 201).showing(r#"[{"URI":"/hsm/v2/Inventory/RedfishEndpoints/"#),
    token("discover static", "POST /hsm/v2/Inventory/RedfishEndpoints", r#"{"ID":"x1000c0s1b0","Type":"NodeBMC","Name":"bmc1","FQDN":"","UUID":"","MACAddr":"02:00:00:00:10:b1","IPAddress":"172.16.0.20","SchemaVersion":1,"Systems":[{"uri":"/redfish/v1/Systems/x1000c0s1b0n0","name":"nid2","ethernet_interfaces":[{"uri":"","mac":"02:00:00:00:10:02","ip":"172.16.0.12","name":"eth0"}]}],"Managers":[{"uri":"/redfish/v1/Managers/x1000c0s1b0","name":"bmc1","type":"BMC","ethernet_interfaces":[]}]}"#, 201).showing(r#"[{"URI":"/hsm/v2/Inventory/RedfishEndpoints/"#),
    token("smd rfe get", "GET /hsm/v2/Inventory/RedfishEndpoints?id=x1000c0s0b0&macaddr=02%3A00%3A00%3A00%3A10%3Ab0", "", 200),
    token("smd compep get", "GET /hsm/v2/Inventory/ComponentEndpoints", "", 200).showing(r#"{"ComponentEndpoints":["#),
    token("smd iface add", "POST /hsm/v2/Inventory/EthernetInterfaces", r#"{"ID":"","ComponentID":"x1000c0s0b0n0","Type":"","Description":"eth0","MACAddress":"02:00:00:00:10:01","IPAddresses":[{"IPAddress":"172.16.0.11","Network":""}]}"#, 201).showing(r#"{"URI":"/hsm/v2/Inventory/EthernetInterfaces/020000001001"}"#),
    reader("smd iface get", "GET /hsm/v2/Inventory/EthernetInterfaces?ComponentID=x1000c0s0b0n0&MACAddress=02%3A00%3A00%3A00%3A10%3A01", "", 200),
    token("smd iface get ID", "GET /hsm/v2/Inventory/EthernetInterfaces/020000001001", "", 200),
    token("smd group add", "POST /hsm/v2/groups", r#"{"label":"compute","description":"nodes","tags":["a"],"exclusiveGroup":"","members":{"ids":["x1000c0s0b0n0"]}}"#, 201),
    token("smd group get", "GET /hsm/v2/groups?group=compute&tag=a", "", 200).showing(r#"[{"label":"compute""#),
    token("smd group update", "PATCH /hsm/v2/groups/compute", r#"{"label":"compute","description":"all nodes"}"#, 204),
    token("smd group member add", "POST /hsm/v2/groups/compute/members", r#"{"id":"x1000c0s1b0n0"}"#, 201),
    token("smd group member get", "GET /hsm/v2/groups/compute/members", "", 200).showing(r#"{"ids":["x1000c0s0b0n0","x1000c0s1b0n0"]}"#),
    token("smd group member set", "PUT /hsm/v2/groups/compute/members", r#"{"group":"compute","ids":["x1000c0s0b0n0"]}"#, 201),
    token("smd group membership", "GET /hsm/v2/memberships", "", 200).showing(r#""groupLabels":["compute"]"#),
    public("smd service status", "GET /hsm/v2/service/ready", "", 200).showing(r#"{"code":0,"#),
    public("smd service status --all", "GET /hsm/v2/service/values", "", 200).showing(r#""Arch":["X86""#),
];

/// What was made is taken away again, each thing by itself and then all.
pub(crate) const DELETES: &[Request] = &[
    token(
        "cloud-init group delete",
        "DELETE /cloud-init/admin/groups/compute",
        "",
        200,
    ),
    token(
        "bss boot params delete",
        "DELETE /boot/v1/bootparameters",
        r#"{"hosts":["x1000c0s0b0n0"]}"#,
        200,
    ),
    token(
        "smd group member delete",
        "DELETE /hsm/v2/groups/compute/members/x1000c0s0b0n0",
        "",
        200,
    ),
    token("smd group delete", "DELETE /hsm/v2/groups/compute", "", 200),
    token(
        "smd iface delete",
        "DELETE /hsm/v2/Inventory/EthernetInterfaces/020000001001",
        "",
        200,
    ),
    token(
        "smd iface delete --all",
        "DELETE /hsm/v2/Inventory/EthernetInterfaces",
        "",
        200,
    ),
    token(
        "smd compep delete --all",
        "DELETE /hsm/v2/Inventory/ComponentEndpoints",
        "",
        200,
    ),
    token(
        "smd rfe delete",
        "DELETE /hsm/v2/Inventory/RedfishEndpoints/x1000c0s0b0",
        "",
        200,
    ),
    token(
        "smd rfe delete --all",
        "DELETE /hsm/v2/Inventory/RedfishEndpoints",
        "",
        200,
    ),
    token(
        "smd component delete",
        "DELETE /hsm/v2/State/Components/x1000c0s0b0n0",
        "",
        200,
    ),
    token(
        "smd component delete --all",
        "DELETE /hsm/v2/State/Components",
        "",
        200,
    )
    .showing(r#"{"code":0,"message":"deleted "#),
];
