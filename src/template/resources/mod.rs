//! Resource types as CloudFormation writes them to changes of the world; a file per service family.
//!
//! A handler reads properties and asks for changes; every law (overlaps, quotas, unknown services) is the model's, whose
//! refusal becomes the error at the property that it mentions.

mod endpoint;
mod instance;
mod load_balancer;
mod network;
mod routing;
mod security_group;
mod storage;

use super::deploy::Maker;
use super::evaluate::{Made, Stop};
use super::notice::NoticeKind;
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
        "AWS::EC2::Route" => routing::route,
        "AWS::EC2::PrefixList" => routing::prefix_list,
        "AWS::EC2::VPCEndpoint" => endpoint::endpoint,
        "AWS::EC2::VPCEndpointService" => endpoint::service,
        "AWS::EC2::VPCEndpointServicePermissions" => endpoint::permissions,
        "AWS::EC2::SecurityGroup" => security_group::group,
        "AWS::EC2::SecurityGroupIngress" => security_group::ingress,
        "AWS::EC2::SecurityGroupEgress" => security_group::egress,
        "AWS::EC2::Instance" => instance::instance,
        "AWS::EC2::NetworkInterface" => instance::network_interface,
        "AWS::EC2::NetworkInterfaceAttachment" => instance::attachment,
        "AWS::ElasticLoadBalancingV2::LoadBalancer" => load_balancer::load_balancer,
        "AWS::ElasticLoadBalancingV2::TargetGroup" => load_balancer::target_group,
        "AWS::ElasticLoadBalancingV2::Listener" => load_balancer::listener,
        "AWS::S3::Bucket" => storage::bucket,
        "AWS::S3::BucketPolicy" => storage::bucket_policy,
        "AWS::SSM::Parameter" => storage::ssm_parameter,
        _ => return None,
    };
    Some(handler)
}

/// How a type without handler is listed: network ACLs are understood, and decided by a later version.
pub(super) fn notice_kind(type_name: &str) -> NoticeKind {
    match type_name {
        "AWS::EC2::NetworkAcl" | "AWS::EC2::NetworkAclEntry" | "AWS::EC2::SubnetNetworkAclAssociation" => {
            NoticeKind::NotEnforced
        }
        _ => NoticeKind::Ignored,
    }
}

/// Lower comes first among resources that are ready: real templates forget `DependsOn` here, and real stacks mostly
/// come up all the same, because CloudFormation takes a while for each step.
pub(super) fn priority(type_name: &str) -> u8 {
    match type_name {
        "AWS::EC2::VPCCidrBlock" | "AWS::EC2::VPCGatewayAttachment" | "AWS::SSM::Parameter" => 0,
        "AWS::EC2::Subnet" => 1,
        "AWS::EC2::Route" | "AWS::EC2::VPCEndpoint" => 3,
        _ => 2,
    }
}
