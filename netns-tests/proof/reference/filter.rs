//! Security groups (B1.6) and network ACLs (B1.7).

use std::net::Ipv4Addr;

use super::super::lab::*;
use super::super::published;
use super::interface::Interface;
use super::{Header, Kind, Ports, Reason, Stop, Walk, Walker, dropped};

/// Whether a rule speaks of a packet; a port that nobody knows may lie on either side of its border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    Depends,
}

fn ports(packet: Ports, low: u16, high: u16) -> Match {
    match () {
        () if packet.0 >= low && packet.1 <= high => Match::Yes,
        () if packet.1 < low || packet.0 > high => Match::No,
        () => Match::Depends,
    }
}

/// Rules name the port that the packet goes to: of a reply that is the client's.
fn traffic(traffic: Traffic, header: &Header) -> Match {
    match (traffic, header.protocol) {
        (Traffic::All, _) => Match::Yes,
        (Traffic::Tcp(low, high), Protocol::Tcp) | (Traffic::Udp(low, high), Protocol::Udp) => {
            ports(header.destination_ports, low, high)
        }
        (Traffic::Icmp(None), Protocol::Icmp) => Match::Yes,
        (Traffic::Icmp(Some(kind)), Protocol::Icmp) if kind == header.icmp_type => Match::Yes,
        _ => Match::No,
    }
}

impl Walker<'_> {
    /// Whether the peer of a rule is the other side. B1.6: a group stands for the private addresses of the interfaces
    /// that hold it.
    fn is_peer(&self, peer: Peer, other: Ipv4Addr) -> bool {
        let lab = self.lab;
        match peer {
            Peer::Block(block) => block.contains(other),
            Peer::List(list) => lab.lists[list].blocks.iter().any(|block| block.contains(other)),
            Peer::ServiceList(service) => published::prefixes(service).iter().any(|block| block.contains(other)),
            Peer::Group(group) => Interface::all(lab, lab.groups[group].vpc).into_iter().any(|interface| {
                let holds = interface.groups(lab).is_some_and(|groups| groups.contains(&group));
                holds && interface.address(lab) == other
            }),
        }
    }

    /// B1.6: the union of all groups' rules; only what a rule allows passes; the default is to let out everything.
    /// `stranger`: the other side is in a VPC whose groups no rule here can mean, whatever its address is.
    fn groups_allow(&self, interface: Interface, egress: bool, stranger: bool, header: &Header) -> Walk<()> {
        let lab = self.lab;
        let Some(groups) = interface.groups(lab) else { return Ok(()) };
        // Stateful: what answers a packet that was let through is let through.
        if self.kind == Kind::Reply {
            return Ok(());
        }
        let other = if egress { header.destination } else { header.source };
        let mut rules = 0;
        for group in groups {
            let group = &lab.groups[*group];
            let of_group = match (egress, &group.egress) {
                (true, None) => return Ok(()),
                (true, Some(rules)) => rules,
                (false, _) => &group.ingress,
            };
            for rule in of_group {
                rules += 1;
                let can_match = !(stranger && matches!(rule.peer, Peer::Group(_)));
                if can_match && self.is_peer(rule.peer, other) && traffic(rule.traffic, header) == Match::Yes {
                    return Ok(());
                }
            }
        }
        let direction = if egress { "out" } else { "in" };
        let mut codes = vec![if rules == 0 { "SG_HAS_NO_RULES" } else { "ENI_SG_RULES_MISMATCH" }];
        if !egress && (stranger || self.would_match_if_preserved(groups, header)) {
            codes.push("SG_REFERENCES_NOT_PRESERVED");
        }
        Err(Stop::Dropped(Reason {
            codes,
            objects: groups.iter().map(|group| lab.resource_of_group(*group).to_owned()).collect(),
            why: format!("B1.6: none of {rules} rules lets it {direction} at {}", interface.name(lab)),
        }))
    }

    /// B11: somebody on the way put another source address in, so that a rule that names the sender's group does not match.
    fn would_match_if_preserved(&self, groups: &[usize], header: &Header) -> bool {
        let lab = self.lab;
        let Some(sender) = self.sender else { return false };
        let translated = sender.address(lab) != header.source;
        let mut rules = groups.iter().flat_map(|group| &lab.groups[*group].ingress);
        translated
            && rules.any(|rule| {
                let by_group = matches!(rule.peer, Peer::Group(_));
                by_group && self.is_peer(rule.peer, sender.address(lab)) && traffic(rule.traffic, header) == Match::Yes
            })
    }

    pub(super) fn groups_let_out(&self, interface: Interface, header: &Header) -> Walk<()> {
        self.groups_allow(interface, true, false, header)
    }

    pub(super) fn groups_let_in(&self, interface: Interface, header: &Header) -> Walk<()> {
        self.groups_allow(interface, false, false, header)
    }

    /// B4: the groups of a balancer behind PrivateLink see the client's own address. B1.6, B11: its groups they don't see,
    /// in a VPC of another account that may even have the same addresses.
    pub(super) fn groups_let_in_a_stranger(&self, interface: Interface, header: &Header) -> Walk<()> {
        self.groups_allow(interface, false, true, header)
    }

    /// B1.7: by number, the first that matches decides; what none matches is denied. Each packet for itself.
    fn acl_allows(&self, subnet: usize, egress: bool, header: &Header) -> Walk<()> {
        let lab = self.lab;
        // The default network ACL allows everything.
        let Some(acl) = lab.subnets[subnet].acl else { return Ok(()) };
        let acl = &lab.acls[acl];
        let other = if egress { header.destination } else { header.source };
        let mut entries: Vec<&AclEntry> = acl.entries.iter().filter(|entry| entry.egress == egress).collect();
        entries.sort_by_key(|entry| entry.number);
        let direction = if egress { "out" } else { "in" };
        for entry in entries {
            if !entry.block.contains(other) {
                continue;
            }
            match (traffic(entry.traffic, header), entry.allow) {
                (Match::No, _) => {}
                (Match::Yes, true) => return Ok(()),
                (Match::Yes, false) => {
                    let why = format!("B1.7: rule {} of {} denies it {direction}", entry.number, acl.name);
                    let side = if egress { "Out" } else { "In" };
                    let name = format!("{}{side}{}", acl.name, entry.number);
                    return dropped("SUBNET_ACL_RESTRICTION", &name, why);
                }
                (Match::Depends, _) => return Err(Stop::Unknown),
            }
        }
        let why = format!("B1.7: no rule of {} allows it {direction}", acl.name);
        dropped("SUBNET_ACL_RESTRICTION", &acl.name, why)
    }

    pub(super) fn acl_lets_out(&self, subnet: usize, header: &Header) -> Walk<()> {
        self.acl_allows(subnet, true, header)
    }

    pub(super) fn acl_lets_in(&self, subnet: usize, header: &Header) -> Walk<()> {
        self.acl_allows(subnet, false, header)
    }
}
