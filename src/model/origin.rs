//! Who stands behind a connection that a service sees.

use std::net::Ipv4Addr;

/// The origin of a connection: derived by `compile` for each fabric address, looked up by services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Account that owns the network interface.
    pub account: String,
    /// Region of its VPC.
    pub region: String,
    /// Its VPC.
    pub vpc_id: String,
    /// The network interface.
    pub network_interface_id: String,
    /// The instance that the interface is attached to.
    pub instance_id: Option<String>,
    /// The interface's private address: `aws:VpcSourceIp`.
    pub private_ip: Ipv4Addr,
    /// The endpoint it came through: `aws:SourceVpce`; `None` for the link-local services.
    pub vpc_endpoint_id: Option<String>,
    /// That endpoint's VPC, which is not the interface's for who comes from a peered one: `aws:SourceVpc`.
    pub endpoint_vpc_id: Option<String>,
    /// The same with Region and account: `aws:SourceVpcArn`.
    pub endpoint_vpc_arn: Option<String>,
    /// That endpoint's owner: `aws:VpceAccount`.
    pub endpoint_account: Option<String>,
    /// The inbound resolver endpoint that a question to the resolver came through.
    pub resolver_endpoint_id: Option<String>,
    /// Name for people: the guest's.
    pub name: String,
}

impl Origin {
    /// Whose names the resolver answers it with: an inbound resolver endpoint's, else those of its own VPC.
    pub fn dns_view(&self) -> &str {
        self.resolver_endpoint_id.as_deref().unwrap_or(&self.vpc_id)
    }
}
