//! Flow logs: which interfaces are logged, what records say of them, and in which form (B8).

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::dataplane::flow_log::Format;
use crate::model::{self, FlowLogResourceType, TrafficType, dynamodb_prefixes, s3_prefixes};

impl Compiler<'_> {
    /// Nothing where the world has no flow log: then the dataplane keeps no records at all.
    pub(super) fn add_flow_logs(&mut self) {
        for log in self.world.flow_logs.values() {
            let plans = self.flow_log_plans(log);
            self.tables.flow_logs.plans.extend(plans);
        }
        let plans = std::mem::take(&mut self.tables.flow_logs.plans);
        self.tables.flow_logs.plans = self.numbered_plans(plans);
        if self.tables.flow_logs.plans.is_empty() {
            return;
        }
        let mut logged = vec![None; self.tables.interfaces.len()];
        for interface in self.world.network_interfaces.values() {
            let Some(index) = self.interfaces.get(interface.network_interface_id.as_str()) else { continue };
            if self.tables.flow_logs.plans.iter().any(|plan| plan.interfaces.contains(index)) {
                logged[index.at()] = self.logged_interface(interface);
            }
        }
        self.tables.flow_logs.interfaces = logged;
        self.tables.flow_logs.services = self.service_addresses();
    }

    /// One plan for each interval: at instances it is another one than at AWS's own interfaces.
    fn flow_log_plans(&self, log: &model::FlowLog) -> Vec<FlowLogPlan> {
        let mut by_interval: BTreeMap<u32, Vec<InterfaceIndex>> = BTreeMap::new();
        for interface in self.world.network_interfaces.values() {
            let id = match log.resource_type {
                FlowLogResourceType::Vpc => &interface.vpc_id,
                FlowLogResourceType::Subnet => &interface.subnet_id,
                FlowLogResourceType::NetworkInterface => &interface.network_interface_id,
            };
            let Some(index) = self.interfaces.get(interface.network_interface_id.as_str()) else { continue };
            if *id == log.resource_id {
                let seconds = log.aggregation_seconds(instance_id(interface).is_some());
                by_interval.entry(seconds).or_default().push(*index);
            }
        }
        let plan = |(seconds, mut interfaces): (u32, Vec<InterfaceIndex>)| {
            interfaces.sort_unstable();
            FlowLogPlan {
                flow_log_id: log.flow_log_id.clone(),
                interfaces,
                accepted: log.traffic_type != TrafficType::Reject,
                rejected: log.traffic_type != TrafficType::Accept,
                format: Format::of(log.version(), log.fields()),
                interval: Duration::from_secs(u64::from(seconds)),
            }
        };
        by_interval.into_iter().map(plan).collect()
    }

    fn logged_interface(&self, interface: &model::NetworkInterface) -> Option<LoggedInterface> {
        let subnet = self.world.subnets.get(&interface.subnet_id)?;
        Some(LoggedInterface {
            account_id: subnet.meta.account.clone(),
            interface_id: interface.network_interface_id.clone(),
            vpc_id: interface.vpc_id.clone(),
            subnet_id: interface.subnet_id.clone(),
            instance_id: instance_id(interface).cloned(),
            region: subnet.meta.region.clone(),
            az_id: subnet.availability_zone_id.clone(),
            interface_type: interface.interface_type.as_str(),
            primary: interface.private_ip_address(),
        })
    }

    /// `pkt-src-aws-service` and `pkt-dst-aws-service`: the lab's part of AWS's ip-ranges.json.
    fn service_addresses(&self) -> Vec<(AddressSet, &'static str)> {
        let regions = services::regions(self.world);
        let blocks = |of: fn(&str) -> &'static [ipnet::Ipv4Net]| {
            AddressSet::of_blocks(regions.iter().flat_map(|region| of(region)).copied())
        };
        vec![
            (blocks(s3_prefixes), "S3"),
            (blocks(dynamodb_prefixes), "DYNAMODB"),
            (AddressSet::of_addresses(self.tables.internet.public.keys().copied()), "EC2"),
            (AddressSet::of_addresses([AWS_SERVICES_ADDRESS]), "AMAZON"),
        ]
    }
}

/// The instance that an interface is plugged into; AWS's own are into none that customers see.
fn instance_id(interface: &model::NetworkInterface) -> Option<&String> {
    interface.attachment.as_ref()?.instance_id.as_ref()
}
