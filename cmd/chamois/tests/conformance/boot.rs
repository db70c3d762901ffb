//! What `ochami bss`, `ochami cloud-init` and `ochami boot` send.

use crate::request::{Request, public, reader, token};

/// Boot parameters, scripts and what BSS says of itself.
pub(crate) const BSS: &[Request] = &[
    token(
        "bss boot params add",
        "POST /boot/v1/bootparameters",
        r#"{"hosts":["x1000c0s0b0n0"],"macs":null,"nids":null,"params":"console=ttyS0","kernel":"http://172.16.0.254/k","initrd":"http://172.16.0.254/i","cloud-init":{"meta-data":null,"user-data":null,"phone-home":{"pub_key_dsa":"","pub_key_rsa":"","pub_key_ecdsa":"","instance_id":"","hostname":"","fqdn":""}}}"#,
        201,
    ),
    token(
        "bss boot params get",
        "GET /boot/v1/bootparameters?mac=02%3A00%3A00%3A00%3A10%3A01&name=x1000c0s0b0n0&nid=1",
        "",
        200,
    ),
    token(
        "bss boot params set",
        "PUT /boot/v1/bootparameters",
        r#"{"hosts":["x1000c0s0b0n0"],"macs":null,"nids":null,"params":"console=ttyS0","kernel":"http://172.16.0.254/k","initrd":"http://172.16.0.254/i","cloud-init":{"meta-data":null,"user-data":null,"phone-home":{"pub_key_dsa":"","pub_key_rsa":"","pub_key_ecdsa":"","instance_id":"","hostname":"","fqdn":""}}}"#,
        200,
    ),
    token(
        "bss boot params update",
        "PATCH /boot/v1/bootparameters",
        r#"{"hosts":["x1000c0s0b0n0"],"params":"console=ttyS1"}"#,
        200,
    ),
    token(
        "bss boot image set",
        "GET /boot/v1/bootparameters?mac=02%3A00%3A00%3A00%3A10%3A01",
        "",
        200,
    )
    .showing(r#""params":"console=ttyS1""#),
    reader(
        "bss boot script get",
        "GET /boot/v1/bootscript?arch=&mac=02%3A00%3A00%3A00%3A10%3A01&retry=0&timestamp=0",
        "",
        200,
    )
    .showing("#!ipxe"),
    token("bss dumpstate", "GET /boot/v1/dumpstate", "", 200).showing(r#"{"Components":["#),
    reader(
        "bss history",
        "GET /boot/v1/endpoint-history?endpoint=&name=",
        "",
        200,
    ),
    reader("bss hosts get", "GET /boot/v1/hosts?name=x1000c0s0b0n0", "", 200),
    public("bss service status", "GET /boot/v1/service/status", "", 200)
        .showing(r#"{"bss-status":"running"}"#),
    public(
        "bss service status --all",
        "GET /boot/v1/service/status/all",
        "",
        200,
    ),
    public("bss service status --smd", "GET /boot/v1/service/hsm", "", 200),
    public(
        "bss service status --storage",
        "GET /boot/v1/service/storage/status",
        "",
        200,
    ),
    public("bss service version", "GET /boot/v1/service/version", "", 200).showing(r#"{"bss-version":""#),
];

/// Defaults, groups and nodes.
pub(crate) const CLOUD_INIT: &[Request] = &[
    token(
        "cloud-init defaults set",
        "POST /cloud-init/admin/cluster-defaults",
        r#"{"cluster-name":"demo","short-name":"nid","nid-length":3,"public-keys":["ssh-ed25519 AAAA x"]}"#,
        201,
    ),
    token(
        "cloud-init defaults get",
        "GET /cloud-init/admin/cluster-defaults",
        "",
        200,
    )
    .showing(r#""cluster-name":"demo""#),
    token(
        "cloud-init group add",
        "POST /cloud-init/admin/groups",
        r##"{"name":"compute","description":"nodes","file":{"content":"#cloud-config\n","encoding":"plain"}}"##,
        201,
    ),
    token(
        "cloud-init group set",
        "PUT /cloud-init/admin/groups/compute",
        r##"{"name":"compute","description":"all","meta-data":{"a":"b"},"file":{"content":"#cloud-config\n","encoding":"plain"}}"##,
        201,
    ),
    token(
        "cloud-init group get raw",
        "GET /cloud-init/admin/groups",
        "",
        200,
    )
    .showing(r#"{"compute":{"#),
    token(
        "cloud-init group get raw NAME",
        "GET /cloud-init/admin/groups/compute",
        "",
        200,
    )
    .showing(r#""description":"all""#),
    token(
        "cloud-init group render",
        "GET /cloud-init/admin/impersonation/x1000c0s0b0n0/compute.yaml",
        "",
        200,
    )
    .showing("#cloud-config"),
    token(
        "cloud-init node get meta-data",
        "GET /cloud-init/admin/impersonation/x1000c0s0b0n0/meta-data",
        "",
        200,
    )
    .showing("local-hostname: nid001"),
    token(
        "cloud-init node get user-data",
        "GET /cloud-init/admin/impersonation/x1000c0s0b0n0/user-data",
        "",
        200,
    ),
    token(
        "cloud-init node get vendor-data",
        "GET /cloud-init/admin/impersonation/x1000c0s0b0n0/vendor-data",
        "",
        200,
    ),
    token(
        "cloud-init node set",
        "PUT /cloud-init/admin/instance-info/x1000c0s0b0n0",
        r#"{"id":"x1000c0s0b0n0","local-hostname":"compute-1"}"#,
        201,
    ),
    public("cloud-init service version", "GET /cloud-init/version", "", 200)
        .showing(r#""process_name":"chamois""#),
    token(
        "cloud-init, by its TLS name",
        "GET /cloud-init-secure/admin/groups/compute",
        "",
        200,
    )
    .showing(r#""description":"all""#),
];

/// OpenCHAMI's boot-service.
pub(crate) const BOOT: &[Request] = &[
    public("boot service status", "GET /boot-service/health", "", 200).showing(r#"{"status":"ok","service":"boot-service"}"#),
    token("boot config add", "POST /boot-service/bootconfigurations", r#"{"metadata":{"name":"compute","uid":"","createdAt":"0001-01-01T00:00:00Z","updatedAt":"0001-01-01T00:00:00Z"},"spec":{"hosts":["x1000c0s0b0n0"],"kernel":"http://172.16.0.254/k","initrd":"http://172.16.0.254/i","params":"quiet"}}"#, 201),
    token("boot config list", "GET /boot-service/bootconfigurations", "", 200).showing(r#"[{"apiVersion":"v1","kind":"BootConfiguration""#),
    token("boot config get", "GET /boot-service/bootconfigurations/compute", "", 200),
    token("boot config set", "PUT /boot-service/bootconfigurations/compute", r#"{"metadata":{"name":"compute"},"spec":{"hosts":["x1000c0s0b0n0"],"kernel":"http://172.16.0.254/k2","priority":10}}"#, 200),
    token("boot config patch", "PATCH /boot-service/bootconfigurations/compute", r#"{"params":"debug"}"#, 200),
    token("boot config delete", "DELETE /boot-service/bootconfigurations/compute", "", 200),
    token("boot node add", "POST /boot-service/nodes", r#"{"metadata":{"name":"n3","uid":"","createdAt":"0001-01-01T00:00:00Z","updatedAt":"0001-01-01T00:00:00Z"},"spec":{"xname":"x1000c0s2b0n0","nid":3,"bootMac":"02:00:00:00:10:03","role":"Compute"}}"#, 201),
    token("boot node list", "GET /boot-service/nodes", "", 200).showing(r#"[{"apiVersion":"v1","kind":"Node""#),
    token("boot node get", "GET /boot-service/nodes/x1000c0s2b0n0", "", 200),
    token("boot node set", "PUT /boot-service/nodes/x1000c0s2b0n0", r#"{"metadata":{"name":"n3"},"spec":{"xname":"x1000c0s2b0n0","nid":3,"role":"Service"}}"#, 200),
    token("boot node patch", "PATCH /boot-service/nodes/x1000c0s2b0n0", r#"{"role":"Compute"}"#, 200),
    token("boot node delete", "DELETE /boot-service/nodes/x1000c0s2b0n0", "", 200).showing(r#"{"message":"Node deleted successfully""#),
    token("boot bmc add", "POST /boot-service/bmcs", r#"{"metadata":{"name":"b2","uid":"","createdAt":"0001-01-01T00:00:00Z","updatedAt":"0001-01-01T00:00:00Z"},"spec":{"xname":"x1000c0s2b0","description":"rack 3","interface":{"mac":"02:00:00:00:10:b2","ip":"172.16.0.30"}}}"#, 201).showing(r#""uid":"x1000c0s2b0""#),
    token("boot bmc list", "GET /boot-service/bmcs", "", 200).showing(r#"[{"apiVersion":"v1","kind":"BMC""#),
    token("boot bmc get", "GET /boot-service/bmcs/x1000c0s2b0", "", 200).showing(r#""description":"rack 3""#),
    token("boot bmc set", "PUT /boot-service/bmcs/x1000c0s2b0", r#"{"metadata":{"name":"b2"},"spec":{"xname":"x1000c0s2b0","interface":{"mac":"02:00:00:00:10:b2","ip":"172.16.0.31"}}}"#, 200).showing(r#""ip":"172.16.0.31""#),
    token("boot bmc patch", "PATCH /boot-service/bmcs/x1000c0s2b0", r#"{"description":"rack 4"}"#, 200).showing(r#""description":"rack 4""#),
    token("boot bmc delete", "DELETE /boot-service/bmcs/x1000c0s2b0", "", 200).showing(r#"{"message":"BMC deleted successfully","uid":"x1000c0s2b0"}"#),
];
