//! `AWS::ElasticLoadBalancingV2::LoadBalancer` (type `network`), `TargetGroup` and `Listener`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::world::Meta;
use super::*;

/// A Network Load Balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancer {
    /// `arn:aws:elasticloadbalancing:…:loadbalancer/net/NAME/HEX`.
    pub load_balancer_arn: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Name.
    pub load_balancer_name: String,
    /// `NAME-HEX.elb.REGION.amazonaws.com`.
    pub dns_name: String,
    /// `internal` or `internet-facing`.
    pub scheme: String,
    /// Its VPC.
    pub vpc_id: String,
    /// One node per enabled zone.
    pub nodes: Vec<LoadBalancerNode>,
    /// Security groups; an NLB born without any can't get one.
    pub security_groups: Vec<String>,
    /// Attributes such as `load_balancing.cross_zone.enabled`.
    pub attributes: BTreeMap<String, String>,
}

/// The load balancer's presence in one zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancerNode {
    /// Zone name.
    pub availability_zone: String,
    /// Subnet.
    pub subnet_id: String,
    /// Its network interface.
    pub network_interface_id: String,
    /// The address that targets see.
    pub private_ip_address: Ipv4Addr,
}

/// A target group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGroup {
    /// `arn:aws:elasticloadbalancing:…:targetgroup/NAME/HEX`.
    pub target_group_arn: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Name.
    pub target_group_name: String,
    /// `TCP`, `UDP`, `TCP_UDP` or `TLS`.
    pub protocol: String,
    /// Default port.
    pub port: u16,
    /// VPC of its targets.
    pub vpc_id: String,
    /// `instance` or `ip`.
    pub target_type: String,
    /// Registered targets.
    pub targets: Vec<Target>,
    /// Attributes such as `preserve_client_ip.enabled`.
    pub attributes: BTreeMap<String, String>,
    /// Health-check members as written.
    pub health_check: BTreeMap<String, String>,
}

/// A registered target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Instance id or IPv4 address.
    pub id: String,
    /// Port.
    pub port: u16,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// `arn:aws:elasticloadbalancing:…:listener/net/NAME/HEX/HEX`.
    pub listener_arn: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Its load balancer.
    pub load_balancer_arn: String,
    /// `TCP`, `UDP`, `TCP_UDP` or `TLS`.
    pub protocol: String,
    /// Port.
    pub port: u16,
    /// Target groups of its forward action.
    pub target_group_arns: Vec<String>,
}

impl LoadBalancer {
    /// The hosted zone of its DNS name: AWS's where it is known, derived where not.
    pub fn canonical_hosted_zone_id(&self) -> String {
        match self.meta.region.as_str() {
            "us-east-1" => "Z26RNL4JYFTOTI".to_owned(),
            region => format!("Z{}", id::Digest::of(&["nlb hosted zone", region]).alphanumerics(13).to_uppercase()),
        }
    }
}
