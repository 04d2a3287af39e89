//! The lab that expectations are about: who and what a name means, and where a packet would go.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::judge::{Failure, judge};
use super::meaning::{PathClaim, Sender};
use super::names::Names;
use super::way::Way;
use super::written::Word;
use crate::compile::{Compiled, Guest, compile};
use crate::dataplane::tables::Behind;
use crate::dataplane::{Dataplane, Header, LinkIndex, Path, Tables, TraceQuery};
use crate::dns::Zones;
use crate::model::access::Directory;
use crate::model::naming::{self, GuestName};
use crate::model::{Origin, World};
use crate::policy::Context;
use crate::template::{Diagnostic, Lab, StackReport};

/// A lab's world, compiled, with the names that people use.
pub struct Scene {
    pub(super) world: World,
    pub(super) stacks: Vec<StackReport>,
    pub(super) guests: Vec<GuestName>,
    pub(super) names: Names,
    pub(super) zones: Zones,
    pub(super) directory: Directory,
    pub(super) origins: HashMap<Ipv4Addr, Origin>,
    /// Condition keys that every imagined call has: those of the clock, which this room has not.
    pub(super) keys: Context,
    compiled_guests: Vec<Guest>,
    pub(super) tables: Arc<Tables>,
    dataplane: Dataplane,
}

/// Keys of the hashes that balance; nothing comes from outside here, and a test gives the same answer twice.
const SEED: [u64; 4] = [1, 2, 3, 4];

impl Scene {
    /// Compiles a lab.
    pub fn new(lab: &Lab) -> Self {
        Self::of(lab.world.clone(), lab.stacks.clone())
    }

    /// The same lab while a zone is down.
    ///
    /// # Errors
    /// There is no such zone.
    pub fn with_zone_down(&self, zone: &Word) -> Result<Self, Diagnostic> {
        let mut world = self.world.clone();
        world.set_zone_down(&zone.text, true).map_err(|message| Diagnostic::at(&zone.span, message))?;
        Ok(Self::of(world, self.stacks.clone()).with_keys(self.keys.clone()))
    }

    fn of(world: World, stacks: Vec<StackReport>) -> Self {
        let Compiled { tables, zones, origins, guests: compiled_guests, .. } = compile(&world);
        let tables = Arc::new(tables);
        Self {
            guests: naming::guests(&world),
            names: Names::new(&tables, &stacks),
            directory: Directory::of(&world),
            stacks,
            world,
            zones,
            origins,
            keys: Context::default(),
            compiled_guests,
            dataplane: Dataplane::new(Arc::clone(&tables), SEED),
            tables,
        }
    }

    /// The same, with condition keys that every call has.
    #[must_use]
    pub fn with_keys(mut self, keys: Context) -> Self {
        self.keys = keys;
        self
    }

    /// The guest as a sender; `None` for one without a network interface.
    pub(super) fn sender(&self, name: &GuestName) -> Option<Sender> {
        let guest = self.compiled_guests.iter().find(|guest| guest.instance_id == name.instance_id)?;
        // Outside of VPCs a guest has no network interface of its own: the object behind its link names it.
        let object = |link: LinkIndex| match self.tables.links.get(link.at())?.behind {
            Behind::Interface(index) => self.tables.interfaces.get(index.at()).map(|it| it.object),
            Behind::OnPremises(index) => self.tables.customers.get(index.at()).map(|it| it.object),
            Behind::Internet => self.tables.internet.object,
            Behind::Service(_) | Behind::HealthChecks => None,
        };
        Some(Sender {
            name: name.shown.clone(),
            vpc_id: guest.vpc_id.clone(),
            region: guest.region.clone(),
            sources: guest
                .interfaces
                .iter()
                .flat_map(|interface| interface.addresses.iter().map(|address| (interface.link, *address)))
                .collect(),
            ids: guest
                .interfaces
                .iter()
                .filter_map(|interface| Some(self.tables.object(object(interface.link)?).id.clone()))
                .collect(),
        })
    }

    /// Where the first packet of each conversation would go: one way for each address that the destination's name has.
    pub fn ways(&self, from: &Sender, claim: &PathClaim) -> Vec<(Option<Ipv4Addr>, Way)> {
        let addresses = match &claim.addresses {
            Ok(addresses) => addresses,
            Err(no_address) => return vec![(None, Way::unresolved(no_address))],
        };
        let Some((interface, source)) = from.sources.first().copied() else { return Vec::new() };
        let way = |address: &Ipv4Addr| {
            let header = Header::first(claim.protocol.name(), source, *address, claim.port)?;
            Some((Some(*address), self.way(interface, header)))
        };
        addresses.iter().filter_map(way).collect()
    }

    /// Whether the ways of all addresses are as wanted.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self, from: &Sender, claim: &PathClaim) -> Result<(), Failure> {
        let ways = self.ways(from, claim);
        let several = ways.len() > 1;
        ways.iter().try_for_each(|(address, way)| {
            judge(&claim.want, way).map_err(|failure| match address {
                Some(address) if several => failure.of(&address.to_string()),
                _ => failure,
            })
        })
    }

    /// The header of a guest's TCP packet as its receiver sees it; `None` where it does not arrive.
    pub(super) fn arrived(&self, from: &Sender, address: Ipv4Addr, port: Option<u16>) -> Option<Header> {
        let (interface, source) = from.sources.first().copied()?;
        self.walk(interface, Header::first("tcp", source, address, port)?).arrived
    }

    /// Where a packet would go, in people's names.
    pub(super) fn way(&self, from: LinkIndex, header: Header) -> Way {
        Way::of(&self.walk(from, header), &self.tables)
    }

    /// Where a packet would go.
    pub(super) fn walk(&self, from: LinkIndex, header: Header) -> Path {
        self.dataplane.trace(from, &TraceQuery { header })
    }
}
