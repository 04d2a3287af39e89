//! Hosted zones.

use super::*;

/// Route 53 ListHostedZones and GetHostedZone, with what ListResourceRecordSets says of each.
pub fn hosted_zones(world: &World) -> Vec<Value> {
    world.hosted_zones.values().map(hosted_zone).collect()
}

fn hosted_zone(zone: &HostedZone) -> Value {
    let record_sets = record_sets(zone);
    let mut config = json!({ "PrivateZone": zone.is_private() });
    add(&mut config, "Comment", zone.comment.as_ref().map(|comment| json!(comment)));
    let vpcs = zone.vpcs.iter().map(|vpc| json!({ "VPCRegion": vpc.vpc_region, "VPCId": vpc.vpc_id }));
    json!({
        "Id": format!("/hostedzone/{}", zone.hosted_zone_id),
        "Name": zone.name,
        "CallerReference": zone.caller_reference,
        "Config": config,
        "ResourceRecordSetCount": record_sets.len(),
        "VPCs": vpcs.collect::<Value>(),
        "NameServers": zone.name_servers,
        "ResourceRecordSets": record_sets,
        "Tags": tags(&zone.meta),
    })
}

/// Every zone is born with NS and SOA records.
fn record_sets(zone: &HostedZone) -> Vec<Value> {
    let born = |kind: &str, ttl: u32, values: Vec<String>| {
        let values: Value = values.iter().map(|value| json!({ "Value": value })).collect();
        json!({ "Name": zone.name, "Type": kind, "TTL": ttl, "ResourceRecords": values })
    };
    let soa = format!("{}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400", zone.name_servers[0]);
    let servers = zone.name_servers.iter().map(|server| format!("{server}.")).collect();
    let own = zone.record_sets.values().map(record_set);
    [born("NS", 172_800, servers), born("SOA", 900, vec![soa])].into_iter().chain(own).collect()
}

fn record_set(set: &ResourceRecordSet) -> Value {
    // A star as Route 53 lists it.
    let mut shape = json!({ "Name": set.name.replace('*', "\\052"), "Type": set.record_type });
    add(&mut shape, "TTL", set.ttl.map(|ttl| json!(ttl)));
    let values = || set.resource_records.iter().map(|value| json!({ "Value": value })).collect();
    add(&mut shape, "ResourceRecords", (!set.resource_records.is_empty()).then(values));
    let alias = set.alias_target.as_ref().map(|alias| {
        json!({
            "HostedZoneId": alias.hosted_zone_id,
            "DNSName": alias.dns_name,
            "EvaluateTargetHealth": alias.evaluate_target_health,
        })
    });
    add(&mut shape, "AliasTarget", alias);
    shape
}
