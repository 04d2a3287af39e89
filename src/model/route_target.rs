//! What a route may lead to, and whether it still stands.

use super::*;

impl World {
    /// Resolves the target and checks that it stands in the route table's VPC.
    pub(super) fn target(
        &self,
        request: &Request,
        table: &RouteTable,
        target: &RouteTargetId,
    ) -> Result<RouteTarget, Refusal> {
        match target {
            RouteTargetId::Gateway(id) if id.starts_with("vpce-") => Err(self.endpoint_as_target(request, id)),
            RouteTargetId::VpcEndpoint(id) => Err(self.endpoint_as_target(request, id)),
            RouteTargetId::Gateway(id) if id.starts_with("igw-") => {
                let gateway = self.own_internet_gateway(id, request)?;
                if gateway.vpc_id.as_deref() != Some(&*table.vpc_id) {
                    let refusal = different_networks(&table.route_table_id, "network gateway", id);
                    return Err(match gateway.vpc_id {
                        Some(_) => refusal,
                        None => refusal.help(format!(
                            "{} is not attached to a VPC yet: let the route depend on the AWS::EC2::VPCGatewayAttachment",
                            gateway.meta.label(id)
                        )),
                    });
                }
                Ok(RouteTarget::InternetGateway(id.clone()))
            }
            RouteTargetId::Gateway(id) if id.starts_with("vgw-") => self.vpn_gateway_as_target(request, table, id),
            RouteTargetId::Gateway(id) => Err(Self::no_such("InvalidGatewayID.NotFound", "gateway ID", id)),
            RouteTargetId::NatGateway(id) => self.nat_gateway_as_target(request, table, id),
            RouteTargetId::VpcPeeringConnection(id) => self.peering_as_target(request, table, id),
            RouteTargetId::NetworkInterface(id) => self.interface_as_target(request, table, id),
            RouteTargetId::Instance(id) => {
                self.interface_as_target(request, table, self.only_interface_of(request, id)?)
            }
        }
    }

    fn interface_as_target(&self, request: &Request, table: &RouteTable, id: &str) -> Result<RouteTarget, Refusal> {
        let interface = self.own_network_interface(id, request)?;
        if interface.vpc_id != table.vpc_id {
            return Err(different_networks(&table.route_table_id, "interface", id));
        }
        if interface.requester_managed {
            // AWS's interfaces stand in its own network, and CreateRoute says so in these words (B3.1).
            return Err(different_networks(&table.route_table_id, "interface", id)
                .help(format!("it belongs to AWS: {}", interface.description)));
        }
        Ok(RouteTarget::NetworkInterface(id.to_owned()))
    }

    fn vpn_gateway_as_target(&self, request: &Request, table: &RouteTable, id: &str) -> Result<RouteTarget, Refusal> {
        let gateway = self.own_vpn_gateway(id, request).map_err(|refusal| {
            // CreateRoute speaks of all gateways alike.
            let code = match refusal.code {
                "InvalidVpnGatewayID.NotFound" => "InvalidGatewayID.NotFound",
                other => other,
            };
            Refusal { code, ..refusal }
        })?;
        if gateway.vpc_id.as_deref() == Some(&*table.vpc_id) {
            return Ok(RouteTarget::VpnGateway(id.to_owned()));
        }
        let refusal = different_networks(&table.route_table_id, "network gateway", id);
        Err(match gateway.vpc_id {
            Some(_) => refusal,
            None => refusal.help(format!(
                "{} is not attached to a VPC yet: let the route depend on the AWS::EC2::VPCGatewayAttachment",
                gateway.meta.label(id)
            )),
        })
    }

    /// A NAT gateway that failed is as good as gone.
    fn nat_gateway_as_target(&self, request: &Request, table: &RouteTable, id: &str) -> Result<RouteTarget, Refusal> {
        let gateway = self.own_nat_gateway(id, request)?;
        if gateway.vpc_id != table.vpc_id {
            return Err(different_networks(&table.route_table_id, "NAT gateway", id));
        }
        match gateway.state {
            NatGatewayState::Pending | NatGatewayState::Available => Ok(RouteTarget::NatGateway(id.to_owned())),
            state => Err(Self::no_such("InvalidNatGatewayID.NotFound", "natGateway ID", id)
                .help(format!("its state is {}", state.as_str()))),
        }
    }

    /// A peering that waits for acceptance is a target already; until then the route is a blackhole.
    ///
    /// <https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-routing.html>
    fn peering_as_target(&self, request: &Request, table: &RouteTable, id: &str) -> Result<RouteTarget, Refusal> {
        let connection = self.visible_peering(id, request)?;
        if connection.peer_of(&table.vpc_id).is_none() {
            return Err(different_networks(&table.route_table_id, "VPC peering connection", id));
        }
        match connection.status {
            PeeringStatus::PendingAcceptance | PeeringStatus::Active => {
                Ok(RouteTarget::VpcPeeringConnection(id.to_owned()))
            }
            status => Err(Self::no_such("InvalidVpcPeeringConnectionID.NotFound", "vpcPeeringConnection ID", id)
                .help(format!("its status is {}", status.as_str()))),
        }
    }

    /// Endpoints of the types that a lab has put their own routes or need none; they are never a target of CreateRoute.
    fn endpoint_as_target(&self, request: &Request, id: &str) -> Refusal {
        match self.own_vpc_endpoint(id, request) {
            Err(refusal) => refusal,
            Ok(_) => Refusal::new(
                "RouteNotSupported",
                format!(
                    "Route table contains unsupported route target: {id}. VPC Endpoints of this type cannot be used as route targets."
                ),
            )
            .help("list the route table in the endpoint's RouteTableIds: a gateway endpoint adds its own route"),
        }
    }

    /// Whether a route's target stands.
    pub fn route_state(&self, route: &Route) -> RouteState {
        let stands = match &route.target {
            RouteTarget::Local => true,
            RouteTarget::InternetGateway(id) => {
                self.internet_gateways.get(id).is_some_and(|gateway| gateway.vpc_id.is_some())
            }
            RouteTarget::NetworkInterface(id) => {
                self.network_interfaces.get(id).is_some_and(|interface| interface.attachment.is_some())
            }
            RouteTarget::VpcEndpoint(id) => self.vpc_endpoints.contains_key(id),
            RouteTarget::NatGateway(id) => {
                self.nat_gateways.get(id).is_some_and(|gateway| gateway.state == NatGatewayState::Available)
            }
            RouteTarget::VpcPeeringConnection(id) => {
                let connection = self.vpc_peering_connections.get(id);
                connection.is_some_and(|connection| connection.status == PeeringStatus::Active)
            }
            RouteTarget::VpnGateway(id) => self.vpn_gateways.get(id).is_some_and(|gateway| gateway.vpc_id.is_some()),
        };
        if stands { RouteState::Active } else { RouteState::Blackhole }
    }
}

pub(super) fn different_networks(route_table_id: &str, word: &str, id: &str) -> Refusal {
    Refusal::new(
        "InvalidParameterValue",
        format!("route table {route_table_id} and {word} {id} belong to different networks"),
    )
}
