//! `AWS::EC2::CustomerGateway`: the on-premises side of a VPN connection; it runs as a guest.

use std::net::Ipv4Addr;

use super::world::Meta;
use super::*;

/// A customer gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerGateway {
    /// `cgw-…`.
    pub customer_gateway_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Its address in the internet; shown only, the tunnel is a link.
    pub ip_address: Ipv4Addr,
    /// Its side of a BGP session; shown only.
    pub bgp_asn: u32,
}

/// The tag that gives the on-premises guest its address; vpclab's own, because AWS does not know the network behind.
pub const ON_PREMISES_ADDRESS_TAG: &str = "vpclab:PrivateIpAddress";

/// AWS's default for `BgpAsn`.
const BGP_ASN: u32 = 65000;

impl World {
    pub(super) fn create_customer_gateway(
        &mut self,
        request: &Request,
        gateway_type: &str,
        ip_address: &str,
        bgp_asn: Option<u32>,
    ) -> Result<ObjectId, Refusal> {
        vpn_gateway::check_type(gateway_type)?;
        let ip_address = ip_address.parse::<Ipv4Addr>().map_err(|_| {
            Refusal::new("InvalidParameterValue", format!("Value ({ip_address}) for parameter ipAddress is invalid."))
        })?;
        if let Some(written) = request.tags.get(ON_PREMISES_ADDRESS_TAG)
            && written.parse::<Ipv4Addr>().is_err()
        {
            return Err(Refusal::new(
                "InvalidParameterValue",
                format!("The tag {ON_PREMISES_ADDRESS_TAG} is '{written}', which is not an IPv4 address"),
            )
            .help("it is the address of the on-premises guest, such as 192.168.0.10"));
        }
        let customer_gateway_id = id::for_request(request, "cgw", |id| self.customer_gateways.contains_key(id));
        let gateway = CustomerGateway {
            customer_gateway_id: customer_gateway_id.clone(),
            meta: request.meta(),
            ip_address,
            bgp_asn: bgp_asn.unwrap_or(BGP_ASN),
        };
        self.customer_gateways.insert(customer_gateway_id.clone(), gateway);
        Ok(customer_gateway_id)
    }

    /// Whether its tunnel ends at a VPC, so that a guest stands behind it.
    pub fn is_connected(&self, gateway: &CustomerGateway) -> bool {
        let mut connections = self.vpn_connections.values();
        let first = connections.find(|each| each.customer_gateway_id == gateway.customer_gateway_id);
        let attached = first.and_then(|each| self.vpn_gateways.get(&each.vpn_gateway_id));
        attached.is_some_and(|gateway| gateway.vpc_id.is_some()) && self.on_premises_address(gateway).is_some()
    }

    /// The address of the on-premises guest behind a customer gateway: its tag's, else the tenth of the first static route
    /// of its first VPN connection. `None` while neither is there.
    pub fn on_premises_address(&self, gateway: &CustomerGateway) -> Option<Ipv4Addr> {
        if let Some(written) = gateway.meta.tags.get(ON_PREMISES_ADDRESS_TAG) {
            return written.parse().ok();
        }
        let mut connections =
            self.vpn_connections.values().filter(|each| each.customer_gateway_id == gateway.customer_gateway_id);
        let first = connections.find_map(|each| each.routes.first())?;
        let tenth = Ipv4Addr::from(u32::from(first.network()).checked_add(10)?);
        Some(if first.contains(&tenth) { tenth } else { first.network() })
    }
}
