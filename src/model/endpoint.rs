//! `AWS::EC2::VPCEndpoint`.

use super::world::Meta;

/// A VPC endpoint.
#[derive(Clone, Debug)]
pub struct VpcEndpoint {
    /// `vpce-…`.
    pub vpc_endpoint_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Gateway or Interface.
    pub vpc_endpoint_type: VpcEndpointType,
    /// The VPC it serves.
    pub vpc_id: String,
    /// Name of the service behind it.
    pub service_name: String,
    /// Where it stands in its life.
    pub state: VpcEndpointState,
    /// Policy as written; AWS's default when none was.
    pub policy_document: serde_json::Value,
    /// Gateway: route tables that carry its route.
    pub route_table_ids: Vec<String>,
    /// Interface: its subnets, one per zone.
    pub subnet_ids: Vec<String>,
    /// Interface: its network interfaces, in the order of `subnet_ids`.
    pub network_interface_ids: Vec<String>,
    /// Interface: security groups of those.
    pub security_group_ids: Vec<String>,
    /// The service's own name answers with the endpoint's addresses in this VPC.
    pub private_dns_enabled: bool,
    /// S3: … but only for queries through an inbound resolver endpoint.
    pub private_dns_only_for_inbound_resolver_endpoint: bool,
    /// Regional name, zonal names, then private names (B3.3).
    pub dns_entries: Vec<DnsEntry>,
}

/// AWS's `VpcEndpointType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VpcEndpointType {
    /// A route target for S3 and DynamoDB.
    Gateway,
    /// Network interfaces in subnets: PrivateLink.
    Interface,
}

/// AWS's `State` of an endpoint; the wire form is lower camel case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum VpcEndpointState {
    PendingAcceptance,
    Pending,
    Available,
    Rejected,
    Expired,
    Failed,
    Deleting,
    Deleted,
}

/// A name of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsEntry {
    /// Name without a final dot; a leading `*.` label is a wildcard.
    pub dns_name: String,
    /// Hosted zone that holds it.
    pub hosted_zone_id: String,
    /// What the name stands for.
    pub scope: DnsEntryScope,
}

/// What an endpoint's name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsEntryScope {
    /// All zones; resolvable everywhere.
    Regional,
    /// One zone by name; resolvable everywhere.
    Zonal(String),
    /// The service's own name; inside the endpoint's VPC only.
    Private,
}
