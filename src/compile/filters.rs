//! Security groups and network ACLs to the lists that packets are held against.

use std::collections::HashMap;
use std::time::Duration;

use super::*;
use crate::dataplane::filter::{
    AddressSet, ConnectionTracking, NetworkAcl, NetworkAclEntry, SecurityGroup, SecurityGroupRule, Selector,
};
use crate::model::{self, IpPermission, PermissionPeer, RuleAction};
use crate::packet::protocol;

impl<'w> Compiler<'w> {
    /// All groups, in order of their ids. A rule that names a group stands for its members' addresses, in a peered VPC too.
    pub(super) fn add_security_groups(&mut self) {
        let members = self.members();
        for (number, group) in self.world.security_groups.values().enumerate() {
            let object = self.object(&group.group_id, &group.meta);
            self.security_groups.insert(&group.group_id, SecurityGroupIndex(number as u32));
            let ingress = self.rules(group, &group.ingress, &members);
            let egress = self.rules(group, &group.egress, &members);
            self.tables.security_groups.push(SecurityGroup { object, ingress, egress });
        }
    }

    /// Private addresses of the interfaces that hold each group.
    fn members(&self) -> HashMap<&'w str, Vec<Ipv4Addr>> {
        let mut members: HashMap<&str, Vec<Ipv4Addr>> = HashMap::new();
        for interface in self.world.network_interfaces.values() {
            for group in &interface.groups {
                members.entry(group).or_default().extend(&interface.private_ip_addresses);
            }
        }
        members
    }

    fn rules(
        &mut self,
        group: &'w model::SecurityGroup,
        rules: &'w [model::SecurityGroupRule],
        members: &HashMap<&str, Vec<Ipv4Addr>>,
    ) -> Vec<SecurityGroupRule> {
        let rule = |rule: &'w model::SecurityGroupRule| {
            let permission = &rule.permission;
            let peers = match &permission.peer {
                PermissionPeer::Cidr(block) => AddressSet::of_blocks(block.parse().ok()),
                // IPv6 is not carried, so nothing matches.
                PermissionPeer::Ipv6Cidr(_) => return None,
                PermissionPeer::Group(id) => {
                    AddressSet::of_addresses(members.get(id.as_str()).into_iter().flatten().copied())
                }
                PermissionPeer::PrefixList(id) => {
                    let list = self.world.prefix_lists.get(&(group.meta.region.clone(), id.clone()));
                    AddressSet::of_blocks(list.into_iter().flat_map(|list| list.entries.iter().map(|entry| entry.cidr)))
                }
            };
            let by_group = matches!(permission.peer, PermissionPeer::Group(_));
            let source = permission.source.as_ref().or(group.meta.source.as_ref()).map(ToString::to_string);
            let id = format!("{} ({})", rule.security_group_rule_id, permission_text(permission));
            let object = self.named(id, people_name(&group.meta), source);
            Some(SecurityGroupRule { object, selector: permission_selector(permission)?, peers, by_group })
        };
        rules.iter().filter_map(rule).collect()
    }

    /// How long an interface remembers idle flows: as it was told, else as its instance's generation does (B1.6).
    pub(super) fn connection_tracking(&self, interface: &model::NetworkInterface) -> ConnectionTracking {
        let instance = interface.attachment.as_ref().and_then(|attachment| attachment.instance_id.as_ref());
        let instance = instance.and_then(|id| self.world.instances.get(id));
        let nitro_v6 = instance.is_some_and(|instance| is_nitro_v6(&instance.instance_type));
        let usual = ConnectionTracking::default();
        let tcp = if nitro_v6 { NITRO_V6_TCP_ESTABLISHED } else { usual.tcp_established };
        let or = |told: Option<u32>, usual| told.map_or(usual, |seconds| Duration::from_secs(seconds.into()));
        let told = &interface.connection_tracking;
        ConnectionTracking {
            tcp_established: or(told.tcp_established_timeout, tcp),
            udp: or(told.udp_timeout, usual.udp),
            udp_stream: or(told.udp_stream_timeout, usual.udp_stream),
        }
    }

    /// All network ACLs, in order of their ids, before the subnets that they guard.
    pub(super) fn add_network_acls(&mut self) {
        for (number, acl) in self.world.network_acls.values().enumerate() {
            let object = self.object(&acl.network_acl_id, &acl.meta);
            self.network_acls.insert(&acl.network_acl_id, NetworkAclIndex(number as u32));
            let ingress = self.entries(acl, false);
            let egress = self.entries(acl, true);
            self.tables.network_acls.push(NetworkAcl { object, ingress, egress });
        }
    }

    fn entries(&mut self, acl: &'w model::NetworkAcl, egress: bool) -> Vec<NetworkAclEntry> {
        let mut entries: Vec<&model::NetworkAclEntry> = acl.entries.iter().filter(|it| it.egress == egress).collect();
        entries.sort_by_key(|entry| entry.rule_number);
        let entry = |entry: &model::NetworkAclEntry| {
            let allow = entry.rule_action == RuleAction::Allow;
            let source = entry.source.as_ref().or(acl.meta.source.as_ref()).map(ToString::to_string);
            let (action, side) = (if allow { "allow" } else { "deny" }, if egress { "egress" } else { "ingress" });
            let id = format!("{} rule {} ({side} {action})", acl.network_acl_id, entry.rule_number);
            let object = self.named(id, people_name(&acl.meta), source);
            NetworkAclEntry { object, selector: entry_selector(entry), block: entry.cidr_block, allow }
        };
        entries.into_iter().map(entry).collect()
    }
}

/// What Nitro v6 remembers of idle TCP.
const NITRO_V6_TCP_ESTABLISHED: Duration = Duration::from_secs(350);

/// Whether an instance type is built on Nitro v6: the eighth generation and later, but not its first Graviton4 families,
/// nor P6e; and the GPU families of that time.
pub(super) fn is_nitro_v6(instance_type: &str) -> bool {
    let family = instance_type.split('.').next().unwrap_or_default();
    let letters = family.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    let attributes = letters.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let generation: u32 = letters[..letters.len() - attributes.len()].parse().unwrap_or_default();
    match generation {
        ..=7 => matches!(family, "g7" | "g7e" | "p6-b200" | "p6-b300"),
        8 => !matches!(attributes, "g" | "gd" | "ge"),
        _ => true,
    }
}

/// `tcp 443 from 10.0.0.0/16`, without the preposition: the rule's list says which.
fn permission_text(permission: &IpPermission) -> String {
    let peer = match &permission.peer {
        PermissionPeer::Cidr(text)
        | PermissionPeer::Ipv6Cidr(text)
        | PermissionPeer::Group(text)
        | PermissionPeer::PrefixList(text) => text,
    };
    let ports = match (permission.ip_protocol.as_str(), permission.from_port, permission.to_port) {
        ("-1", ..) => "all".to_owned(),
        (name, -1, _) => name.to_owned(),
        (name, from, to) if from == to => format!("{name} {from}"),
        (name, from, to) => format!("{name} {from}-{to}"),
    };
    format!("{ports}, {peer}")
}

/// `None` for what is not IPv4.
fn permission_selector(permission: &IpPermission) -> Option<Selector> {
    let byte = |value: i32| u8::try_from(value).ok();
    let port = |value: i32| u16::try_from(value).unwrap_or_default();
    Some(match permission.ip_protocol.as_str() {
        "-1" => Selector::All,
        "tcp" => Selector::Ports(protocol::TCP, port(permission.from_port)..=port(permission.to_port)),
        "udp" => Selector::Ports(protocol::UDP, port(permission.from_port)..=port(permission.to_port)),
        "icmp" => Selector::Icmp(byte(permission.from_port), byte(permission.to_port)),
        "icmpv6" => return None,
        number => Selector::Protocol(number.parse().ok()?),
    })
}

fn entry_selector(entry: &model::NetworkAclEntry) -> Selector {
    let byte = |value: i16| u8::try_from(value).ok();
    match (entry.protocol, entry.port_range, entry.icmp_type_code) {
        (None, ..) => Selector::All,
        (Some(number @ (protocol::TCP | protocol::UDP)), Some((from, to)), _) => Selector::Ports(number, from..=to),
        (Some(protocol::ICMP), _, Some((kind, code))) => Selector::Icmp(byte(kind), byte(code)),
        (Some(number), ..) => Selector::Protocol(number),
    }
}
