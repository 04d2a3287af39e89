//! VPCs, subnets, route tables, internet gateways, prefix lists, security groups, network ACLs.

use super::*;

/// DescribeVpcs, with the attributes of DescribeVpcAttribute.
pub fn vpcs(world: &World) -> Vec<Value> {
    let shape = |vpc: &Vpc| {
        let associations: Value = vpc
            .cidr_blocks
            .iter()
            .map(|block| {
                json!({
                    "AssociationId": Vpc::cidr_association_id(&vpc.vpc_id, *block),
                    "CidrBlock": block,
                    "CidrBlockState": { "State": "associated" },
                })
            })
            .collect();
        json!({
            "VpcId": vpc.vpc_id,
            "OwnerId": vpc.meta.account,
            "State": "available",
            "CidrBlock": vpc.cidr_blocks[0],
            "CidrBlockAssociationSet": associations,
            "InstanceTenancy": "default",
            "IsDefault": false,
            "EnableDnsSupport": vpc.enable_dns_support,
            "EnableDnsHostnames": vpc.enable_dns_hostnames,
            "Tags": tags(&vpc.meta),
        })
    };
    world.vpcs.values().map(shape).collect()
}

/// DescribeAvailabilityZones: an account's names of a Region's zones.
pub fn availability_zones(world: &World, account: &str, region: &str) -> Vec<Value> {
    let shape = |zone: &AvailabilityZone| {
        json!({
            "ZoneName": zone.name,
            "ZoneId": zone.id,
            "ZoneType": "availability-zone",
            "RegionName": region,
            "GroupName": region,
            "NetworkBorderGroup": region,
            "OptInStatus": "opt-in-not-required",
            "State": "available",
            "Messages": [],
        })
    };
    world.availability_zones(region, account).iter().map(shape).collect()
}

/// DescribeSubnets.
pub fn subnets(world: &World) -> Vec<Value> {
    let shape = |subnet: &Subnet| {
        let Meta { account, region, .. } = &subnet.meta;
        json!({
            "SubnetId": subnet.subnet_id,
            "SubnetArn": format!(
                "arn:{}:ec2:{region}:{account}:subnet/{}",
                region::partition(region),
                subnet.subnet_id
            ),
            "VpcId": subnet.vpc_id,
            "OwnerId": account,
            "State": "available",
            "CidrBlock": subnet.cidr_block,
            "AvailableIpAddressCount": world.available_address_count(subnet),
            "AvailabilityZone": subnet.availability_zone,
            "AvailabilityZoneId": subnet.availability_zone_id,
            "DefaultForAz": false,
            "MapPublicIpOnLaunch": subnet.map_public_ip_on_launch,
            "Tags": tags(&subnet.meta),
        })
    };
    world.subnets.values().map(shape).collect()
}

/// DescribeRouteTables.
pub fn route_tables(world: &World) -> Vec<Value> {
    let shape = |table: &RouteTable| {
        let association = |association: &RouteTableAssociation| {
            let mut shape = json!({
                "Main": association.is_main(),
                "RouteTableAssociationId": association.association_id,
                "RouteTableId": table.route_table_id,
                "AssociationState": { "State": "associated" },
            });
            add(&mut shape, "SubnetId", association.subnet_id.as_ref().map(|id| json!(id)));
            add(&mut shape, "GatewayId", association.gateway_id.as_ref().map(|id| json!(id)));
            shape
        };
        json!({
            "RouteTableId": table.route_table_id,
            "VpcId": table.vpc_id,
            "OwnerId": table.meta.account,
            "Associations": table.associations.iter().map(association).collect::<Value>(),
            "Routes": table.routes.iter().map(|each| route(world, each)).collect::<Value>(),
            "PropagatingVgws": propagating(world, table),
            "Tags": tags(&table.meta),
        })
    };
    world.route_tables.values().map(shape).collect()
}

fn propagating(world: &World, table: &RouteTable) -> Value {
    let writes = |gateway: &&VpnGateway| gateway.propagating_route_tables.contains(&table.route_table_id);
    world.vpn_gateways.values().filter(writes).map(|gateway| json!({ "GatewayId": gateway.vpn_gateway_id })).collect()
}

fn route(world: &World, route: &Route) -> Value {
    let mut shape = json!({});
    match &route.destination {
        RouteDestination::Cidr(block) => add(&mut shape, "DestinationCidrBlock", Some(json!(block))),
        RouteDestination::PrefixList(id) => add(&mut shape, "DestinationPrefixListId", Some(json!(id))),
    }
    match &route.target {
        RouteTarget::Local => add(&mut shape, "GatewayId", Some(json!("local"))),
        RouteTarget::InternetGateway(id) | RouteTarget::VpcEndpoint(id) | RouteTarget::VpnGateway(id) => {
            add(&mut shape, "GatewayId", Some(json!(id)));
        }
        RouteTarget::NatGateway(id) => add(&mut shape, "NatGatewayId", Some(json!(id))),
        RouteTarget::VpcPeeringConnection(id) => add(&mut shape, "VpcPeeringConnectionId", Some(json!(id))),
        RouteTarget::NetworkInterface(id) => {
            let interface = world.network_interfaces.get(id);
            let instance = interface.and_then(|each| each.attachment.as_ref()?.instance_id.as_ref());
            add(&mut shape, "NetworkInterfaceId", Some(json!(id)));
            add(&mut shape, "InstanceId", instance.map(|id| json!(id)));
            let owner = instance.and_then(|id| world.instances.get(id));
            add(&mut shape, "InstanceOwnerId", owner.map(|instance| json!(instance.meta.account)));
        }
    }
    add(&mut shape, "Origin", Some(json!(route.origin.as_str())));
    add(&mut shape, "State", Some(json!(world.route_state(route).as_str())));
    shape
}

impl RouteOrigin {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateRouteTable => "CreateRouteTable",
            Self::CreateRoute => "CreateRoute",
            Self::EnableVgwRoutePropagation => "EnableVgwRoutePropagation",
        }
    }
}

impl RouteState {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Blackhole => "blackhole",
        }
    }
}

/// DescribeInternetGateways.
pub fn internet_gateways(world: &World) -> Vec<Value> {
    let shape = |gateway: &InternetGateway| {
        let attachments: Value =
            gateway.vpc_id.iter().map(|vpc_id| json!({ "State": "available", "VpcId": vpc_id })).collect();
        json!({
            "InternetGatewayId": gateway.internet_gateway_id,
            "OwnerId": gateway.meta.account,
            "Attachments": attachments,
            "Tags": tags(&gateway.meta),
        })
    };
    world.internet_gateways.values().map(shape).collect()
}

/// DescribePrefixLists and DescribeManagedPrefixLists in one, for AWS's lists and customers'.
pub fn prefix_lists(world: &World) -> Vec<Value> {
    let shape = |list: &PrefixList| {
        let mut shape = json!({
            "PrefixListId": list.prefix_list_id,
            "PrefixListName": list.prefix_list_name,
            "PrefixListArn": list.arn(),
            "AddressFamily": "IPv4",
            "State": "create-complete",
            "OwnerId": list.meta.account,
            "Cidrs": list.entries.iter().map(|entry| json!(entry.cidr)).collect::<Value>(),
            "Tags": tags(&list.meta),
        });
        add(&mut shape, "MaxEntries", list.max_entries.map(|entries| json!(entries)));
        add(&mut shape, "Version", list.max_entries.map(|_| json!(1)));
        shape
    };
    world.prefix_lists.values().map(shape).collect()
}

/// DescribeNetworkAcls, with the last rule of each direction that denies the rest: AWS shows it as 32767.
pub fn network_acls(world: &World) -> Vec<Value> {
    let shape = |acl: &NetworkAcl| {
        let associations: Value = acl
            .associations
            .iter()
            .map(|association| {
                json!({
                    "NetworkAclAssociationId": association.association_id,
                    "NetworkAclId": acl.network_acl_id,
                    "SubnetId": association.subnet_id,
                })
            })
            .collect();
        let last = |egress: bool| {
            json!({
                "RuleNumber": 32767, "Protocol": "-1", "RuleAction": "deny", "Egress": egress, "CidrBlock": "0.0.0.0/0",
            })
        };
        let (outbound, inbound): (Vec<_>, Vec<_>) = acl.entries.iter().partition(|entry| entry.egress);
        let mut entries: Vec<Value> = outbound.into_iter().map(network_acl_entry).collect();
        entries.push(last(true));
        entries.extend(inbound.into_iter().map(network_acl_entry));
        entries.push(last(false));
        json!({
            "NetworkAclId": acl.network_acl_id,
            "VpcId": acl.vpc_id,
            "OwnerId": acl.meta.account,
            "IsDefault": acl.is_default,
            "Entries": entries,
            "Associations": associations,
            "Tags": tags(&acl.meta),
        })
    };
    world.network_acls.values().map(shape).collect()
}

fn network_acl_entry(entry: &NetworkAclEntry) -> Value {
    let mut shape = json!({
        "RuleNumber": entry.rule_number,
        "Protocol": entry.protocol.map_or("-1".to_owned(), |number| number.to_string()),
        "RuleAction": entry.rule_action.as_str(),
        "Egress": entry.egress,
        "CidrBlock": entry.cidr_block,
    });
    add(&mut shape, "PortRange", entry.port_range.map(|(from, to)| json!({ "From": from, "To": to })));
    add(&mut shape, "IcmpTypeCode", entry.icmp_type_code.map(|(kind, code)| json!({ "Type": kind, "Code": code })));
    shape
}

impl RuleAction {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// DescribeSecurityGroups.
pub fn security_groups(world: &World) -> Vec<Value> {
    let shape = |group: &SecurityGroup| {
        json!({
            "GroupId": group.group_id,
            "GroupName": group.group_name,
            "Description": group.description,
            "VpcId": group.vpc_id,
            "OwnerId": group.meta.account,
            "IpPermissions": permissions(world, &group.ingress),
            "IpPermissionsEgress": permissions(world, &group.egress),
            "Tags": tags(&group.meta),
        })
    };
    world.security_groups.values().map(shape).collect()
}

/// Rules in AWS's form: one permission for each protocol and port range, with all its peers.
fn permissions(world: &World, rules: &[SecurityGroupRule]) -> Vec<Value> {
    let mut shapes: Vec<((&str, i32, i32), Value)> = Vec::new();
    for SecurityGroupRule { permission, .. } in rules {
        let key = (permission.ip_protocol.as_str(), permission.from_port, permission.to_port);
        let position = shapes.iter().position(|(other, _)| *other == key).unwrap_or_else(|| {
            shapes.push((key, empty_permission(key)));
            shapes.len() - 1
        });
        let (list, mut peer) = match &permission.peer {
            PermissionPeer::Cidr(cidr) => ("IpRanges", json!({ "CidrIp": cidr })),
            PermissionPeer::Ipv6Cidr(cidr) => ("Ipv6Ranges", json!({ "CidrIpv6": cidr })),
            PermissionPeer::Group(id) => {
                let account = world.security_groups.get(id).map(|group| group.meta.account.as_str());
                ("UserIdGroupPairs", json!({ "GroupId": id, "UserId": account }))
            }
            PermissionPeer::PrefixList(id) => ("PrefixListIds", json!({ "PrefixListId": id })),
        };
        add(&mut peer, "Description", permission.description.as_ref().map(|text| json!(text)));
        if let Value::Array(peers) = &mut shapes[position].1[list] {
            peers.push(peer);
        }
    }
    shapes.into_iter().map(|(_, shape)| shape).collect()
}

fn empty_permission((protocol, from, to): (&str, i32, i32)) -> Value {
    let mut shape = json!({ "IpProtocol": protocol });
    if matches!(protocol, "tcp" | "udp" | "icmp" | "icmpv6") {
        add(&mut shape, "FromPort", Some(json!(from)));
        add(&mut shape, "ToPort", Some(json!(to)));
    }
    for list in ["IpRanges", "Ipv6Ranges", "UserIdGroupPairs", "PrefixListIds"] {
        add(&mut shape, list, Some(json!([])));
    }
    shape
}
