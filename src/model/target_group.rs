//! `AWS::ElasticLoadBalancingV2::TargetGroup`.
//!
//! Not done: targets of type `alb` and `lambda`. Health is not the model's: the balancer sees it, AWS's API asks it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::load_balancer::{LONGEST_NAME, check_name, check_protocol, elastic_load_balancing_arn, validation};
use super::lookup::is_own;
use super::world::Meta;
use super::*;

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
    /// How they are checked.
    pub health_check: HealthCheck,
}

/// A registered target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Instance id or IPv4 address.
    pub id: String,
    /// Port.
    pub port: u16,
}

/// Where targets outside the VPC may be.
///
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-target-groups.html>
const OUTSIDE_RANGES: [Ipv4Net; 4] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
];

impl World {
    pub(super) fn create_target_group(
        &mut self,
        request: &Request,
        members: &CreateTargetGroup,
    ) -> Result<ObjectId, Refusal> {
        let name = self.target_group_name(request, members.name.as_deref())?;
        check_protocol(&members.protocol)?;
        if members.port == 0 {
            return Err(validation("A port must be specified, from 1 to 65535".to_owned()));
        }
        let target_type = members.target_type.as_deref().unwrap_or("instance");
        if !matches!(target_type, "instance" | "ip") {
            return Err(validation(format!("Target type '{target_type}' is not supported"))
                .help("instance and ip are emulated"));
        }
        self.own_vpc(&members.vpc_id, request)?;
        balancer_attributes::check_target_group(&members.attributes)?;
        let health_check = HealthCheck::of(&members.health_check, &request.tags)?;
        let hex = id::Digest::of(&["targetgroup", &request.account, &request.region, &name]).hex(16);
        let arn = elastic_load_balancing_arn(request, &format!("targetgroup/{name}/{hex}"));
        let mut group = TargetGroup {
            target_group_arn: arn.clone(),
            meta: request.meta(),
            target_group_name: name,
            protocol: members.protocol.clone(),
            port: members.port,
            vpc_id: members.vpc_id.clone(),
            target_type: target_type.to_owned(),
            targets: Vec::new(),
            attributes: members.attributes.clone(),
            health_check,
        };
        group.targets = self.with_targets(request, &group, &members.targets)?;
        self.target_groups.insert(arn.clone(), group);
        Ok(arn)
    }

    fn target_group_name(&self, request: &Request, name: Option<&str>) -> Result<String, Refusal> {
        let taken = |name: &str| {
            self.target_groups.values().any(|other| is_own(other, request) && other.target_group_name == name)
        };
        let Some(name) = name else {
            return Ok(id::free_generated_name(request, "targetgroup", LONGEST_NAME, taken));
        };
        check_name("target group", name)?;
        if taken(name) {
            return Err(Refusal::new(
                "DuplicateTargetGroupName",
                format!("A target group with the same name '{name}' exists, but with different settings"),
            ));
        }
        Ok(name.to_owned())
    }

    pub(super) fn register_targets(
        &mut self,
        request: &Request,
        target_group_arn: &str,
        targets: &[TargetDescription],
    ) -> Result<ObjectId, Refusal> {
        let group = self.own_target_group(target_group_arn, request)?;
        let targets = self.with_targets(request, group, targets)?;
        self.target_groups.get_mut(target_group_arn).expect("own_target_group found it").targets = targets;
        Ok(target_group_arn.to_owned())
    }

    pub(super) fn deregister_targets(
        &mut self,
        request: &Request,
        target_group_arn: &str,
        targets: &[TargetDescription],
    ) -> Result<ObjectId, Refusal> {
        let group = self.own_target_group(target_group_arn, request)?;
        // Without a port, whatever ports the target is registered with.
        let named = |target: &Target, description: &TargetDescription| {
            target.id == description.id && description.port.is_none_or(|port| port == target.port)
        };
        for description in targets {
            if !group.targets.iter().any(|target| named(target, description)) {
                let id = &description.id;
                return Err(Refusal::new(
                    "InvalidTarget",
                    format!("The following targets are not registered with target group: '{id}'"),
                ));
            }
        }
        let group = self.target_groups.get_mut(target_group_arn).expect("own_target_group found it");
        group.targets.retain(|target| !targets.iter().any(|description| named(target, description)));
        Ok(target_group_arn.to_owned())
    }

    pub(super) fn own_target_group(&self, arn: &str, request: &Request) -> Result<&TargetGroup, Refusal> {
        let group = self.target_groups.get(arn).filter(|group| is_own(*group, request));
        group.ok_or_else(|| {
            Refusal::new("TargetGroupNotFound", "One or more target groups not found").help(format!("'{arn}' is not"))
        })
    }

    /// The group's targets and the new ones; who is registered already stays once.
    fn with_targets(
        &self,
        request: &Request,
        group: &TargetGroup,
        added: &[TargetDescription],
    ) -> Result<Vec<Target>, Refusal> {
        let mut targets = group.targets.clone();
        for description in added {
            match group.target_type.as_str() {
                "ip" => self.check_address_target(group, description)?,
                _ => self.check_instance_target(request, group, description)?,
            }
            let port = description.port.unwrap_or(group.port);
            if port == 0 {
                return Err(validation("A target's port is from 1 to 65535".to_owned()));
            }
            let target = Target { id: description.id.clone(), port };
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        Ok(targets)
    }

    fn check_instance_target(
        &self,
        request: &Request,
        group: &TargetGroup,
        target: &TargetDescription,
    ) -> Result<(), Refusal> {
        let id = &target.id;
        let instance = self.own_instance(id, request).map_err(|refusal| {
            Refusal::new("InvalidTarget", format!("Instance ID '{id}' is not valid")).help(refusal.message)
        })?;
        let primary = &self.network_interfaces[&instance.network_interface_ids[0]];
        if primary.vpc_id == group.vpc_id {
            return Ok(());
        }
        Err(Refusal::new(
            "InvalidTarget",
            format!("The following targets are not in the target group VPC '{}': '{id}'", group.vpc_id),
        ))
    }

    fn check_address_target(&self, group: &TargetGroup, target: &TargetDescription) -> Result<(), Refusal> {
        let id = &target.id;
        let invalid = |message: String| Refusal::new("InvalidTarget", message);
        let address: Ipv4Addr =
            id.parse().map_err(|_| invalid(format!("The IP address '{id}' is not a valid IPv4 address")))?;
        if self.vpcs[&group.vpc_id].cidr_blocks.iter().any(|block| block.contains(&address)) {
            return Ok(());
        }
        if !OUTSIDE_RANGES.iter().any(|range| range.contains(&address)) {
            return Err(invalid(format!("The IP address '{id}' is not in the VPC '{}'", group.vpc_id))
                .help("a target outside the VPC must have a private address (RFC 1918, RFC 6598)"));
        }
        if target.availability_zone.as_deref() != Some("all") {
            return Err(invalid(format!("The IP address '{id}' is not in the VPC '{}'", group.vpc_id))
                .help("a target outside the VPC must have AvailabilityZone: all"));
        }
        Ok(())
    }
}
