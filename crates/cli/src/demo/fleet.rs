//! stub
use crate::error::CliError;
pub(crate) struct Booted {
    pub booted: u32,
    pub failed: u32,
    pub seconds: f64,
    pub extra_seconds_max: f64,
    pub script_ms_sorted: Vec<f64>,
}
pub(crate) struct LoopbackNet;
impl LoopbackNet {
    pub(crate) fn base(&self) -> std::net::Ipv4Addr {
        std::net::Ipv4Addr::LOCALHOST
    }
}
pub(crate) fn claim_net() -> Result<LoopbackNet, CliError> {
    Ok(LoopbackNet)
}
pub(crate) async fn boot(
    _: &super::layout::Layout,
    _: LoopbackNet,
    _: u32,
    _: tokio::sync::watch::Sender<u32>,
    _: &super::progress::Progress,
) -> Result<Booted, CliError> {
    Err(CliError::other("a", "b"))
}
