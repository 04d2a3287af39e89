//! `AWS::EC2::VPNGateway`: the VPC's side of the way to on-premises, and the routes that it propagates.

use ipnet::Ipv4Net;

use super::world::Meta;
use super::*;

/// A virtual private gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpnGateway {
    /// `vgw-…`.
    pub vpn_gateway_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// The VPC it is attached to.
    pub vpc_id: Option<String>,
    /// Route tables into which it writes the routes of its VPN connections.
    pub propagating_route_tables: Vec<String>,
    /// AWS's side of a BGP session; shown only.
    pub amazon_side_asn: u32,
}

/// AWS's default for `AmazonSideAsn`.
const AMAZON_SIDE_ASN: u32 = 64512;

/// Quota of propagated routes in a route table (B1.3).
const PROPAGATED_ROUTES_PER_TABLE: usize = 100;

impl World {
    pub(super) fn create_vpn_gateway(
        &mut self,
        request: &Request,
        gateway_type: &str,
        amazon_side_asn: Option<u32>,
    ) -> Result<ObjectId, Refusal> {
        check_type(gateway_type)?;
        let vpn_gateway_id = id::for_request(request, "vgw", |id| self.vpn_gateways.contains_key(id));
        let gateway = VpnGateway {
            vpn_gateway_id: vpn_gateway_id.clone(),
            meta: request.meta(),
            vpc_id: None,
            propagating_route_tables: Vec::new(),
            amazon_side_asn: amazon_side_asn.unwrap_or(AMAZON_SIDE_ASN),
        };
        self.vpn_gateways.insert(vpn_gateway_id.clone(), gateway);
        Ok(vpn_gateway_id)
    }

    pub(super) fn attach_vpn_gateway(
        &mut self,
        request: &Request,
        vpn_gateway_id: &str,
        vpc_id: &str,
    ) -> Result<ObjectId, Refusal> {
        let gateway = self.own_vpn_gateway(vpn_gateway_id, request)?;
        self.own_vpc(vpc_id, request)?;
        if let Some(network) = &gateway.vpc_id {
            return Err(Refusal::new(
                "VpnGatewayAttachmentLimitExceeded",
                format!("The VPN gateway {vpn_gateway_id} is already attached to {network}"),
            ));
        }
        if let Some(other) = self.vpn_gateway_of(vpc_id) {
            return Err(Refusal::new(
                "InvalidVpcState",
                format!("{vpc_id} already has an attached virtual private gateway: {}", other.vpn_gateway_id),
            ));
        }
        self.vpn_gateways.get_mut(vpn_gateway_id).expect("own_vpn_gateway found it").vpc_id = Some(vpc_id.to_owned());
        Ok(vpn_gateway_id.to_owned())
    }

    /// The virtual private gateway that is attached to a VPC.
    pub fn vpn_gateway_of(&self, vpc_id: &str) -> Option<&VpnGateway> {
        self.vpn_gateways.values().find(|gateway| gateway.vpc_id.as_deref() == Some(vpc_id))
    }

    pub(super) fn enable_vgw_route_propagation(
        &mut self,
        request: &Request,
        gateway_id: &str,
        route_table_id: &str,
    ) -> Result<ObjectId, Refusal> {
        let gateway = self.own_vpn_gateway(gateway_id, request)?;
        let table = self.own_route_table(route_table_id, request)?;
        if gateway.vpc_id.as_deref() != Some(&*table.vpc_id) {
            return Err(Refusal::new(
                "Gateway.NotAttached",
                format!("resource {gateway_id} is not attached to network {}", table.vpc_id),
            )
            .help("attach it with AWS::EC2::VPCGatewayAttachment, and let the propagation depend on it"));
        }
        if table.is_of_gateway() {
            return Err(gateway_route_table::propagates(route_table_id));
        }
        let gateway = self.vpn_gateways.get_mut(gateway_id).expect("own_vpn_gateway found it");
        if !gateway.propagating_route_tables.iter().any(|id| id == route_table_id) {
            gateway.propagating_route_tables.push(route_table_id.to_owned());
        }
        self.propagate(gateway_id);
        Ok(route_table_id.to_owned())
    }

    /// Writes a gateway's routes anew into the tables that take them.
    pub(super) fn propagate(&mut self, vpn_gateway_id: &str) {
        let gateway = &self.vpn_gateways[vpn_gateway_id];
        let connections = self.vpn_connections.values().filter(|each| each.vpn_gateway_id == vpn_gateway_id);
        let routes: Vec<(Ipv4Net, Option<Source>)> =
            connections.flat_map(|each| each.routes.iter().map(|block| (*block, each.meta.source.clone()))).collect();
        for id in gateway.propagating_route_tables.clone() {
            let table = self.route_tables.get_mut(&id).expect("a table with propagation exists");
            table.routes.retain(|route| route.origin != RouteOrigin::EnableVgwRoutePropagation);
            let local: Vec<Ipv4Net> = self.vpcs[&table.vpc_id].cidr_blocks.clone();
            let mut room = PROPAGATED_ROUTES_PER_TABLE;
            for (block, source) in &routes {
                let destination = RouteDestination::Cidr(*block);
                // https://docs.aws.amazon.com/vpc/latest/userguide/route-tables-priority.html: a propagated route gives
                // way to a static one of the same destination, and to the local one even where it is more specific.
                let loses = table.has(&destination) || local.iter().any(|of_vpc| of_vpc.contains(block));
                if loses || room == 0 {
                    continue;
                }
                room -= 1;
                table.routes.push(Route {
                    destination,
                    target: RouteTarget::VpnGateway(vpn_gateway_id.to_owned()),
                    origin: RouteOrigin::EnableVgwRoutePropagation,
                    source: source.clone(),
                });
            }
        }
    }
}

/// VPN gateways, customer gateways and connections are of one type.
pub(super) fn check_type(written: &str) -> Result<(), Refusal> {
    match written {
        "ipsec.1" => Ok(()),
        other => Err(Refusal::new("InvalidParameterValue", format!("Value ({other}) for parameter type is invalid."))
            .help("the type is ipsec.1")),
    }
}
