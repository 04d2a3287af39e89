//! Health checks: which targets are checked, from which nodes, and whose names their health decides about (B9).

use std::collections::BTreeMap;

use super::*;
use crate::model::{self, HealthCheck, LoadBalancer, MinimumHealthy, Target, TargetGroup, TargetHealth};

/// What a balancer's checker and DNS need to know; the order of nothing in it means anything.
#[derive(Clone, Debug, Default)]
pub struct HealthPlan {
    /// Target groups.
    pub groups: Vec<CheckedGroup>,
    /// Nodes, by number.
    pub nodes: Vec<CheckedNode>,
    /// Where nodes end TLS: the number, the port, and the balancer's name.
    pub tls: Vec<(usize, u16, String)>,
}

/// A target group.
#[derive(Clone, Debug)]
pub struct CheckedGroup {
    /// As the model has it.
    pub group: TargetGroup,
    /// The interfaces of its balancer's nodes.
    pub nodes: Vec<InterfaceIndex>,
    /// Its targets, in the order of their registration.
    pub targets: Vec<CheckedTarget>,
}

/// A registered target.
#[derive(Clone, Debug)]
pub struct CheckedTarget {
    /// As registered.
    pub target: Target,
    /// Where its health stands.
    pub slot: HealthSlot,
    /// Its address, where it has one.
    pub address: Option<Ipv4Addr>,
    /// The nodes that use it, by number, with the address that they have as the checker's source and their own.
    pub checked_from: Vec<CheckedFrom>,
    /// What it is when nobody checks it.
    pub unchecked: Option<TargetHealth>,
}

/// A node that checks a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedFrom {
    /// The node's number.
    pub node: usize,
    /// The source that the checker binds.
    pub source: Ipv4Addr,
    /// The node's private address, which the target sees.
    pub private_ip: Ipv4Addr,
    /// The first port at which a listener forwards to the group: a check by HTTP names it.
    pub listener_port: u16,
}

/// A balancer's node: the group's targets that it uses, for each group that has any.
#[derive(Clone, Debug, Default)]
pub struct CheckedNode {
    /// What each group asks for, and the targets among which it does.
    pub groups: Vec<(MinimumHealthy, Vec<HealthSlot>)>,
}

impl CheckedGroup {
    /// A check of it.
    pub fn health_check(&self) -> &HealthCheck {
        &self.group.health_check
    }
}

/// Numbers of nodes, by network interface: the same for tables, checker and DNS.
pub(super) fn node_numbers(world: &World) -> BTreeMap<&str, usize> {
    let nodes = world.load_balancers.values().flat_map(|balancer| &balancer.nodes);
    nodes.enumerate().map(|(number, node)| (node.network_interface_id.as_str(), number)).collect()
}

/// The first slot of each target group.
pub(super) fn first_slots(world: &World) -> (HashMap<&str, u32>, usize) {
    let mut slots = HashMap::new();
    let mut next = 0;
    for group in world.target_groups.values() {
        slots.insert(group.target_group_arn.as_str(), next);
        next += group.targets.len() as u32;
    }
    (slots, next as usize)
}

impl<'w> Compiler<'w> {
    /// Gives the nodes their addresses as checkers, and the targets their places. In a lab without a balancer nobody checks.
    pub(super) fn add_health_checks(&mut self) {
        let numbers = node_numbers(self.world);
        let mut nodes = vec![InterfaceIndex(0); numbers.len()];
        for (id, number) in numbers {
            nodes[number] = *self.interfaces.get(id).expect("a balancer's node has an interface");
        }
        self.tables.health = std::sync::Arc::new(HealthMap::new(first_slots(self.world).1));
        if let Some(checks) = &mut self.tables.health_checks {
            checks.nodes = nodes;
        }
    }

    /// After the balancers: the plan of their checks.
    pub(super) fn health_plan(&mut self) -> HealthPlan {
        let (slots, _) = first_slots(self.world);
        let numbers = node_numbers(self.world);
        let mut plan =
            HealthPlan { groups: Vec::new(), nodes: vec![CheckedNode::default(); numbers.len()], tls: Vec::new() };
        for listener in self.world.listeners.values().filter(|listener| listener.protocol == "TLS") {
            let Some(balancer) = self.world.load_balancers.get(&listener.load_balancer_arn) else { continue };
            let nodes = balancer.nodes.iter().map(|node| numbers[node.network_interface_id.as_str()]);
            plan.tls.extend(nodes.map(|node| (node, listener.port, balancer.dns_name.clone())));
        }
        for group in self.world.target_groups.values() {
            let first = slots[group.target_group_arn.as_str()];
            let arn = self.world.load_balancers_of(&group.target_group_arn).first().copied();
            let balancer = arn.and_then(|arn| self.world.load_balancers.get(arn));
            let nodes = balancer.iter().flat_map(|balancer| &balancer.nodes);
            let nodes: Vec<usize> = nodes.map(|node| numbers[node.network_interface_id.as_str()]).collect();
            let targets: Vec<CheckedTarget> = group
                .targets
                .iter()
                .enumerate()
                .map(|(position, target)| {
                    self.checked_target(group, target, HealthSlot(first + position as u32), balancer, &nodes)
                })
                .collect();
            for node in nodes.iter().filter(|_| !targets.is_empty()) {
                let used = |target: &&CheckedTarget| target.checked_from.iter().any(|from| from.node == *node);
                let slots = targets.iter().filter(used).map(|target| target.slot).collect();
                plan.nodes[*node].groups.push((group.minimum_for_dns(), slots));
            }
            let interfaces = self.tables.health_checks.as_ref().map(|checks| checks.nodes.as_slice()).unwrap_or(&[]);
            let nodes = nodes.iter().filter_map(|number| interfaces.get(*number).copied()).collect();
            plan.groups.push(CheckedGroup { group: group.clone(), nodes, targets });
        }
        plan
    }

    fn checked_target(
        &mut self,
        group: &'w TargetGroup,
        target: &'w Target,
        slot: HealthSlot,
        balancer: Option<&'w LoadBalancer>,
        numbers: &[usize],
    ) -> CheckedTarget {
        let place = self.place_of_target(group, target);
        let address = place.map(|(address, _)| address);
        let nothing = |why: TargetHealth| CheckedTarget {
            target: target.clone(),
            slot,
            address,
            checked_from: Vec::new(),
            unchecked: Some(why),
        };
        let (Some(balancer), Some(listener_port)) = (balancer, self.listener_port(group)) else {
            return nothing(TargetHealth::not_in_use());
        };
        let Some((_, zone)) = place else { return nothing(TargetHealth::unusable()) };
        let mut checked_from = Vec::new();
        for (node, number) in balancer.nodes.iter().zip(numbers) {
            let subnet = self.world.subnets.get(&node.subnet_id);
            let here = subnet.is_some_and(|subnet| self.zone(&subnet.availability_zone_id) == zone);
            if here || group.crosses_zones(balancer) {
                let (node, source, private_ip) = (*number, HealthChecks::source(*number), node.private_ip_address);
                checked_from.push(CheckedFrom { node, source, private_ip, listener_port });
            }
        }
        match checked_from.is_empty() {
            true => nothing(TargetHealth::zone_not_enabled()),
            false => CheckedTarget { target: target.clone(), slot, address, checked_from, unchecked: None },
        }
    }

    fn listener_port(&self, group: &TargetGroup) -> Option<u16> {
        let forwards = |listener: &&model::Listener| listener.target_group_arns.contains(&group.target_group_arn);
        self.world.listeners.values().filter(forwards).map(|listener| listener.port).min()
    }
}
