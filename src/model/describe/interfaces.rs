//! Network interfaces and the instances that they are plugged into.

use std::net::Ipv4Addr;

use super::*;

/// The account behind an endpoint's interface, as DescribeNetworkInterfaces has shown it (B3.1); it varies on AWS.
const ENDPOINT_REQUESTER: &str = "727180483921";

/// DescribeNetworkInterfaces.
pub fn network_interfaces(world: &World) -> Vec<Value> {
    world.network_interfaces.values().map(|interface| network_interface(world, interface)).collect()
}

fn network_interface(world: &World, interface: &NetworkInterface) -> Value {
    let meta = &interface.meta;
    let zone = world.subnets.get(&interface.subnet_id).map(|subnet| subnet.availability_zone.as_str());
    let name = |address| address::private_dns_name(&meta.region, address);
    let addresses: Value = interface
        .private_ip_addresses
        .iter()
        .enumerate()
        .map(|(position, address)| {
            let mut shape = json!({
                "Primary": position == 0, "PrivateIpAddress": address, "PrivateDnsName": name(*address),
            });
            add(&mut shape, "ConnectionTrackingConfiguration", connection_tracking(&interface.connection_tracking));
            add(&mut shape, "Association", association(world, interface, *address));
            shape
        })
        .collect();
    let mut shape = json!({
        "NetworkInterfaceId": interface.network_interface_id,
        "InterfaceType": interface.interface_type.as_str(),
        "Description": interface.description,
        "OwnerId": meta.account,
        "VpcId": interface.vpc_id,
        "SubnetId": interface.subnet_id,
        "AvailabilityZone": zone,
        "MacAddress": mac_text(interface.mac_address),
        "PrivateIpAddress": interface.private_ip_address(),
        "PrivateDnsName": name(interface.private_ip_address()),
        "PrivateIpAddresses": addresses,
        "Groups": group_identifiers(world, &interface.groups),
        "SourceDestCheck": interface.source_dest_check,
        "RequesterManaged": interface.requester_managed,
        "Status": if interface.attachment.is_some() { "in-use" } else { "available" },
        "TagSet": tags(meta),
    });
    add(&mut shape, "RequesterId", interface.interface_type.requester().map(|id| json!(id)));
    add(&mut shape, "Attachment", interface.attachment.as_ref().map(|each| attachment(each, &meta.account)));
    add(&mut shape, "ConnectionTrackingConfiguration", connection_tracking(&interface.connection_tracking));
    add(&mut shape, "Association", association(world, interface, interface.private_ip_address()));
    shape
}

fn attachment(attachment: &Attachment, account: &str) -> Value {
    let mut shape = json!({
        "AttachmentId": attachment.attachment_id,
        "DeviceIndex": attachment.device_index,
        "DeleteOnTermination": attachment.instance_id.is_some() && attachment.device_index == 0,
        "InstanceOwnerId": if attachment.instance_id.is_some() { account } else { "amazon-aws" },
        "Status": "attached",
    });
    add(&mut shape, "InstanceId", attachment.instance_id.as_ref().map(|id| json!(id)));
    shape
}

/// What was set; AWS shows nothing where nothing was.
fn connection_tracking(tracking: &ConnectionTracking) -> Option<Value> {
    let mut shape = json!({});
    add(&mut shape, "TcpEstablishedTimeout", tracking.tcp_established_timeout.map(|seconds| json!(seconds)));
    add(&mut shape, "UdpStreamTimeout", tracking.udp_stream_timeout.map(|seconds| json!(seconds)));
    add(&mut shape, "UdpTimeout", tracking.udp_timeout.map(|seconds| json!(seconds)));
    (*tracking != ConnectionTracking::default()).then_some(shape)
}

/// The public side of one private address.
fn association(world: &World, interface: &NetworkInterface, private_ip: Ipv4Addr) -> Option<Value> {
    let public = world.public_addresses_of(interface);
    let (_, public_ip) = public.into_iter().find(|(private, _)| *private == private_ip)?;
    let elastic = world.elastic_address_of(interface, private_ip);
    let mut shape = json!({
        "PublicIp": public_ip,
        "PublicDnsName": world.public_dns_name(interface, public_ip),
        "IpOwnerId": elastic.map_or("amazon", |address| address.meta.account.as_str()),
    });
    if let Some(address) = elastic {
        add(&mut shape, "AllocationId", Some(json!(address.allocation_id)));
        add(&mut shape, "AssociationId", address.association.as_ref().map(|each| json!(each.association_id)));
    }
    Some(shape)
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

impl InterfaceType {
    /// AWS's word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Interface | Self::ResolverEndpoint(_) => "interface",
            Self::VpcEndpoint(_) => "vpc_endpoint",
            Self::NetworkLoadBalancer(_) => "network_load_balancer",
            Self::NatGateway(_) => "nat_gateway",
        }
    }

    /// Who at AWS asked for the interface.
    fn requester(&self) -> Option<&'static str> {
        match self {
            Self::Interface => None,
            Self::VpcEndpoint(_) | Self::NatGateway(_) | Self::ResolverEndpoint(_) => Some(ENDPOINT_REQUESTER),
            Self::NetworkLoadBalancer(_) => Some("amazon-elb"),
        }
    }
}

/// DescribeInstances without the reservations around them.
pub fn instances(world: &World) -> Vec<Value> {
    world.instances.values().filter_map(|each| instance(world, each)).collect()
}

fn instance(world: &World, instance: &Instance) -> Option<Value> {
    let interfaces: Vec<&NetworkInterface> =
        instance.network_interface_ids.iter().filter_map(|id| world.network_interfaces.get(id)).collect();
    let primary = interfaces.first()?;
    let zone = world.subnets.get(&primary.subnet_id).map(|subnet| subnet.availability_zone.as_str());
    let mut shape = json!({
        "InstanceId": instance.instance_id,
        "InstanceType": instance.instance_type,
        "ImageId": instance.image_id,
        "OwnerId": instance.meta.account,
        "State": { "Code": 16, "Name": "running" },
        "VpcId": primary.vpc_id,
        "SubnetId": primary.subnet_id,
        "Placement": { "AvailabilityZone": zone, "Tenancy": "default" },
        "PrivateIpAddress": primary.private_ip_address(),
        "PrivateDnsName": instance.private_dns_name,
        "PublicDnsName": world.public_dns_name_of(primary),
        "SecurityGroups": group_identifiers(world, &primary.groups),
        "SourceDestCheck": primary.source_dest_check,
        "NetworkInterfaces": interfaces.iter().map(|each| network_interface(world, each)).collect::<Value>(),
        "Tags": tags(&instance.meta),
    });
    add(&mut shape, "IamInstanceProfile", instance_profile(world, instance));
    add(&mut shape, "MetadataOptions", Some(metadata_options(instance.metadata_options)));
    add(&mut shape, "PublicIpAddress", world.public_ip_of(primary).map(|address| json!(address)));
    Some(shape)
}

fn instance_profile(world: &World, instance: &Instance) -> Option<Value> {
    let profile = world.instance_profiles.get(instance.iam_instance_profile.as_ref()?)?;
    Some(json!({ "Arn": profile.arn, "Id": profile.instance_profile_id }))
}

fn metadata_options(options: MetadataOptions) -> Value {
    let switch = |on: bool| if on { "enabled" } else { "disabled" };
    json!({
        "State": "applied",
        "HttpTokens": if options.tokens_required { "required" } else { "optional" },
        "HttpPutResponseHopLimit": options.hop_limit,
        "HttpEndpoint": switch(options.enabled),
        "HttpProtocolIpv6": "disabled",
        "InstanceMetadataTags": switch(options.tags),
    })
}
