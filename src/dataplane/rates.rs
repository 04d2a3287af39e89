//! How many packets an interface may send to link-local services: 1,024 a second for all of them together (B1.2).
//!
//! # Theory of operation
//!
//! **Purpose.** A guest that asks its resolver too often loses questions, as it does at AWS, and takes nothing from others.
//!
//! **Identity.** One bucket for each link.
//!
//! **Life.** Made by the link's first such packet; there are never more than links.
//!
//! **Time.** A bucket is the time at which it would be full again: each packet moves it on by 1/1024 s, and one that would
//! move it more than a second ahead of now is over the rate. So 1,024 pass at once, and then one each 1/1024 s.
//!
//! **Not done.** AWS does not say how it counts: the size of the burst is a choice.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::tables::LinkIndex;

/// The buckets of all links.
#[derive(Debug, Default)]
pub struct Rates {
    /// When each link's bucket is full again, in units of 1/1024 ns, in which a packet costs a round number.
    full_at: Mutex<HashMap<LinkIndex, u128>>,
}

/// Packets a second, and at once.
const PER_SECOND: u128 = 1024;
/// What a packet costs.
const PACKET: u128 = 1_000_000_000;

impl Rates {
    /// Whether a link may send one more packet; if so, it has.
    pub fn take(&self, link: LinkIndex, now: Duration) -> bool {
        let now = now.as_nanos() * PER_SECOND;
        let mut full_at = self.full_at.lock();
        let bucket = full_at.entry(link).or_default();
        let next = now.max(*bucket) + PACKET;
        let within = next - now <= PER_SECOND * PACKET;
        if within {
            *bucket = next;
        }
        within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_its_rate() {
        let rates = Rates::default();
        let link = LinkIndex(1);
        let taken =
            |milliseconds: u64| (0..5000).filter(|_| rates.take(link, Duration::from_millis(milliseconds))).count();
        assert_eq!(taken(0), 1024);
        assert_eq!(taken(0), 0);
        assert_eq!(taken(500), 512);
        assert_eq!(taken(60_000), 1024, "silence saves up one burst, no more");
        assert!(rates.take(LinkIndex(2), Duration::ZERO), "links share nothing");
    }
}
