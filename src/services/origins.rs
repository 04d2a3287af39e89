//! Who stands behind a source address.
//!
//! Towards services every (network interface, way in) pair has an address of its own on the fabric (DESIGN decision 6).
//! `compile` makes the map, services ask it; it is swapped whole when the world changes. An address that is not in it
//! came over the emulated internet.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::model::Origin;

/// Fabric source address to origin.
#[derive(Debug, Default)]
pub struct Origins(ArcSwap<HashMap<Ipv4Addr, Arc<Origin>>>);

impl Origins {
    /// A map of origins.
    pub fn new(origins: impl IntoIterator<Item = (Ipv4Addr, Origin)>) -> Self {
        let made = Self::default();
        made.swap(origins);
        made
    }

    /// Replaces the map; requests under way keep what they found.
    pub fn swap(&self, origins: impl IntoIterator<Item = (Ipv4Addr, Origin)>) {
        self.0.store(Arc::new(origins.into_iter().map(|(address, origin)| (address, Arc::new(origin))).collect()));
    }

    /// Who stands behind `source`, if anybody of this lab.
    pub fn get(&self, source: IpAddr) -> Option<Arc<Origin>> {
        match source.to_canonical() {
            IpAddr::V4(source) => self.0.load().get(&source).cloned(),
            IpAddr::V6(_) => None,
        }
    }
}
