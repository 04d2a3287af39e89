//! Gateway route tables: what enters a VPC by an internet or virtual private gateway follows one, on the way to a
//! middlebox (B1.3).
//!
//! <https://docs.aws.amazon.com/vpc/latest/userguide/gateway-route-tables.html>. Not done: replacing the target of the local
//! route, which no CloudFormation resource asks for.

use super::*;

impl RouteTable {
    /// Whether a gateway's incoming packets follow it.
    pub fn is_of_gateway(&self) -> bool {
        self.associations.iter().any(|association| association.gateway_id.is_some())
    }
}

impl World {
    pub(super) fn associate_gateway_route_table(
        &mut self,
        request: &Request,
        route_table_id: &str,
        gateway_id: &str,
    ) -> Result<ObjectId, Refusal> {
        let table = self.own_route_table(route_table_id, request)?;
        let attached_to = match gateway_id.starts_with("vgw-") {
            true => &self.own_vpn_gateway(gateway_id, request)?.vpc_id,
            false => &self.own_internet_gateway(gateway_id, request)?.vpc_id,
        };
        if attached_to.as_deref() != Some(&*table.vpc_id) {
            return Err(route_target::different_networks(route_table_id, "network gateway", gateway_id));
        }
        if table.is_main() {
            return Err(Refusal::new(
                "InvalidParameterValue",
                format!("The main route table {route_table_id} cannot be associated with a gateway"),
            ));
        }
        if let Some(other) = self.gateway_route_table_of(gateway_id) {
            return Err(Refusal::new(
                "Resource.AlreadyAssociated",
                format!(
                    "the specified association for route table {route_table_id} conflicts with an existing association"
                ),
            )
            .help(format!("gateway {gateway_id} is associated with {}", other.meta.label(&other.route_table_id))));
        }
        for route in table.routes.iter().filter(|route| route.target != RouteTarget::Local) {
            self.check_gateway_route(table, &route.destination, &route.target)?;
        }
        if self.vpn_gateways.values().any(|gateway| gateway.propagating_route_tables.contains(&table.route_table_id)) {
            return Err(propagates(route_table_id));
        }
        let association_id = id::derived("rtbassoc", &[route_table_id, gateway_id]);
        let association = RouteTableAssociation {
            association_id: association_id.clone(),
            subnet_id: None,
            gateway_id: Some(gateway_id.to_owned()),
        };
        let table = self.route_tables.get_mut(route_table_id).expect("own_route_table found it");
        table.associations.push(association);
        Ok(association_id)
    }

    /// The route table that a gateway's incoming packets follow; without one they go where their destination is.
    pub fn gateway_route_table_of(&self, gateway_id: &str) -> Option<&RouteTable> {
        let of_gateway = |association: &RouteTableAssociation| association.gateway_id.as_deref() == Some(gateway_id);
        self.route_tables.values().find(|table| table.associations.iter().any(of_gateway))
    }

    /// A gateway's table takes interfaces as targets, and whole subnets of the VPC as destinations.
    pub(super) fn check_gateway_route(
        &self,
        table: &RouteTable,
        destination: &RouteDestination,
        target: &RouteTarget,
    ) -> Result<(), Refusal> {
        if !matches!(target, RouteTarget::NetworkInterface(_)) {
            return Err(Refusal::new(
                "InvalidParameterValue",
                "Route target is not supported. This route only supports interface and instance targets.",
            )
            .help(format!("{} is associated with a gateway", table.meta.label(&table.route_table_id))));
        }
        let whole_subnet = |block: &ipnet::Ipv4Net| {
            self.subnets.values().any(|subnet| subnet.vpc_id == table.vpc_id && subnet.cidr_block == *block)
        };
        match destination {
            RouteDestination::Cidr(block) if whole_subnet(block) => Ok(()),
            RouteDestination::Cidr(block) => Err(Refusal::new(
                "InvalidParameterValue",
                format!(
                    "The destination CIDR block {block} is not a subnet of the VPC, as a gateway's route table needs it."
                ),
            )),
            RouteDestination::PrefixList(id) => Err(Refusal::new(
                "InvalidParameterValue",
                format!("A gateway's route table cannot have a prefix list as destination: {id}"),
            )),
        }
    }
}

/// Propagation and gateways exclude each other.
pub(super) fn propagates(route_table_id: &str) -> Refusal {
    Refusal::new(
        "InvalidParameterValue",
        format!("Route table {route_table_id} cannot have both route propagation and an association with a gateway"),
    )
}
