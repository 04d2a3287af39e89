//! The members of operations that have many.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::super::{MetadataOptions, PolicyDocument};

/// Members of CreateNetworkInterface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateNetworkInterface {
    /// Its subnet.
    pub subnet_id: String,
    /// Explicit primary private address.
    pub private_ip_address: Option<Ipv4Addr>,
    /// Explicit private addresses beyond the primary.
    pub secondary_private_ip_addresses: Vec<Ipv4Addr>,
    /// Security groups; the VPC's default one when empty.
    pub groups: Vec<String>,
    /// Refuses what is not its own.
    pub source_dest_check: bool,
    /// How long it remembers idle flows.
    pub connection_tracking: ConnectionTracking,
    /// Free text.
    pub description: String,
}

/// AWS's `ConnectionTrackingSpecification`: seconds after which security groups forget an idle flow; AWS's own where absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionTracking {
    /// 60 to 432,000.
    pub tcp_established_timeout: Option<u32>,
    /// UDP that went one way only: 30 to 60.
    pub udp_timeout: Option<u32>,
    /// UDP that went both ways: 60 to 180.
    pub udp_stream_timeout: Option<u32>,
}

/// Members of CreateNetworkAclEntry; numbers as written, so that a refusal can show them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateNetworkAclEntry {
    /// The ACL.
    pub network_acl_id: String,
    /// 1 to 32766.
    pub rule_number: i64,
    /// IP protocol number; `-1` for all.
    pub protocol: String,
    /// `allow` or `deny`.
    pub rule_action: String,
    /// For packets that leave the subnet.
    pub egress: bool,
    /// The other side.
    pub cidr_block: String,
    /// ICMP: type and code; -1 for any.
    pub icmp_type_code: Option<(i32, i32)>,
    /// TCP and UDP: first and last port.
    pub port_range: Option<(i32, i32)>,
}

/// Members of AssociateAddress: one address, and one interface that gets it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssociateAddress {
    /// The address by its allocation …
    pub allocation_id: Option<String>,
    /// … or by itself.
    pub public_ip: Option<Ipv4Addr>,
    /// The instance whose primary interface gets it …
    pub instance_id: Option<String>,
    /// … or the interface.
    pub network_interface_id: Option<String>,
    /// Which of the interface's private addresses; the primary when absent.
    pub private_ip_address: Option<Ipv4Addr>,
    /// Take the address from what has it.
    pub allow_reassociation: bool,
}

/// Members of CreateNatGateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateNatGateway {
    /// Its subnet.
    pub subnet_id: String,
    /// `public` (also when absent) or `private`.
    pub connectivity_type: Option<String>,
    /// Public: the Elastic IP address of its primary address.
    pub allocation_id: Option<String>,
    /// Explicit primary private address.
    pub private_ip_address: Option<Ipv4Addr>,
    /// Public: more Elastic IP addresses.
    pub secondary_allocation_ids: Vec<String>,
    /// Explicit private addresses beyond the primary.
    pub secondary_private_ip_addresses: Vec<Ipv4Addr>,
    /// Private: how many addresses to draw beyond the primary.
    pub secondary_private_ip_address_count: Option<u32>,
}

/// Members of CreateVpcPeeringConnection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateVpcPeeringConnection {
    /// The requester's VPC.
    pub vpc_id: String,
    /// The accepter's VPC.
    pub peer_vpc_id: String,
    /// Its account; the asker's when absent.
    pub peer_owner_id: Option<String>,
    /// Its Region; the asker's when absent.
    pub peer_region: Option<String>,
}

/// Members of CreateFlowLogs, of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateFlowLogs {
    /// VPC, subnet or network interface.
    pub resource_id: String,
    /// `VPC`, `Subnet` or `NetworkInterface`.
    pub resource_type: String,
    /// `ACCEPT`, `REJECT` or `ALL`.
    pub traffic_type: Option<String>,
    /// `${field} ${field} …`; version 2's fields when absent.
    pub log_format: Option<String>,
    /// 60 or 600 (also when absent).
    pub max_aggregation_interval: Option<u32>,
    /// `cloud-watch-logs` (also when absent), `s3` or `kinesis-data-firehose`.
    pub log_destination_type: Option<String>,
    /// ARN of the destination.
    pub log_destination: Option<String>,
    /// CloudWatch Logs: the group's name, instead of an ARN.
    pub log_group_name: Option<String>,
}

/// Members of RunInstances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunInstance {
    /// Subnet of the primary interface, unless `network_interface_ids` is given.
    pub subnet_id: Option<String>,
    /// Explicit primary private address.
    pub private_ip_address: Option<Ipv4Addr>,
    /// Security groups of the primary interface.
    pub security_group_ids: Vec<String>,
    /// Existing interfaces by device index, in order; the first is primary.
    pub network_interface_ids: Vec<String>,
    /// Ask for a public address on the primary interface; `None` leaves it to the subnet.
    pub associate_public_ip_address: Option<bool>,
    /// Source/destination check of the primary interface.
    pub source_dest_check: Option<bool>,
    /// First-boot script, decoded from base64.
    pub user_data: Option<String>,
    /// Instance profile by name or ARN.
    pub iam_instance_profile: Option<String>,
    /// How its metadata can be read.
    pub metadata_options: MetadataOptions,
    /// Shown only.
    pub instance_type: Option<String>,
    /// Shown only: no guest has an image.
    pub image_id: Option<String>,
}

/// Members of CreateVpcEndpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateVpcEndpoint {
    /// `Gateway` (also when absent) or `Interface`.
    pub vpc_endpoint_type: Option<String>,
    /// VPC that the endpoint serves.
    pub vpc_id: String,
    /// `com.amazonaws.REGION.SERVICE` or `com.amazonaws.vpce.REGION.vpce-svc-…`.
    pub service_name: String,
    /// Endpoint policy.
    pub policy_document: Option<PolicyDocument>,
    /// Gateway: route tables to put the prefix-list route into.
    pub route_table_ids: Vec<String>,
    /// Interface: one subnet per zone.
    pub subnet_ids: Vec<String>,
    /// Interface: security groups of its network interfaces.
    pub security_group_ids: Vec<String>,
    /// Interface: `None` as AWS's callers leave it (false).
    pub private_dns_enabled: Option<bool>,
    /// `DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint`.
    pub private_dns_only_for_inbound_resolver_endpoint: Option<bool>,
}

/// Members of ModifyVpcEndpoint, as far as they are emulated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModifyVpcEndpoint {
    /// The endpoint.
    pub vpc_endpoint_id: String,
    /// Its new policy …
    pub policy_document: Option<PolicyDocument>,
    /// … or AWS's default again.
    pub reset_policy: bool,
    /// Gateway: route tables that shall carry its route, too.
    pub add_route_table_ids: Vec<String>,
    /// Gateway: route tables that shall not any more.
    pub remove_route_table_ids: Vec<String>,
    /// Interface: subnets to have an interface in, too.
    pub add_subnet_ids: Vec<String>,
    /// Interface: subnets whose interface goes.
    pub remove_subnet_ids: Vec<String>,
    /// Interface: security groups that its interfaces get.
    pub add_security_group_ids: Vec<String>,
    /// Interface: security groups that they lose.
    pub remove_security_group_ids: Vec<String>,
    /// Interface: private DNS from now on; `None` leaves it.
    pub private_dns_enabled: Option<bool>,
    /// `DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint`; `None` leaves it.
    pub private_dns_only_for_inbound_resolver_endpoint: Option<bool>,
}

/// Members of ModifyVpcEndpointServiceConfiguration; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModifyVpcEndpointServiceConfiguration {
    /// The service.
    pub service_id: String,
    /// Load balancers that shall stand behind it, too.
    pub add_network_load_balancer_arns: Vec<String>,
    /// Load balancers that shall not any more.
    pub remove_network_load_balancer_arns: Vec<String>,
    /// Whether new endpoints wait for the provider.
    pub acceptance_required: Option<bool>,
    /// Another private DNS name, to be verified …
    pub private_dns_name: Option<String>,
    /// … or none.
    pub remove_private_dns_name: bool,
}

/// Members of CreateVpcEndpointConnectionNotification: of a service, for its provider, or of an endpoint, for its consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateConnectionNotification {
    /// The service …
    pub service_id: Option<String>,
    /// … or the endpoint.
    pub vpc_endpoint_id: Option<String>,
    /// ARN of the SNS topic.
    pub connection_notification_arn: String,
    /// `Accept`, `Connect`, `Delete`, `Reject`.
    pub connection_events: Vec<String>,
}

/// One zone of a load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetMapping {
    /// Subnet of the node.
    pub subnet_id: String,
    /// Explicit private address of the node.
    pub private_ipv4_address: Option<Ipv4Addr>,
    /// Elastic IP address of the node of an internet-facing load balancer.
    pub allocation_id: Option<String>,
}

/// Members of CreateTargetGroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateTargetGroup {
    /// Name; derived when absent.
    pub name: Option<String>,
    /// `TCP`, `UDP`, `TCP_UDP` or `TLS`.
    pub protocol: String,
    /// Default port of its targets.
    pub port: u16,
    /// VPC of its targets.
    pub vpc_id: String,
    /// `instance` (also when absent) or `ip`.
    pub target_type: Option<String>,
    /// Targets to register at once.
    pub targets: Vec<TargetDescription>,
    /// Attributes such as `preserve_client_ip.enabled`.
    pub attributes: BTreeMap<String, String>,
    /// Health-check members as written (`HealthCheckProtocol`, …); a `Matcher` as JSON.
    pub health_check: BTreeMap<String, String>,
}

/// A target to register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetDescription {
    /// Instance id or IPv4 address.
    pub id: String,
    /// Port; the group's when absent.
    pub port: Option<u16>,
    /// Zone for addresses outside the VPC; unused inside.
    pub availability_zone: Option<String>,
}
