//! The VPC resolver at base+2 and 169.254.169.253.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Shutdown;
use super::origins::Origins;
use crate::dns::Zones;

/// Answers on the given sockets until `shutdown`.
pub async fn serve(
    udp: std::net::UdpSocket,
    tcp: std::net::TcpListener,
    zones: Arc<ArcSwap<Zones>>,
    origins: Arc<Origins>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let _ = (udp, tcp, zones, origins, shutdown);
    todo!()
}
