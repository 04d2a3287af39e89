//! What balancers do themselves: health checks, and the TLS that ends at them (`terminator.rs`).
//!
//! # Health checks
//!
//! **Purpose.** Every so often each node of a Network Load Balancer asks each of its targets whether it is well (B9): by a
//! connection, or by a request inside of one. The answers are what new flows and DNS go by.
//!
//! **Identity.** A [`Job`] is one node's checks of one registered target ([`Checked`]). Its connections come from the source
//! address that stands for the node; whatever lies between the node and the target decides about them as about any packet.
//!
//! **Life.** A job runs until a list without it, or with another of its name, takes the place of the list; one that stays
//! the same goes on where it is. What it learns goes to `report`, when it changes.
//!
//! **Time.** From one check's start to the next is the target group's interval, or the check's own length where that is
//! longer. First checks come at once, a millisecond apart.
//!
//! **Limits.** One task for each job, all in the thread that polls [`serve`]; at most [`AT_ONCE`] connections at a time, others
//! wait for theirs.
//!
//! **Not done.** Passive checks, and AWS's vote among its checkers: a target is what the worst of its nodes says.

mod probe;
mod streak;
mod terminator;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

pub use self::probe::{Check, Failure};
pub use self::streak::Streak;
pub use self::terminator::{Choose, Onward, TlsListener, serve as serve_tls};
use super::{Shutdown, stopped};
use crate::model::{HealthCheck, TargetHealth};

/// Connections at a time: far below what a process may have open.
const AT_ONCE: usize = 512;
/// Between the first checks of two jobs.
const APART: Duration = Duration::from_millis(1);

/// What is checked, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checked {
    /// The target group's ARN.
    pub target_group_arn: String,
    /// The target's id.
    pub target_id: String,
    /// The port that it is registered with.
    pub port: u16,
    /// The node's number.
    pub node: usize,
}

/// One node's checks of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Whose.
    pub checked: Checked,
    /// How often, and how many results count.
    pub health_check: HealthCheck,
    /// What is sent.
    pub check: Check,
}

/// Hears what became of a target in a node's eyes.
pub type Report = Arc<dyn Fn(&Checked, TargetHealth) + Send + Sync>;

/// Runs the jobs of the newest list until it is told to end.
///
/// Opens its sockets in the thread that polls it, so that thread's network namespace is where they are.
pub async fn serve(mut jobs: watch::Receiver<Arc<Vec<Job>>>, report: Report, mut shutdown: Shutdown) {
    let (places, tls) = (Arc::new(Semaphore::new(AT_ONCE)), probe::tls());
    let mut running: BTreeMap<Checked, (Job, AbortHandle)> = BTreeMap::new();
    loop {
        let wanted = Arc::clone(&jobs.borrow_and_update());
        let by_name: HashMap<&Checked, &Job> = wanted.iter().map(|job| (&job.checked, job)).collect();
        running.retain(|checked, (job, task)| {
            let stays = by_name.get(checked).is_some_and(|wanted| *wanted == job);
            if !stays {
                task.abort();
            }
            stays
        });
        let new = wanted.iter().filter(|job| !running.contains_key(&job.checked)).cloned().collect::<Vec<_>>();
        for (number, job) in new.into_iter().enumerate() {
            let (report, places, tls) = (Arc::clone(&report), Arc::clone(&places), tls.clone());
            let first = Instant::now() + APART * number as u32;
            let task = tokio::spawn(run(job.clone(), first, report, places, tls));
            running.insert(job.checked.clone(), (job, task.abort_handle()));
        }
        tokio::select! {
            changed = jobs.changed() => if changed.is_err() { return },
            () = stopped(&mut shutdown) => return,
        }
    }
}

async fn run(job: Job, first: Instant, report: Report, places: Arc<Semaphore>, tls: tokio_rustls::TlsConnector) {
    let mut streak = Streak::new(&job.health_check);
    let mut next = first;
    loop {
        tokio::time::sleep_until(next).await;
        let place = places.acquire().await.expect("nobody closes it");
        next = Instant::now() + job.health_check.interval();
        let outcome = probe::probe(&job.check, &job.health_check, &tls).await;
        drop(place);
        if let Some(health) = streak.note(outcome) {
            report(&job.checked, health);
        }
    }
}
