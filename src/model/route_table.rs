//! `AWS::EC2::RouteTable`, its routes and associations.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::world::{Meta, Source};
use super::*;

/// A route table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTable {
    /// `rtb-…`.
    pub route_table_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Its VPC.
    pub vpc_id: String,
    /// Subnets that use it explicitly, and the main association.
    pub associations: Vec<RouteTableAssociation>,
    /// Routes in the order of creation, local ones first.
    pub routes: Vec<Route>,
}

/// Who uses a route table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTableAssociation {
    /// `rtbassoc-…`.
    pub association_id: String,
    /// `None` for the main association and for a gateway's.
    pub subnet_id: Option<String>,
    /// The internet or virtual private gateway whose incoming packets follow the table.
    pub gateway_id: Option<String>,
}

impl RouteTableAssociation {
    /// Of a VPC's main route table.
    pub fn is_main(&self) -> bool {
        self.subnet_id.is_none() && self.gateway_id.is_none()
    }
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What it matches.
    pub destination: RouteDestination,
    /// Where packets go.
    pub target: RouteTarget,
    /// Which operation made it.
    pub origin: RouteOrigin,
    /// Where it is written.
    pub source: Option<Source>,
}

/// What a route matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteDestination {
    /// `DestinationCidrBlock`.
    Cidr(Ipv4Net),
    /// `DestinationPrefixListId`.
    PrefixList(String),
}

/// Where a route sends packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTarget {
    /// Inside the VPC.
    Local,
    /// `igw-…`.
    InternetGateway(String),
    /// `nat-…`.
    NatGateway(String),
    /// `eni-…`.
    NetworkInterface(String),
    /// `vpce-…` of type Gateway, put there by the endpoint itself.
    VpcEndpoint(String),
    /// `pcx-…`.
    VpcPeeringConnection(String),
    /// `vgw-…`.
    VpnGateway(String),
}

/// AWS's `Origin` of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteOrigin {
    /// Born with the table.
    CreateRouteTable,
    /// Asked for.
    CreateRoute,
    /// Propagated by a virtual private gateway.
    EnableVgwRoutePropagation,
}

/// AWS's `State` of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteState {
    /// Its target stands.
    Active,
    /// Its target is gone or unplugged: packets that match are dropped.
    Blackhole,
}

/// No route may be equal to or inside it (B1.3): AWS's link-local services.
const LINK_LOCAL_SERVICES: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 168, 0), 22);

/// Quota of routes that are not propagated.
const ROUTES_PER_TABLE: usize = 500;

impl RouteTable {
    /// The main route table that is born with a VPC.
    pub(super) fn main(request: &Request, vpc_id: &str, block: Ipv4Net) -> Self {
        let route_table_id = id::derived("rtb", &[vpc_id, "main"]);
        let association_id = id::derived("rtbassoc", &[vpc_id, "main"]);
        let mut table = Self {
            route_table_id,
            meta: request.meta_of_dependent(),
            vpc_id: vpc_id.to_owned(),
            associations: vec![RouteTableAssociation { association_id, subnet_id: None, gateway_id: None }],
            routes: Vec::new(),
        };
        table.add_local_route(block, request.source.clone());
        table
    }

    /// Adds the local route of one of the VPC's blocks, behind the local routes that are there.
    pub(super) fn add_local_route(&mut self, block: Ipv4Net, source: Option<Source>) {
        let route = Route {
            destination: RouteDestination::Cidr(block),
            target: RouteTarget::Local,
            origin: RouteOrigin::CreateRouteTable,
            source,
        };
        let locals = self.routes.iter().take_while(|route| route.target == RouteTarget::Local).count();
        self.routes.insert(locals, route);
    }

    /// Whether a route with that destination is there.
    pub(super) fn has(&self, destination: &RouteDestination) -> bool {
        self.routes.iter().any(|route| route.destination == *destination)
    }

    /// Whether it is its VPC's main route table.
    pub fn is_main(&self) -> bool {
        self.associations.iter().any(RouteTableAssociation::is_main)
    }
}

impl World {
    pub(super) fn create_route_table(&mut self, request: &Request, vpc_id: &str) -> Result<ObjectId, Refusal> {
        let vpc = self.own_vpc(vpc_id, request)?;
        let route_table_id = id::for_request(request, "rtb", |id| self.route_tables.contains_key(id));
        let mut table = RouteTable {
            route_table_id: route_table_id.clone(),
            meta: request.meta(),
            vpc_id: vpc_id.to_owned(),
            associations: Vec::new(),
            routes: Vec::new(),
        };
        for block in &vpc.cidr_blocks {
            table.add_local_route(*block, request.source.clone());
        }
        self.route_tables.insert(route_table_id.clone(), table);
        Ok(route_table_id)
    }

    pub(super) fn associate_route_table(
        &mut self,
        request: &Request,
        route_table_id: &str,
        subnet_id: &str,
    ) -> Result<ObjectId, Refusal> {
        let table = self.own_route_table(route_table_id, request)?;
        let subnet = self.own_subnet(subnet_id, request)?;
        if table.vpc_id != subnet.vpc_id {
            return Err(Refusal::new(
                "InvalidParameterValue",
                format!("Route table {route_table_id} and subnet {subnet_id} belong to different networks"),
            ));
        }
        if let Some(other) = self.route_tables.values().find(|table| table.is_associated_with(subnet_id)) {
            return Err(Refusal::new(
                "Resource.AlreadyAssociated",
                format!(
                    "the specified association for route table {route_table_id} conflicts with an existing association"
                ),
            )
            .help(format!("subnet {subnet_id} is associated with {}", other.meta.label(&other.route_table_id))));
        }
        let association_id = id::derived("rtbassoc", &[route_table_id, subnet_id]);
        let association = RouteTableAssociation {
            association_id: association_id.clone(),
            subnet_id: Some(subnet_id.to_owned()),
            gateway_id: None,
        };
        let table = self.route_tables.get_mut(route_table_id).expect("own_route_table found it");
        table.associations.push(association);
        Ok(association_id)
    }

    /// The route table that decides for a subnet: its own, or the VPC's main one. `None` for an unknown subnet.
    pub fn route_table_of(&self, subnet_id: &str) -> Option<&RouteTable> {
        let subnet = self.subnets.get(subnet_id)?;
        self.route_tables
            .values()
            .find(|table| table.is_associated_with(subnet_id))
            .or_else(|| self.route_tables.get(&self.vpcs.get(&subnet.vpc_id)?.main_route_table_id))
    }

    pub(super) fn create_route(
        &mut self,
        request: &Request,
        route_table_id: &str,
        cidr_block: Option<&str>,
        prefix_list_id: Option<&str>,
        target: &RouteTargetId,
    ) -> Result<ObjectId, Refusal> {
        let table = self.own_route_table(route_table_id, request)?;
        let destination = self.destination(request, cidr_block, prefix_list_id)?;
        let target = self.target(request, table, target)?;
        if let RouteDestination::Cidr(block) = destination {
            self.check_local_override(table, block, &target)?;
        }
        if table.is_of_gateway() {
            self.check_gateway_route(table, &destination, &target)?;
        }
        let propagated = |route: &Route| route.origin == RouteOrigin::EnableVgwRoutePropagation;
        if table.routes.iter().any(|route| route.destination == destination && !propagated(route)) {
            return Err(already_exists(route_table_id, &destination));
        }
        // A customer's prefix list takes as many routes as it may have entries (B2.2).
        let weight = |destination: &RouteDestination| match destination {
            RouteDestination::Cidr(_) => 1,
            RouteDestination::PrefixList(id) => self.prefix_list(&request.region, id).map_or(1, PrefixList::weight),
        };
        let present: usize =
            table.routes.iter().filter(|route| !propagated(route)).map(|route| weight(&route.destination)).sum();
        if present + weight(&destination) > ROUTES_PER_TABLE {
            return Err(Refusal::new(
                "RouteLimitExceeded",
                format!("The maximum number of routes has been reached for {route_table_id}"),
            ));
        }
        let route = Route { destination, target, origin: RouteOrigin::CreateRoute, source: request.source.clone() };
        let table = self.route_tables.get_mut(route_table_id).expect("own_route_table found it");
        // A static route takes the place of a propagated one (B1.3-2).
        table.routes.retain(|other| other.destination != route.destination);
        table.routes.push(route);
        Ok(route_table_id.to_owned())
    }

    fn destination(
        &self,
        request: &Request,
        cidr_block: Option<&str>,
        prefix_list_id: Option<&str>,
    ) -> Result<RouteDestination, Refusal> {
        match (cidr_block, prefix_list_id) {
            (Some(cidr_block), None) => {
                let block = address::block(cidr_block).ok_or_else(|| {
                    Refusal::new(
                        "InvalidParameterValue",
                        format!(
                            "Value ({cidr_block}) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block."
                        ),
                    )
                })?;
                if LINK_LOCAL_SERVICES.contains(&block) {
                    return Err(Refusal::new(
                        "InvalidParameterValue",
                        format!(
                            "The destination CIDR block {block} is equal to or more specific than {LINK_LOCAL_SERVICES}, which is reserved for AWS services."
                        ),
                    ));
                }
                Ok(RouteDestination::Cidr(block))
            }
            (None, Some(id)) => {
                self.usable_prefix_list(id, request)?;
                Ok(RouteDestination::PrefixList(id.to_owned()))
            }
            (None, None) => Err(Refusal::new(
                "MissingParameter",
                "The request must contain exactly one of destinationCidrBlock, destinationPrefixListId",
            )),
            (Some(_), Some(_)) => Err(Refusal::new(
                "InvalidParameterCombination",
                "The parameters destinationCidrBlock and destinationPrefixListId may not be used together",
            )),
        }
    }

    /// A route inside a local one must name a whole subnet and lead to an interface (B1.3).
    fn check_local_override(&self, table: &RouteTable, block: Ipv4Net, target: &RouteTarget) -> Result<(), Refusal> {
        let vpc = &self.vpcs[&table.vpc_id];
        let inside = vpc.cidr_blocks.iter().any(|of_vpc| of_vpc.contains(&block) && *of_vpc != block);
        if !inside {
            return Ok(());
        }
        let leads_to_interface = matches!(target, RouteTarget::NetworkInterface(_) | RouteTarget::NatGateway(_));
        if !leads_to_interface {
            return Err(Refusal::new(
                "InvalidParameterValue",
                format!(
                    "The destination CIDR block {block} is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance."
                ),
            ));
        }
        let whole = self.subnets.values().any(|subnet| subnet.vpc_id == vpc.vpc_id && subnet.cidr_block == block);
        if whole {
            return Ok(());
        }
        Err(Refusal::new(
            "InvalidParameterValue",
            format!(
                "The destination CIDR block {block} is more specific than one of this VPC's CIDR blocks, but does not match an existing subnet CIDR block."
            ),
        ))
    }
}

impl RouteTable {
    pub(super) fn is_associated_with(&self, subnet_id: &str) -> bool {
        self.associations.iter().any(|association| association.subnet_id.as_deref() == Some(subnet_id))
    }
}

/// AWS's words for a second route to one destination, which differ for prefix lists.
pub(super) fn already_exists(route_table_id: &str, destination: &RouteDestination) -> Refusal {
    let message = match destination {
        RouteDestination::Cidr(block) => format!("The route identified by {block} already exists."),
        RouteDestination::PrefixList(id) => {
            format!("route table {route_table_id} already has a route with destination-prefix-list-id {id}")
        }
    };
    Refusal::new("RouteAlreadyExists", message)
}
