//! `AWS::EC2::Subnet`.

use ipnet::Ipv4Net;

use super::world::Meta;

/// A subnet.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// `subnet-…`.
    pub subnet_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Its VPC.
    pub vpc_id: String,
    /// IPv4 block, host bits cleared.
    pub cidr_block: Ipv4Net,
    /// Zone by the owner's name, `us-east-1a`.
    pub availability_zone: String,
    /// Zone by its physical id, `use1-az1`.
    pub availability_zone_id: String,
    /// New instances get a public address.
    pub map_public_ip_on_launch: bool,
}
