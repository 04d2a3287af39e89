//! The numbers that a running lab's objects keep.
//!
//! Flows, ports that are lent, connections of services and records of drops hold indexes and fabric addresses of the tables that
//! were in force. So that endpoints can come and go under them, tables that follow others number alike: what is in both has
//! its old number, what is gone leaves a gap that nothing leads to, and what is new comes last.
//!
//! Not done, and why: gaps are not filled again. A lab would have to make millions of endpoints before it met a limit.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::*;

/// The tables that are in force, and what is looked up in them.
pub(super) struct Before<'t> {
    tables: &'t Tables,
    objects: HashMap<&'t Object, ObjectIndex>,
}

/// What stands at the next number.
pub(super) enum Numbered<'w, T> {
    /// The world's object.
    There(&'w T),
    /// Nothing any more; the number in the tables before.
    Gone(usize),
}

impl Before<'_> {
    /// The number of the same words.
    pub fn object(&self, object: &Object) -> Option<ObjectIndex> {
        self.objects.get(object).copied()
    }
}

impl<'w> Compiler<'w> {
    /// A compiler of tables that will take the place of others.
    pub(super) fn after(world: &'w World, before: &'w Tables) -> Self {
        let mut compiler = Self::new(world);
        compiler.tables.objects.clone_from(&before.objects);
        // Of several with the same words the first.
        let numbered = before.objects.iter().enumerate().rev();
        let objects = numbered.map(|(number, object)| (object, ObjectIndex(number as u32))).collect();
        compiler.before = Some(Before { tables: before, objects });
        compiler
    }

    /// All network interfaces, in the order of their numbers.
    pub(super) fn numbered_interfaces(&self) -> Vec<Numbered<'w, crate::model::NetworkInterface>> {
        let before = self.before.as_ref().map(|before| before.tables);
        let objects = before.into_iter().flat_map(|tables| tables.interfaces.iter().map(|it| it.object));
        self.numbered(&self.world.network_interfaces, objects.collect())
    }

    /// All endpoints, in the order of their numbers.
    pub(super) fn numbered_endpoints(&self) -> Vec<Numbered<'w, VpcEndpoint>> {
        let before = self.before.as_ref().map(|before| before.tables);
        let objects = before.into_iter().flat_map(|tables| tables.endpoints.iter().map(|it| it.object));
        self.numbered(&self.world.vpc_endpoints, objects.collect())
    }

    fn numbered<T>(&self, world: &'w BTreeMap<String, T>, objects: Vec<ObjectIndex>) -> Vec<Numbered<'w, T>> {
        let id = |object: &ObjectIndex| self.tables.object(*object).id.as_str();
        let known: HashSet<&str> = objects.iter().map(id).collect();
        let old = objects.iter().enumerate().map(|(number, object)| match world.get(id(object)) {
            Some(there) => Numbered::There(there),
            None => Numbered::Gone(number),
        });
        let new = world.iter().filter(|(id, _)| !known.contains(id.as_str())).map(|(_, it)| Numbered::There(it));
        old.chain(new).collect()
    }

    /// An interface that is gone: no address leads to it, and no MAC address.
    pub(super) fn leave_interface(&mut self, number: usize) {
        let Some(old) = self.before.as_ref().and_then(|before| before.tables.interfaces.get(number)) else { return };
        let subnet = self.tables.subnets.iter().position(|subnet| subnet.vpc == old.vpc);
        // Without its VPC the tables are of another shape, and no lab takes them.
        let Some(subnet) = subnet else { return };
        self.tables.interfaces.push(Interface {
            subnet: SubnetIndex(subnet as u32),
            mac: GONE,
            groups: Vec::new(),
            role: Role::Detached,
            ..old.clone()
        });
    }

    /// An endpoint that is gone: no interface and no route leads to it.
    pub(super) fn leave_endpoint(&mut self, number: usize) {
        let Some(old) = self.before.as_ref().and_then(|before| before.tables.endpoints.get(number)) else { return };
        if old.vpc.at() < self.tables.vpcs.len() {
            self.tables.endpoints.push(Endpoint { gateway_service: None, available: false, ..old.clone() });
        }
    }

    /// Entries of the fabric with those of before first.
    pub(super) fn numbered_fabric(&self, entries: Vec<FabricEntry>) -> Vec<FabricEntry> {
        let Some(before) = &self.before else { return entries };
        let mut all: Vec<FabricEntry> = before.tables.fabric.iter().map(|(_, entry)| *entry).collect();
        let known: HashSet<FabricEntry> = all.iter().copied().collect();
        all.extend(entries.into_iter().filter(|entry| !known.contains(entry)));
        all
    }

    /// What is logged where. The journals of a running lab are of the interfaces that there were at its start, so endpoints that
    /// come later are not logged; a flow log that is another is a reason not to take the tables.
    pub(super) fn numbered_plans(&self, plans: Vec<FlowLogPlan>) -> Vec<FlowLogPlan> {
        let Some(before) = &self.before else { return plans };
        let print = |plan: &FlowLogPlan| {
            format!("{:?}", (&plan.flow_log_id, plan.accepted, plan.rejected, &plan.format, plan.interval))
        };
        let prints = |plans: &[FlowLogPlan]| plans.iter().map(print).collect::<BTreeSet<String>>();
        let logs =
            |plans: &[FlowLogPlan]| -> BTreeSet<String> { plans.iter().map(|plan| plan.flow_log_id.clone()).collect() };
        let old = &before.tables.flow_logs.plans;
        let (was, is) = (prints(old), prints(&plans));
        // Interfaces of AWS's own may have an interval of their own, which comes and goes with them.
        let same = logs(old) == logs(&plans) && (was.is_subset(&is) || is.is_subset(&was));
        if same { old.clone() } else { plans }
    }
}

/// The MAC address of an interface that is gone: all ones, which no frame to a neighbour has (B1.4).
pub(super) const GONE: crate::packet::Mac = [0xff; 6];
