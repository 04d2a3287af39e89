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
    let zones = availability_zones(region, account);
    let ids = world.service_zones(service);
    let names: Value =
        zones.iter().filter(|zone| ids.contains(&zone.id.as_str())).map(|zone| json!(zone.name)).collect();
    let mut shape = json!({
        "ServiceName": service.service_name,
        "ServiceId": service.service_id,
        "ServiceType": [{ "ServiceType": "Interface" }],
        "ServiceRegion": region,
        "ServiceState": service.service_state.as_str(),
        "AvailabilityZones": names,
        "Owner": account,
        "BaseEndpointDnsNames": [format!("{}.{region}.vpce.{}", service.service_id, region::dns_suffix(region))],
        "VpcEndpointPolicySupported": false,
        "AcceptanceRequired": service.acceptance_required,
        "ManagesVpcEndpoints": false,
        "SupportedIpAddressTypes": ["ipv4"],
        "NetworkLoadBalancerArns": service.network_load_balancer_arns,
        "AllowedPrincipals": service.allowed_principals,
        "Tags": tags(&service.meta),
    });
    if let Some(ServicePrivateDns { name, state, record_name, record_value }) = &service.private_dns {
        add(&mut shape, "PrivateDnsName", Some(json!(name)));
        add(&mut shape, "PrivateDnsNames", Some(json!([{ "PrivateDnsName": name }])));
        add(&mut shape, "PrivateDnsNameVerificationState", Some(json!(state.as_str())));
        let proof = json!({ "State": state.as_str(), "Type": "TXT", "Value": record_value, "Name": record_name });
        add(&mut shape, "PrivateDnsNameConfiguration", Some(proof));
    }
    shape
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
            "ConnectionNotificationState": "Enabled",
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
