//! When to look whether a header came through: the client may be silent, and then nothing else would.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::dataplane::plan::Key;

/// Flows by the time at which to look at them. One that is done, or gone, is forgotten when its time comes, so there are as
/// many as connections begin in a second or so, and those that never get their header.
#[derive(Debug, Default)]
pub struct Timers(Mutex<BinaryHeap<Reverse<Timer>>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Timer {
    due: Duration,
    key: Key,
}

impl Timers {
    /// Look at the flow of `key` at `due`.
    pub fn add(&self, due: Duration, key: Key) {
        self.0.lock().push(Reverse(Timer { due, key }));
    }

    /// The keys whose time has come, each once.
    pub fn take(&self, now: Duration) -> Vec<Key> {
        let mut timers = self.0.lock();
        let mut taken = Vec::new();
        while timers.peek().is_some_and(|Reverse(timer)| timer.due <= now) {
            taken.extend(timers.pop().map(|Reverse(timer)| timer.key));
        }
        taken
    }
}
