//! Network ACLs, their entries, and the subnets that they guard.

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::{Change, CreateNetworkAclEntry};

pub(super) fn network_acl(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let change = Change::CreateNetworkAcl { vpc_id: properties.required_text("VpcId") };
    maker.make(properties, tags, change)
}

pub(super) fn entry(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let members = CreateNetworkAclEntry {
        network_acl_id: properties.required_text("NetworkAclId"),
        rule_number: properties.required_integer("RuleNumber"),
        protocol: properties.required_text("Protocol"),
        rule_action: properties.required_text("RuleAction"),
        egress: properties.boolean("Egress").unwrap_or(false),
        cidr_block: properties.decisive_text("CidrBlock").unwrap_or_default(),
        icmp_type_code: properties
            .object("Icmp", |icmp| (icmp.required_integer("Type"), icmp.required_integer("Code"))),
        port_range: properties
            .object("PortRange", |range| (range.required_integer("From"), range.required_integer("To"))),
    };
    if properties.has("Ipv6CidrBlock") && !properties.has("CidrBlock") {
        properties.unemulated("IPv6 is not emulated");
    } else if !properties.has("CidrBlock") {
        properties.required_text("CidrBlock");
    }
    maker.finish(properties)?;
    let direction = if members.egress { "egress" } else { "ingress" };
    let reference = format!("{}|{direction}|{}", members.network_acl_id, members.rule_number);
    maker.apply(Default::default(), Change::CreateNetworkAclEntry(members))?;
    Ok(Made { attributes: [("Id", reference.clone())].into(), reference, object: None })
}

pub(super) fn association(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let change = Change::ReplaceNetworkAclAssociation {
        subnet_id: properties.required_text("SubnetId"),
        network_acl_id: properties.required_text("NetworkAclId"),
    };
    maker.finish(properties)?;
    let id = maker.apply(Default::default(), change)?;
    Ok(Made { attributes: [("AssociationId", id.clone())].into(), reference: id, object: None })
}
