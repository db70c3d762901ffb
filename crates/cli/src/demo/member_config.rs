//! The configuration file of one demo member, in the form that an administrator would write.

use super::layout::{ADVERT_PORT, DHCP_PORT, GRPC_PORT, HTTP_PORT, HTTPS_PORT, Layout, PEER_PORT, TFTP_PORT};

/// Name of the demo's cluster.
pub(crate) const CLUSTER: &str = "demo";

/// The text of `chamois.toml` of member `id` out of `members`.
pub(crate) fn render(layout: &Layout, id: u64, members: u64, identity_dir: &std::path::Path) -> String {
    let dir = layout.member_dir(id);
    let peers: Vec<String> = (1..=members)
        .map(|peer| format!("{peer} = \"{}\"", layout.member(peer)))
        .collect();
    let own = layout.member(id);
    let (mode, service) = match layout.moving() {
        Some(service) => ("loopback", format!("service-address = \"{service}\"\n")),
        None => ("list", String::new()),
    };
    format!(
        "cluster = \"{CLUSTER}\"\n\
         data-dir = {data:?}\n\
         identity-dir = {identity_dir:?}\n\
         [member]\n\
         id = {id}\n\
         [raft]\n\
         profile = \"{profile}\"\n\
         peer-listen = \"{own}:{PEER_PORT}\"\n\
         [api]\n\
         grpc-listen = \"{own}:{GRPC_PORT}\"\n\
         https-listen = \"{own}:{HTTPS_PORT}\"\n\
         anonymous-legacy-reads = [\"127.0.0.0/8\"]\n\
         [boot]\n\
         http-port = {HTTP_PORT}\n\
         files-dir = {files:?}\n\
         shared-addresses = [\"127.0.0.0/8\"]\n\
         [dhcp]\n\
         port = {DHCP_PORT}\n\
         loaders-dir = {loaders:?}\n\
         [tftp]\n\
         port = {TFTP_PORT}\n\
         [address]\n\
         mode = \"{mode}\"\n\
         advert-port = {ADVERT_PORT}\n\
         [[network]]\n\
         name = \"boot\"\n\
         kind = \"boot\"\n\
         interface = \"lo\"\n\
         member-address = \"{own}\"\n\
         peers = {{ {peers} }}\n\
         {service}\
         roles = [\"boot\", \"dhcp\", \"tftp\", \"discovery\"]\n\
         bmc-subnets = [\"127.0.0.0/8\"]\n\
         relayed-subnets = [\"{network}\"]\n",
        profile = layout.profile(),
        loaders = layout.loaders(),
        data = dir.join("data"),
        files = dir.join("files"),
        peers = peers.join(", "),
        network = layout.network(),
    )
}

/// The text of the file that `chamois init --static` reads.
pub(crate) fn render_static(layout: &Layout, members: u64) -> String {
    let mut text = format!("cluster = \"{CLUSTER}\"\n");
    for id in 1..=members {
        let own = layout.member(id);
        text += &format!(
            "[[member]]\nid = {id}\naddress = \"{own}:{PEER_PORT}\"\napi-address = \"{own}:{GRPC_PORT}\"\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// `cmd/chamois` tests that `serve` accepts it; here only that it says what the layout says.
    #[test]
    fn the_configuration_is_toml_and_names_every_member() {
        let layout = Layout::new(lab::claim_loopback_net().unwrap(), Path::new("/tmp/demo"));
        let text = render(&layout, 2, 3, Path::new("/tmp/demo/identities/member-2"));
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(
            table["raft"]["peer-listen"].as_str(),
            Some(layout.on_member(2, PEER_PORT).to_string().as_str())
        );
        let network = &table["network"][0];
        assert_eq!(
            network["service-address"].as_str(),
            layout.moving().map(|service| service.to_string()).as_deref()
        );
        assert_eq!(network["peers"].as_table().unwrap().len(), 3);
        assert_eq!(table["dhcp"]["loaders-dir"].as_str(), Some("/usr/lib/ipxe"));
        // emulated BMCs are on loopback, like everything else
        assert_eq!(network["bmc-subnets"][0].as_str(), Some("127.0.0.0/8"));
        // the load of benchmarks stands for thousands of nodes, and comes from a few addresses
        let shared = table["boot"]["shared-addresses"].as_array().unwrap();
        assert_eq!(shared[0].as_str(), Some("127.0.0.0/8"));
    }

    #[test]
    fn loaders_of_another_folder_are_those_that_members_serve() {
        let layout = Layout::new(lab::claim_loopback_net().unwrap(), Path::new("/tmp/demo"));
        let layout = layout.with_loaders(Path::new("/tmp/demo/loaders").to_owned());
        let table: toml::Table = render(&layout, 1, 3, Path::new("/tmp/demo/i")).parse().unwrap();
        assert_eq!(table["dhcp"]["loaders-dir"].as_str(), Some("/tmp/demo/loaders"));
    }

    #[test]
    fn the_static_list_has_all_members() {
        let layout = Layout::new(lab::claim_loopback_net().unwrap(), Path::new("/tmp/demo"));
        let table: toml::Table = render_static(&layout, 5).parse().unwrap();
        assert_eq!(table["member"].as_array().unwrap().len(), 5);
    }
}
