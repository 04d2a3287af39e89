//! `AWS::EC2::NetworkInterface`, the customer's and the requester-managed ones of endpoints and load balancers.

use std::net::Ipv4Addr;

use super::world::Meta;

/// An elastic network interface.
#[derive(Clone, Debug)]
pub struct NetworkInterface {
    /// `eni-…`.
    pub network_interface_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Its subnet.
    pub subnet_id: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Private addresses, primary first.
    pub private_ip_addresses: Vec<Ipv4Addr>,
    /// MAC address: `06:` followed by a byte that says the kind and the private address, so that captures read well.
    pub mac_address: [u8; 6],
    /// Security groups.
    pub groups: Vec<String>,
    /// Refuse packets whose address is not its own.
    pub source_dest_check: bool,
    /// Free text; `VPC Endpoint Interface vpce-…` for an endpoint's.
    pub description: String,
    /// What it belongs to.
    pub interface_type: InterfaceType,
    /// Made by AWS for the customer.
    pub requester_managed: bool,
    /// What it is plugged into.
    pub attachment: Option<Attachment>,
    /// A public address is wanted or mapped (from the internet gateway's pool).
    pub public_ip: Option<Ipv4Addr>,
}

/// AWS's `InterfaceType`, with the owner where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterfaceType {
    /// `interface`.
    Interface,
    /// `vpc_endpoint` of that endpoint id.
    VpcEndpoint(String),
    /// `network_load_balancer` node of that load balancer ARN.
    NetworkLoadBalancer(String),
    /// `nat_gateway` of that id.
    NatGateway(String),
}

/// What an interface is plugged into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// `eni-attach-…` or `ela-attach-…`.
    pub attachment_id: String,
    /// The instance; `None` for AWS's own.
    pub instance_id: Option<String>,
    /// 0 is the primary.
    pub device_index: u32,
}
