//! What can be asked of a [`World`](super::World): one AWS API operation each, with AWS's member names.
//!
//! Templates, the EC2 API and imports ask in nothing else. A [`Request`] adds who asks, which id the object shall have
//! (templates derive it, so that it is the same at every `up`) and where it was written.

mod members;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

pub use self::members::*;
use super::world::Source;
use super::{
    ChangeResourceRecordSets, CreateHostedZone, CreateResolverEndpoint, CreateTable, IamChange, PolicyDocument,
    PublicAccessBlock,
};

/// A change together with who asks for it and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Twelve-digit account that owns what the change makes.
    pub account: String,
    /// Region such as `us-east-1`.
    pub region: String,
    /// ARN of who signed an API call: its root user, a user or a role; `None` for a template, whose account asks as a whole.
    pub principal: Option<String>,
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
    /// EC2 DeleteVpcEndpoints; all of them or none.
    DeleteVpcEndpoints { vpc_endpoint_ids: Vec<String> },
    /// EC2 CreateVpcEndpointServiceConfiguration.
    CreateVpcEndpointServiceConfiguration {
        network_load_balancer_arns: Vec<String>,
        acceptance_required: bool,
        private_dns_name: Option<String>,
    },
    /// EC2 ModifyVpcEndpointServiceConfiguration.
    ModifyVpcEndpointServiceConfiguration(ModifyVpcEndpointServiceConfiguration),
    /// EC2 DeleteVpcEndpointServiceConfigurations; all of them or none.
    DeleteVpcEndpointServiceConfigurations { service_ids: Vec<String> },
    /// EC2 StartVpcEndpointServicePrivateDnsVerification.
    StartVpcEndpointServicePrivateDnsVerification { service_id: String },
    /// EC2 ModifyVpcEndpointServicePermissions (AddAllowedPrincipals).
    ModifyVpcEndpointServicePermissions {
        service_id: String,
        add_allowed_principals: Vec<String>,
        remove_allowed_principals: Vec<String>,
    },
    /// EC2 AcceptVpcEndpointConnections; asked by the provider's account.
    AcceptVpcEndpointConnections { service_id: String, vpc_endpoint_ids: Vec<String> },
    /// EC2 RejectVpcEndpointConnections; asked by the provider's account.
    RejectVpcEndpointConnections { service_id: String, vpc_endpoint_ids: Vec<String> },
    /// EC2 CreateVpcEndpointConnectionNotification.
    CreateVpcEndpointConnectionNotification(CreateConnectionNotification),
    /// EC2 ModifyVpcEndpointConnectionNotification; what is absent stays.
    ModifyVpcEndpointConnectionNotification {
        connection_notification_id: String,
        connection_notification_arn: Option<String>,
        connection_events: Vec<String>,
    },
    /// EC2 DeleteVpcEndpointConnectionNotifications; all of them or none.
    DeleteVpcEndpointConnectionNotifications { connection_notification_ids: Vec<String> },
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
    /// ELBv2 DeregisterTargets.
    DeregisterTargets { target_group_arn: String, targets: Vec<TargetDescription> },
    /// ELBv2 CreateListener.
    CreateListener {
        load_balancer_arn: String,
        protocol: String,
        port: u16,
        target_group_arns: Vec<String>,
        certificate_arns: Vec<String>,
        attributes: BTreeMap<String, String>,
    },
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
    /// Route 53 CreateHostedZone.
    CreateHostedZone(CreateHostedZone),
    /// Route 53 ChangeResourceRecordSets.
    ChangeResourceRecordSets(ChangeResourceRecordSets),
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
