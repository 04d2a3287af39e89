//! Endpoints and endpoint services.

use super::*;

/// DescribeVpcEndpoints.
pub fn vpc_endpoints(world: &World) -> Vec<Value> {
    world.vpc_endpoints.values().map(|endpoint| vpc_endpoint(world, endpoint)).collect()
}

fn vpc_endpoint(world: &World, endpoint: &VpcEndpoint) -> Value {
    let mut shape = json!({
        "VpcEndpointId": endpoint.vpc_endpoint_id,
        "VpcEndpointType": endpoint.vpc_endpoint_type.as_str(),
        "VpcId": endpoint.vpc_id,
        "ServiceName": endpoint.service_name,
        "ServiceRegion": endpoint.meta.region,
        "State": endpoint.state.as_str(),
        "PolicyDocument": endpoint.policy_document.value.to_string(),
        "RouteTableIds": endpoint.route_table_ids,
        "SubnetIds": endpoint.subnet_ids,
        "Groups": group_identifiers(world, &endpoint.security_group_ids),
        "IpAddressType": "ipv4",
        "PrivateDnsEnabled": endpoint.private_dns_enabled,
        "RequesterManaged": false,
        "NetworkInterfaceIds": endpoint.network_interface_ids,
        "DnsEntries": dns_entries(endpoint),
        "OwnerId": endpoint.meta.account,
        "Tags": tags(&endpoint.meta),
    });
    let only = endpoint.private_dns_only_for_inbound_resolver_endpoint;
    let options = json!({ "DnsRecordIpType": "ipv4", "PrivateDnsOnlyForInboundResolverEndpoint": only });
    add(&mut shape, "DnsOptions", (endpoint.vpc_endpoint_type == VpcEndpointType::Interface).then_some(options));
    shape
}

fn dns_entries(endpoint: &VpcEndpoint) -> Value {
    let shape = |entry: &DnsEntry| json!({ "DnsName": entry.dns_name, "HostedZoneId": entry.hosted_zone_id });
    endpoint.dns_entries.iter().map(shape).collect()
}

impl VpcEndpointType {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "Gateway",
            Self::Interface => "Interface",
        }
    }
}

/// DescribeVpcEndpointServices of the lab's own services, with what only their provider sees: state, load balancers,
/// allowed principals.
pub fn vpc_endpoint_services(world: &World) -> Vec<Value> {
    world.vpc_endpoint_services.values().map(|service| vpc_endpoint_service(world, service)).collect()
}

fn vpc_endpoint_service(world: &World, service: &VpcEndpointService) -> Value {
    let Meta { account, region, .. } = &service.meta;
    let mut shape = json!({
        "ServiceName": service.service_name,
        "ServiceId": service.service_id,
        "ServiceType": [{ "ServiceType": "Interface" }],
        "ServiceRegion": region,
        "ServiceState": service.service_state.as_str(),
        "AvailabilityZones": zone_names(world, service, account),
        "Owner": account,
        "BaseEndpointDnsNames": [base_name(service)],
        "VpcEndpointPolicySupported": false,
        "AcceptanceRequired": service.acceptance_required,
        "ManagesVpcEndpoints": false,
        "SupportedIpAddressTypes": ["ipv4"],
        "NetworkLoadBalancerArns": service.network_load_balancer_arns,
        "AllowedPrincipals": service.allowed_principals,
        "Tags": tags(&service.meta),
    });
    add_private_dns(&mut shape, service);
    if let Some(ServicePrivateDns { state, record_name, record_value, .. }) = &service.private_dns {
        let proof = json!({ "State": state.as_str(), "Type": "TXT", "Value": record_value, "Name": record_name });
        add(&mut shape, "PrivateDnsNameConfiguration", Some(proof));
    }
    shape
}

fn add_private_dns(shape: &mut Value, service: &VpcEndpointService) {
    if let Some(ServicePrivateDns { name, state, .. }) = &service.private_dns {
        add(shape, "PrivateDnsName", Some(json!(name)));
        add(shape, "PrivateDnsNames", Some(json!([{ "PrivateDnsName": name }])));
        add(shape, "PrivateDnsNameVerificationState", Some(json!(state.as_str())));
    }
}

fn base_name(service: &VpcEndpointService) -> String {
    let region = &service.meta.region;
    format!("{}.{region}.vpce.{}", service.service_id, region::dns_suffix(region))
}

/// The zones of a service by the names that an account has for them (B4).
fn zone_names(world: &World, service: &VpcEndpointService, account: &str) -> Value {
    let ids = world.service_zones(service);
    let zones = world.availability_zones(&service.meta.region, account);
    zones.iter().filter(|zone| ids.contains(&zone.id.as_str())).map(|zone| json!(zone.name)).collect()
}

/// DescribeVpcEndpointServiceConfigurations: the lab's own services as their providers see them.
pub fn vpc_endpoint_service_configurations(world: &World) -> Vec<Value> {
    let not_there = [
        "ServiceRegion",
        "Owner",
        "VpcEndpointPolicySupported",
        "AllowedPrincipals",
        "PrivateDnsNames",
        "PrivateDnsNameVerificationState",
    ];
    let shape = |service: &VpcEndpointService| {
        let mut shape = vpc_endpoint_service(world, service);
        if let Value::Object(members) = &mut shape {
            members.retain(|name, _| !not_there.contains(&name.as_str()));
        }
        add(&mut shape, "AvailabilityZoneIds", Some(json!(world.service_zones(service))));
        shape
    };
    world.vpc_endpoint_services.values().map(shape).collect()
}

/// DescribeVpcEndpointServices as an account sees them in a Region: AWS's own, and those that let it in.
pub fn vpc_endpoint_service_details(world: &World, account: &str, region: &str, principal: Option<&str>) -> Vec<Value> {
    let zones = world.availability_zones(region, account);
    let gateways = ["s3", "dynamodb"].map(|short| aws_service(region, short, VpcEndpointType::Gateway, &zones));
    let interfaces = aws_services().map(|short| aws_service(region, short, VpcEndpointType::Interface, &zones));
    let admitted = world
        .vpc_endpoint_services
        .values()
        .filter(|service| service.meta.region == region && service.admits(account, principal));
    let customers = admitted.map(|service| {
        let mut shape = json!({
            "ServiceName": service.service_name,
            "ServiceId": service.service_id,
            "ServiceType": [{ "ServiceType": "Interface" }],
            "ServiceRegion": region,
            "AvailabilityZones": zone_names(world, service, account),
            "AvailabilityZoneIds": world.service_zones(service),
            "Owner": service.meta.account,
            "BaseEndpointDnsNames": [base_name(service)],
            "VpcEndpointPolicySupported": false,
            "AcceptanceRequired": service.acceptance_required,
            "ManagesVpcEndpoints": false,
            "SupportedIpAddressTypes": ["ipv4"],
            // What the provider wrote on it is nobody else's.
            "Tags": if service.meta.account == account { tags(&service.meta) } else { json!([]) },
        });
        add_private_dns(&mut shape, service);
        shape
    });
    gateways.into_iter().chain(interfaces).chain(customers).collect()
}

fn aws_service(region: &str, short: &str, kind: VpcEndpointType, zones: &[AvailabilityZone]) -> Value {
    let suffix = region::dns_suffix(region);
    let mut shape = json!({
        "ServiceName": format!("com.amazonaws.{region}.{short}"),
        "ServiceId": aws_id(region, short, kind),
        "ServiceType": [{ "ServiceType": kind.as_str() }],
        "ServiceRegion": region,
        "AvailabilityZones": zones.iter().map(|zone| json!(zone.name)).collect::<Value>(),
        "AvailabilityZoneIds": zones.iter().map(|zone| json!(zone.id)).collect::<Value>(),
        "Owner": "amazon",
        "BaseEndpointDnsNames": [format!("{short}.{region}.vpce.{suffix}")],
        "VpcEndpointPolicySupported": true,
        "AcceptanceRequired": false,
        "ManagesVpcEndpoints": false,
        "SupportedIpAddressTypes": ["ipv4"],
        "Tags": [],
    });
    let names = private_dns_names(short, region).unwrap_or_default();
    if let Some(first) = names.first().filter(|_| kind == VpcEndpointType::Interface) {
        let all: Value = names.iter().map(|name| json!({ "PrivateDnsName": name })).collect();
        add(&mut shape, "PrivateDnsName", Some(json!(first)));
        add(&mut shape, "PrivateDnsNames", Some(all));
        add(&mut shape, "PrivateDnsNameVerificationState", Some(json!("verified")));
    }
    shape
}

fn aws_id(region: &str, short: &str, kind: VpcEndpointType) -> String {
    id::derived("vpce-svc", &["AWS", region, short, kind.as_str()])
}

/// The id of the AWS service that an endpoint leads to, if it is one.
pub(in crate::model) fn aws_service_id(endpoint: &VpcEndpoint) -> Option<String> {
    let region = &endpoint.meta.region;
    let short = short_service_name(&endpoint.service_name, region)?;
    Some(aws_id(region, short, endpoint.vpc_endpoint_type))
}

impl PrivateDnsState {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PendingVerification => "pendingVerification",
            Self::Verified => "verified",
            Self::Failed => "failed",
        }
    }
}

/// DescribeVpcEndpointConnections: the endpoints of the lab's own services, as their providers see them.
pub fn vpc_endpoint_connections(world: &World) -> Vec<Value> {
    let shape = |endpoint: &VpcEndpoint| {
        let mut services = world.vpc_endpoint_services.values();
        let service = services.find(|service| service.service_name == endpoint.service_name)?;
        Some(json!({
            "VpcEndpointId": endpoint.vpc_endpoint_id,
            "ServiceId": service.service_id,
            "VpcEndpointOwner": endpoint.meta.account,
            "VpcEndpointState": endpoint.state.as_str(),
            "VpcEndpointRegion": endpoint.meta.region,
            "DnsEntries": dns_entries(endpoint),
            "NetworkLoadBalancerArns": service.network_load_balancer_arns,
            "IpAddressType": "ipv4",
        }))
    };
    world.vpc_endpoints.values().filter_map(shape).collect()
}

/// DescribeVpcEndpointConnectionNotifications.
pub fn connection_notifications(world: &World) -> Vec<Value> {
    let shape = |notification: &ConnectionNotification| {
        let mut shape = json!({
            "ConnectionNotificationId": notification.connection_notification_id,
            "ConnectionNotificationType": "Topic",
            "ConnectionNotificationArn": notification.connection_notification_arn,
            "ConnectionEvents": notification.connection_events.iter().map(|it| json!(it.as_str())).collect::<Value>(),
            "ConnectionNotificationState": if world.publishes(notification) { "Enabled" } else { "Disabled" },
        });
        add(&mut shape, "ServiceId", notification.service_id.as_ref().map(|id| json!(id)));
        add(&mut shape, "VpcEndpointId", notification.vpc_endpoint_id.as_ref().map(|id| json!(id)));
        shape
    };
    world.connection_notifications.values().map(shape).collect()
}

/// Route 53 Resolver ListResolverEndpoints, with ListResolverEndpointIpAddresses.
pub fn resolver_endpoints(world: &World) -> Vec<Value> {
    let shape = |endpoint: &ResolverEndpoint| {
        let addresses = endpoint.ip_addresses.iter().map(|address| {
            json!({
                "IpId": address.ip_id,
                "SubnetId": address.subnet_id,
                "Ip": address.ip,
                "Status": "ATTACHED",
            })
        });
        json!({
            "Id": endpoint.resolver_endpoint_id,
            "Arn": endpoint.arn(),
            "Name": endpoint.name,
            "SecurityGroupIds": endpoint.security_group_ids,
            "Direction": "INBOUND",
            "IpAddressCount": endpoint.ip_addresses.len(),
            "HostVPCId": endpoint.host_vpc_id,
            "Status": "OPERATIONAL",
            "ResolverEndpointType": "IPV4",
            "Protocols": ["Do53"],
            "IpAddresses": addresses.collect::<Value>(),
            "Tags": tags(&endpoint.meta),
        })
    };
    world.resolver_endpoints.values().map(shape).collect()
}

impl VpcEndpointServiceState {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Available => "Available",
            Self::Deleting => "Deleting",
            Self::Deleted => "Deleted",
            Self::Failed => "Failed",
        }
    }
}
