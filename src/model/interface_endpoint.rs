//! Interface endpoints: network interfaces in the consumer's subnets that lead to AWS's or a provider's service (B3).
//!
//! Not done: Gateway Load Balancer, resource and service-network endpoints, IPv6 and dual stack, cross-Region services.

use super::service_private_dns::without_star;
use super::world::Meta;
use super::*;

/// The service behind an interface endpoint, as a consumer can know it.
pub(super) enum InterfaceService<'a> {
    /// AWS's own, by its short name; in every zone.
    Aws(&'a str),
    /// Another customer's (or one's own), by its endpoint service.
    Customer(&'a VpcEndpointService),
}

/// Where new interfaces of an endpoint shall be.
pub(super) struct Place<'a> {
    pub vpc_id: &'a str,
    pub service_name: &'a str,
    /// Subnets in which it has an interface and keeps it.
    pub kept: Vec<&'a Subnet>,
}

/// The plan of one endpoint's network interface.
pub(super) struct PlannedInterface<'a> {
    pub subnet: &'a Subnet,
    address: std::net::Ipv4Addr,
}

impl World {
    /// The service of that name, if the asker may see it. A service that exists but does not let the asker in is answered
    /// as if it did not (B4).
    pub(super) fn interface_service<'a>(
        &'a self,
        request: &Request,
        service_name: &'a str,
    ) -> Result<InterfaceService<'a>, Refusal> {
        if let Some(short) = short_service_name(service_name, &request.region)
            && aws_services().any(|service| service == short)
        {
            return Ok(InterfaceService::Aws(short));
        }
        let service = self.vpc_endpoint_services.values().find(|service| service.service_name == service_name);
        let refusal =
            Refusal::new("InvalidServiceName", format!("The Vpc Endpoint Service '{service_name}' does not exist"));
        match service {
            Some(service)
                if service.meta.region == request.region
                    && service.admits(&request.account, request.principal.as_deref()) =>
            {
                Ok(InterfaceService::Customer(service))
            }
            // The help is the lab's own: who asks by the API does not hear it.
            Some(service) if service.meta.region == request.region => Err(refusal.help(format!(
                "it does, but account {} is not among its allowed principals: add arn:{}:iam::{}:root to them",
                request.account,
                region::partition(&request.region),
                request.account
            ))),
            Some(service) => Err(refusal.help(format!("it is in {}, this is {}", service.meta.region, request.region))),
            None => Err(refusal),
        }
    }

    pub(super) fn create_interface_endpoint(
        &mut self,
        request: &Request,
        members: &CreateVpcEndpoint,
    ) -> Result<ObjectId, Refusal> {
        let vpc = self.own_vpc(&members.vpc_id, request)?;
        if !members.route_table_ids.is_empty() {
            return Err(Refusal::new(
                "InvalidParameter",
                "Route table IDs are only supported for Gateway type VPC Endpoint.",
            ));
        }
        let service = self.interface_service(request, &members.service_name)?;
        if members.policy_document.is_some() && !service.supports_policy() {
            return Err(Refusal::new(
                "InvalidParameter",
                format!("The service {} does not support endpoint policies", members.service_name),
            )
            .help("endpoint policies filter requests to AWS services; a customer's service gets all traffic"));
        }
        let place = Place { vpc_id: &members.vpc_id, service_name: &members.service_name, kept: Vec::new() };
        let planned = self.plan_interfaces(request, &place, &members.subnet_ids, &service)?;
        let groups = self.endpoint_groups(request, vpc, &members.security_group_ids)?;
        let private_names = self.private_names(members, vpc, &service, None)?;
        let vpc_endpoint_id = self.new_endpoint_id(request);
        let interfaces: Vec<NetworkInterface> = planned
            .iter()
            .map(|plan| plan.interface(&request.meta_of_dependent(), &vpc_endpoint_id, &groups))
            .collect();

        let zones: Vec<&str> = planned.iter().map(|plan| plan.subnet.availability_zone.as_str()).collect();
        let endpoint = VpcEndpoint {
            state: service.first_state(),
            subnet_ids: planned.iter().map(|plan| plan.subnet.subnet_id.clone()).collect(),
            network_interface_ids: interfaces.iter().map(|each| each.network_interface_id.clone()).collect(),
            security_group_ids: groups,
            private_dns_enabled: members.private_dns_enabled == Some(true),
            private_dns_only_for_inbound_resolver_endpoint: only_for_inbound_resolver(members, &service),
            dns_entries: dns_entries(&vpc_endpoint_id, &request.region, &service, &zones, private_names),
            ..VpcEndpoint::new(vpc_endpoint_id.clone(), request, members, VpcEndpointType::Interface)
        };
        for interface in interfaces {
            self.network_interfaces.insert(interface.network_interface_id.clone(), interface);
        }
        self.vpc_endpoints.insert(vpc_endpoint_id.clone(), endpoint);
        Ok(vpc_endpoint_id)
    }

    /// One interface per subnet, at most one subnet per zone, each zone one of the service's.
    pub(super) fn plan_interfaces(
        &self,
        request: &Request,
        place: &Place<'_>,
        subnet_ids: &[String],
        service: &InterfaceService<'_>,
    ) -> Result<Vec<PlannedInterface<'_>>, Refusal> {
        let service_zones = self.zones_of(service);
        let mut planned: Vec<PlannedInterface<'_>> = Vec::with_capacity(subnet_ids.len());
        for subnet_id in subnet_ids {
            let subnet = self.own_subnet(subnet_id, request)?;
            if subnet.vpc_id != place.vpc_id {
                return Err(Refusal::new(
                    "InvalidParameter",
                    format!("Subnet {subnet_id} and VPC {} belong to different networks.", place.vpc_id),
                ));
            }
            let mut others = place.kept.iter().copied().chain(planned.iter().map(|plan| plan.subnet));
            if others.any(|other| other.availability_zone == subnet.availability_zone) {
                return Err(Refusal::new(
                    "DuplicateSubnetsInSameZone",
                    format!(
                        "Found another VPC endpoint subnet in the availability zone of {subnet_id}. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service."
                    ),
                ));
            }
            if service_zones.as_ref().is_some_and(|zones| !zones.contains(&subnet.availability_zone_id.as_str())) {
                return Err(Refusal::new(
                    "InvalidParameter",
                    format!(
                        "The VPC endpoint service {} does not support the availability zone of the subnet: {subnet_id}.",
                        place.service_name
                    ),
                ));
            }
            planned.push(PlannedInterface { subnet, address: self.subnet_addresses(subnet).take(None)? });
        }
        Ok(planned)
    }

    /// Zone ids in which a service has something to connect to; `None` for everywhere.
    fn zones_of(&self, service: &InterfaceService<'_>) -> Option<Vec<&str>> {
        match service {
            InterfaceService::Aws(_) => None,
            InterfaceService::Customer(service) => Some(self.service_zones(service)),
        }
    }

    pub(super) fn endpoint_groups(
        &self,
        request: &Request,
        vpc: &Vpc,
        groups: &[String],
    ) -> Result<Vec<String>, Refusal> {
        if groups.is_empty() {
            return Ok(vec![vpc.default_security_group_id.clone()]);
        }
        let mut checked: Vec<String> = Vec::with_capacity(groups.len());
        for id in groups {
            if self.own_security_group(id, request)?.vpc_id != vpc.vpc_id {
                return Err(Refusal::new(
                    "InvalidParameter",
                    format!("Security group {id} and VPC {} belong to different networks.", vpc.vpc_id),
                ));
            }
            if !checked.contains(id) {
                checked.push(id.clone());
            }
        }
        Ok(checked)
    }

    /// The names that private DNS will give, or why it can't be enabled. `own` is the endpoint that has such names already.
    pub(super) fn private_names(
        &self,
        members: &CreateVpcEndpoint,
        vpc: &Vpc,
        service: &InterfaceService<'_>,
        own: Option<&str>,
    ) -> Result<Vec<String>, Refusal> {
        self.check_inbound_resolver_option(members, service)?;
        if members.private_dns_enabled != Some(true) {
            return Ok(Vec::new());
        }
        let refuse = |message: String| Err(Refusal::new("InvalidParameter", message));
        if !vpc.allows_private_dns() {
            return refuse(format!(
                "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {}",
                vpc.vpc_id
            ));
        }
        // Who uses the name already keeps it, whatever a later verification found.
        let uses_it = own.and_then(|id| self.vpc_endpoints.get(id)).is_some_and(|it| it.private_dns_enabled);
        if let Some(unproved) = service.unproved_name().filter(|_| !uses_it) {
            let message = format!(
                "Private DNS can't be enabled because the service {} has not verified the private DNS name.",
                members.service_name
            );
            return Err(Refusal::new("InvalidParameter", message).help(format!(
                "the provider proves it by a TXT record `{}.{}` that says \"{}\", in a public hosted zone",
                unproved.record_name,
                unproved.domain(),
                unproved.record_value
            )));
        }
        let names = service.private_names(&vpc.meta.region);
        if names.is_empty() {
            return refuse(format!(
                "Private DNS can't be enabled because the service {} does not provide a private DNS name.",
                members.service_name
            ));
        }
        let is_taken = |name: &&String| {
            let domain = without_star(name);
            self.hidden_zone_in(&vpc.vpc_id, domain, own).is_some()
                || self.hosted_zone_in(&vpc.vpc_id, &format!("{domain}.")).is_some()
        };
        match names.iter().find(is_taken) {
            None => Ok(names),
            Some(name) => refuse(format!(
                "private-dns-enabled cannot be set because there is already a conflicting DNS domain for {name} in the VPC {}",
                vpc.vpc_id
            )),
        }
    }

    /// An endpoint's name in the hidden zone of that domain in a VPC, of endpoints other than `own`: a name and its wildcard
    /// share the zone.
    pub(super) fn hidden_zone_in(&self, vpc_id: &str, domain: &str, own: Option<&str>) -> Option<&DnsEntry> {
        let others = self
            .vpc_endpoints
            .values()
            .filter(|endpoint| endpoint.vpc_id == vpc_id && own != Some(endpoint.vpc_endpoint_id.as_str()));
        let mut entries = others.flat_map(|endpoint| &endpoint.dns_entries);
        entries.find(|entry| entry.scope == DnsEntryScope::Private && without_star(&entry.dns_name) == domain)
    }

    /// `PrivateDnsOnlyForInboundResolverEndpoint` is S3's, and wants a gateway endpoint beside it (B3.3).
    fn check_inbound_resolver_option(
        &self,
        members: &CreateVpcEndpoint,
        service: &InterfaceService<'_>,
    ) -> Result<(), Refusal> {
        if !service.is_s3() {
            return match members.private_dns_only_for_inbound_resolver_endpoint {
                Some(true) => Err(Refusal::new(
                    "InvalidParameter",
                    format!(
                        "PrivateDnsOnlyForInboundResolverEndpoint is not supported for the service {}.",
                        members.service_name
                    ),
                )),
                _ => Ok(()),
            };
        }
        let has_gateway = self.vpc_endpoints.values().any(|endpoint| {
            endpoint.vpc_id == members.vpc_id
                && endpoint.vpc_endpoint_type == VpcEndpointType::Gateway
                && endpoint.service_name == members.service_name
        });
        if only_for_inbound_resolver(members, service) && !has_gateway {
            return Err(Refusal::new(
                "InvalidParameter",
                format!(
                    "To set PrivateDnsOnlyForInboundResolverEndpoint to true, the VPC {} must have a Gateway endpoint for the service.",
                    members.vpc_id
                ),
            )
            .help("it is true by default: set DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint to AllResolvers, or let this endpoint depend on a gateway endpoint for S3"));
        }
        Ok(())
    }
}

/// The option as it takes effect: with private DNS for S3 it is on unless it was switched off.
pub(super) fn only_for_inbound_resolver(members: &CreateVpcEndpoint, service: &InterfaceService<'_>) -> bool {
    service.is_s3()
        && members.private_dns_enabled == Some(true)
        && members.private_dns_only_for_inbound_resolver_endpoint.unwrap_or(true)
}

impl InterfaceService<'_> {
    fn is_s3(&self) -> bool {
        matches!(self, Self::Aws("s3"))
    }

    fn supports_policy(&self) -> bool {
        matches!(self, Self::Aws(_))
    }

    fn first_state(&self) -> VpcEndpointState {
        match self {
            Self::Customer(service) if service.acceptance_required => VpcEndpointState::PendingAcceptance,
            _ => VpcEndpointState::Available,
        }
    }

    fn private_names(&self, region: &str) -> Vec<String> {
        match self {
            Self::Aws(short) => private_dns_names(short, region).expect("interface_service found it in the table"),
            Self::Customer(service) => service.private_dns.iter().map(|it| it.name.clone()).collect(),
        }
    }

    /// Its private name, where it has one that is not proved to be its own.
    fn unproved_name(&self) -> Option<&ServicePrivateDns> {
        match self {
            Self::Aws(_) => None,
            Self::Customer(service) => service.private_dns.as_ref().filter(|it| it.state != PrivateDnsState::Verified),
        }
    }

    /// What stands between the endpoint's own label and `REGION.vpce.amazonaws.com`.
    fn dns_label(&self) -> &str {
        match self {
            Self::Aws(short) => short,
            Self::Customer(service) => &service.service_id,
        }
    }
}

impl PlannedInterface<'_> {
    /// The requester-managed network interface as DescribeNetworkInterfaces shows it (B3.1).
    pub fn interface(&self, meta: &Meta, vpc_endpoint_id: &str, groups: &[String]) -> NetworkInterface {
        let network_interface_id = id::derived("eni", &[vpc_endpoint_id, &self.subnet.subnet_id]);
        NetworkInterface {
            mac_address: address::mac_address(address::MacKind::VpcEndpoint, self.address),
            description: format!("VPC Endpoint Interface {vpc_endpoint_id}"),
            interface_type: InterfaceType::VpcEndpoint(vpc_endpoint_id.to_owned()),
            requester_managed: true,
            attachment: Some(Attachment::to_aws(&network_interface_id)),
            ..NetworkInterface::new(
                network_interface_id,
                meta.clone(),
                self.subnet,
                vec![self.address],
                groups.to_vec(),
            )
        }
    }
}

/// Regional name, zonal names, private names, in AWS's order (B3.3).
pub(super) fn dns_entries(
    vpc_endpoint_id: &str,
    region: &str,
    service: &InterfaceService<'_>,
    zones: &[&str],
    private_names: Vec<String>,
) -> Vec<DnsEntry> {
    let hash = id::Digest::of(&["endpoint name", vpc_endpoint_id]).alphanumerics(8);
    let own = format!("{vpc_endpoint_id}-{hash}");
    let domain = format!("{}.{region}.vpce.{}", service.dns_label(), region::dns_suffix(region));
    // S3's names are always used with a label before them: `bucket.`, `accesspoint.`, `control.`.
    let wildcard = if service.is_s3() { "*." } else { "" };
    let public_zone = region::endpoint_hosted_zone(region);
    let public = |label: String, scope| DnsEntry {
        dns_name: format!("{wildcard}{label}.{domain}"),
        hosted_zone_id: public_zone.clone(),
        scope,
    };
    let mut entries = vec![public(own.clone(), DnsEntryScope::Regional)];
    entries.extend(zones.iter().map(|zone| public(format!("{own}-{zone}"), DnsEntryScope::Zonal((*zone).to_owned()))));
    entries.extend(private_names.into_iter().map(|name| {
        // One hidden zone covers a name and its wildcard.
        let apex = without_star(&name);
        let zone = id::Digest::of(&["private hosted zone", vpc_endpoint_id, apex]).alphanumerics(20).to_uppercase();
        DnsEntry { hosted_zone_id: format!("Z{zone}"), dns_name: name, scope: DnsEntryScope::Private }
    }));
    entries
}
