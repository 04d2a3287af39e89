//! `AWS::ElasticLoadBalancingV2::LoadBalancer` of type `network`.
//!
//! Not done: Application and Gateway Load Balancers.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::lookup::is_own;
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

impl LoadBalancer {
    /// The hosted zone of its DNS name: AWS's where it is known, derived where not.
    pub fn canonical_hosted_zone_id(&self) -> String {
        match self.meta.region.as_str() {
            "us-east-1" => "Z26RNL4JYFTOTI".to_owned(),
            region => format!("Z{}", id::Digest::of(&["nlb hosted zone", region]).alphanumerics(13).to_uppercase()),
        }
    }
}

impl World {
    pub(super) fn create_load_balancer(
        &mut self,
        request: &Request,
        name: Option<&str>,
        scheme: &str,
        subnets: &[SubnetMapping],
        security_groups: &[String],
        attributes: &BTreeMap<String, String>,
    ) -> Result<ObjectId, Refusal> {
        let name = self.load_balancer_name(request, name)?;
        let internal = match scheme {
            "internal" => true,
            "internet-facing" => false,
            other => return Err(validation(format!("The scheme '{other}' is neither internet-facing nor internal"))),
        };
        balancer_attributes::check_load_balancer(attributes)?;
        let planned = self.plan_nodes(request, subnets, internal)?;
        let vpc_id = planned[0].0.vpc_id.clone();
        self.check_balancer_groups(request, &vpc_id, security_groups)?;
        let allocations = self.node_allocations(request, subnets, internal)?;
        let public = if internal { Vec::new() } else { self.free_public_addresses(planned.len())? };

        let hex = id::Digest::of(&["loadbalancer", &request.account, &request.region, &name]).hex(16);
        let arn = elastic_load_balancing_arn(request, &format!("loadbalancer/net/{name}/{hex}"));
        let interfaces: Vec<NetworkInterface> = planned
            .iter()
            .enumerate()
            .map(|(position, (subnet, address))| {
                let id = id::derived("eni", &[&arn, &subnet.subnet_id]);
                NetworkInterface {
                    mac_address: address::mac_address(address::MacKind::NetworkLoadBalancer, *address),
                    description: format!("ELB net/{name}/{hex}"),
                    interface_type: InterfaceType::NetworkLoadBalancer(arn.clone()),
                    requester_managed: true,
                    attachment: Some(Attachment::to_aws(&id)),
                    public_ip: public.get(position).copied(),
                    ..NetworkInterface::new(
                        id,
                        request.meta_of_dependent(),
                        subnet,
                        vec![*address],
                        security_groups.to_vec(),
                    )
                }
            })
            .collect();
        let balancer = LoadBalancer {
            load_balancer_arn: arn.clone(),
            meta: request.meta(),
            dns_name: format!("{name}-{hex}.elb.{}.{}", request.region, region::dns_suffix(&request.region)),
            load_balancer_name: name,
            scheme: scheme.to_owned(),
            vpc_id,
            nodes: planned.iter().zip(&interfaces).map(|((subnet, _), each)| node(subnet, each)).collect(),
            security_groups: security_groups.to_vec(),
            attributes: attributes.clone(),
        };
        for interface in interfaces {
            self.network_interfaces.insert(interface.network_interface_id.clone(), interface);
        }
        for (allocation_id, node) in allocations.iter().zip(&balancer.nodes) {
            let (id, private_ip) = (&node.network_interface_id, node.private_ip_address);
            self.put_association(allocation_id, AddressAssociation::new(allocation_id, id, private_ip));
        }
        self.load_balancers.insert(arn.clone(), balancer);
        Ok(arn)
    }

    fn load_balancer_name(&self, request: &Request, name: Option<&str>) -> Result<String, Refusal> {
        let taken = |name: &str| {
            self.load_balancers.values().any(|other| is_own(other, request) && other.load_balancer_name == name)
        };
        let Some(name) = name else {
            return Ok(id::free_generated_name(request, "loadbalancer", LONGEST_NAME, taken));
        };
        check_name("load balancer", name)?;
        if name.starts_with("internal-") {
            return Err(validation("A load balancer name cannot begin with 'internal-'".to_owned()));
        }
        if taken(name) {
            return Err(Refusal::new(
                "DuplicateLoadBalancerName",
                format!("A load balancer with the same name '{name}' exists, but with different settings"),
            ));
        }
        Ok(name.to_owned())
    }

    /// The subnets with their nodes' addresses: one subnet per zone, all of one VPC.
    fn plan_nodes(
        &self,
        request: &Request,
        subnets: &[SubnetMapping],
        internal: bool,
    ) -> Result<Vec<(&Subnet, Ipv4Addr)>, Refusal> {
        let mut planned: Vec<(&Subnet, Ipv4Addr)> = Vec::with_capacity(subnets.len());
        for mapping in subnets {
            let subnet = self
                .own_subnet(&mapping.subnet_id, request)
                .map_err(|refusal| Refusal { code: "SubnetNotFound", ..refusal })?;
            for (other, _) in &planned {
                if other.vpc_id != subnet.vpc_id {
                    return Err(Refusal::new("InvalidSubnet", "All subnets must belong to the same VPC"));
                }
                if other.availability_zone == subnet.availability_zone {
                    return Err(Refusal::new(
                        "InvalidConfigurationRequest",
                        "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
                    ));
                }
            }
            if mapping.private_ipv4_address.is_some() && !internal {
                return Err(validation(
                    "Private IPv4 addresses can only be specified for internal load balancers".to_owned(),
                ));
            }
            planned.push((subnet, self.subnet_addresses(subnet).take(mapping.private_ipv4_address)?));
        }
        match planned.first() {
            None => Err(validation("At least one subnet must be specified".to_owned())),
            Some((subnet, _)) if !internal && self.internet_gateway_of(&subnet.vpc_id).is_none() => {
                Err(Refusal::new("InvalidSubnet", format!("VPC {} has no internet gateway", subnet.vpc_id)).help(
                    "attach an internet gateway (and let the load balancer depend on it), or set Scheme: internal",
                ))
            }
            Some(_) => Ok(planned),
        }
    }

    /// The Elastic IP addresses of the nodes, in their order: of all of them or of none.
    fn node_allocations(
        &self,
        request: &Request,
        subnets: &[SubnetMapping],
        internal: bool,
    ) -> Result<Vec<String>, Refusal> {
        let allocations: Vec<String> = subnets.iter().filter_map(|mapping| mapping.allocation_id.clone()).collect();
        let refuse = |message: &str| Err(Refusal::new("InvalidConfigurationRequest", message));
        if internal && !allocations.is_empty() {
            return refuse("Elastic IPs are not supported for load balancers with scheme 'internal'");
        }
        if !allocations.is_empty() && allocations.len() != subnets.len() {
            return refuse("An Elastic IP must be specified for all subnets or for none");
        }
        for (position, id) in allocations.iter().enumerate() {
            let is_free = self.own_address(id, request).is_ok_and(|address| address.association.is_none());
            if !is_free || allocations[..position].contains(id) {
                return Err(Refusal::new(
                    "AllocationIdNotFound",
                    format!("The allocation IDs '{id}' are not available for use"),
                ));
            }
        }
        Ok(allocations)
    }

    fn check_balancer_groups(&self, request: &Request, vpc_id: &str, groups: &[String]) -> Result<(), Refusal> {
        for id in groups {
            if !self.own_security_group(id, request).is_ok_and(|group| group.vpc_id == vpc_id) {
                return Err(Refusal::new("InvalidSecurityGroup", "One or more security groups are invalid")
                    .help(format!("'{id}' is no security group of {vpc_id}")));
            }
        }
        Ok(())
    }
}

/// Longest name of a load balancer or target group.
pub(super) const LONGEST_NAME: usize = 32;

/// AWS's rules for names of load balancers and target groups.
pub(super) fn check_name(kind: &str, name: &str) -> Result<(), Refusal> {
    if name.len() > LONGEST_NAME {
        return Err(validation(format!("The {kind} name '{name}' cannot be longer than '{LONGEST_NAME}' characters")));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || !name.chars().all(allowed) || name.starts_with('-') || name.ends_with('-') {
        return Err(validation(format!(
            "The {kind} name '{name}' can only contain characters that are alphanumeric characters and hyphens(-), and cannot begin or end with a hyphen"
        )));
    }
    Ok(())
}

/// Elastic Load Balancing's code for a member that makes no sense.
pub(super) fn validation(message: String) -> Refusal {
    Refusal::new("ValidationError", message)
}

pub(super) fn elastic_load_balancing_arn(request: &Request, resource: &str) -> String {
    let Request { account, region, .. } = request;
    format!("arn:{}:elasticloadbalancing:{region}:{account}:{resource}", region::partition(region))
}

/// Protocols of a Network Load Balancer; others belong to kinds that are not emulated.
pub(super) fn check_protocol(protocol: &str) -> Result<(), Refusal> {
    match protocol {
        "TCP" | "UDP" | "TCP_UDP" | "TLS" => Ok(()),
        other => Err(validation(format!("Protocol '{other}' is not supported by Network Load Balancers"))
            .help("TCP, UDP, TCP_UDP and TLS are; Application Load Balancers are not emulated")),
    }
}

fn node(subnet: &Subnet, interface: &NetworkInterface) -> LoadBalancerNode {
    LoadBalancerNode {
        availability_zone: subnet.availability_zone.clone(),
        subnet_id: subnet.subnet_id.clone(),
        network_interface_id: interface.network_interface_id.clone(),
        private_ip_address: interface.private_ip_address(),
    }
}
