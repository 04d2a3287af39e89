//! The way to on-premises: virtual private gateways, customer gateways, VPN connections with their static routes.

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::Change;

pub(super) fn vpn_gateway(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let change = Change::CreateVpnGateway {
        gateway_type: properties.required_text("Type"),
        amazon_side_asn: properties.integer("AmazonSideAsn"),
    };
    maker.make(properties, tags, change)
}

pub(super) fn route_propagation(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let gateway_id = properties.required_text("VpnGatewayId");
    let route_table_ids = properties.required_texts("RouteTableIds");
    maker.finish(properties)?;
    for route_table_id in &route_table_ids {
        let (gateway_id, route_table_id) = (gateway_id.clone(), route_table_id.clone());
        maker.apply(Default::default(), Change::EnableVgwRoutePropagation { gateway_id, route_table_id })?;
    }
    let reference = format!("{gateway_id}|{}", route_table_ids.join("|"));
    Ok(Made { attributes: [("Id", reference.clone())].into(), reference, object: None })
}

pub(super) fn customer_gateway(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    // A name for people, as tags are.
    properties.text("DeviceName");
    if properties.has("CertificateArn") && !properties.has("IpAddress") {
        properties.unemulated("customer gateways by certificate are not emulated");
    }
    let bgp_asn = properties.integer("BgpAsn").or_else(|| properties.integer("BgpAsnExtended"));
    let change = Change::CreateCustomerGateway {
        gateway_type: properties.required_text("Type"),
        ip_address: properties.required_text("IpAddress"),
        bgp_asn,
    };
    maker.make(properties, tags, change)
}

pub(super) fn vpn_connection(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    // The tunnel is a link: nothing is encrypted, and there is nothing to choose.
    properties.known("VpnTunnelOptionsSpecifications");
    if properties.has("TransitGatewayId") {
        properties.unemulated("transit gateways are not emulated");
    }
    let vpn_gateway_id = properties.decisive_text("VpnGatewayId");
    if vpn_gateway_id.is_none() && !properties.has("TransitGatewayId") {
        properties.required_text("VpnGatewayId");
    }
    let static_routes_only = properties.boolean("StaticRoutesOnly").unwrap_or(false);
    if !static_routes_only {
        properties.ignored("StaticRoutesOnly", "BGP, which without StaticRoutesOnly brings the routes,");
    }
    let change = Change::CreateVpnConnection {
        connection_type: properties.required_text("Type"),
        customer_gateway_id: properties.required_text("CustomerGatewayId"),
        vpn_gateway_id: vpn_gateway_id.unwrap_or_default(),
        static_routes_only,
    };
    maker.make(properties, tags, change)
}

pub(super) fn vpn_connection_route(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let vpn_connection_id = properties.required_text("VpnConnectionId");
    let destination_cidr_block = properties.required_text("DestinationCidrBlock");
    maker.finish(properties)?;
    let reference = format!("{vpn_connection_id}|{destination_cidr_block}");
    maker.apply(Default::default(), Change::CreateVpnConnectionRoute { vpn_connection_id, destination_cidr_block })?;
    Ok(Made { reference, ..Made::default() })
}
