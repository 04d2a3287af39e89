//! Security groups and network ACLs at the interfaces and subnets that a packet passes (B1.6, B1.7).

use super::*;
use crate::dataplane::filter::{Allowance, Facts, allowance, is_untracked};
use crate::dataplane::plan::Key;

/// A network ACL that was asked on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AclCheck {
    /// Asked for the answer, not for the packet.
    pub back: bool,
    /// Which one.
    pub acl: NetworkAclIndex,
    /// Which list.
    pub side: Side,
    /// The address at the other side.
    pub peer: Ipv4Addr,
}

impl AclCheck {
    /// Whether an ICMP message about the flow gets through, which a stateless ACL knows nothing of.
    ///
    /// # Errors
    /// Which entry, or which ACL's final `*`, refuses it.
    pub fn judge_icmp(&self, tables: &Tables, icmp: (u8, u8)) -> Result<(), Refused> {
        let acl = tables.network_acls.get(self.acl.at()).ok_or(Refused::BAD_TABLES)?;
        let facts = Facts { protocol: protocol::ICMP, destination_port: 0, icmp };
        let refuse = |object| Err(Refused { reason: DropReason::NetworkAcl, object: Some(object) });
        match acl.decide(self.side, &facts, self.peer) {
            Some(entry) if entry.allow => Ok(()),
            Some(entry) => refuse(entry.object),
            None => refuse(acl.object),
        }
    }
}

impl Walk<'_> {
    fn facts(&self) -> Facts {
        Facts::of(&self.header, self.traits.icmp)
    }

    /// Asks an interface's security groups; returns the rule that allows, where one had to.
    pub(super) fn check_groups(&mut self, index: InterfaceIndex, side: Side) -> Result<Option<ObjectIndex>, Refused> {
        let tables = self.tables;
        let interface = tables.interfaces.get(index.at()).ok_or(Refused::BAD_TABLES)?;
        let Some(first) = tables.groups(interface).next() else { return Ok(None) };
        if self.memory.is_tracked() {
            self.tracked = true;
            return Ok(None);
        }
        self.tracked |= !is_untracked(tables.groups(interface), self.header.protocol);
        let peer = match side {
            Side::Ingress => self.header.source,
            Side::Egress => self.header.destination,
        };
        let from_itself = side == Side::Egress || self.is_from_its_owner();
        let reason = match allowance(tables.groups(interface), side, &self.facts(), peer, from_itself) {
            Allowance::By(rule) => return Ok(Some(rule)),
            Allowance::Mismatch => DropReason::SecurityGroupMismatch,
            Allowance::ReferenceNotPreserved => DropReason::SecurityGroupReference,
            Allowance::NoRules => DropReason::SecurityGroupNoRules,
        };
        if side == Side::Ingress && self.answers_flow_of(interface) {
            return Ok(None);
        }
        self.observed.reject();
        self.refuse("security group", first.object, reason)
    }

    /// Whoever sent the packet on this leg has its source address.
    fn is_from_its_owner(&self) -> bool {
        self.sending_interface().is_some_and(|sender| sender.addresses.contains(&self.header.source))
    }

    /// The packet is the answer to what a guest itself sent, come by another way than it went.
    fn answers_flow_of(&self, interface: &Interface) -> bool {
        let Role::Guest(link) = interface.role else { return false };
        self.memory.tracks(&Key::of_header(link, &self.header.answer()))
    }

    /// Asks the network ACL of a subnet that the packet enters or leaves.
    pub(super) fn check_acl(&mut self, index: SubnetIndex, side: Side) -> Result<(), Refused> {
        let tables = self.tables;
        let subnet = tables.subnets.get(index.at()).ok_or(Refused::BAD_TABLES)?;
        let acl = tables.network_acls.get(subnet.network_acl.at()).ok_or(Refused::BAD_TABLES)?;
        if acl.is_open(side) {
            return Ok(());
        }
        let peer = match side {
            Side::Ingress => self.header.source,
            Side::Egress => self.header.destination,
        };
        self.acls.push(AclCheck { back: self.back.is_some(), acl: subnet.network_acl, side, peer });
        let entry = acl.decide(side, &self.facts(), peer);
        let before = self.header;
        let rule = entry.map(|entry| entry.object);
        let way = match side {
            Side::Ingress => "into",
            Side::Egress => "out of",
        };
        if entry.is_some_and(|entry| entry.allow) {
            let name = &tables.object(subnet.object).id;
            self.record("network ACL", acl.object, rule, before, || format!("lets it {way} {name}"));
            return Ok(());
        }
        let name = &tables.object(subnet.object).id;
        self.record("network ACL", acl.object, rule, before, || format!("refuses it {way} {name}"));
        self.observed.reject();
        Err(Refused { reason: DropReason::NetworkAcl, object: Some(rule.unwrap_or(acl.object)) })
    }
}
