//! Route 53: hosted zones, record sets and groups of them.
//!
//! Routing policies and health checks have no effect in a lab, so that sets with them are listed as ignored: several of one
//! name and type could not stand side by side.

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::{
    AliasTarget, Change, ChangeAction, ChangeResourceRecordSets, CreateHostedZone, HostedZoneVpc, ResourceRecordSet,
    World,
};

pub(super) fn hosted_zone(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.objects("HostedZoneTags", |tag| (tag.required_text("Key"), tag.required_text("Value")));
    if properties.has("QueryLoggingConfig") {
        properties.known("QueryLoggingConfig");
        properties.ignored("QueryLoggingConfig", "logs of questions");
    }
    let vpc = |vpc: &mut Properties| HostedZoneVpc {
        vpc_id: vpc.required_text("VPCId"),
        vpc_region: vpc.required_text("VPCRegion"),
    };
    let has_vpcs = properties.has("VPCs");
    let vpcs = properties.objects("VPCs", vpc);
    if has_vpcs && vpcs.is_empty() {
        // Without its VPCs it would be a public one.
        properties.unemulated("none of its VPCs is emulated");
    }
    let create = CreateHostedZone {
        name: properties.required_text("Name"),
        caller_reference: format!("{}/{}", maker.stack.name, maker.resource.logical_id.text),
        comment: properties.object("HostedZoneConfig", |config| config.text("Comment")).flatten(),
        vpcs,
    };
    maker.make(properties, tags.into_iter().collect(), Change::CreateHostedZone(create))
}

pub(super) fn record_set(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let hosted_zone_id = zone_of(maker, &mut properties);
    let name = properties.required_text("Name");
    let set = set(&maker.site.world, &mut properties, name.clone());
    maker.finish(properties)?;
    let changes = vec![(ChangeAction::Create, set)];
    maker.apply(
        Default::default(),
        Change::ChangeResourceRecordSets(ChangeResourceRecordSets { hosted_zone_id, changes }),
    )?;
    Ok(Made { reference: name, ..Made::default() })
}

pub(super) fn record_set_group(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let hosted_zone_id = zone_of(maker, &mut properties);
    let world = &maker.site.world;
    let sets = properties.objects("RecordSets", |each| {
        let name = each.required_text("Name");
        (ChangeAction::Create, set(world, each, name))
    });
    maker.finish(properties)?;
    let change = ChangeResourceRecordSets { hosted_zone_id, changes: sets };
    maker.apply(Default::default(), Change::ChangeResourceRecordSets(change))?;
    let reference = format!("{}-{}", maker.stack.name, maker.resource.logical_id.text);
    Ok(Made { reference, ..Made::default() })
}

/// The zone by its id, or by its name where the account has one of that name. One that only AWS has is not emulated.
fn zone_of(maker: &Maker<'_>, properties: &mut Properties) -> String {
    // A comment is for people.
    properties.known("Comment");
    let by_id = properties.decisive_text("HostedZoneId");
    let Some(name) = properties.decisive_text("HostedZoneName") else {
        if !properties.has("HostedZoneId") && !properties.has("HostedZoneName") {
            properties.required_text("HostedZoneId");
        }
        let by_id = by_id.unwrap_or_default();
        if properties.has("HostedZoneId") && !maker.site.world.hosted_zones.contains_key(&by_id) {
            properties.unemulated(format!("the lab has no hosted zone {by_id}"));
        }
        return by_id;
    };
    if properties.has("HostedZoneId") {
        let message = "HostedZoneId names the zone already";
        properties.error("HostedZoneName", message, Some("write one of both"));
    }
    let zones = maker.site.world.hosted_zones_named(&maker.stack.account, &name);
    match zones.as_slice() {
        [zone] => return zone.hosted_zone_id.clone(),
        [] => properties.unemulated(format!("the lab has no hosted zone of the name {name}")),
        _ => {
            let message = format!("Found multiple hosted zones with name {name}");
            properties.error("HostedZoneName", message, Some("name it by HostedZoneId"));
        }
    }
    String::new()
}

/// One record set; what a lab can't answer makes the whole of it not emulated.
fn set(world: &World, properties: &mut Properties, name: String) -> ResourceRecordSet {
    let record_type = properties.required_text("Type");
    if !matches!(record_type.as_str(), "A" | "CNAME" | "TXT" | "") {
        properties.unemulated(format!("records of type {record_type} are not emulated"));
    }
    const ROUTED: [&str; 9] = [
        "SetIdentifier",
        "Weight",
        "Failover",
        "Region",
        "GeoLocation",
        "GeoProximityLocation",
        "MultiValueAnswer",
        "CidrRoutingConfig",
        "HealthCheckId",
    ];
    if let Some(by) = ROUTED.into_iter().find(|name| properties.has(name)) {
        properties.unemulated(format!("record sets with {by} are not emulated"));
    }
    let resource_records = properties.texts("ResourceRecords");
    if properties.has("ResourceRecords") && resource_records.is_empty() {
        properties.unemulated("none of its values is emulated");
    }
    let mut because = "its alias target is not emulated".to_owned();
    let alias_target = properties.object("AliasTarget", |alias| {
        let hosted_zone_id = alias.required_text("HostedZoneId");
        if !world.knows_alias_zone(&hosted_zone_id) {
            because = format!("aliases into hosted zone {hosted_zone_id} are not emulated");
            alias.unemulated(because.clone());
        }
        AliasTarget {
            hosted_zone_id,
            dns_name: alias.required_text("DNSName"),
            evaluate_target_health: alias.boolean("EvaluateTargetHealth").unwrap_or(false),
        }
    });
    if properties.has("AliasTarget") && alias_target.is_none() {
        properties.unemulated(because);
    }
    ResourceRecordSet { name, record_type, ttl: properties.integer("TTL"), resource_records, alias_target }
}
