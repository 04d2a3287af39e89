//! `AWS::EC2::VPC`.

use ipnet::Ipv4Net;

use super::world::Meta;

/// A VPC.
#[derive(Clone, Debug)]
pub struct Vpc {
    /// `vpc-…`.
    pub vpc_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// IPv4 blocks, primary first, host bits cleared.
    pub cidr_blocks: Vec<Ipv4Net>,
    /// The resolver at base+2 answers.
    pub enable_dns_support: bool,
    /// Instances get names; with `enable_dns_support`, private DNS works.
    pub enable_dns_hostnames: bool,
    /// Serves subnets without an association of their own.
    pub main_route_table_id: String,
    /// Used where no group is named.
    pub default_security_group_id: String,
}
