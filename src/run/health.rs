//! The health of balancers' targets, in a running lab.
//!
//! **Purpose.** Brings together who checks ([`balancer`]), what flows and DNS go by ([`HealthMap`], [`Absences`]), and what
//! `status` tells.
//!
//! **Identity.** A target is a registration: its group's ARN, its id, its port. Each node that uses it has an opinion of
//! it ([`Checked`]).
//!
//! **Life.** Registered → initial → healthy ⇄ unhealthy; a target that no node uses is unused. One that `apply` takes out of its
//! group drains for the group's delay, with the connections that it has, and is forgotten then.
//!
//! **Time.** Deregistration delays run here; when checks are due is the checker's to know.
//!
//! TLS listeners run beside the checks, and choose targets as the dataplane does.
//!
//! **Limits.** A lab without a balancer has none of this. One thread for all checks, in the namespace that they leave from.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Weak};

use anyhow::{Context, Result};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::compile::{CheckedGroup, CheckedTarget, HealthPlan};
use crate::dataplane::tables::{Health, HealthChecks, HealthMap, InterfaceIndex};
use crate::dataplane::{Dataplane, Header, Tables};
use crate::dns::{Absences, Zones};
use crate::host::{self, Namespaces};
use crate::model::{Target, TargetGroup, TargetHealth, TargetHealthState, describe};
use crate::packet::protocol;
use crate::services::Shutdown;
use crate::services::authority::CertificateAuthority;
use crate::services::balancer::{self, Check, Checked, Choose, Job, Onward, TlsListener};

/// What is known, and who is told.
pub struct TargetsHealth {
    state: Mutex<State>,
    jobs: watch::Sender<Arc<Vec<Job>>>,
    tls: watch::Sender<Arc<Vec<TlsListener>>>,
    dataplane: Arc<Dataplane>,
    runtime: Handle,
}

struct State {
    plan: HealthPlan,
    opinions: BTreeMap<Checked, TargetHealth>,
    draining: Vec<Draining>,
    /// Deregistrations so far: a target may leave and come back while its first delay runs.
    deregistered: u64,
    map: Arc<HealthMap>,
    absences: Arc<Absences>,
}

/// A target that was deregistered, and how to find what it still carries.
#[derive(Clone)]
struct Draining {
    number: u64,
    group: TargetGroup,
    target: Target,
    nodes: Vec<InterfaceIndex>,
    address: Option<Ipv4Addr>,
}

impl Draining {
    /// It is registered there.
    fn is_in(&self, plan: &HealthPlan) -> bool {
        let mut groups = plan.groups.iter();
        let group = groups.find(|it| it.group.target_group_arn == self.group.target_group_arn);
        group.is_some_and(|group| group.targets.iter().any(|it| it.target == self.target))
    }
}

impl TargetsHealth {
    /// Starts the checks in their namespace; nothing in a lab that has none.
    pub fn start(
        plan: HealthPlan,
        namespaces: Option<&Namespaces>,
        dataplane: &Arc<Dataplane>,
        zones: &Zones,
        runtime: &Handle,
        authority: Arc<CertificateAuthority>,
        (shutdown, failed): (Shutdown, mpsc::UnboundedSender<String>),
    ) -> Result<Option<Arc<Self>>> {
        let Some(namespaces) = namespaces else { return Ok(None) };
        let namespaces = namespaces.try_clone().context("the namespace of health checks")?;
        let this = Self::new(plan, dataplane, zones, runtime);
        let (wanted, listeners) = (this.jobs.subscribe(), this.tls.subscribe());
        let choose = choose(dataplane);
        let report = {
            let this = Arc::downgrade(&this);
            Arc::new(move |checked: &Checked, health: TargetHealth| {
                if let Some(this) = Weak::upgrade(&this) {
                    this.note(checked, health);
                }
            })
        };
        std::thread::Builder::new()
            .name("health".into())
            .spawn(move || {
                let ended = host::within(&namespaces, || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                    let tls = balancer::serve_tls(listeners, authority, choose, shutdown.clone());
                    let checks = balancer::serve(wanted, report, shutdown);
                    runtime.context("making their runtime")?.block_on(async { tokio::join!(tls, checks) });
                    Ok(())
                });
                if let Err(error) = ended {
                    // Nobody listens any more when the lab is already ending.
                    let _ = failed.send(format!("health checks: {error:#}"));
                }
            })
            .context("starting the thread of health checks")?;
        Ok(Some(this))
    }

    /// Knows nothing yet.
    fn new(plan: HealthPlan, dataplane: &Arc<Dataplane>, zones: &Zones, runtime: &Handle) -> Arc<Self> {
        let (map, absences) = (Arc::clone(&dataplane.tables().health), Arc::clone(zones.absences()));
        let (jobs, _) = watch::channel(Arc::new(jobs(&plan)));
        let (tls, _) = watch::channel(Arc::new(tls_listeners(&plan)));
        let state = State { plan, opinions: BTreeMap::new(), draining: Vec::new(), deregistered: 0, map, absences };
        state.settle_nodes();
        let (dataplane, runtime) = (Arc::clone(dataplane), runtime.clone());
        Arc::new(Self { state: Mutex::new(state), jobs, tls, dataplane, runtime })
    }

    /// A node has another opinion of a target.
    fn note(&self, checked: &Checked, opinion: TargetHealth) {
        let mut state = self.state.lock();
        let Some((group, target)) = state.find(checked).map(|(group, target)| (group.clone(), target.clone())) else {
            return;
        };
        let before = state.health_of(&group.group, &target);
        state.opinions.insert(checked.clone(), opinion);
        let after = state.health_of(&group.group, &target);
        if before == after {
            return;
        }
        state.map.set(target.slot, known(&after));
        state.settle_nodes();
        let (name, Target { id, port }) = (&group.group.target_group_name, &target.target);
        let why = after.description.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        tracing::info!("target {id}:{port} of {name} is {}{why}", after.state.as_str());
        let failed = before.is_healthy() && !after.is_healthy();
        if let Some(address) = target.address.filter(|_| failed && group.group.cuts_unhealthy()) {
            self.dataplane.cut(&group.nodes, address, *port);
        }
    }

    /// Takes a new plan, for tables and zones that are about to take the place of others. What is known stays known; who
    /// left its group drains.
    pub fn renew(self: &Arc<Self>, plan: HealthPlan, tables: &Tables, zones: &Zones) {
        let state = &mut *self.state.lock();
        let left = state.left_behind(&plan);
        state.plan = plan;
        (state.map, state.absences) = (Arc::clone(&tables.health), Arc::clone(zones.absences()));
        let jobs = Arc::new(jobs(&state.plan));
        let wanted: BTreeSet<&Checked> = jobs.iter().map(|job| &job.checked).collect();
        state.opinions.retain(|checked, _| wanted.contains(checked));
        state.draining.retain(|gone| !gone.is_in(&state.plan));
        for group in &state.plan.groups {
            for target in &group.targets {
                state.map.set(target.slot, known(&state.health_of(&group.group, target)));
            }
        }
        state.settle_nodes();
        for gone in left {
            let (this, delay) = (Arc::downgrade(self), gone.group.deregistration_delay());
            state.draining.push(gone.clone());
            self.runtime.spawn(async move {
                tokio::time::sleep(delay).await;
                if let Some(this) = Weak::upgrade(&this) {
                    this.drained(&gone);
                }
            });
        }
        self.jobs.send_replace(jobs);
        self.tls.send_replace(Arc::new(tls_listeners(&state.plan)));
    }

    /// A target's delay is over, unless it was registered again meanwhile.
    fn drained(&self, gone: &Draining) {
        let mut state = self.state.lock();
        let Some(position) = state.draining.iter().position(|it| it.number == gone.number) else { return };
        state.draining.remove(position);
        if let Some(address) = gone.address.filter(|_| gone.group.cuts_deregistered()) {
            self.dataplane.cut(&gone.nodes, address, gone.target.port);
        }
    }

    /// DescribeTargetHealth of every group.
    pub fn describe(&self) -> Vec<Value> {
        let state = self.state.lock();
        let registered = state.plan.groups.iter().flat_map(|group| {
            group.targets.iter().map(|target| {
                describe::target_health(&group.group, &target.target, &state.health_of(&group.group, target))
            })
        });
        let draining = state.draining.iter();
        let draining = draining.map(|it| describe::target_health(&it.group, &it.target, &TargetHealth::draining()));
        registered.chain(draining).collect()
    }
}

impl State {
    fn find(&self, checked: &Checked) -> Option<(&CheckedGroup, &CheckedTarget)> {
        let group = self.plan.groups.iter().find(|it| it.group.target_group_arn == checked.target_group_arn)?;
        let is = |it: &&CheckedTarget| it.target.id == checked.target_id && it.target.port == checked.port;
        Some((group, group.targets.iter().find(is)?))
    }

    /// What a target is: what the worst of its nodes says.
    fn health_of(&self, group: &TargetGroup, target: &CheckedTarget) -> TargetHealth {
        if let Some(unchecked) = &target.unchecked {
            return unchecked.clone();
        }
        let opinion = |node: usize| {
            self.opinions.get(&checked(group, target, node)).cloned().unwrap_or_else(TargetHealth::initial)
        };
        let badness = |health: &TargetHealth| match health.state {
            TargetHealthState::Unhealthy => 0,
            TargetHealthState::Healthy => 2,
            _ => 1,
        };
        let opinions = target.checked_from.iter().map(|from| opinion(from.node));
        opinions.min_by_key(badness).unwrap_or_else(TargetHealth::initial)
    }

    /// A node leaves DNS when a group that has targets has too few healthy ones among those that the node uses.
    fn settle_nodes(&self) {
        for (number, node) in self.plan.nodes.iter().enumerate() {
            let lacks = node.groups.iter().any(|(minimum, slots)| {
                let healthy = slots.iter().filter(|slot| self.map.get(**slot) == Health::Healthy).count();
                !minimum.is_met(healthy, slots.len())
            });
            self.absences.set(number, lacks);
        }
    }

    /// The targets in use that a new plan has no longer.
    fn left_behind(&mut self, plan: &HealthPlan) -> Vec<Draining> {
        let mut left = Vec::new();
        for group in &self.plan.groups {
            for target in group.targets.iter().filter(|target| target.unchecked.is_none()) {
                let (nodes, number) = (group.nodes.clone(), self.deregistered);
                let (group, address) = (group.group.clone(), target.address);
                let gone = Draining { number, group, target: target.target.clone(), nodes, address };
                if !gone.is_in(plan) {
                    self.deregistered += 1;
                    left.push(gone);
                }
            }
        }
        left
    }
}

/// What flows go by.
fn known(health: &TargetHealth) -> Health {
    match health.state {
        TargetHealthState::Healthy => Health::Healthy,
        TargetHealthState::Unhealthy => Health::Unhealthy,
        _ => Health::Unknown,
    }
}

fn checked(group: &TargetGroup, target: &CheckedTarget, node: usize) -> Checked {
    let (target_group_arn, target_id) = (group.target_group_arn.clone(), target.target.id.clone());
    Checked { target_group_arn, target_id, port: target.target.port, node }
}

/// Where TLS ends.
fn tls_listeners(plan: &HealthPlan) -> Vec<TlsListener> {
    let listener = |(node, port, name): &(usize, u16, String)| TlsListener {
        at: SocketAddrV4::new(HealthChecks::source(*node), *port),
        name: name.clone(),
    };
    plan.tls.iter().map(listener).collect()
}

/// The target of a client whose TLS ended at a node, as the dataplane chooses.
fn choose(dataplane: &Arc<Dataplane>) -> Choose {
    let dataplane = Arc::clone(dataplane);
    Arc::new(move |at: SocketAddrV4, client: SocketAddrV4| {
        let node = dataplane.tables().health_checks.as_ref()?.node(*at.ip())?;
        let header = Header {
            protocol: protocol::TCP,
            source: *client.ip(),
            destination: *at.ip(),
            source_port: client.port(),
            destination_port: at.port(),
        };
        let target = dataplane.target_of(node, at.port(), &header)?;
        let (tls, proxy_protocol) = (target.tls, target.proxy_protocol);
        let target = SocketAddrV4::new(target.address, target.port);
        Some(Onward { source: *at.ip(), target, tls, proxy_protocol })
    })
}

/// A job for each target and node that uses it.
fn jobs(plan: &HealthPlan) -> Vec<Job> {
    let mut jobs = Vec::new();
    for group in &plan.groups {
        let health_check = group.health_check();
        for target in group.targets.iter().filter(|target| target.unchecked.is_none()) {
            let Some(address) = target.address else { continue };
            let port = health_check.port.unwrap_or(target.target.port);
            jobs.extend(target.checked_from.iter().map(|from| Job {
                checked: checked(&group.group, target, from.node),
                health_check: health_check.clone(),
                check: Check {
                    source: from.source,
                    target: SocketAddrV4::new(address, port),
                    host: SocketAddrV4::new(from.private_ip, from.listener_port),
                    proxy_protocol: group.group.speaks_proxy_protocol(),
                },
            }));
        }
    }
    jobs
}

#[cfg(test)]
mod tests;
