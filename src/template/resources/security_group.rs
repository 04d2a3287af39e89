//! Security groups and their rules, inside of the group or as resources of their own. Nothing decides by them yet.

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::{Change, IpPermission, PermissionPeer};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Ingress,
    Egress,
}

pub(super) fn group(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let create = Change::CreateSecurityGroup {
        group_name: properties.text("GroupName"),
        group_description: properties.required_text("GroupDescription"),
        vpc_id: properties.required_text("VpcId"),
    };
    let ingress = properties.objects("SecurityGroupIngress", |rule| permission(rule, Direction::Ingress));
    let egress = properties.objects("SecurityGroupEgress", |rule| permission(rule, Direction::Egress));
    let replace_default = properties.has("SecurityGroupEgress");
    if properties.has("SecurityGroupIngress") {
        properties.not_enforced("SecurityGroupIngress", "ingress rules");
    }
    if replace_default {
        properties.not_enforced("SecurityGroupEgress", "egress rules");
    }
    maker.finish(properties)?;
    let group_id = maker.apply(tags, create)?;
    let ingress: Vec<_> = ingress.into_iter().flatten().collect();
    let egress: Vec<_> = egress.into_iter().flatten().collect();
    if !ingress.is_empty() {
        let change = Change::AuthorizeSecurityGroupIngress { group_id: group_id.clone(), permissions: ingress };
        maker.apply(Default::default(), change)?;
    }
    if !egress.is_empty() {
        let change =
            Change::AuthorizeSecurityGroupEgress { group_id: group_id.clone(), permissions: egress, replace_default };
        maker.apply(Default::default(), change)?;
    }
    Ok(Made { reference: group_id.clone(), object: Some(group_id), ..Made::default() })
}

pub(super) fn ingress(maker: &mut Maker<'_>, properties: Properties) -> Result<Made, Stop> {
    rule(maker, properties, Direction::Ingress)
}

pub(super) fn egress(maker: &mut Maker<'_>, properties: Properties) -> Result<Made, Stop> {
    rule(maker, properties, Direction::Egress)
}

fn rule(maker: &mut Maker<'_>, mut properties: Properties, direction: Direction) -> Result<Made, Stop> {
    let group_id = properties.required_text("GroupId");
    let permission = permission(&mut properties, direction);
    properties.not_enforced("", "rule");
    maker.finish(properties)?;
    let Some(permission) = permission else { return Err(Stop::Silent) };
    let permissions = vec![permission];
    let change = match direction {
        Direction::Ingress => Change::AuthorizeSecurityGroupIngress { group_id, permissions },
        // A rule of its own does not replace the allow-all rule, which came with the group.
        Direction::Egress => Change::AuthorizeSecurityGroupEgress { group_id, permissions, replace_default: false },
    };
    let id = maker.apply(Default::default(), change)?;
    Ok(Made { attributes: [("Id", id.clone())].into(), reference: id, object: None })
}

/// The peer's properties and the peer that each makes.
type Peers = [(&'static str, fn(String) -> PermissionPeer); 4];

fn peers(direction: Direction) -> Peers {
    let (group, prefix_list) = match direction {
        Direction::Ingress => ("SourceSecurityGroupId", "SourcePrefixListId"),
        Direction::Egress => ("DestinationSecurityGroupId", "DestinationPrefixListId"),
    };
    [
        ("CidrIp", PermissionPeer::Cidr),
        ("CidrIpv6", PermissionPeer::Ipv6Cidr),
        (group, PermissionPeer::Group),
        (prefix_list, PermissionPeer::PrefixList),
    ]
}

/// Reads one rule; `None` when an error or a notice says why.
fn permission(rule: &mut Properties, direction: Direction) -> Option<IpPermission> {
    let ip_protocol = match rule.required_text("IpProtocol").as_str() {
        "6" => "tcp".to_owned(),
        "17" => "udp".to_owned(),
        "1" => "icmp".to_owned(),
        other => other.to_lowercase(),
    };
    let from_port = rule.integer("FromPort");
    let to_port = rule.integer("ToPort");
    if matches!(ip_protocol.as_str(), "tcp" | "udp") && (from_port.is_none() || to_port.is_none()) {
        let name = if from_port.is_none() { "FromPort" } else { "ToPort" };
        rule.error(
            name,
            format!("a rule of {ip_protocol} needs FromPort and ToPort"),
            Some("write both; they are equal for one port"),
        );
    }
    let peers = peers(direction);
    let given: Vec<_> = peers.iter().filter(|(name, _)| rule.has(name)).collect();
    let peer = match given.as_slice() {
        [(name, make)] => rule.decisive_text(name).map(make),
        [] => {
            let names = peers.map(|(name, _)| name).join(", ");
            rule.error("", format!("a rule needs one of {names}"), None);
            None
        }
        [_, (second, _), ..] => {
            rule.error(second, "a rule has one peer, and this is a second one", Some("write two rules"));
            None
        }
    };
    let group_owner_id = rule.text("SourceSecurityGroupOwnerId");
    let description = rule.text("Description");
    let source = Some(rule.span_of("").source());
    Some(IpPermission {
        ip_protocol,
        from_port: from_port.unwrap_or(-1),
        to_port: to_port.unwrap_or(-1),
        peer: peer?,
        group_owner_id,
        description,
        source,
    })
}
