//! What of the tables must stay as it is while a lab runs.
//!
//! Flows, leases, services' connections and the threads that pump frames hold indexes and fabric addresses, and links are
//! network namespaces. So a running lab can take new tables only when what is numbered there keeps its number
//! ([`Tables::vpcs`]' rule, which [`recompile`](super::recompile) follows); routes, rules, policies, names and attributes may
//! change as they like, and endpoints with their interfaces come and go.

use std::collections::{BTreeMap, BTreeSet};

use super::numbering::GONE;
use crate::dataplane::ObjectIndex;
use crate::dataplane::tables::{Behind, FabricEntry, Interface, Role, Tables};

/// What is numbered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    parts: Vec<Part>,
    /// Private addresses with what makes up their fabric address, in order.
    fabric: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    kind: &'static str,
    /// For people, with the id.
    name: String,
    id: String,
    /// All that must be the same.
    print: String,
    /// It may be new, gone or another: only its number is held.
    is_free: bool,
}

impl Shape {
    /// Of tables.
    pub fn of(tables: &Tables) -> Self {
        let part = |kind, index: ObjectIndex, print: String| {
            let object = tables.object(index);
            let name = match object.name.is_empty() {
                true => format!("{kind} {}", object.id),
                false => format!("{kind} {} ({})", object.name, object.id),
            };
            Part { kind, name, id: object.id.clone(), print, is_free: false }
        };
        let mut parts = Vec::new();
        for vpc in &tables.vpcs {
            parts.push(part("VPC", vpc.object, format!("{:?}", vpc.cidrs)));
        }
        for (number, interface) in tables.interfaces.iter().enumerate() {
            let of_interface = |behind| matches!(behind, Behind::Interface(index) if index.at() == number);
            let link = tables.links.iter().position(|link| of_interface(link.behind));
            let print = format!("{:?}", (&interface.addresses, interface.mac, interface.role, interface.vpc, link));
            let is_free = comes_and_goes(interface);
            parts.push(Part { is_free, ..part("network interface", interface.object, print) });
        }
        for endpoint in &tables.endpoints {
            parts.push(Part { is_free: true, ..part("VPC endpoint", endpoint.object, String::new()) });
        }
        for balancer in &tables.balancers {
            parts.push(part("load balancer", balancer.object, String::new()));
        }
        for gateway in &tables.nat_gateways {
            parts.push(part("NAT gateway", gateway.object, String::new()));
        }
        for customer in &tables.customers {
            parts.push(part("customer gateway", customer.object, customer.address.to_string()));
        }
        let (name, id) = ("what flow logs record".to_owned(), String::new());
        let print = format!("{:?}", tables.flow_logs.plans);
        parts.push(Part { kind: "flow logs", name, id, print, is_free: false });
        let way = |address, entry: &FabricEntry| {
            (format!("the way to services from {}", entry.address), format!("{address} {entry:?}"))
        };
        let fabric = tables.fabric.iter().map(|(address, entry)| way(address, entry)).collect();
        Self { parts, fabric }
    }

    /// What is new, gone or different in `wanted` and must not be, one sentence each; empty when a running lab can take it.
    pub fn changes(&self, wanted: &Self) -> Vec<String> {
        let by_id = |shape: &'_ Self| -> BTreeMap<(&'static str, String), Part> {
            shape.parts.iter().map(|part| ((part.kind, part.id.clone()), part.clone())).collect()
        };
        let (old, new) = (by_id(self), by_id(wanted));
        let gone =
            old.iter().filter(|(id, _)| !new.contains_key(*id)).map(|(_, part)| format!("{} is gone", part.name));
        let added = new.iter().filter_map(|(id, part)| match old.get(id) {
            None if part.is_free => None,
            None => Some(format!("{} is new", part.name)),
            Some(before) if before.is_free && part.is_free || before.print == part.print => None,
            Some(_) => Some(format!("{} is another", part.name)),
        });
        let mut said: Vec<String> = gone.chain(added).collect();
        // The way to services follows from what is said already.
        if said.is_empty() {
            let moved = self.fabric.iter().enumerate().filter(|(at, entry)| wanted.fabric.get(*at) != Some(*entry));
            said = moved.map(|(_, (name, _))| format!("{name} is another")).collect();
            said.dedup();
        }
        if said.is_empty() && !self.keeps_numbers(wanted) {
            said.push("the order of its objects is another".to_owned());
        }
        said
    }

    /// What was numbered has the same number.
    fn keeps_numbers(&self, wanted: &Self) -> bool {
        let of_kind = |shape: &'_ Self, kind: &str| -> Vec<String> {
            shape.parts.iter().filter(|part| part.kind == kind).map(|part| part.id.clone()).collect()
        };
        let kinds: BTreeSet<&str> = self.parts.iter().map(|part| part.kind).collect();
        kinds.into_iter().all(|kind| of_kind(wanted, kind).starts_with(&of_kind(self, kind)))
    }
}

/// An interface of an endpoint, or a gap where one was.
fn comes_and_goes(interface: &Interface) -> bool {
    matches!(interface.role, Role::Endpoint { .. }) || interface.role == Role::Detached && interface.mac == GONE
}
