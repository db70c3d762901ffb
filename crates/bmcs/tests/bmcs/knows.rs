//! Where BMCs are, and which targets a request means.

use bmcs::What;
use model::Xname;
use redfish::{Limits, Trust};

use crate::common::{Site, crawled};

#[tokio::test]
async fn a_bmc_is_where_it_was_found_and_its_key_is_pinned() {
    let (site, bmc, _working) = crawled().await;
    let xname: Xname = "x1000c0s0b0".parse().unwrap();
    let address = site.bmcs.address_of(&xname).unwrap();
    assert_eq!(address.to_string(), bmc.address());
    let key = site.found(&bmc.address()).unwrap().key_sha256;
    assert!(matches!(site.bmcs.trust_for(&address), Trust::Pinned(pinned) if pinned == key));
    let other = "127.0.0.1:1".parse().unwrap();
    assert!(matches!(site.bmcs.trust_for(&other), Trust::FirstUse));
    let open = site.bmcs.open(&xname, &Limits::default()).await.unwrap();
    assert_eq!(open.key_sha256(), key);
    open.close().await;
}

#[tokio::test]
async fn one_that_nobody_knows_is_told_by_name() {
    let site = Site::new();
    let xname: Xname = "x1000c0s0b0".parse().unwrap();
    let missing = site.bmcs.address_of(&xname).unwrap_err().to_string();
    assert_eq!(missing, "no such BMC: x1000c0s0b0");
    let unreachable = site.bmcs.open(&xname, &Limits::default()).await.err().unwrap();
    assert_eq!(unreachable.word(), "unreachable");
    assert!(site.bmcs.system_of(&"x1000c0s0b0n0".parse().unwrap()).is_err());
}

#[tokio::test]
async fn nodesets_mean_what_is_known() {
    let (site, _bmc, _working) = crawled().await;
    let expand = |text: &str, what: What| site.bmcs.expand("targets", &[text.to_owned()], what);
    assert_eq!(expand("x1000c0s[0-7]b0", What::Bmcs).unwrap(), ["x1000c0s0b0"]);
    assert_eq!(expand("X1000C0S00B0", What::Bmcs).unwrap(), ["x1000c0s0b0"]);
    assert_eq!(expand("x1000", What::Nodes).unwrap(), ["x1000c0s0b0n0"]);
    assert_eq!(
        expand("x1000c0s0b0n0,x1000c0s0b0", What::Switchable).unwrap(),
        ["x1000c0s0b0n0"]
    );
    for (text, what) in [
        ("x2000", What::Nodes),
        ("x1000c0s1b0", What::Bmcs),
        ("nobody", What::Nodes),
    ] {
        let refused = expand(text, what).unwrap_err().to_string();
        assert!(refused.starts_with("targets: "), "{refused}");
    }
}
