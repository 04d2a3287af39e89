//! What of the tables must stay as it is while a lab runs.
//!
//! Flows, leases, services' connections and the threads that pump frames hold indexes and fabric addresses, and links are
//! network namespaces. So a running lab can take new tables only when what is numbered there keeps its number
//! ([`Tables::vpcs`]' rule); routes, rules, policies, names and attributes may change as they like.

use std::collections::BTreeMap;

use crate::dataplane::ObjectIndex;
use crate::dataplane::tables::Tables;

/// What is numbered: a name for people, and all that must be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape(Vec<(String, String)>);

impl Shape {
    /// Of tables.
    pub fn of(tables: &Tables) -> Self {
        let name = |index: ObjectIndex| {
            let object = tables.object(index);
            if object.name.is_empty() { object.id.clone() } else { format!("{} ({})", object.name, object.id) }
        };
        let mut parts = Vec::new();
        for vpc in &tables.vpcs {
            parts.push((format!("VPC {}", name(vpc.object)), format!("{:?}", vpc.cidrs)));
        }
        for (number, interface) in tables.interfaces.iter().enumerate() {
            let link = tables.links.iter().position(|link| {
                matches!(link.behind, crate::dataplane::tables::Behind::Interface(index) if index.at() == number)
            });
            let print = format!("{:?}", (&interface.addresses, interface.mac, interface.role, interface.vpc, link));
            parts.push((format!("network interface {}", name(interface.object)), print));
        }
        for endpoint in &tables.endpoints {
            parts.push((format!("VPC endpoint {}", name(endpoint.object)), String::new()));
        }
        for balancer in &tables.balancers {
            parts.push((format!("load balancer {}", name(balancer.object)), String::new()));
        }
        for gateway in &tables.nat_gateways {
            parts.push((format!("NAT gateway {}", name(gateway.object)), String::new()));
        }
        for customer in &tables.customers {
            parts.push((format!("customer gateway {}", name(customer.object)), customer.address.to_string()));
        }
        for (address, entry) in tables.fabric.iter() {
            parts.push((format!("the way to services from {}", entry.address), format!("{address} {entry:?}")));
        }
        parts.push(("flow logs".to_owned(), format!("{:?}", tables.flow_logs.plans)));
        Self(parts)
    }

    /// What is new, gone or different in `wanted`, one sentence each; empty when a running lab can take it.
    pub fn changes(&self, wanted: &Self) -> Vec<String> {
        if self == wanted {
            return Vec::new();
        }
        let by_name = |shape: &'_ Self| -> BTreeMap<String, String> { shape.0.iter().cloned().collect() };
        let (old, new) = (by_name(self), by_name(wanted));
        let gone = old.keys().filter(|name| !new.contains_key(*name)).map(|name| format!("{name} is gone"));
        let added = new.iter().filter_map(|(name, print)| match old.get(name) {
            None => Some(format!("{name} is new")),
            Some(before) if before != print => Some(format!("{name} is another")),
            Some(_) => None,
        });
        let mut said: Vec<String> = gone.chain(added).collect();
        // The way to services follows from what is said already.
        if said.iter().any(|sentence| !sentence.starts_with("the way")) {
            said.retain(|sentence| !sentence.starts_with("the way"));
        }
        if said.is_empty() {
            said.push("the order of its objects is another".to_owned());
        }
        said
    }
}
