//! The only generated code of Chamois: messages and gRPC stubs of `chamois/**/*.proto`, and the descriptor
//! that gateway, authorizer and reflection read.
#![allow(missing_docs, unreachable_pub, clippy::all)]

/// Encoded `FileDescriptorSet` of every file, options included, comments left out: what a member works with.
pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

/// The same with the comments and their places, for what explains the API to people: three times as large, so nothing
/// that a member keeps is made of it.
pub const DOCUMENTED_DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/documented.bin"));

macro_rules! package {
    ($name:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $name, ".rs"));
    };
}

pub mod google {
    pub mod api {
        package!("google.api");
    }
}

pub mod chamois {
    pub mod http {
        pub mod v1 {
            package!("chamois.http.v1");
        }
    }
    pub mod audit {
        pub mod v1 {
            package!("chamois.audit.v1");
        }
    }
    pub mod auth {
        pub mod v1 {
            package!("chamois.auth.v1");
        }
    }
    pub mod smd {
        pub mod v1 {
            package!("chamois.smd.v1");
        }
    }
    pub mod boot_file {
        pub mod v1 {
            package!("chamois.boot_file.v1");
        }
    }
    pub mod bss {
        pub mod v1 {
            package!("chamois.bss.v1");
        }
    }
    pub mod cloud_init {
        pub mod v1 {
            package!("chamois.cloud_init.v1");
        }
    }
    pub mod configurator {
        pub mod v1 {
            package!("chamois.configurator.v1");
        }
    }
    pub mod console {
        pub mod v1 {
            package!("chamois.console.v1");
        }
    }
    pub mod dhcp {
        pub mod v1 {
            package!("chamois.dhcp.v1");
        }
    }
    pub mod discovery {
        pub mod v1 {
            package!("chamois.discovery.v1");
        }
    }
    pub mod firmware {
        pub mod v1 {
            package!("chamois.firmware.v1");
        }
    }
    pub mod job {
        pub mod v1 {
            package!("chamois.job.v1");
        }
    }
    pub mod power {
        pub mod v1 {
            package!("chamois.power.v1");
        }
    }
    pub mod cluster {
        pub mod v1 {
            package!("chamois.cluster.v1");
        }
    }
    pub mod raft {
        pub mod v1 {
            package!("chamois.raft.v1");
        }
    }
    pub mod watch {
        pub mod v1 {
            package!("chamois.watch.v1");
        }
    }
}

mod redacted;

pub use chamois::{
    audit, auth, boot_file, bss, cloud_init, cluster, configurator, console, dhcp, discovery, firmware, http,
    job, power, raft, smd, watch,
};
