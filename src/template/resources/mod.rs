//! Resource types as CloudFormation writes them to changes of the world; a file per service family.
//!
//! A handler reads properties and asks for changes; every law (overlaps, quotas, unknown services) is the model's, whose
//! refusal becomes the error at the property that it mentions.

mod custom;
mod dynamodb;
mod endpoint;
mod flow_log;
mod iam;
mod instance;
mod load_balancer;
mod nat;
mod network;
mod network_acl;
mod notification;
mod peering;
mod resolver;
mod route53;
mod routing;
mod security_group;
mod storage;
mod vpn;

use super::deploy::Maker;
use super::evaluate::{Made, Stop};
use super::properties::Properties;

/// Reads one type's properties and makes its object.
pub(super) type Handler = fn(&mut Maker<'_>, Properties) -> Result<Made, Stop>;

/// The handler of a type; `None` for what is not emulated.
pub(super) fn handler(type_name: &str) -> Option<Handler> {
    let handler: Handler = match type_name {
        "AWS::EC2::VPC" => network::vpc,
        "AWS::EC2::VPCCidrBlock" => network::vpc_cidr_block,
        "AWS::EC2::Subnet" => network::subnet,
        "AWS::EC2::InternetGateway" => network::internet_gateway,
        "AWS::EC2::VPCGatewayAttachment" => network::gateway_attachment,
        "AWS::EC2::RouteTable" => routing::route_table,
        "AWS::EC2::SubnetRouteTableAssociation" => routing::association,
        "AWS::EC2::GatewayRouteTableAssociation" => routing::gateway_association,
        "AWS::EC2::Route" => routing::route,
        "AWS::EC2::PrefixList" => routing::prefix_list,
        "AWS::EC2::VPCEndpoint" => endpoint::endpoint,
        "AWS::EC2::VPCEndpointService" => endpoint::service,
        "AWS::EC2::VPCEndpointServicePermissions" => endpoint::permissions,
        "AWS::EC2::VPCEndpointConnectionNotification" => notification::notification,
        "AWS::SNS::Topic" => notification::topic,
        "AWS::EC2::SecurityGroup" => security_group::group,
        "AWS::EC2::SecurityGroupIngress" => security_group::ingress,
        "AWS::EC2::SecurityGroupEgress" => security_group::egress,
        "AWS::EC2::NetworkAcl" => network_acl::network_acl,
        "AWS::EC2::NetworkAclEntry" => network_acl::entry,
        "AWS::EC2::SubnetNetworkAclAssociation" => network_acl::association,
        "AWS::EC2::EIP" => nat::elastic_ip,
        "AWS::EC2::EIPAssociation" => nat::elastic_ip_association,
        "AWS::EC2::NatGateway" => nat::nat_gateway,
        "AWS::EC2::VPCPeeringConnection" => peering::connection,
        "AWS::EC2::VPNGateway" => vpn::vpn_gateway,
        "AWS::EC2::VPNGatewayRoutePropagation" => vpn::route_propagation,
        "AWS::EC2::CustomerGateway" => vpn::customer_gateway,
        "AWS::EC2::VPNConnection" => vpn::vpn_connection,
        "AWS::EC2::VPNConnectionRoute" => vpn::vpn_connection_route,
        "AWS::EC2::FlowLog" => flow_log::flow_log,
        "AWS::EC2::Instance" => instance::instance,
        "AWS::EC2::NetworkInterface" => instance::network_interface,
        "AWS::EC2::NetworkInterfaceAttachment" => instance::attachment,
        "AWS::ElasticLoadBalancingV2::LoadBalancer" => load_balancer::load_balancer,
        "AWS::ElasticLoadBalancingV2::TargetGroup" => load_balancer::target_group,
        "AWS::ElasticLoadBalancingV2::Listener" => load_balancer::listener,
        "AWS::S3::Bucket" => storage::bucket,
        "AWS::S3::BucketPolicy" => storage::bucket_policy,
        "AWS::DynamoDB::Table" => dynamodb::table,
        "AWS::Route53::HostedZone" => route53::hosted_zone,
        "AWS::Route53::RecordSet" => route53::record_set,
        "AWS::Route53::RecordSetGroup" => route53::record_set_group,
        "AWS::Route53Resolver::ResolverEndpoint" => resolver::endpoint,
        "Custom::AWS" => custom::aws,
        "AWS::SSM::Parameter" => storage::ssm_parameter,
        "AWS::IAM::Role" => iam::role,
        "AWS::IAM::InstanceProfile" => iam::instance_profile,
        "AWS::IAM::User" => iam::user,
        "AWS::IAM::Group" => iam::group,
        "AWS::IAM::UserToGroupAddition" => iam::group_members,
        "AWS::IAM::AccessKey" => iam::access_key,
        "AWS::IAM::ManagedPolicy" => iam::managed_policy,
        "AWS::IAM::Policy" => iam::policy,
        "AWS::IAM::RolePolicy" => iam::role_policy,
        "AWS::IAM::UserPolicy" => iam::user_policy,
        "AWS::IAM::GroupPolicy" => iam::group_policy,
        _ => return None,
    };
    Some(handler)
}

/// Lower comes first among resources that are ready: real templates forget `DependsOn` here, and real stacks mostly
/// come up all the same, because CloudFormation takes a while for each step.
pub(super) fn priority(type_name: &str) -> u8 {
    match type_name {
        "AWS::EC2::VPCCidrBlock" | "AWS::EC2::VPCGatewayAttachment" | "AWS::SSM::Parameter" => 0,
        "AWS::EC2::Subnet" => 1,
        // What needs an attached gateway or an active peering without mentioning it.
        "AWS::EC2::Route"
        | "AWS::EC2::VPCEndpoint"
        | "AWS::EC2::EIP"
        | "AWS::EC2::EIPAssociation"
        | "AWS::EC2::NatGateway"
        | "AWS::EC2::GatewayRouteTableAssociation"
        | "AWS::EC2::SecurityGroupIngress"
        | "AWS::EC2::SecurityGroupEgress"
        | "AWS::EC2::VPNGatewayRoutePropagation" => 3,
        _ => 2,
    }
}
