//! AWS's JSON as EC2's XML.
//!
//! An element is called as its member with a small first letter, and the members of a list are `<item>`s. [`NAMES`] has the
//! members that are called otherwise: AWS's `locationName`s, of which most are sets.

use serde_json::Value;

use super::form::shown;
use crate::services::failure::escaped;

/// Members and what their elements are called. A list's own name decides where one member has two.
const NAMES: &[(&str, &str)] = &[
    ("AddedPrincipals", "addedPrincipalSet"),
    ("Associations", "associationSet"),
    ("AvailabilityZoneIds", "availabilityZoneIdSet"),
    ("AvailabilityZones", "availabilityZoneSet"),
    ("BaseEndpointDnsNames", "baseEndpointDnsNameSet"),
    ("Cidrs", "cidrSet"),
    ("DnsEntries", "dnsEntrySet"),
    ("Groups", "groupSet"),
    ("NetworkInterfaceIds", "networkInterfaceIdSet"),
    ("NetworkInterfaces", "networkInterfaceSet"),
    ("NetworkLoadBalancerArns", "networkLoadBalancerArnSet"),
    ("PrefixLists", "prefixListSet"),
    ("PrivateDnsNames", "privateDnsNameSet"),
    ("PrivateIpAddresses", "privateIpAddressesSet"),
    ("PropagatingVgws", "propagatingVgwSet"),
    ("ReturnValue", "return"),
    ("RouteTableIds", "routeTableIdSet"),
    ("RouteTables", "routeTableSet"),
    ("Routes", "routeSet"),
    ("SecurityGroups", "securityGroupInfo"),
    ("ServiceConfigurations", "serviceConfigurationSet"),
    ("ServiceDetails", "serviceDetailSet"),
    ("ServiceNames", "serviceNameSet"),
    ("SubnetIds", "subnetIdSet"),
    ("Subnets", "subnetSet"),
    ("SupportedIpAddressTypes", "supportedIpAddressTypeSet"),
    ("Tags", "tagSet"),
    ("UserIdGroupPairs", "groups"),
    ("VpcEndpointConnections", "vpcEndpointConnectionSet"),
    ("VpcEndpoints", "vpcEndpointSet"),
    ("Vpcs", "vpcSet"),
];

/// Members that are called otherwise in the items of one list alone, or in no list: list, member, element.
const IN_LISTS: &[(&str, &str, &str)] = &[
    ("", "AvailabilityZones", "availabilityZoneInfo"),
    ("AvailabilityZones", "State", "zoneState"),
    ("AvailabilityZones", "Messages", "messageSet"),
    ("SecurityGroups", "Description", "groupDescription"),
];

/// The whole answer of an operation.
pub fn document(operation: &str, request_id: &str, result: &Value) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{operation}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
         <requestId>{request_id}</requestId>"
    );
    members(&mut text, "", result);
    text.push_str(&format!("</{operation}Response>"));
    text
}

fn members(text: &mut String, list: &str, value: &Value) {
    for (member, value) in value.as_object().into_iter().flatten() {
        let of_list = IN_LISTS.iter().find(|(of, name, _)| *of == list && name == member).map(|(.., element)| *element);
        let known = || NAMES.iter().find(|(name, _)| name == member).map(|(_, element)| (*element).to_owned());
        let name = of_list.map(str::to_owned).or_else(known).unwrap_or_else(|| small(member));
        element(text, &name, member, value);
    }
}

fn element(text: &mut String, name: &str, member: &str, value: &Value) {
    if value.is_null() {
        return;
    }
    text.push_str(&format!("<{name}>"));
    match value {
        Value::Object(_) => members(text, member, value),
        Value::Array(items) => items.iter().for_each(|item| element(text, "item", member, item)),
        Value::String(string) => text.push_str(&escaped(&clean(string))),
        other => text.push_str(&other.to_string()),
    }
    text.push_str(&format!("</{name}>"));
}

/// The text without what XML can't hold. Line breaks it can.
fn clean(text: &str) -> String {
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) { shown(text) } else { text.to_owned() }
}

fn small(member: &str) -> String {
    let mut characters = member.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}
