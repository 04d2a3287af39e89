//! Route tables, their associations and routes, prefix lists.

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::{Change, RouteTargetId};

pub(super) fn route_table(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let change = Change::CreateRouteTable { vpc_id: properties.required_text("VpcId") };
    maker.make(properties, tags, change)
}

pub(super) fn association(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let change = Change::AssociateRouteTable {
        route_table_id: properties.required_text("RouteTableId"),
        subnet_id: properties.required_text("SubnetId"),
    };
    maker.finish(properties)?;
    let id = maker.apply(Default::default(), change)?;
    Ok(Made { attributes: [("Id", id.clone())].into(), reference: id, object: None })
}

pub(super) fn gateway_association(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let change = Change::AssociateGatewayRouteTable {
        route_table_id: properties.required_text("RouteTableId"),
        gateway_id: properties.required_text("GatewayId"),
    };
    maker.finish(properties)?;
    let id = maker.apply(Default::default(), change)?;
    Ok(Made { attributes: [("AssociationId", id.clone())].into(), reference: id, object: None })
}

type TargetOf = fn(String) -> RouteTargetId;

/// The properties that name a target, and the target that they make.
const TARGETS: [(&str, TargetOf); 6] = [
    ("GatewayId", RouteTargetId::Gateway),
    ("NatGatewayId", RouteTargetId::NatGateway),
    ("NetworkInterfaceId", RouteTargetId::NetworkInterface),
    ("InstanceId", RouteTargetId::Instance),
    ("VpcEndpointId", RouteTargetId::VpcEndpoint),
    ("VpcPeeringConnectionId", RouteTargetId::VpcPeeringConnection),
];

/// Targets that AWS has and a lab has not.
const UNEMULATED_TARGETS: [&str; 5] =
    ["TransitGatewayId", "EgressOnlyInternetGatewayId", "LocalGatewayId", "CarrierGatewayId", "CoreNetworkArn"];

pub(super) fn route(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let route_table_id = properties.required_text("RouteTableId");
    let destination_cidr_block = properties.text("DestinationCidrBlock");
    let destination_prefix_list_id = properties.decisive_text("DestinationPrefixListId");
    if properties.has("DestinationIpv6CidrBlock") {
        properties.unemulated("IPv6 is not emulated");
    } else if !properties.has("DestinationCidrBlock") && !properties.has("DestinationPrefixListId") {
        properties.required_text("DestinationCidrBlock");
    }
    if let Some(name) = UNEMULATED_TARGETS.iter().find(|name| properties.has(name)) {
        properties.unemulated(format!("a target by {name} is not emulated"));
    }
    let given: Vec<_> = TARGETS.iter().filter(|(name, _)| properties.has(name)).collect();
    let mut target = None;
    match given.as_slice() {
        [(name, make)] => target = properties.decisive_text(name).map(make),
        [] if UNEMULATED_TARGETS.iter().any(|name| properties.has(name)) => {}
        [] => properties.error(
            "",
            "MissingParameter: a route needs a target",
            Some("add GatewayId, NatGatewayId, NetworkInterfaceId, InstanceId or another one"),
        ),
        [_, (second, _), ..] => {
            let message = "InvalidParameterCombination: a route has one target, and this is a second one";
            properties.error(second, message, Some("remove one of them"))
        }
    }
    maker.finish(properties)?;
    let Some(target) = target else { return Err(Stop::Silent) };
    let destination = destination_cidr_block.as_ref().or(destination_prefix_list_id.as_ref());
    let reference = format!("{route_table_id}|{}", destination.map(String::as_str).unwrap_or_default());
    let change = Change::CreateRoute { route_table_id, destination_cidr_block, destination_prefix_list_id, target };
    maker.apply(Default::default(), change)?;
    Ok(Made { reference, ..Made::default() })
}

pub(super) fn prefix_list(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let entries = properties.objects("Entries", |entry| (entry.required_text("Cidr"), entry.text("Description")));
    let max_entries = properties.integer("MaxEntries");
    let address_family = properties.required_text("AddressFamily");
    if address_family == "IPv6" {
        properties.unemulated("IPv6 is not emulated");
    }
    let change = Change::CreateManagedPrefixList {
        prefix_list_name: properties.required_text("PrefixListName"),
        address_family,
        // Without a number CloudFormation takes as many as it has entries.
        max_entries: max_entries.unwrap_or_else(|| u32::try_from(entries.len()).unwrap_or(u32::MAX).max(1)),
        entries,
    };
    maker.make(properties, tags, change)
}
