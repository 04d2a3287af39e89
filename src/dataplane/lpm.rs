//! Longest-prefix match in one to three array reads.
//!
//! The truth is an `ip_network_table`; [`FlatTable`] is made of it once and then only read. It splits an address 16-8-8: the
//! first 16 bits index the root, a longer prefix turns its slot into a pointer to 256 leaves, and so on. 256 KiB for the
//! root and 1 KiB per node: small enough for the cache that matters, since VPC routes sit close together.
//!
//! A law below proves the two equal on random tables; `compile` proves it on AWS's real prefixes.
//!
//! Not done: changing a table in place. A route change makes a new one (tens of microseconds).

use std::net::Ipv4Addr;

use ip_network_table::IpNetworkTable;

/// Nothing matches.
const NONE: u32 = 0;
/// The slot is a node number, not a value.
const NODE: u32 = 1 << 31;

/// An immutable IPv4 prefix table with 16-bit values.
#[derive(Clone, Debug, Default)]
pub struct FlatTable {
    /// 65,536 slots, or none for an empty table.
    root: Vec<u32>,
    /// 256 slots per node.
    nodes: Vec<u32>,
}

impl FlatTable {
    /// Values below this fit.
    pub const MAXIMUM: u16 = u16::MAX;

    /// Flattens the truth.
    pub fn from_truth(truth: &IpNetworkTable<u16>) -> Self {
        let mut prefixes: Vec<(u8, u32, u16)> = truth
            .iter_ipv4()
            .map(|(network, value)| (network.netmask(), u32::from(network.network_address()), *value))
            .collect();
        if prefixes.is_empty() {
            return Self::default();
        }
        // Shorter prefixes first: a longer one then simply overwrites its part.
        prefixes.sort_unstable();
        let mut table = Self { root: vec![NONE; 1 << 16], nodes: Vec::new() };
        for (length, network, value) in prefixes {
            table.insert(length, network, u32::from(value) + 1);
        }
        table
    }

    /// The value of the longest prefix that holds `address`.
    #[inline]
    pub fn get(&self, address: Ipv4Addr) -> Option<u16> {
        let address = u32::from(address);
        let mut slot = *self.root.get((address >> 16) as usize)?;
        if slot & NODE != 0 {
            slot = self.node(slot, address >> 8);
            if slot & NODE != 0 {
                slot = self.node(slot, address);
            }
        }
        if slot == NONE { None } else { Some((slot - 1) as u16) }
    }

    #[inline]
    fn node(&self, pointer: u32, bits: u32) -> u32 {
        let index = ((pointer & !NODE) as usize) << 8 | (bits & 0xff) as usize;
        self.nodes.get(index).copied().unwrap_or(NONE)
    }

    fn insert(&mut self, length: u8, network: u32, slot: u32) {
        let first = (network >> 16) as usize;
        if length <= 16 {
            self.root[first..first + (1 << (16 - length))].fill(slot);
            return;
        }
        let middle = Self::descend(&mut self.nodes, self.root[first]);
        self.root[first] = middle;
        let base = ((middle & !NODE) as usize) << 8;
        let second = base + (network >> 8 & 0xff) as usize;
        if length <= 24 {
            self.nodes[second..second + (1 << (24 - length))].fill(slot);
            return;
        }
        let standing = self.nodes[second];
        let last = Self::descend(&mut self.nodes, standing);
        self.nodes[second] = last;
        let third = (((last & !NODE) as usize) << 8) + (network & 0xff) as usize;
        self.nodes[third..third + (1 << (32 - length))].fill(slot);
    }

    /// The node behind a slot; a leaf becomes a node that repeats it.
    fn descend(nodes: &mut Vec<u32>, slot: u32) -> u32 {
        if slot & NODE != 0 {
            return slot;
        }
        let number = (nodes.len() >> 8) as u32;
        nodes.resize(nodes.len() + 256, slot);
        number | NODE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ip_network::Ipv4Network;
    use proptest::prelude::*;

    fn truth(prefixes: &[(u32, u8)]) -> IpNetworkTable<u16> {
        let mut table = IpNetworkTable::new();
        for (index, (address, length)) in prefixes.iter().enumerate() {
            table.insert(Ipv4Network::new_truncate((*address).into(), *length).unwrap(), index as u16);
        }
        table
    }

    fn same(truth: &IpNetworkTable<u16>, flat: &FlatTable, address: u32) {
        let address = Ipv4Addr::from(address);
        assert_eq!(flat.get(address), truth.longest_match_ipv4(address).map(|(_, value)| *value), "{address}");
    }

    proptest! {
        /// Equal to the truth on random tables, asked around every border.
        #[test]
        fn equals_the_truth(prefixes in prop::collection::vec((any::<u32>(), 0u8..=32), 0..200), others in prop::collection::vec(any::<u32>(), 200)) {
            let truth = truth(&prefixes);
            let flat = FlatTable::from_truth(&truth);
            for (address, length) in &prefixes {
                let network = if *length == 0 { 0 } else { address & (u32::MAX << (32 - length)) };
                let last = network | u32::MAX.checked_shr(u32::from(*length)).unwrap_or(0);
                for probe in [network, last, network.wrapping_sub(1), last.wrapping_add(1), *address] {
                    same(&truth, &flat, probe);
                }
            }
            for address in others {
                same(&truth, &flat, address);
            }
        }
    }
}
