//! When results make a target healthy or unhealthy (B9). Pure.

use super::Failure;
use crate::model::{HealthCheck, TargetHealth, TargetHealthState};

/// One node's opinion of one target.
#[derive(Clone, Debug)]
pub struct Streak {
    healthy_threshold: u32,
    unhealthy_threshold: u32,
    opinion: TargetHealth,
    passes: u32,
    failures: u32,
}

impl Streak {
    /// Of a target that was registered just now.
    pub fn new(health_check: &HealthCheck) -> Self {
        Self {
            healthy_threshold: health_check.healthy_threshold,
            unhealthy_threshold: health_check.unhealthy_threshold,
            opinion: TargetHealth::initial(),
            passes: 0,
            failures: 0,
        }
    }

    /// Counts a result; the new opinion, if it is another. A new target is in service after its first pass; afterwards it
    /// takes as many results in a row as the thresholds say. Of an unhealthy one the newest reason is told.
    pub fn note(&mut self, outcome: Result<(), Failure>) -> Option<TargetHealth> {
        let state = self.opinion.state;
        let opinion = match outcome {
            Ok(()) => {
                (self.passes, self.failures) = (self.passes.saturating_add(1), 0);
                let enough = state == TargetHealthState::Initial || self.passes >= self.healthy_threshold;
                enough.then(TargetHealth::healthy)
            }
            Err(failure) => {
                (self.passes, self.failures) = (0, self.failures.saturating_add(1));
                let enough = state == TargetHealthState::Unhealthy || self.failures >= self.unhealthy_threshold;
                enough.then(|| failure.health())
            }
        };
        let opinion = opinion.filter(|opinion| *opinion != self.opinion)?;
        self.opinion = opinion.clone();
        Some(opinion)
    }
}
