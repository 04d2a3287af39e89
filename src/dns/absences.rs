//! Whose addresses are left out of answers: balancers' nodes without a healthy target (B9).
//!
//! Kept beside the zones and written while they answer: what comes and goes by the second compiles nothing.

use std::sync::atomic::{AtomicBool, Ordering};

/// Which nodes are left out, by number.
#[derive(Debug, Default)]
pub struct Absences(Box<[AtomicBool]>);

impl Absences {
    /// Of so many nodes none.
    pub fn none_of(nodes: usize) -> Self {
        Self((0..nodes).map(|_| AtomicBool::new(false)).collect())
    }

    /// Leaves a node out, or takes it in again.
    pub fn set(&self, node: usize, absent: bool) {
        if let Some(known) = self.0.get(node) {
            known.store(absent, Ordering::Relaxed);
        }
    }

    /// Whether a node is left out.
    pub fn has(&self, node: usize) -> bool {
        self.0.get(node).is_some_and(|absent| absent.load(Ordering::Relaxed))
    }
}
