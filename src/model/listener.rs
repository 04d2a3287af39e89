//! `AWS::ElasticLoadBalancingV2::Listener` of a Network Load Balancer: one port that forwards to target groups.
//!
//! Certificates are names only: a lab's listeners show the lab's own, whatever ARN stands there.

use std::collections::BTreeMap;

use super::load_balancer::{check_protocol, elastic_load_balancing_arn, validation};
use super::lookup::is_own;
use super::world::Meta;
use super::*;

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
    /// Certificates of a TLS listener.
    pub certificate_arns: Vec<String>,
    /// Attributes: `tcp.idle_timeout.seconds`.
    pub attributes: BTreeMap<String, String>,
}

impl World {
    pub(super) fn create_listener(
        &mut self,
        request: &Request,
        load_balancer_arn: &str,
        (protocol, port): (&str, u16),
        target_group_arns: &[String],
        (certificate_arns, attributes): (&[String], &BTreeMap<String, String>),
    ) -> Result<ObjectId, Refusal> {
        let balancer = self.load_balancers.get(load_balancer_arn).filter(|balancer| is_own(*balancer, request));
        let Some(balancer) = balancer else {
            return Err(Refusal::new("LoadBalancerNotFound", "One or more load balancers not found")
                .help(format!("'{load_balancer_arn}' is not")));
        };
        check_protocol(protocol)?;
        if port == 0 {
            return Err(validation("A listener's port is from 1 to 65535".to_owned()));
        }
        match (protocol, certificate_arns) {
            ("TLS", []) => return Err(validation("A certificate must be specified for TLS listeners".to_owned())),
            ("TLS", _) | (_, []) => {}
            (other, _) => {
                return Err(validation(format!("A certificate cannot be specified for {other} listeners")));
            }
        }
        balancer_attributes::check_listener(protocol, attributes)?;
        if target_group_arns.is_empty() {
            return Err(Refusal::new("InvalidLoadBalancerAction", "You must specify a target group to forward to"));
        }
        for arn in target_group_arns {
            self.check_forward(request, balancer, protocol, arn)?;
        }
        let taken = |other: &&Listener| other.load_balancer_arn == load_balancer_arn && other.port == port;
        if self.listeners.values().find(taken).is_some_and(|other| share_transport(&other.protocol, protocol)) {
            return Err(Refusal::new(
                "DuplicateListener",
                format!("A listener already exists on this port for this load balancer '{load_balancer_arn}'"),
            ));
        }
        let (_, path) = load_balancer_arn.split_once(":loadbalancer/").expect("ARNs of load balancers are ours");
        let hex = id::Digest::of(&["listener", load_balancer_arn, &port.to_string(), protocol]).hex(16);
        let listener_arn = elastic_load_balancing_arn(request, &format!("listener/{path}/{hex}"));
        let listener = Listener {
            listener_arn: listener_arn.clone(),
            meta: request.meta(),
            load_balancer_arn: load_balancer_arn.to_owned(),
            protocol: protocol.to_owned(),
            port,
            target_group_arns: target_group_arns.to_vec(),
            certificate_arns: certificate_arns.to_vec(),
            attributes: attributes.clone(),
        };
        self.listeners.insert(listener_arn.clone(), listener);
        Ok(listener_arn)
    }

    /// Whether the load balancer can forward this protocol to that target group.
    fn check_forward(
        &self,
        request: &Request,
        balancer: &LoadBalancer,
        protocol: &str,
        target_group_arn: &str,
    ) -> Result<(), Refusal> {
        let group = self.own_target_group(target_group_arn, request)?;
        // https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-listeners.html
        let fits = match protocol {
            "TLS" => matches!(group.protocol.as_str(), "TCP" | "TLS"),
            "TCP" | "UDP" => group.protocol == protocol || group.protocol == "TCP_UDP",
            _ => group.protocol == protocol,
        };
        if !fits {
            return Err(validation(format!(
                "Listener protocol '{protocol}' is not supported with a target group with protocol '{}'",
                group.protocol
            )));
        }
        if group.vpc_id != balancer.vpc_id {
            return Err(validation(format!(
                "The load balancer and the target group '{target_group_arn}' must be in the same VPC"
            )));
        }
        if self.load_balancers_of(target_group_arn).iter().any(|arn| *arn != balancer.load_balancer_arn) {
            return Err(Refusal::new(
                "TargetGroupAssociationLimit",
                format!(
                    "The following target groups cannot be associated with more than one load balancer: {target_group_arn}"
                ),
            ));
        }
        Ok(())
    }
}

/// Whether two listener protocols would take the same packets of a port.
fn share_transport(one: &str, other: &str) -> bool {
    let is_udp = |protocol: &str| protocol == "UDP";
    let is_tcp = |protocol: &str| matches!(protocol, "TCP" | "TLS");
    !(is_udp(one) && is_tcp(other) || is_tcp(one) && is_udp(other))
}
