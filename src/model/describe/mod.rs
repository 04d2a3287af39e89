//! The reading side: the world as AWS's Describe operations print it.
//!
//! `status --json` and the EC2 API read the world through here. Shapes and member names are AWS's
//! (instances without their reservations). Beside each Describe shape stands what AWS answers in a second operation and a
//! reader of `status` wants at once: a VPC's DNS attributes, a target group's targets, a bucket's policy.
//!
//! Not done: creation times (the model has no clock), filters, pages.

mod access;
mod balancing;
mod gateways;
mod hosted_zones;
mod interfaces;
mod network;
mod privatelink;
mod tables;

pub use access::{groups, instance_profiles, policies, roles, users};
pub use balancing::{buckets, listeners, load_balancers, target_groups, target_health};
pub use gateways::{
    addresses, customer_gateways, flow_logs, nat_gateways, vpc_peering_connections, vpn_connections, vpn_gateways,
};
pub use hosted_zones::hosted_zones;
pub use interfaces::{instances, network_interfaces};
pub use network::{
    availability_zones, internet_gateways, network_acls, prefix_lists, route_tables, security_groups, subnets, vpcs,
};
pub(super) use privatelink::aws_service_id;
pub use privatelink::{
    connection_notifications, resolver_endpoints, vpc_endpoint_connections, vpc_endpoint_service_configurations,
    vpc_endpoint_service_details, vpc_endpoint_services, vpc_endpoints,
};
pub use tables::tables;

use serde_json::{Value, json};

use super::*;

/// The whole world: one member for each Describe operation.
pub fn describe(world: &World) -> Value {
    json!({
        "Vpcs": vpcs(world),
        "Subnets": subnets(world),
        "RouteTables": route_tables(world),
        "InternetGateways": internet_gateways(world),
        "PrefixLists": prefix_lists(world),
        "SecurityGroups": security_groups(world),
        "NetworkAcls": network_acls(world),
        "NetworkInterfaces": network_interfaces(world),
        "Instances": instances(world),
        "Addresses": addresses(world),
        "NatGateways": nat_gateways(world),
        "VpcPeeringConnections": vpc_peering_connections(world),
        "VpnGateways": vpn_gateways(world),
        "CustomerGateways": customer_gateways(world),
        "VpnConnections": vpn_connections(world),
        "FlowLogs": flow_logs(world),
        "VpcEndpoints": vpc_endpoints(world),
        "VpcEndpointServices": vpc_endpoint_services(world),
        "VpcEndpointConnections": vpc_endpoint_connections(world),
        "ConnectionNotifications": connection_notifications(world),
        "LoadBalancers": load_balancers(world),
        "TargetGroups": target_groups(world),
        "Listeners": listeners(world),
        "Buckets": buckets(world),
        "Tables": tables(world),
        "ResolverEndpoints": resolver_endpoints(world),
        "HostedZones": hosted_zones(world),
        "Roles": roles(world),
        "InstanceProfiles": instance_profiles(world),
        "Users": users(world),
        "Groups": groups(world),
        "Policies": policies(world),
    })
}

/// The tags, and those that CloudFormation adds to what it makes.
fn tags(meta: &Meta) -> Value {
    let own = meta.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let stack = meta.stack.as_deref().map(|stack| ("aws:cloudformation:stack-name", stack));
    let logical_id = meta.logical_id.as_deref().map(|logical_id| ("aws:cloudformation:logical-id", logical_id));
    own.chain(stack).chain(logical_id).map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}

/// Groups as AWS lists them at an interface, endpoint or instance: id and name.
fn group_identifiers(world: &World, group_ids: &[String]) -> Value {
    group_ids
        .iter()
        .map(|id| {
            let name = world.security_groups.get(id).map(|group| group.group_name.as_str()).unwrap_or_default();
            json!({ "GroupId": id, "GroupName": name })
        })
        .collect()
}

/// Adds a member that AWS leaves out where there is nothing to say.
fn add(shape: &mut Value, member: &str, value: Option<Value>) {
    if let (Value::Object(members), Some(value)) = (shape, value) {
        members.insert(member.to_owned(), value);
    }
}

/// String members from a map such as attributes, in AWS's list form.
fn key_values(attributes: &std::collections::BTreeMap<String, String>) -> Value {
    attributes.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}
