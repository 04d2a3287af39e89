//! What can be asked of a [`World`](super::World): one AWS API operation each, with AWS's member names.
//!
//! Templates, the EC2 API and imports ask in nothing else. A [`Request`] adds who asks, which id the object shall have
//! (templates derive it, so that it is the same at every `up`) and where it was written.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::world::Source;
use super::{CreateResolverEndpoint, CreateTable, IamChange, MetadataOptions, PolicyDocument, PublicAccessBlock};

/// A change together with who asks for it and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Twelve-digit account that owns what the change makes.
    pub account: String,
    /// Region such as `us-east-1`.
    pub region: String,
    /// Stack that the request comes from; `None` for API calls.
    pub stack: Option<String>,
    /// Logical id in that stack's template; `None` for API calls.
    pub logical_id: Option<String>,
    /// Where the object is written, for messages and `trace`.
    pub source: Option<Source>,
    /// Tags for the object that the change makes, key to value.
    pub tags: BTreeMap<String, String>,
    /// The operation.
    pub change: Change,
}

/// One AWS API operation.
///
/// Members carry AWS's names in snake case. Creating operations have derived ids: [`super::id`] makes them from the
/// request's account, Region, stack and logical id. References to other objects are AWS ids (or ARNs where AWS takes ARNs).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "members carry AWS's names")]
pub enum Change {
    /// EC2 CreateVpc, with the two DNS attributes that CloudFormation sets in the same breath.
    CreateVpc { cidr_block: String, enable_dns_support: bool, enable_dns_hostnames: bool },
    /// EC2 AssociateVpcCidrBlock.
    AssociateVpcCidrBlock { vpc_id: String, cidr_block: String },
    /// EC2 CreateSubnet. Without a zone, AWS chooses; here the Region's first.
    CreateSubnet {
        vpc_id: String,
        cidr_block: String,
        availability_zone: Option<String>,
        map_public_ip_on_launch: bool,
    },
    /// EC2 CreateRouteTable.
    CreateRouteTable { vpc_id: String },
    /// EC2 AssociateRouteTable.
    AssociateRouteTable { route_table_id: String, subnet_id: String },
    /// EC2 AssociateRouteTable with a gateway: what enters by it follows the table.
    AssociateGatewayRouteTable { route_table_id: String, gateway_id: String },
    /// EC2 CreateRoute; exactly one destination and one target.
    CreateRoute {
        route_table_id: String,
        destination_cidr_block: Option<String>,
        destination_prefix_list_id: Option<String>,
        target: RouteTargetId,
    },
    /// EC2 CreateInternetGateway.
    CreateInternetGateway,
    /// EC2 AttachInternetGateway.
    AttachInternetGateway { internet_gateway_id: String, vpc_id: String },
    /// EC2 CreateNetworkAcl.
    CreateNetworkAcl { vpc_id: String },
    /// EC2 CreateNetworkAclEntry.
    CreateNetworkAclEntry(CreateNetworkAclEntry),
    /// EC2 ReplaceNetworkAclAssociation, by subnet as CloudFormation's SubnetNetworkAclAssociation asks it.
    ReplaceNetworkAclAssociation { subnet_id: String, network_acl_id: String },
    /// EC2 AllocateAddress; `address` asks for one of the pool's.
    AllocateAddress { address: Option<Ipv4Addr> },
    /// EC2 AssociateAddress.
    AssociateAddress(AssociateAddress),
    /// EC2 CreateNatGateway.
    CreateNatGateway(CreateNatGateway),
    /// EC2 CreateVpcPeeringConnection.
    CreateVpcPeeringConnection(CreateVpcPeeringConnection),
    /// EC2 AcceptVpcPeeringConnection; asked by the accepter's account in its Region.
    AcceptVpcPeeringConnection { vpc_peering_connection_id: String },
    /// EC2 CreateVpnGateway.
    CreateVpnGateway { gateway_type: String, amazon_side_asn: Option<u32> },
    /// EC2 AttachVpnGateway.
    AttachVpnGateway { vpn_gateway_id: String, vpc_id: String },
    /// EC2 EnableVgwRoutePropagation.
    EnableVgwRoutePropagation { gateway_id: String, route_table_id: String },
    /// EC2 CreateCustomerGateway.
    CreateCustomerGateway { gateway_type: String, ip_address: String, bgp_asn: Option<u32> },
    /// EC2 CreateVpnConnection.
    CreateVpnConnection {
        connection_type: String,
        customer_gateway_id: String,
        vpn_gateway_id: String,
        static_routes_only: bool,
    },
    /// EC2 CreateVpnConnectionRoute.
    CreateVpnConnectionRoute { vpn_connection_id: String, destination_cidr_block: String },
    /// EC2 CreateFlowLogs of one resource.
    CreateFlowLogs(CreateFlowLogs),
    /// EC2 CreateManagedPrefixList.
    CreateManagedPrefixList {
        prefix_list_name: String,
        address_family: String,
        max_entries: u32,
        entries: Vec<(String, Option<String>)>,
    },
    /// EC2 CreateSecurityGroup.
    CreateSecurityGroup { group_name: Option<String>, group_description: String, vpc_id: String },
    /// EC2 AuthorizeSecurityGroupIngress.
    AuthorizeSecurityGroupIngress { group_id: String, permissions: Vec<IpPermission> },
    /// EC2 AuthorizeSecurityGroupEgress. A first egress rule from a template replaces the allow-all one, as CloudFormation does.
    AuthorizeSecurityGroupEgress { group_id: String, permissions: Vec<IpPermission>, replace_default: bool },
    /// EC2 CreateNetworkInterface.
    CreateNetworkInterface(CreateNetworkInterface),
    /// EC2 AttachNetworkInterface.
    AttachNetworkInterface { network_interface_id: String, instance_id: String, device_index: u32 },
    /// EC2 RunInstances of one instance.
    RunInstance(RunInstance),
    /// EC2 CreateVpcEndpoint.
    CreateVpcEndpoint(CreateVpcEndpoint),
    /// EC2 ModifyVpcEndpoint.
    ModifyVpcEndpoint(ModifyVpcEndpoint),
    /// EC2 CreateVpcEndpointServiceConfiguration.
    CreateVpcEndpointServiceConfiguration {
        network_load_balancer_arns: Vec<String>,
        acceptance_required: bool,
        private_dns_name: Option<String>,
    },
    /// EC2 ModifyVpcEndpointServicePermissions (AddAllowedPrincipals).
    ModifyVpcEndpointServicePermissions {
        service_id: String,
        add_allowed_principals: Vec<String>,
        remove_allowed_principals: Vec<String>,
    },
    /// EC2 AcceptVpcEndpointConnections; asked by the provider's account.
    AcceptVpcEndpointConnections { service_id: String, vpc_endpoint_ids: Vec<String> },
    /// ELBv2 CreateLoadBalancer of type `network`.
    CreateLoadBalancer {
        name: Option<String>,
        scheme: String,
        subnets: Vec<SubnetMapping>,
        security_groups: Vec<String>,
        attributes: BTreeMap<String, String>,
    },
    /// ELBv2 CreateTargetGroup, with the targets that CloudFormation registers in the same breath.
    CreateTargetGroup(CreateTargetGroup),
    /// ELBv2 RegisterTargets.
    RegisterTargets { target_group_arn: String, targets: Vec<TargetDescription> },
    /// ELBv2 CreateListener.
    CreateListener { load_balancer_arn: String, protocol: String, port: u16, target_group_arns: Vec<String> },
    /// S3 CreateBucket.
    CreateBucket { bucket: Option<String> },
    /// S3 PutBucketPolicy.
    PutBucketPolicy { bucket: String, policy: PolicyDocument },
    /// S3 DeleteBucketPolicy.
    DeleteBucketPolicy { bucket: String },
    /// S3 PutBucketVersioning; `Enabled` or `Suspended`.
    PutBucketVersioning { bucket: String, status: String },
    /// S3 PutBucketCors; the configuration as `{"CORSRules": […]}` with the API's member names.
    PutBucketCors { bucket: String, cors_configuration: serde_json::Value },
    /// S3 PutPublicAccessBlock.
    PutPublicAccessBlock { bucket: String, public_access_block: PublicAccessBlock },
    /// DynamoDB CreateTable; returns the ARN.
    CreateTable(CreateTable),
    /// Route 53 Resolver CreateResolverEndpoint.
    CreateResolverEndpoint(CreateResolverEndpoint),
    /// An operation of IAM.
    Iam(IamChange),
}

/// Target of CreateRoute; the API has one member for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTargetId {
    /// `GatewayId`: an internet gateway (`igw-`) or virtual private gateway (`vgw-`); a gateway endpoint is refused.
    Gateway(String),
    /// `NatGatewayId`.
    NatGateway(String),
    /// `NetworkInterfaceId`.
    NetworkInterface(String),
    /// `InstanceId`; becomes its primary network interface.
    Instance(String),
    /// `VpcEndpointId` (Gateway Load Balancer endpoints only, on AWS).
    VpcEndpoint(String),
    /// `VpcPeeringConnectionId`.
    VpcPeeringConnection(String),
}

/// One rule of Authorize…; exactly one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpPermission {
    /// `tcp`, `udp`, `icmp`, a number, or `-1` for all.
    pub ip_protocol: String,
    /// First port, or ICMP type; -1 for any.
    pub from_port: i32,
    /// Last port, or ICMP code; -1 for any.
    pub to_port: i32,
    /// Who is at the other side.
    pub peer: PermissionPeer,
    /// `SourceSecurityGroupOwnerId`: the account of a group in a peered VPC; `None` for the asker's own.
    pub group_owner_id: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Where the rule is written.
    pub source: Option<Source>,
}

/// The other side of a security group rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PermissionPeer {
    /// `CidrIp`.
    Cidr(String),
    /// `CidrIpv6`; kept as written, IPv6 is not emulated.
    Ipv6Cidr(String),
    /// `SourceSecurityGroupId` / `DestinationSecurityGroupId`.
    Group(String),
    /// `SourcePrefixListId` / `DestinationPrefixListId`.
    PrefixList(String),
}

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
    /// Health-check members as written (`HealthCheckProtocol`, …), kept for the balancer.
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
