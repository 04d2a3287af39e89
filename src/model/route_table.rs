//! `AWS::EC2::RouteTable`, its routes and associations.

use ipnet::Ipv4Net;

use super::world::{Meta, Source};

/// A route table.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
pub struct RouteTableAssociation {
    /// `rtbassoc-…`.
    pub association_id: String,
    /// `None` for the main association.
    pub subnet_id: Option<String>,
}

/// One route.
#[derive(Clone, Debug)]
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
