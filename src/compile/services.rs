//! The service namespaces: which there are, and which addresses they own.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;

use super::*;
use crate::dataplane::decide::{METADATA, RESOLVER, TIME};
use crate::model::{self, VpcEndpoint, dynamodb_prefixes, region, s3_prefixes, short_service_name};
use crate::packet::{Mac, protocol};

/// The address of the namespace that stands for all AWS services without an emulation, towards interface endpoints.
/// Documentation range (RFC 5737): nobody's.
pub const AWS_SERVICES_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

/// Which service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceKind {
    /// The VPCs' DNS resolver.
    Resolver,
    /// S3.
    S3,
    /// Every other AWS service: a placeholder that says so.
    Aws,
    /// Amazon Time Sync.
    Time,
    /// Instance metadata.
    Metadata,
    /// The balancers' health checks: no service, but a namespace like theirs.
    HealthChecks,
}

/// A service namespace to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePlan {
    /// Which.
    pub kind: ServiceKind,
    /// Its name in logs and captures.
    pub name: &'static str,
    /// Its link.
    pub link: LinkIndex,
    /// MAC address of its end.
    pub mac: Mac,
    /// Single addresses of it.
    pub addresses: Vec<Ipv4Addr>,
    /// Whole ranges that are its own.
    pub local_prefixes: Vec<Ipv4Net>,
}

/// Where `s3.amazonaws.com` leads.
pub(super) const HOME_OF_GLOBAL_NAMES: &str = "us-east-1";

/// A packet to a service may be as large as one inside a VPC.
const SERVICE_MTU: u16 = 9001;

impl Compiler<'_> {
    /// Five, always: a lab without an S3 endpoint still has the names, and shows why they can't be reached.
    pub(super) fn add_services(&mut self) -> Vec<ServicePlan> {
        let s3 = gateway_service_regions(self.world).flat_map(s3_prefixes).copied().collect();
        let dynamodb = gateway_service_regions(self.world).flat_map(dynamodb_prefixes).copied().collect();
        let web = vec![(protocol::TCP, 80), (protocol::TCP, 443)];
        let dns = vec![(protocol::UDP, 53), (protocol::TCP, 53)];
        let mut services = vec![
            self.add_service(ServiceKind::Resolver, "resolver", dns, vec![RESOLVER], Vec::new()),
            self.add_service(ServiceKind::S3, "s3", web.clone(), Vec::new(), s3),
            self.add_service(ServiceKind::Aws, "aws", web, vec![AWS_SERVICES_ADDRESS], dynamodb),
            self.add_service(ServiceKind::Time, "time", vec![(protocol::UDP, 123)], vec![TIME], Vec::new()),
            self.add_service(ServiceKind::Metadata, "metadata", vec![(protocol::TCP, 80)], vec![METADATA], Vec::new()),
        ];
        services.extend(self.add_health_check_namespace());
        self.tables.metadata_service = self.services.get(&ServiceKind::Metadata).copied();
        self.tables.time_service = self.services.get(&ServiceKind::Time).copied();
        services
    }

    /// From where balancers check their targets: only where there are any.
    fn add_health_check_namespace(&mut self) -> Option<ServicePlan> {
        let nodes = super::health::node_numbers(self.world).len();
        if nodes == 0 {
            return None;
        }
        let name = "load-balancers";
        let link = LinkIndex(self.tables.links.len() as u32);
        let mac = [0x02, 0, 0, 0, 0x01, 0xff];
        let object = self.named(name.to_owned(), String::new(), None);
        self.tables.links.push(Link { behind: Behind::HealthChecks, mac, mtu: SERVICE_MTU });
        // Their interfaces are numbered later.
        self.tables.health_checks = Some(HealthChecks { object, link, nodes: Vec::new() });
        let addresses = (0..nodes).map(HealthChecks::source).collect();
        Some(ServicePlan { kind: ServiceKind::HealthChecks, name, link, mac, addresses, local_prefixes: Vec::new() })
    }

    fn add_service(
        &mut self,
        kind: ServiceKind,
        name: &'static str,
        ports: Vec<(u8, u16)>,
        addresses: Vec<Ipv4Addr>,
        local_prefixes: Vec<Ipv4Net>,
    ) -> ServicePlan {
        let index = ServiceIndex(self.tables.services.len() as u32);
        let link = LinkIndex(self.tables.links.len() as u32);
        let mac = [0x02, 0, 0, 0, 0x01, index.0 as u8];
        let object = self.named(name.to_owned(), String::new(), None);
        self.tables.links.push(Link { behind: Behind::Service(index), mac, mtu: SERVICE_MTU });
        self.tables.services.push(Service { object, link, ports });
        self.services.insert(kind, index);
        ServicePlan { kind, name, link, mac, addresses, local_prefixes }
    }

    /// The namespace that answers for an AWS service's endpoint.
    pub(super) fn aws_service(&self, endpoint: &VpcEndpoint) -> Option<ServiceIndex> {
        let kind = if is_s3(endpoint) { ServiceKind::S3 } else { ServiceKind::Aws };
        self.services.get(&kind).copied()
    }

    /// The address that an interface endpoint's packets get: one of the service's own.
    pub(super) fn service_address(&self, endpoint: &VpcEndpoint) -> Ipv4Addr {
        let first = s3_prefixes(&endpoint.meta.region).first();
        match first.filter(|_| is_s3(endpoint)) {
            Some(block) => Ipv4Addr::from(u32::from(block.network()) + 1),
            None => AWS_SERVICES_ADDRESS,
        }
    }
}

fn is_s3(endpoint: &VpcEndpoint) -> bool {
    short_service_name(&endpoint.service_name, &endpoint.meta.region) == Some("s3")
}

/// Regions whose S3 and DynamoDB there are: the lab's own, and all others of the partition that most labs are in, since an
/// internet gateway leads to those as well (B2).
pub(super) fn gateway_service_regions(world: &World) -> impl Iterator<Item = &str> {
    let own = regions(world);
    let others =
        region::regions().filter(|region| region::partition(region) == region::partition(HOME_OF_GLOBAL_NAMES));
    let others: Vec<&str> = others.filter(|region| !own.contains(region)).collect();
    own.into_iter().chain(others)
}

/// Regions in which the lab has anything, and the one in which the global name of S3 lives, wherever it is asked for (B2).
pub(super) fn regions(world: &World) -> BTreeSet<&str> {
    let vpcs = world.vpcs.values().map(|vpc| vpc.meta.region.as_str());
    let buckets = world.buckets.values().map(|bucket: &model::Bucket| bucket.meta.region.as_str());
    vpcs.chain(buckets).chain([HOME_OF_GLOBAL_NAMES]).collect()
}
