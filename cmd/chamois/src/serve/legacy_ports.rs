//! The ports that today's SMD, BSS and cloud-init server have each for itself, where the configuration asks for them: plain HTTP, for
//! what talks to a service past haproxy.

use std::net::SocketAddr;

use gateway::{DirectPort, Gateway};
use tokio::sync::watch;

use super::ServeError;
use super::api_port::{self, ApiPort};
use super::config::{ApiConfig, Config};
use super::counters::{Counters, Server};
use super::drain::{Drain, Stop};
use super::tasks::Tasks;

/// One of them, as the configuration may name it.
struct Legacy {
    key: &'static str,
    listen: fn(&ApiConfig) -> Option<SocketAddr>,
    port: DirectPort,
}

/// Source: the services' own defaults and haproxy.cfg of OpenCHAMI's release repository. cloud-init's server has its routes at the root;
/// the recipes' haproxy asks it with its prefix all the same.
static ALL: [Legacy; 3] = [
    Legacy {
        key: "api.legacy-smd-listen",
        listen: |api| api.legacy_smd_listen,
        port: DirectPort {
            name: "smd",
            prefix: "/hsm/v2",
            is_at_root: false,
        },
    },
    Legacy {
        key: "api.legacy-bss-listen",
        listen: |api| api.legacy_bss_listen,
        port: DirectPort {
            name: "bss",
            prefix: "/boot/v1",
            is_at_root: false,
        },
    },
    Legacy {
        key: "api.legacy-cloud-init-listen",
        listen: |api| api.legacy_cloud_init_listen,
        port: DirectPort {
            name: "cloud-init",
            prefix: "/cloud-init",
            is_at_root: true,
        },
    },
];

/// Keys and addresses of those that are asked for.
pub(super) fn listens(api: &ApiConfig) -> impl Iterator<Item = (&'static str, SocketAddr)> + '_ {
    ALL.iter()
        .filter_map(move |legacy| Some((legacy.key, (legacy.listen)(api)?)))
}

/// What the gateway is to serve on them.
pub(super) fn wanted(api: &ApiConfig) -> Vec<DirectPort> {
    let asked_for = ALL.iter().filter(|legacy| (legacy.listen)(api).is_some());
    asked_for.map(|legacy| legacy.port.clone()).collect()
}

/// All that are asked for, bound but not served yet.
pub(super) struct LegacyPorts(Vec<(&'static str, Vec<ApiPort>)>);

impl LegacyPorts {
    /// Binds them.
    pub(super) async fn bind(config: &Config) -> Result<Self, ServeError> {
        let mut ports = Vec::new();
        for legacy in &ALL {
            if let Some(address) = (legacy.listen)(&config.api) {
                let listeners = api_port::listen_at(legacy.key, address, config).await?;
                ports.push((legacy.port.name, listeners));
            }
        }
        Ok(Self(ports))
    }

    /// Serves them until the drain; clones of `running` are dropped with the last request of each.
    pub(super) fn serve(
        self,
        gateway: &Gateway,
        counters: &Counters,
        drain: &Drain,
        running: &watch::Receiver<()>,
        tasks: &mut Tasks,
    ) {
        for (name, listeners) in self.0 {
            let mut servers = gateway.direct_ports().iter();
            let Some(server) = servers.find(|server| server.name() == name).cloned() else {
                continue;
            };
            let counted = server.clone();
            counters.add(Server::Gateway, name, move || counted.counters().all());
            for port in listeners {
                let (server, running, stop) = (server.clone(), running.clone(), drain.finishing());
                let serve = move |listener, stop: Stop| {
                    let server = server.clone();
                    async move { server.serve(listener, stop.reached()).await }
                };
                tasks.spawn("a service's own port", async move {
                    port.serve(&stop, serve).await;
                    drop(running);
                    Ok(())
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(more: &str) -> ApiConfig {
        let text = format!("grpc-listen = \"127.0.0.1:1\"\nhttps-listen = \"127.0.0.1:2\"\n{more}");
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn none_is_there_unless_it_is_asked_for() {
        assert!(wanted(&api("")).is_empty());
        assert_eq!(listens(&api("")).count(), 0);
        let api = api("legacy-bss-listen = \"127.0.0.1:27778\"\n");
        let names: Vec<&str> = wanted(&api).iter().map(|port| port.name).collect();
        assert_eq!(names, ["bss"]);
        let listens: Vec<_> = listens(&api).collect();
        let address: SocketAddr = "127.0.0.1:27778".parse().unwrap();
        assert_eq!(listens, [("api.legacy-bss-listen", address)]);
    }
}
