//! Security groups and their rules, inside of the group or as resources of their own.

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::places::Places;
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
    maker.finish(properties)?;
    let group_id = maker.apply(tags, create)?;
    // One by one, so that a refusal is shown in its rule.
    for (permission, places) in ingress.into_iter().flatten() {
        let (group_id, permissions) = (group_id.clone(), vec![permission]);
        maker.apply_part(places, Change::AuthorizeSecurityGroupIngress { group_id, permissions })?;
    }
    for (position, (permission, places)) in egress.into_iter().flatten().enumerate() {
        let (group_id, permissions) = (group_id.clone(), vec![permission]);
        let replace_default = replace_default && position == 0;
        maker.apply_part(places, Change::AuthorizeSecurityGroupEgress { group_id, permissions, replace_default })?;
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
    maker.finish(properties)?;
    let Some((permission, _)) = permission else { return Err(Stop::Silent) };
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

/// Reads one rule and where it is written; `None` when an error or a notice says why.
fn permission(rule: &mut Properties, direction: Direction) -> Option<(IpPermission, Places)> {
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
            format!("MissingParameter: a rule of {ip_protocol} needs FromPort and ToPort"),
            Some("write both; they are equal for one port"),
        );
    }
    let peers = peers(direction);
    let given: Vec<_> = peers.iter().filter(|(name, _)| rule.has(name)).collect();
    let peer = match given.as_slice() {
        [(name, make)] => rule.decisive_text(name).map(make),
        [] => {
            let names = peers.map(|(name, _)| name).join(", ");
            rule.error("", format!("MissingParameter: a rule needs one of {names}"), None);
            None
        }
        [_, (second, _), ..] => {
            let message = "InvalidParameterCombination: a rule has one peer, and this is a second one";
            rule.error(second, message, Some("write two rules"));
            None
        }
    };
    let group_owner_id = rule.text("SourceSecurityGroupOwnerId");
    let description = rule.text("Description");
    let source = Some(rule.span_of("").source());
    let permission = IpPermission {
        ip_protocol,
        from_port: from_port.unwrap_or(-1),
        to_port: to_port.unwrap_or(-1),
        peer: peer?,
        group_owner_id,
        description,
        source,
    };
    Some((permission, rule.places_of_part()))
}
