//! Where decisions may change: the first addresses and the first ports of classes that the tables can't tell apart.
//!
//! Every look-up of the walk compares a destination with prefixes and a port with numbers or ranges. Between two
//! neighbouring borders no comparison changes its answer, so one packet stands for all of its class. A border too many costs
//! a question more; a border forgotten hides a class, so whoever adds a look-up to the walk adds its line to
//! [`Tables::borders`].
//!
//! Not here: source ports (the first packet of a conversation has an ephemeral one) and protocols other than TCP, UDP and
//! ICMP echo.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::tables::{Subnet, Tables};

/// Prefixes that the walk knows by heart: link-local services (B1.2), what is never forwarded (B1.3-4), multicast and
/// broadcast (B1.4), what an internet gateway refuses (B7), and what no kernel sends into a network.
const FIXED: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 168, 0), 22),
    (Ipv4Addr::new(169, 254, 169, 123), 32),
    (Ipv4Addr::new(169, 254, 169, 250), 32),
    (Ipv4Addr::new(169, 254, 169, 251), 32),
    (Ipv4Addr::new(169, 254, 169, 253), 32),
    (Ipv4Addr::new(169, 254, 169, 254), 32),
    (Ipv4Addr::new(169, 254, 170, 2), 32),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(255, 255, 255, 255), 32),
];

/// Ports that the walk knows by heart: DNS and NTP.
const FIXED_PORTS: [u16; 2] = [53, 123];

/// The borders of a lab's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Borders {
    addresses: BTreeSet<u32>,
    ports: BTreeSet<u16>,
}

impl Borders {
    fn new() -> Self {
        Self { addresses: BTreeSet::from([0]), ports: BTreeSet::from([1]) }
    }

    fn prefixes<'a>(&mut self, prefixes: impl IntoIterator<Item = &'a Ipv4Net>) {
        for prefix in prefixes {
            self.addresses.insert(u32::from(prefix.network()));
            self.addresses.extend(u32::from(prefix.broadcast()).checked_add(1));
        }
    }

    fn ranges(&mut self, ranges: impl IntoIterator<Item = (Ipv4Addr, Ipv4Addr)>) {
        for (first, last) in ranges {
            self.addresses.insert(u32::from(first));
            self.addresses.extend(u32::from(last).checked_add(1));
        }
    }

    fn hosts<'a>(&mut self, hosts: impl IntoIterator<Item = &'a Ipv4Addr>) {
        self.prefixes(&hosts.into_iter().copied().map(Ipv4Net::from).collect::<Vec<_>>());
    }

    fn port_ranges(&mut self, ranges: impl IntoIterator<Item = (u16, u16)>) {
        for (first, last) in ranges {
            self.ports.insert(first.max(1));
            self.ports.extend(last.checked_add(1));
        }
    }

    fn single_ports(&mut self, ports: impl IntoIterator<Item = u16>) {
        self.port_ranges(ports.into_iter().map(|port| (port, port)));
    }

    /// Classes of destinations: first and last address, in order, together the whole address space.
    pub fn addresses(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr)> {
        let ends = self.addresses.iter().skip(1).map(|next| next - 1).chain([u32::MAX]);
        self.addresses.iter().zip(ends).map(|(first, last)| (Ipv4Addr::from(*first), Ipv4Addr::from(last)))
    }

    /// Classes of ports: first and last port, in order, from 1.
    pub fn ports(&self) -> impl Iterator<Item = (u16, u16)> {
        let ends = self.ports.iter().skip(1).map(|next| next - 1).chain([u16::MAX]);
        self.ports.iter().copied().zip(ends)
    }
}

impl Tables {
    /// Every border at which a decision may change, one line for each kind of look-up.
    pub fn borders(&self) -> Borders {
        let mut borders = Borders::new();
        borders.prefixes(&fixed());
        borders.prefixes(self.vpcs.iter().flat_map(|vpc| &vpc.cidrs));
        borders.hosts(self.vpcs.iter().map(|vpc| &vpc.resolver));
        borders.prefixes(self.subnets.iter().map(|subnet| &subnet.cidr));
        borders.prefixes(&self.subnets.iter().filter_map(reserved).collect::<Vec<_>>());
        borders.hosts(&self.subnets.iter().flat_map(|it| [it.router(), it.cidr.broadcast()]).collect::<Vec<_>>());
        borders.hosts(self.interfaces.iter().flat_map(|interface| &interface.addresses));
        borders.prefixes(self.route_tables.iter().flat_map(|it| &it.routes).flat_map(|route| &route.destinations));
        borders.prefixes(&self.internet.prefixes);
        borders.hosts(self.internet.public.keys());
        borders.hosts(self.internet.guest.iter().map(|guest| &guest.address));
        borders.hosts(self.customers.iter().map(|customer| &customer.address));
        borders.prefixes(self.customers.iter().flat_map(|customer| &customer.routes));
        let groups = || self.security_groups.iter().flat_map(|group| group.ingress.iter().chain(&group.egress));
        borders.ranges(groups().flat_map(|rule| rule.peers.ranges()));
        borders.port_ranges(groups().filter_map(|rule| rule.selector.ports()));
        let entries = || self.network_acls.iter().flat_map(|acl| acl.ingress.iter().chain(&acl.egress));
        borders.prefixes(entries().map(|entry| &entry.block));
        borders.port_ranges(entries().filter_map(|entry| entry.selector.ports()));
        borders.single_ports(FIXED_PORTS);
        borders.single_ports(self.services.iter().flat_map(|it| &it.ports).map(|(_, port)| *port));
        let listeners = || self.balancers.iter().flat_map(|balancer| &balancer.listeners);
        borders.single_ports(listeners().map(|listener| listener.port));
        borders.single_ports(listeners().flat_map(|it| &it.targets).map(|target| target.port));
        borders
    }
}

fn fixed() -> Vec<Ipv4Net> {
    FIXED.iter().filter_map(|(network, length)| Ipv4Net::new(*network, *length).ok()).collect()
}

/// The first four addresses of a subnet (B1.1).
fn reserved(subnet: &Subnet) -> Option<Ipv4Net> {
    Ipv4Net::new(subnet.cidr.network(), 30.max(subnet.cidr.prefix_len())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_cover_everything_once() {
        let mut borders = Borders::new();
        borders.prefixes(&["10.0.0.0/16".parse().unwrap(), "240.0.0.0/4".parse().unwrap()]);
        borders.single_ports([80, u16::MAX]);
        let text: Vec<String> = borders.addresses().map(|(first, last)| format!("{first}-{last}")).collect();
        assert_eq!(
            text,
            ["0.0.0.0-9.255.255.255", "10.0.0.0-10.0.255.255", "10.1.0.0-239.255.255.255", "240.0.0.0-255.255.255.255"]
        );
        let ports: Vec<(u16, u16)> = borders.ports().collect();
        assert_eq!(ports, [(1, 79), (80, 80), (81, 65534), (65535, 65535)]);
    }
}
