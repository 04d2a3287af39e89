//! VPC, its address blocks, subnets, internet gateways, and the attachments of gateways.

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::Change;

pub(super) fn vpc(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let change = Change::CreateVpc {
        cidr_block: properties.required_text("CidrBlock"),
        enable_dns_support: properties.boolean("EnableDnsSupport").unwrap_or(true),
        enable_dns_hostnames: properties.boolean("EnableDnsHostnames").unwrap_or(false),
    };
    // Dedicated hardware looks the same on the wire.
    properties.text("InstanceTenancy");
    maker.make(properties, tags, change)
}

pub(super) fn vpc_cidr_block(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    if !properties.has("CidrBlock")
        && (properties.has("AmazonProvidedIpv6CidrBlock") || properties.has("Ipv6CidrBlock"))
    {
        properties.unemulated("IPv6 is not emulated");
    }
    let change = Change::AssociateVpcCidrBlock {
        vpc_id: properties.required_text("VpcId"),
        cidr_block: properties.decisive_text("CidrBlock").unwrap_or_default(),
    };
    maker.make(properties, Default::default(), change)
}

pub(super) fn subnet(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let mut availability_zone = properties.text("AvailabilityZone");
    if let Some(id) = properties.text("AvailabilityZoneId") {
        let zones = maker.site.world.availability_zones(&maker.stack.region, &maker.stack.account);
        match zones.into_iter().find(|zone| zone.id == id) {
            Some(zone) => availability_zone = Some(zone.name),
            None => {
                let message = format!("{} has no Availability Zone `{id}`", maker.stack.region);
                properties.error("AvailabilityZoneId", message, None);
            }
        }
    }
    let change = Change::CreateSubnet {
        vpc_id: properties.required_text("VpcId"),
        cidr_block: properties.required_text("CidrBlock"),
        availability_zone,
        map_public_ip_on_launch: properties.boolean("MapPublicIpOnLaunch").unwrap_or(false),
    };
    maker.make(properties, tags, change)
}

pub(super) fn internet_gateway(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    maker.make(properties, tags, Change::CreateInternetGateway)
}

pub(super) fn gateway_attachment(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let vpc_id = properties.required_text("VpcId");
    let internet_gateway_id = properties.decisive_text("InternetGatewayId");
    let vpn_gateway_id = properties.decisive_text("VpnGatewayId");
    match (properties.has("InternetGatewayId"), properties.has("VpnGatewayId")) {
        (false, false) => {
            properties.required_text("InternetGatewayId");
        }
        (true, true) => properties.error(
            "VpnGatewayId",
            "an attachment has one gateway, and this is a second one",
            Some("write an attachment for each"),
        ),
        _ => {}
    }
    maker.finish(properties)?;
    let (kind, change) = match (internet_gateway_id, vpn_gateway_id) {
        (Some(internet_gateway_id), _) => {
            ("IGW", Change::AttachInternetGateway { internet_gateway_id, vpc_id: vpc_id.clone() })
        }
        (None, Some(vpn_gateway_id)) => ("VGW", Change::AttachVpnGateway { vpn_gateway_id, vpc_id: vpc_id.clone() }),
        (None, None) => return Err(Stop::Silent),
    };
    maker.apply(Default::default(), change)?;
    let reference = format!("{kind}|{vpc_id}");
    Ok(Made { attributes: [("AttachmentType", kind.to_owned())].into(), reference, object: None })
}
