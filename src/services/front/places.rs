//! Who may be connected: so many at once, and so many of them from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of a door.
#[derive(Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    most_per_peer: usize,
    /// How many each address has; an address without any is not in it.
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One of a peer's places; dropping it gives it back.
#[derive(Debug)]
pub struct PeerPlace {
    places: Arc<Places>,
    peer: IpAddr,
}

/// A place at the door; dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    _peer: PeerPlace,
    _place: OwnedSemaphorePermit,
}

impl Places {
    /// So many in all, and of one address.
    pub fn new(connections: usize, most_per_peer: usize) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(connections)), most_per_peer, taken: Mutex::default() })
    }

    /// One of the peer's places; `None` when it has them all.
    pub fn of_peer(self: &Arc<Self>, peer: IpAddr) -> Option<PeerPlace> {
        let mut taken = self.taken();
        let count = taken.entry(peer).or_default();
        if *count >= self.most_per_peer {
            return None;
        }
        *count += 1;
        Some(PeerPlace { places: Arc::clone(self), peer })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PeerPlace {
    /// Waits until one of all places is free, too.
    pub async fn enter(self) -> Place {
        let place = Arc::clone(&self.places.free).acquire_owned().await.expect("the semaphore is never closed");
        Place { _peer: self, _place: place }
    }
}

impl Drop for PeerPlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(count) = taken.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_its_share_and_is_forgotten_when_it_is_gone() {
        let places = Places::new(10, 2);
        let [one, other] = ["10.0.0.1", "10.0.0.2"].map(|address| address.parse().unwrap());
        let first = places.of_peer(one).unwrap();
        let _second = places.of_peer(one).unwrap();
        assert!(places.of_peer(one).is_none());
        let others = places.of_peer(other).unwrap();
        drop(first);
        assert!(places.of_peer(one).is_some());
        drop(others);
        assert_eq!(places.taken().len(), 1);
    }
}
