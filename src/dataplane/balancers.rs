//! Network Load Balancers in the tables: nodes, listeners, and the targets that are registered with them (B9).

use std::net::Ipv4Addr;
use std::time::Duration;

use super::health::HealthSlot;
use super::tables::{InterfaceIndex, ObjectIndex, VpcIndex};

/// A Network Load Balancer.
#[derive(Clone, Debug)]
pub struct Balancer {
    /// Name.
    pub object: ObjectIndex,
    /// Its VPC.
    pub vpc: VpcIndex,
    /// One interface per enabled zone.
    pub nodes: Vec<Node>,
    /// `enforce_security_group_inbound_rules_on_private_link_traffic`: its groups judge what comes from endpoints (B4).
    pub groups_judge_private_link: bool,
    /// Listeners.
    pub listeners: Vec<Listener>,
}

/// A balancer's presence in a zone.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Its network interface.
    pub interface: InterfaceIndex,
    /// Zone number; equal numbers are the same zone.
    pub zone: u32,
}

/// A listener.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Name.
    pub object: ObjectIndex,
    /// Accepts TCP.
    pub tcp: bool,
    /// Accepts UDP.
    pub udp: bool,
    /// TLS ends here: the node speaks to targets itself.
    pub tls: bool,
    /// Port.
    pub port: u16,
    /// Registered targets.
    pub targets: Vec<BalancerTarget>,
    /// Targets see the client's address (never for traffic from an endpoint: B4).
    pub preserve_client_ip: bool,
    /// How long a TCP flow may be idle.
    pub idle: Duration,
    /// A client's flows all go to one target.
    pub sticky: bool,
    /// How many of the targets that a node may use must be healthy, or it uses all of them.
    pub enough_healthy: Enough,
}

/// How many of some targets are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enough {
    /// At least so many.
    pub count: u32,
    /// At least so many of a hundred.
    pub percentage: u32,
}

impl Enough {
    /// One is.
    pub const ONE: Self = Self { count: 1, percentage: 0 };

    /// So many of all are.
    #[inline]
    pub fn is_met(self, healthy: usize, all: usize) -> bool {
        healthy >= self.count as usize && healthy * 100 >= self.percentage as usize * all
    }
}

/// A registered target.
#[derive(Clone, Copy, Debug)]
pub struct BalancerTarget {
    /// Address.
    pub address: Ipv4Addr,
    /// Port.
    pub port: u16,
    /// Zone number.
    pub zone: u32,
    /// Nodes of other zones use it, too.
    pub cross_zone: bool,
    /// Where its health stands.
    pub health: HealthSlot,
    /// Its group's `proxy_protocol_v2.enabled`.
    pub proxy_protocol: bool,
    /// Its group's protocol is TLS.
    pub tls: bool,
}
