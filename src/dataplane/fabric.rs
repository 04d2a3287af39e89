//! The fabric: the one-to-one addresses that services see, and whom they stand for (DESIGN decision 6).

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::tables::{CustomerIndex, EndpointIndex, InterfaceIndex, ResolverEndpointIndex};

/// How a packet came to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// As a link-local service (resolver, time).
    LinkLocal,
    /// Through an endpoint.
    Endpoint(EndpointIndex),
    /// To the resolver, through an inbound resolver endpoint.
    ResolverEndpoint(ResolverEndpointIndex),
}

/// Whose address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// A network interface's.
    Interface(InterfaceIndex),
    /// A guest's on premises.
    OnPremises(CustomerIndex),
    /// The internet guest's.
    Internet,
}

/// Who hides behind a fabric address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FabricEntry {
    /// Who sends.
    pub client: Client,
    /// Its private address.
    pub address: Ipv4Addr,
    /// The way in.
    pub way: Way,
}

/// The one-to-one map of (client, private address, way in) to the address that services see (DESIGN decision 6).
///
/// A routing domain of its own in 100.64.0.0/10 (RFC 6598): VPCs may use the same block, the two never meet. Static and
/// stateless, so a service can ask it for the origin at any time.
#[derive(Clone, Debug, Default)]
pub struct Fabric {
    entries: Vec<FabricEntry>,
    addresses: HashMap<FabricEntry, Ipv4Addr>,
}

impl Fabric {
    /// First address of the fabric.
    pub const BASE: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 16);
    /// How many entries fit.
    pub const CAPACITY: usize = (1 << 22) - 32;

    /// Gives each entry its address, in order. Entries beyond [`Self::CAPACITY`] get none and are dropped by name.
    pub fn new(entries: Vec<FabricEntry>) -> Self {
        let addresses =
            entries.iter().take(Self::CAPACITY).enumerate().map(|(index, entry)| (*entry, Self::nth(index))).collect();
        Self { entries, addresses }
    }

    fn nth(index: usize) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(Self::BASE) + index as u32)
    }

    /// The address that services see for an entry.
    pub fn address(&self, entry: &FabricEntry) -> Option<Ipv4Addr> {
        self.addresses.get(entry).copied()
    }

    /// Who is behind an address.
    pub fn entry(&self, address: Ipv4Addr) -> Option<&FabricEntry> {
        let index = u32::from(address).checked_sub(u32::from(Self::BASE))?;
        self.entries.get(index as usize)
    }

    /// All entries with their addresses.
    pub fn iter(&self) -> impl Iterator<Item = (Ipv4Addr, &FabricEntry)> {
        self.entries.iter().take(Self::CAPACITY).enumerate().map(|(index, entry)| (Self::nth(index), entry))
    }
}
