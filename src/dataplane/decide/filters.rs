//! Security groups and network ACLs at the interfaces and subnets that a packet passes (B1.6, B1.7).

use super::*;
use crate::dataplane::filter::{Allowance, Facts, Peer, allowance, is_untracked};
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

/// Whether an ICMP error of an object on the way reaches the interface that sent the packet it is about: it leaves the
/// subnet of the object, where that has one, and enters the sender's (B1.5). Security groups let it pass, as part of its flow.
///
/// # Errors
/// The ACL, or its entry, that refuses it.
pub fn admit_report(
    tables: &Tables,
    reporter: Ipv4Addr,
    to: InterfaceIndex,
    address: Ipv4Addr,
    icmp: (u8, u8),
) -> Result<(), Refused> {
    let to = tables.interfaces.get(to.at()).ok_or(Refused::BAD_TABLES)?;
    let vpc = tables.vpcs.get(to.vpc.at()).ok_or(Refused::BAD_TABLES)?;
    let from = vpc.addresses.get(&reporter).and_then(|owner| tables.interfaces.get(owner.at()));
    if from.is_some_and(|from| from.subnet == to.subnet) {
        return Ok(());
    }
    let judge = |subnet: SubnetIndex, side, peer| {
        let acl = tables.subnets.get(subnet.at()).ok_or(Refused::BAD_TABLES)?.network_acl;
        AclCheck { back: false, acl, side, peer }.judge_icmp(tables, icmp)
    };
    if let Some(from) = from {
        judge(from.subnet, Side::Egress, address)?;
    }
    judge(to.subnet, Side::Ingress, reporter)
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
        if self.memory.is_tracked(index) {
            self.judged.push((index, true));
            return Ok(None);
        }
        let facts = self.facts();
        let reason = match allowance(tables.groups(interface), side, &facts, &self.peer(interface, side)) {
            Allowance::By(rule) => {
                self.judged.push((index, !is_untracked(tables.groups(interface), side, &facts)));
                return Ok(Some(rule));
            }
            Allowance::Mismatch => DropReason::SecurityGroupMismatch,
            Allowance::ReferenceNotPreserved => DropReason::SecurityGroupReference,
            Allowance::NoRules => DropReason::SecurityGroupNoRules,
        };
        if side == Side::Ingress && self.answers_flow_of(index, interface) {
            self.judged.push((index, true));
            return Ok(None);
        }
        self.observed.reject();
        self.refuse("security group", first.object, reason)
    }

    /// Who is at the other side, for the rules of an interface. A balancer's node is known by its own groups even when it
    /// keeps the client's address; an appliance that passes packets on is not (B1.6).
    fn peer(&self, interface: &Interface, side: Side) -> Peer {
        if side == Side::Egress {
            let address = self.header.destination;
            return Peer { address, member: Some(address), origin: None };
        }
        let address = self.header.source;
        let member = self.sending_interface().and_then(|sender| match sender.role {
            _ if sender.addresses.contains(&address) => Some(address),
            Role::BalancerNode { .. } => sender.addresses.first().copied(),
            _ => None,
        });
        Peer { address, member, origin: self.origin_for(interface) }
    }

    /// The first sender's address, where another interface sends for it, and where an interface's groups could name that
    /// sender: in its own VPC or a peered one.
    fn origin_for(&self, interface: &Interface) -> Option<Ipv4Addr> {
        self.sending_interface()?;
        let first = self.legs.first()?;
        let Place::Interface(client) = first.from else { return None };
        let vpc = self.interface(client).ok()?.vpc;
        let mut peerings = self.tables.peerings.iter();
        let knows = vpc == interface.vpc
            || peerings.any(|peering| peering.sides.contains(&vpc) && peering.sides.contains(&interface.vpc));
        knows.then_some(first.sent.source)
    }

    /// The interfaces whose groups let the flow go on without asking, when their rules change.
    pub(super) fn tracked(&self) -> Vec<InterfaceIndex> {
        let always = self.remembered > Remembered::Groups || self.always_tracked;
        self.judged.iter().filter(|(_, tracked)| always || *tracked).map(|(index, _)| *index).collect()
    }

    /// How long a flow of this walk may be idle: as long as the objects that translate it remember it; where there is none,
    /// as long as all interfaces that track it do.
    pub(super) fn timeouts(&self, number: u8, tracked: &[InterfaceIndex]) -> Timeouts {
        let set = tracked.iter().filter_map(|index| self.tables.interfaces.get(index.at())).map(|it| it.tracking);
        let tracking = set.reduce(ConnectionTracking::least).unwrap_or_default();
        match (number, self.remembered) {
            (protocol::TCP, Remembered::Groups) => {
                Timeouts { established: tracking.tcp_established, ..Timeouts::TRACKED_TCP }
            }
            (protocol::TCP, _) => Timeouts { established: self.idle, ..Timeouts::BALANCED_TCP },
            (protocol::UDP, Remembered::Groups) => Timeouts { opening: tracking.udp, established: tracking.udp_stream },
            (protocol::UDP, Remembered::Balancer) => Timeouts::BALANCED_UDP,
            (_, Remembered::NatGateway) => Timeouts::NAT_GATEWAY,
            _ => Timeouts::OTHER,
        }
    }

    /// The packet is the answer to what a guest itself sent, come by another way than it went.
    fn answers_flow_of(&self, index: InterfaceIndex, interface: &Interface) -> bool {
        let Role::Guest(link) = interface.role else { return false };
        self.memory.tracks(&Key::of_header(link, &self.header.answer()), index)
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
