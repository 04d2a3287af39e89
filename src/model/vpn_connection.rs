//! `AWS::EC2::VPNConnection` and its static routes.
//!
//! The tunnel is a link: no IPsec, no second tunnel. Not done: BGP, so that a connection without `StaticRoutesOnly` brings
//! no route, and transit gateways.

use ipnet::Ipv4Net;

use super::world::Meta;
use super::*;

/// A Site-to-Site VPN connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpnConnection {
    /// `vpn-…`.
    pub vpn_connection_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// The VPC's side.
    pub vpn_gateway_id: String,
    /// The on-premises side.
    pub customer_gateway_id: String,
    /// Its routes are written, not learned.
    pub static_routes_only: bool,
    /// Blocks that lie on-premises, in the order of writing.
    pub routes: Vec<Ipv4Net>,
}

/// AWS's quota of static routes of a connection.
///
/// <https://docs.aws.amazon.com/vpn/latest/s2svpn/vpn-limits.html>
const STATIC_ROUTES: usize = 100;

impl World {
    pub(super) fn create_vpn_connection(
        &mut self,
        request: &Request,
        connection_type: &str,
        (customer_gateway_id, vpn_gateway_id): (&str, &str),
        static_routes_only: bool,
    ) -> Result<ObjectId, Refusal> {
        vpn_gateway::check_type(connection_type)?;
        self.own_customer_gateway(customer_gateway_id, request)?;
        self.own_vpn_gateway(vpn_gateway_id, request)?;
        let between = |each: &&VpnConnection| {
            (each.customer_gateway_id.as_str(), each.vpn_gateway_id.as_str()) == (customer_gateway_id, vpn_gateway_id)
        };
        if let Some(other) = self.vpn_connections.values().find(between) {
            return Err(Refusal::new(
                "InvalidOption.Conflict",
                format!(
                    "A VPN connection between {vpn_gateway_id} and {customer_gateway_id} already exists: {}",
                    other.vpn_connection_id
                ),
            ));
        }
        let vpn_connection_id = id::for_request(request, "vpn", |id| self.vpn_connections.contains_key(id));
        let connection = VpnConnection {
            vpn_connection_id: vpn_connection_id.clone(),
            meta: request.meta(),
            vpn_gateway_id: vpn_gateway_id.to_owned(),
            customer_gateway_id: customer_gateway_id.to_owned(),
            static_routes_only,
            routes: Vec::new(),
        };
        self.vpn_connections.insert(vpn_connection_id.clone(), connection);
        Ok(vpn_connection_id)
    }

    pub(super) fn create_vpn_connection_route(
        &mut self,
        request: &Request,
        vpn_connection_id: &str,
        destination_cidr_block: &str,
    ) -> Result<ObjectId, Refusal> {
        let connection = self.own_vpn_connection(vpn_connection_id, request)?;
        let block = address::block(destination_cidr_block).ok_or_else(|| {
            Refusal::new(
                "InvalidParameterValue",
                format!(
                    "Value ({destination_cidr_block}) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block."
                ),
            )
        })?;
        if !connection.static_routes_only {
            return Err(Refusal::new(
                "InvalidVpnConnection.InvalidType",
                format!("The VPN connection {vpn_connection_id} does not support static routes"),
            )
            .help("set StaticRoutesOnly: true on the AWS::EC2::VPNConnection"));
        }
        if connection.routes.contains(&block) {
            return Err(Refusal::new("RouteAlreadyExists", format!("The route identified by {block} already exists.")));
        }
        if connection.routes.len() >= STATIC_ROUTES {
            return Err(Refusal::new(
                "RouteLimitExceeded",
                format!(
                    "The maximum number of static routes has been reached for {vpn_connection_id}: {STATIC_ROUTES}"
                ),
            ));
        }
        let gateway_id = connection.vpn_gateway_id.clone();
        self.vpn_connections.get_mut(vpn_connection_id).expect("own_vpn_connection found it").routes.push(block);
        self.propagate(&gateway_id);
        Ok(vpn_connection_id.to_owned())
    }
}
