//! Public addresses, NAT gateways, peerings, VPN, and flow logs.

use super::*;

/// DescribeAddresses.
pub fn addresses(world: &World) -> Vec<Value> {
    let shape = |address: &Address| {
        let mut shape = json!({
            "AllocationId": address.allocation_id,
            "PublicIp": address.public_ip,
            "Domain": "vpc",
            "PublicIpv4Pool": "amazon",
            "NetworkBorderGroup": address.meta.region,
            "Tags": tags(&address.meta),
        });
        if let Some(association) = &address.association {
            let interface = world.network_interfaces.get(&association.network_interface_id);
            let instance = interface.and_then(|each| each.attachment.as_ref()?.instance_id.as_ref());
            add(&mut shape, "AssociationId", Some(json!(association.association_id)));
            add(&mut shape, "NetworkInterfaceId", Some(json!(association.network_interface_id)));
            add(&mut shape, "NetworkInterfaceOwnerId", interface.map(|each| json!(each.meta.account)));
            add(&mut shape, "PrivateIpAddress", Some(json!(association.private_ip_address)));
            add(&mut shape, "InstanceId", instance.map(|id| json!(id)));
        }
        shape
    };
    world.addresses.values().map(shape).collect()
}

/// DescribeNatGateways.
pub fn nat_gateways(world: &World) -> Vec<Value> {
    let shape = |gateway: &NatGateway| {
        let address = |(position, address): (usize, &NatGatewayAddress)| {
            let mut shape = json!({
                "NetworkInterfaceId": address.network_interface_id,
                "PrivateIp": address.private_ip,
                "IsPrimary": position == 0,
                "Status": "succeeded",
            });
            let elastic = address.allocation_id.as_ref().and_then(|id| world.addresses.get(id));
            let association = elastic.and_then(|elastic| elastic.association.as_ref());
            add(&mut shape, "AllocationId", address.allocation_id.as_ref().map(|id| json!(id)));
            add(&mut shape, "PublicIp", address.public_ip.map(|public_ip| json!(public_ip)));
            add(&mut shape, "AssociationId", association.map(|each| json!(each.association_id)));
            shape
        };
        let mut shape = json!({
            "NatGatewayId": gateway.nat_gateway_id,
            "VpcId": gateway.vpc_id,
            "SubnetId": gateway.subnet_id,
            "ConnectivityType": gateway.connectivity_type.as_str(),
            "State": gateway.state.as_str(),
            "NatGatewayAddresses": gateway.addresses.iter().enumerate().map(address).collect::<Value>(),
            "Tags": tags(&gateway.meta),
        });
        add(&mut shape, "FailureCode", gateway.failure.as_ref().map(|failure| json!(failure.code)));
        add(&mut shape, "FailureMessage", gateway.failure.as_ref().map(|failure| json!(failure.message)));
        shape
    };
    world.nat_gateways.values().map(shape).collect()
}

impl ConnectivityType {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

impl NatGatewayState {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }
}

/// DescribeVpcPeeringConnections.
pub fn vpc_peering_connections(world: &World) -> Vec<Value> {
    let side = |side: &PeeringSide| {
        let mut shape = json!({ "VpcId": side.vpc_id, "OwnerId": side.account, "Region": side.region });
        if let Some(vpc) = world.vpcs.get(&side.vpc_id) {
            let blocks: Value = vpc.cidr_blocks.iter().map(|block| json!({ "CidrBlock": block })).collect();
            add(&mut shape, "CidrBlock", Some(json!(vpc.cidr_blocks[0])));
            add(&mut shape, "CidrBlockSet", Some(blocks));
        }
        add(&mut shape, "PeeringOptions", Some(json!({ "AllowDnsResolutionFromRemoteVpc": false })));
        shape
    };
    let shape = |connection: &VpcPeeringConnection| {
        json!({
            "VpcPeeringConnectionId": connection.vpc_peering_connection_id,
            "RequesterVpcInfo": side(&connection.requester),
            "AccepterVpcInfo": side(&connection.accepter),
            "Status": { "Code": connection.status.as_str(), "Message": connection.status_message() },
            "Tags": tags(&connection.meta),
        })
    };
    world.vpc_peering_connections.values().map(shape).collect()
}

impl PeeringStatus {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PendingAcceptance => "pending-acceptance",
            Self::Active => "active",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
        }
    }
}

/// DescribeVpnGateways.
pub fn vpn_gateways(world: &World) -> Vec<Value> {
    let shape = |gateway: &VpnGateway| {
        let attachments: Value =
            gateway.vpc_id.iter().map(|vpc_id| json!({ "State": "attached", "VpcId": vpc_id })).collect();
        json!({
            "VpnGatewayId": gateway.vpn_gateway_id,
            "Type": "ipsec.1",
            "State": "available",
            "AmazonSideAsn": gateway.amazon_side_asn,
            "VpcAttachments": attachments,
            "Tags": tags(&gateway.meta),
        })
    };
    world.vpn_gateways.values().map(shape).collect()
}

/// DescribeCustomerGateways.
pub fn customer_gateways(world: &World) -> Vec<Value> {
    let shape = |gateway: &CustomerGateway| {
        json!({
            "CustomerGatewayId": gateway.customer_gateway_id,
            "Type": "ipsec.1",
            "State": "available",
            "IpAddress": gateway.ip_address,
            // A text on AWS, unlike AmazonSideAsn.
            "BgpAsn": gateway.bgp_asn.to_string(),
            "Tags": tags(&gateway.meta),
        })
    };
    world.customer_gateways.values().map(shape).collect()
}

/// DescribeVpnConnections.
pub fn vpn_connections(world: &World) -> Vec<Value> {
    let shape = |connection: &VpnConnection| {
        let route = |block| json!({ "DestinationCidrBlock": block, "Source": "Static", "State": "available" });
        json!({
            "VpnConnectionId": connection.vpn_connection_id,
            "VpnGatewayId": connection.vpn_gateway_id,
            "CustomerGatewayId": connection.customer_gateway_id,
            "Type": "ipsec.1",
            "Category": "VPN",
            "State": "available",
            "Options": { "StaticRoutesOnly": connection.static_routes_only },
            "Routes": connection.routes.iter().map(route).collect::<Value>(),
            "Tags": tags(&connection.meta),
        })
    };
    world.vpn_connections.values().map(shape).collect()
}

/// DescribeFlowLogs.
pub fn flow_logs(world: &World) -> Vec<Value> {
    let shape = |log: &FlowLog| {
        let mut shape = json!({
            "FlowLogId": log.flow_log_id,
            "FlowLogStatus": "ACTIVE",
            "DeliverLogsStatus": "SUCCESS",
            "ResourceId": log.resource_id,
            "TrafficType": log.traffic_type.as_str(),
            "LogDestinationType": log.log_destination_type,
            "LogFormat": log.log_format.as_deref().unwrap_or(DEFAULT_LOG_FORMAT),
            "MaxAggregationInterval": log.max_aggregation_interval,
            "Tags": tags(&log.meta),
        });
        add(&mut shape, "LogDestination", log.log_destination.as_ref().map(|arn| json!(arn)));
        add(&mut shape, "LogGroupName", log.log_group_name.as_ref().map(|name| json!(name)));
        shape
    };
    world.flow_logs.values().map(shape).collect()
}

impl TrafficType {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "ACCEPT",
            Self::Reject => "REJECT",
            Self::All => "ALL",
        }
    }
}
