//! `AWS::Route53Resolver::ResolverEndpoint`, inbound: addresses in a VPC at which others ask that VPC's resolver.
//!
//! Not done: outbound endpoints and the rules that forward through them, IPv6, DNS over HTTPS.

use std::net::Ipv4Addr;

use super::world::Meta;
use super::*;

/// An inbound resolver endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverEndpoint {
    /// `rslvr-in-…`.
    pub resolver_endpoint_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Free text.
    pub name: String,
    /// The VPC whose resolver answers.
    pub host_vpc_id: String,
    /// Security groups of its network interfaces.
    pub security_group_ids: Vec<String>,
    /// Where it answers, on port 53 over UDP and TCP.
    pub ip_addresses: Vec<ResolverIpAddress>,
}

/// One address of a resolver endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverIpAddress {
    /// `rni-…`.
    pub ip_id: String,
    /// Its subnet.
    pub subnet_id: String,
    /// The address.
    pub ip: Ipv4Addr,
    /// The network interface that has it.
    pub network_interface_id: String,
}

/// Members of CreateResolverEndpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateResolverEndpoint {
    /// `INBOUND`; nothing else is emulated.
    pub direction: String,
    /// Subnet and, where it is explicit, the address in it.
    pub ip_addresses: Vec<(String, Option<Ipv4Addr>)>,
    /// At least one.
    pub security_group_ids: Vec<String>,
    /// Free text.
    pub name: Option<String>,
}

/// Fewest and most addresses (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>).
const IP_ADDRESSES: std::ops::RangeInclusive<usize> = 2..=6;

impl ResolverEndpoint {
    /// `arn:aws:route53resolver:REGION:ACCOUNT:resolver-endpoint/ID`.
    pub fn arn(&self) -> String {
        let Meta { account, region, .. } = &self.meta;
        let partition = region::partition(region);
        format!("arn:{partition}:route53resolver:{region}:{account}:resolver-endpoint/{}", self.resolver_endpoint_id)
    }
}

impl World {
    pub(super) fn create_resolver_endpoint(
        &mut self,
        request: &Request,
        members: &CreateResolverEndpoint,
    ) -> Result<ObjectId, Refusal> {
        match members.direction.as_str() {
            "INBOUND" => {}
            "OUTBOUND" => {
                return Err(Refusal::new("InvalidParameterException", "Outbound resolver endpoints are not emulated"));
            }
            other => {
                return Err(Refusal::new(
                    "InvalidParameterException",
                    format!("Value ({other}) for parameter Direction is invalid."),
                )
                .help("write INBOUND"));
            }
        }
        let count = members.ip_addresses.len();
        if count < *IP_ADDRESSES.start() {
            return Err(Refusal::new(
                "InvalidRequestException",
                "[RSLVR-00400] Resolver endpoint need to have at least 2 IP addresses.",
            ));
        }
        if count > *IP_ADDRESSES.end() {
            return Err(Refusal::new(
                "LimitExceededException",
                format!("A resolver endpoint has at most {} IP addresses", IP_ADDRESSES.end()),
            ));
        }
        if members.security_group_ids.is_empty() {
            return Err(Refusal::new("InvalidParameterException", "A resolver endpoint needs SecurityGroupIds"));
        }
        let resolver_endpoint_id = id::for_request(request, "rslvr-in", |id| self.resolver_endpoints.contains_key(id));
        let interfaces = self.resolver_interfaces(request, members, &resolver_endpoint_id)?;
        let endpoint = ResolverEndpoint {
            resolver_endpoint_id: resolver_endpoint_id.clone(),
            meta: request.meta(),
            name: members.name.clone().unwrap_or_default(),
            host_vpc_id: interfaces[0].1.vpc_id.clone(),
            security_group_ids: interfaces[0].1.groups.clone(),
            ip_addresses: interfaces
                .iter()
                .map(|(ip_id, interface)| ResolverIpAddress {
                    ip_id: ip_id.clone(),
                    subnet_id: interface.subnet_id.clone(),
                    ip: interface.private_ip_address(),
                    network_interface_id: interface.network_interface_id.clone(),
                })
                .collect(),
        };
        for (_, interface) in interfaces {
            self.network_interfaces.insert(interface.network_interface_id.clone(), interface);
        }
        self.resolver_endpoints.insert(resolver_endpoint_id.clone(), endpoint);
        Ok(resolver_endpoint_id)
    }

    /// The network interfaces as they will be, each with the id of its address.
    fn resolver_interfaces(
        &self,
        request: &Request,
        members: &CreateResolverEndpoint,
        resolver_endpoint_id: &str,
    ) -> Result<Vec<(String, NetworkInterface)>, Refusal> {
        // Explicit addresses go first, so that no drawn one takes them.
        let mut order: Vec<usize> = (0..members.ip_addresses.len()).collect();
        order.sort_by_key(|index| members.ip_addresses[*index].1.is_none());
        let mut free = std::collections::BTreeMap::new();
        let mut interfaces = Vec::with_capacity(order.len());
        let mut vpc_id: Option<&str> = None;
        for index in order {
            let (subnet_id, ip) = &members.ip_addresses[index];
            let subnet = self.own_subnet(subnet_id, request)?;
            if *vpc_id.get_or_insert(&subnet.vpc_id) != subnet.vpc_id {
                return Err(Refusal::new(
                    "InvalidRequestException",
                    format!("The subnets of a resolver endpoint are in one VPC, and {subnet_id} is in another"),
                ));
            }
            let groups = self.interface_groups(request, subnet, &members.security_group_ids)?;
            let addresses = free.entry(subnet_id).or_insert_with(|| self.subnet_addresses(subnet));
            let address = addresses.take(*ip)?;
            let ip_id = id::derived("rni", &[resolver_endpoint_id, &index.to_string()]);
            interfaces
                .push((index, resolver_interface(request, resolver_endpoint_id, ip_id, (subnet, address), groups)));
        }
        interfaces.sort_by_key(|(index, _)| *index);
        Ok(interfaces.into_iter().map(|(_, interface)| interface).collect())
    }
}

fn resolver_interface(
    request: &Request,
    resolver_endpoint_id: &str,
    ip_id: String,
    (subnet, address): (&Subnet, Ipv4Addr),
    groups: Vec<String>,
) -> (String, NetworkInterface) {
    let network_interface_id = id::derived("eni", &[&ip_id]);
    let interface = NetworkInterface {
        mac_address: address::mac_address(address::MacKind::ResolverEndpoint, address),
        description: format!("Route 53 Resolver: {resolver_endpoint_id}:{ip_id}"),
        interface_type: InterfaceType::ResolverEndpoint(resolver_endpoint_id.to_owned()),
        requester_managed: true,
        attachment: Some(Attachment::to_aws(&network_interface_id)),
        ..NetworkInterface::new(network_interface_id, request.meta_of_dependent(), subnet, vec![address], groups)
    };
    (ip_id, interface)
}
