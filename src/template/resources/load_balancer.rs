//! Network Load Balancers, target groups and listeners. Other kinds of load balancers are listed as ignored.

use std::collections::BTreeMap;

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::{
    Change, CreateTargetGroup, GROUPS_JUDGE_PRIVATE_LINK, SubnetMapping, TargetDescription, attribute_without_effect,
};

pub(super) fn load_balancer(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    // CloudFormation's default is an Application Load Balancer.
    let kind = properties.text("Type").unwrap_or_else(|| "application".to_owned());
    match kind.as_str() {
        "network" => {}
        "application" | "gateway" => {
            properties.unemulated(format!("a load balancer of type {kind} is not emulated, only of type network"));
        }
        _ => properties.error("Type", format!("`{kind}` is not a type of a load balancer"), Some("write network")),
    }
    let mapping = |subnet_id| SubnetMapping { subnet_id, private_ipv4_address: None, allocation_id: None };
    let mut subnets: Vec<SubnetMapping> = properties.texts("Subnets").into_iter().map(mapping).collect();
    subnets.extend(properties.objects("SubnetMappings", |entry| SubnetMapping {
        subnet_id: entry.required_text("SubnetId"),
        private_ipv4_address: entry.address("PrivateIPv4Address"),
        allocation_id: entry.decisive_text("AllocationId"),
    }));
    if !properties.has("Subnets") && !properties.has("SubnetMappings") {
        properties.required_text("Subnets");
    }
    if properties.text("IpAddressType").is_some_and(|kind| kind != "ipv4") {
        properties.ignored("IpAddressType", "IPv6 addresses");
    }
    let mut attributes = attributes(&mut properties, "LoadBalancerAttributes");
    // A member of its own, as it is in the API.
    let judge = "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic";
    attributes.extend(properties.text(judge).map(|value| (GROUPS_JUDGE_PRIVATE_LINK.to_owned(), value)));
    let change = Change::CreateLoadBalancer {
        name: properties.text("Name"),
        scheme: properties.text("Scheme").unwrap_or_else(|| "internet-facing".to_owned()),
        subnets,
        security_groups: properties.texts("SecurityGroups"),
        attributes,
    };
    maker.make(properties, tags, change)
}

/// Attributes; says which of them have no effect.
fn attributes(properties: &mut Properties, name: &str) -> BTreeMap<String, String> {
    let attributes = properties.attributes(name);
    for (key, value) in attributes.iter().filter(|(key, value)| attribute_without_effect(key, value)) {
        properties.not_enforced(name, &format!("{key} ({value})"));
    }
    attributes
}

/// Health-check properties that the balancer reads.
const HEALTH_CHECK: [&str; 9] = [
    "HealthCheckEnabled",
    "HealthCheckIntervalSeconds",
    "HealthCheckPath",
    "HealthCheckPort",
    "HealthCheckProtocol",
    "HealthCheckTimeoutSeconds",
    "HealthyThresholdCount",
    "UnhealthyThresholdCount",
    "Matcher",
];

pub(super) fn target_group(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let protocol = properties.text("Protocol").unwrap_or_default();
    let target_type = properties.text("TargetType");
    match (target_type.as_deref(), protocol.as_str()) {
        (Some(kind @ ("lambda" | "alb")), _) => {
            properties.unemulated(format!("targets of type {kind} are not emulated"))
        }
        (_, "HTTP" | "HTTPS" | "GENEVE") => {
            properties.unemulated(format!("protocol {protocol} belongs to load balancers that are not emulated"))
        }
        _ => {
            properties.required_text("Protocol");
        }
    }
    let targets = properties.objects("Targets", |target| TargetDescription {
        id: target.required_text("Id"),
        port: target.integer("Port"),
        availability_zone: target.text("AvailabilityZone"),
    });
    let mut health_check = BTreeMap::new();
    for name in HEALTH_CHECK {
        let text = match name {
            "Matcher" => properties.json(name).map(|matcher| matcher.to_string()),
            _ => properties.text(name),
        };
        health_check.extend(text.map(|text| (name.to_owned(), text)));
    }
    let attributes = attributes(&mut properties, "TargetGroupAttributes");
    let change = Change::CreateTargetGroup(CreateTargetGroup {
        name: properties.text("Name"),
        protocol,
        port: properties.required_integer("Port"),
        vpc_id: properties.required_text("VpcId"),
        target_type,
        targets,
        attributes,
        health_check,
    });
    maker.make(properties, tags, change)
}

pub(super) fn listener(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let load_balancer_arn = properties.required_text("LoadBalancerArn");
    let mut unemulated = None;
    let target_group_arns = properties.objects("DefaultActions", |action| {
        let kind = action.required_text("Type");
        if kind != "forward" && !kind.is_empty() {
            unemulated = Some(format!("actions of type {kind} are not emulated"));
        }
        let mut arns: Vec<String> = action.decisive_text("TargetGroupArn").into_iter().collect();
        let forward = action.object("ForwardConfig", |forward| {
            forward.objects("TargetGroups", |group| {
                group.integer::<u32>("Weight");
                group.required_text("TargetGroupArn")
            })
        });
        for arn in forward.unwrap_or_default() {
            if !arns.contains(&arn) {
                arns.push(arn);
            }
        }
        action.integer::<u32>("Order");
        arns
    });
    if let Some(because) = unemulated {
        properties.unemulated(because);
    }
    if !properties.has("DefaultActions") {
        properties.required_text("DefaultActions");
    }
    // The lab shows its own, so that what is not emulated can name one, too.
    let certificates = properties.objects("Certificates", |entry| entry.label("CertificateArn"));
    for (name, why) in [("SslPolicy", "security policies"), ("AlpnPolicy", "ALPN policies")] {
        if properties.text(name).is_some() {
            properties.ignored(name, why);
        }
    }
    let attributes = properties.attributes("ListenerAttributes");
    let change = Change::CreateListener {
        load_balancer_arn,
        protocol: properties.required_text("Protocol"),
        port: properties.required_integer("Port"),
        target_group_arns: target_group_arns.into_iter().flatten().collect(),
        certificate_arns: certificates.into_iter().flatten().collect(),
        attributes,
    };
    maker.make(properties, Default::default(), change)
}
