//! Source ports that balancer nodes and NAT gateways lend.
//!
//! # Theory of operation
//!
//! **Purpose.** A balancer's node talks to a target from its own address, and so does a NAT gateway to a destination; the
//! source port tells the flows apart (B4, B7, B9).
//!
//! **Identity.** One pool for each (own address, protocol, target address, target port): the same source port may serve
//! different targets at once, as it can in any TCP stack.
//!
//! **Life.** `borrow` takes a port, the flow holds the [`Lease`], and the pipeline gives it back when the flow ends.
//!
//! **Order.** Never-used ports first, then the least recently given back, so that a port returns to a target as late as
//! possible and does not meet its TIME_WAIT.
//!
//! **Limits.** 55,000 leases for each pool (B7, B9); beyond, `ERROR_PORT_ALLOCATION`. Pools stay to remember the order, at
//! most 130 kB each. Balancers have as many as (node, target) pairs; what a NAT gateway's guests send to is theirs to choose,
//! so beyond [`PortPools::POOLS`] idle pools are swept out, and their order of return is forgotten. Pools that lend are as
//! many as flows make them, whose number is limited, so that a guest that scans the internet takes no pool from others; and
//! a sweep comes only when the pools have doubled, so that it takes no time from them either.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;

use parking_lot::Mutex;

use super::tables::InterfaceIndex;

/// Which pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pool {
    /// The interface of the balancer's node or the NAT gateway.
    pub node: InterfaceIndex,
    /// The address that it lends ports of: a NAT gateway has up to eight.
    pub source: Ipv4Addr,
    /// IP protocol.
    pub protocol: u8,
    /// Target address; a NAT gateway's destination.
    pub target: Ipv4Addr,
    /// Target port; 0 for ICMP, whose identifiers are lent as ports are.
    pub target_port: u16,
}

/// A borrowed port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// From which pool.
    pub pool: Pool,
    /// The port.
    pub port: u16,
}

/// The leases of one flow: at most one for each object that translates its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leases([Option<Lease>; 3]);

impl Leases {
    /// One more; false when there is no place.
    pub fn add(&mut self, lease: Lease) -> bool {
        let place = self.0.iter_mut().find(|place| place.is_none());
        place.map(|place| *place = Some(lease)).is_some()
    }

    /// Takes the lease of a pool out.
    pub fn take(&mut self, pool: &Pool) -> Option<Lease> {
        self.0.iter_mut().find(|place| place.is_some_and(|lease| lease.pool == *pool))?.take()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Lease> {
        self.0.into_iter().flatten()
    }
}

#[derive(Debug)]
struct Ports {
    /// The next port that was never used; 0 when all were.
    fresh: u16,
    /// Given back, the longest ago first.
    used: VecDeque<u16>,
    lent: u32,
}

/// All pools of a lab.
#[derive(Debug, Default)]
pub struct PortPools {
    pools: Mutex<Pools>,
}

#[derive(Debug, Default)]
struct Pools {
    pools: HashMap<Pool, Ports>,
    /// How many pools there may be before the idle ones go; 0 counts as [`PortPools::POOLS`].
    sweep_at: usize,
}

impl Pools {
    /// The pool, new if it must be.
    fn pool(&mut self, pool: Pool) -> &mut Ports {
        if self.pools.len() >= self.sweep_at.max(PortPools::POOLS) && !self.pools.contains_key(&pool) {
            self.pools.retain(|_, ports| ports.lent > 0);
            self.sweep_at = 2 * self.pools.len();
        }
        self.pools.entry(pool).or_insert_with(|| Ports { fresh: PortPools::FIRST, used: VecDeque::new(), lent: 0 })
    }
}

impl PortPools {
    /// First port that is lent (B7).
    pub const FIRST: u16 = 1024;
    /// Simultaneous leases of one pool (B7, B9).
    pub const CAPACITY: u32 = 55_000;
    /// Idle pools that are remembered.
    pub const POOLS: usize = 1 << 16;

    /// Lends a port.
    pub fn borrow(&self, pool: Pool) -> Option<Lease> {
        let mut pools = self.pools.lock();
        let ports = pools.pool(pool);
        if ports.lent >= Self::CAPACITY {
            return None;
        }
        let port = if ports.fresh != 0 {
            let port = ports.fresh;
            ports.fresh = port.checked_add(1).unwrap_or(0);
            port
        } else {
            ports.used.pop_front()?
        };
        ports.lent += 1;
        Some(Lease { pool, port })
    }

    /// Takes a port back.
    pub fn give_back(&self, lease: Lease) {
        if let Some(ports) = self.pools.lock().pools.get_mut(&lease.pool) {
            ports.lent = ports.lent.saturating_sub(1);
            ports.used.push_back(lease.port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POOL: Pool = Pool {
        node: InterfaceIndex(1),
        source: Ipv4Addr::new(10, 0, 0, 1),
        protocol: 6,
        target: Ipv4Addr::new(10, 0, 0, 9),
        target_port: 80,
    };

    #[test]
    fn lends_55_000_and_no_more() {
        let pools = PortPools::default();
        let mut leases: Vec<Lease> = (0..PortPools::CAPACITY).map(|_| pools.borrow(POOL).expect("room")).collect();
        assert_eq!(pools.borrow(POOL), None);
        let mut ports: Vec<u16> = leases.iter().map(|lease| lease.port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), leases.len(), "no port twice");
        pools.give_back(leases.pop().expect("one"));
        assert!(pools.borrow(POOL).is_some());
        assert!(pools.borrow(Pool { target_port: 81, ..POOL }).is_some(), "another target has its own ports");
    }

    #[test]
    fn the_port_given_back_longest_ago_comes_first() {
        let pools = PortPools::default();
        // Take and give back every port once: from then on the order of return counts.
        for expected in PortPools::FIRST..=u16::MAX {
            let lease = pools.borrow(POOL).expect("room");
            assert_eq!(lease.port, expected, "fresh ports come first");
            pools.give_back(lease);
        }
        let first = pools.borrow(POOL).expect("room");
        let second = pools.borrow(POOL).expect("room");
        assert_eq!((first.port, second.port), (1024, 1025));
        pools.give_back(second);
        pools.give_back(first);
        let next: Vec<u16> = (0..64_512 - 2)
            .map(|_| {
                let lease = pools.borrow(POOL).unwrap();
                pools.give_back(lease);
                lease.port
            })
            .collect();
        assert_eq!(next.first(), Some(&1026));
        assert_eq!(pools.borrow(POOL).map(|lease| lease.port), Some(1025));
    }

    /// A guest that talks to everybody at once: each destination is a pool, and none is refused, for it or for others.
    #[test]
    fn pools_are_as_many_as_flows_need_and_idle_ones_go() {
        let pools = PortPools::default();
        let to = |number: usize| Pool { target: Ipv4Addr::from(number as u32), ..POOL };
        let count = 3 * PortPools::POOLS;
        let leases: Vec<Lease> = (0..count).map(|number| pools.borrow(to(number)).expect("room")).collect();
        assert!(pools.borrow(POOL).is_some(), "and others, too");
        for lease in leases {
            pools.give_back(lease);
        }
        for number in count..2 * count {
            pools.give_back(pools.borrow(to(number)).expect("room"));
        }
        let kept = pools.pools.lock().pools.len();
        assert!(kept <= 4 * PortPools::POOLS, "{kept} pools stay of {}", 2 * count);
        assert_eq!(pools.pools.lock().pools.get(&POOL).map(|ports| ports.lent), Some(1), "who lends stays");
    }

    proptest! {
        /// Whatever the order of borrowing and giving back, no port is lent twice at once.
        #[test]
        fn never_twice_at_once(steps in prop::collection::vec(any::<Option<prop::sample::Index>>(), 1..400)) {
            let pools = PortPools::default();
            let mut held: Vec<Lease> = Vec::new();
            for step in steps {
                match step {
                    Some(index) if !held.is_empty() => pools.give_back(held.swap_remove(index.index(held.len()))),
                    _ => {
                        let lease = pools.borrow(POOL).expect("room");
                        prop_assert!(!held.contains(&lease));
                        held.push(lease);
                    }
                }
            }
        }
    }
}
