//! The AWS nouns of a lab and their laws.
//!
//! [`World`] holds every object that the lab's accounts own. It changes in one way only: [`World::apply`] takes a
//! [`Request`], which names one AWS API operation ([`Change`]) with the account and Region that ask for it, and either
//! does it whole or returns a [`Refusal`] with AWS's error code and leaves the world as it was. Reading goes through
//! [`describe()`], which speaks AWS's Describe shapes.
//!
//! Pure: no I/O, no clock, no randomness. Ids are derived from the request (see [`id`]), so a lab has the same ids at
//! every `up`. The model does not know the dataplane; `compile` is the only room that sees both.

pub mod access;
pub mod address;
mod attribute;
mod aws_service;
mod balancer_attributes;
mod bucket;
mod change;
mod connection;
mod connection_notice;
mod connection_notification;
mod customer_gateway;
pub mod describe;
mod elastic_ip;
mod endpoint;
mod endpoint_service;
mod fault;
mod flow_log;
mod gateway_route_table;
mod health_check;
mod hosted_zone;
mod iam;
pub mod id;
mod instance;
mod interface_endpoint;
mod internet_gateway;
mod listener;
mod load_balancer;
mod lookup;
mod modify_endpoint;
pub mod naming;
mod nat_gateway;
mod network_acl;
mod network_interface;
mod origin;
mod policy_document;
mod prefix_list;
mod record_set;
mod refusal;
pub mod region;
mod resolver_endpoint;
mod route_table;
mod route_target;
mod security_group;
mod service_private_dns;
mod subnet;
mod table;
mod target_group;
mod vpc;
mod vpc_peering_connection;
mod vpn_connection;
mod vpn_gateway;
mod world;

pub use aws_service::{aws_services, private_dns_names, short_service_name};
pub use balancer_attributes::{GROUPS_JUDGE_PRIVATE_LINK, MinimumHealthy, attribute_without_effect};
pub use bucket::{Bucket, BucketVersioning, PublicAccessBlock};
pub use change::*;
pub use connection_notice::{ConnectionNotice, connection_notices};
pub use connection_notification::{ConnectionEvent, ConnectionNotification, is_topic_name};
pub use customer_gateway::{CustomerGateway, ON_PREMISES_ADDRESS_TAG};
pub use describe::describe;
pub use elastic_ip::{Address, AddressAssociation};
pub use endpoint::{DnsEntry, DnsEntryScope, VpcEndpoint, VpcEndpointState, VpcEndpointType};
pub use endpoint_service::{VpcEndpointService, VpcEndpointServiceState};
pub use flow_log::{
    AGGREGATION_TAG, DEFAULT_LOG_FORMAT, FLOW_LOG_FIELDS, FlowLog, FlowLogResourceType, LOG_FILE_TAG, TrafficType,
};
pub use health_check::{HEALTH_CHECK_INTERVAL_TAG, HealthCheck, HealthCheckProtocol, TargetHealth, TargetHealthState};
pub use hosted_zone::{ChangeAction, ChangeResourceRecordSets, CreateHostedZone, HostedZone, HostedZoneVpc};
pub use iam::{
    AccessKey, AccessKeyStatus, CreateRole, Group, Holder, IamChange, IdentityPolicies, InstanceProfile, ManagedPolicy,
    Role, User,
};
pub use instance::{Instance, MetadataOptions};
pub use internet_gateway::InternetGateway;
pub use listener::Listener;
pub use load_balancer::{LoadBalancer, LoadBalancerNode};
pub use nat_gateway::{ConnectivityType, NatGateway, NatGatewayAddress, NatGatewayFailure, NatGatewayState};
pub use network_acl::{NetworkAcl, NetworkAclAssociation, NetworkAclEntry, RuleAction};
pub use network_interface::{Attachment, InterfaceType, NetworkInterface};
pub use origin::Origin;
pub use policy_document::PolicyDocument;
pub use prefix_list::{PrefixList, PrefixListEntry};
pub use record_set::{AliasTarget, ResourceRecordSet};
pub use refusal::Refusal;
pub use region::{AvailabilityZone, availability_zones, dynamodb_prefixes, s3_prefixes};
pub use resolver_endpoint::{CreateResolverEndpoint, ResolverEndpoint, ResolverIpAddress};
pub use route_table::{
    Route, RouteDestination, RouteOrigin, RouteState, RouteTable, RouteTableAssociation, RouteTarget,
};
pub use security_group::{SecurityGroup, SecurityGroupRule};
pub use service_private_dns::{PRIVATE_DNS_NAME_TAG, PrivateDnsState, ServicePrivateDns};
pub use subnet::Subnet;
pub use table::{CreateTable, STREAM_LABEL, Table};
pub use target_group::{Target, TargetGroup};
pub use vpc::Vpc;
pub use vpc_peering_connection::{PeeringSide, PeeringStatus, VpcPeeringConnection};
pub use vpn_connection::VpnConnection;
pub use vpn_gateway::VpnGateway;
pub use world::{Meta, ObjectId, Source, World};

#[cfg(test)]
mod tests;
