//! Regions: zones, DNS names, managed prefix lists and the services that AWS offers in them.
//!
//! Prefixes and list ids are AWS's own (`data/aws-prefixes.txt` names the sources). Zone names map to ids in alphabetical order
//! where the lab does not say otherwise ([`World::availability_zones`]); on AWS each account has its own shuffle. Not done: local zones and wavelength zones, IPv6 ranges.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use ipnet::Ipv4Net;

use super::{World, id};

/// A zone of a Region as one account names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvailabilityZone {
    /// `us-east-1a`.
    pub name: String,
    /// `use1-az1`, the same for every account.
    pub id: String,
}

/// One of AWS's managed prefix lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ManagedList {
    /// `pl-…`; AWS's where it is known.
    pub(super) prefix_list_id: String,
    /// IPv4 prefixes, ascending.
    pub(super) prefixes: Vec<Ipv4Net>,
}

/// Gateway services of a Region by name: `s3`, `dynamodb`.
type ManagedLists = BTreeMap<&'static str, ManagedList>;

static LISTS: LazyLock<BTreeMap<&'static str, ManagedLists>> = LazyLock::new(|| {
    let mut lists: BTreeMap<&'static str, ManagedLists> = BTreeMap::new();
    for line in include_str!("data/aws-prefixes.txt").lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_ascii_whitespace();
        let (Some(region), Some(service), Some(known_id)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let prefix_list_id = match known_id {
            "-" => id::derived("pl", &["AWS", region, service]),
            known => known.to_owned(),
        };
        let prefixes = words.map(|word| word.parse().expect("the data file holds IPv4 prefixes only")).collect();
        lists.entry(region).or_default().insert(service, ManagedList { prefix_list_id, prefixes });
    }
    lists
});

/// All Regions that a lab can be in, in name order.
pub fn regions() -> impl Iterator<Item = &'static str> {
    LISTS.keys().copied()
}

/// Whether there is such a Region.
pub fn is_region(region: &str) -> bool {
    LISTS.contains_key(region)
}

impl World {
    /// Zones of a Region by an account's own names, in name order. Names that the lab maps have their ids, the others take
    /// those that are left, in order.
    pub fn availability_zones(&self, region: &str, account: &str) -> Vec<AvailabilityZone> {
        let zones = availability_zones(region);
        let Some(mapped) = self.zone_names.get(account) else { return zones };
        let is_mapped = |id: &String| zones.iter().any(|zone| mapped.get(&zone.name) == Some(id));
        let mut left = zones.iter().map(|zone| zone.id.clone()).filter(|id| !is_mapped(id));
        let named = zones.iter().map(|zone| AvailabilityZone {
            name: zone.name.clone(),
            id: mapped.get(&zone.name).cloned().or_else(|| left.next()).expect("as many ids are left as names"),
        });
        named.collect()
    }
}

/// Zones of a Region, as an account names them that the lab says nothing of, in name order; none for an unknown Region.
pub fn availability_zones(region: &str) -> Vec<AvailabilityZone> {
    if !is_region(region) {
        return Vec::new();
    }
    let zones: &[(char, u8)] = match region {
        "us-east-1" => &[('a', 1), ('b', 2), ('c', 3), ('d', 4), ('e', 5), ('f', 6)],
        "us-west-2" | "ap-northeast-2" => &[('a', 1), ('b', 2), ('c', 3), ('d', 4)],
        "us-west-1" => &[('a', 1), ('c', 3)],
        "ap-northeast-1" => &[('a', 4), ('c', 1), ('d', 2)],
        "ca-central-1" => &[('a', 1), ('b', 2), ('d', 4)],
        _ => &[('a', 1), ('b', 2), ('c', 3)],
    };
    let short = abbreviation(region);
    zones
        .iter()
        .map(|(letter, number)| AvailabilityZone {
            name: format!("{region}{letter}"),
            id: format!("{short}-az{number}"),
        })
        .collect()
}

/// The Region's part of zone ids: `use1` of `us-east-1`, `apne2` of `ap-northeast-2`, `usgw1` of `us-gov-west-1`.
pub fn abbreviation(region: &str) -> String {
    region
        .split('-')
        .enumerate()
        .map(|(position, word)| match word {
            _ if position == 0 => word,
            "north" => "n",
            "south" => "s",
            "east" => "e",
            "west" => "w",
            "central" => "c",
            "northeast" => "ne",
            "northwest" => "nw",
            "southeast" => "se",
            "southwest" => "sw",
            "gov" => "g",
            other => other,
        })
        .collect()
}

/// The partition in ARNs: `aws`, `aws-cn`, `aws-us-gov` or `aws-eusc`.
pub fn partition(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "aws-cn",
        Some("eusc") => "aws-eusc",
        Some("us") if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// The domain under which services and endpoints of the Region have their names.
pub fn dns_suffix(region: &str) -> &'static str {
    match partition(region) {
        "aws-cn" => "amazonaws.com.cn",
        "aws-eusc" => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}

/// IPv4 prefixes of S3 in a Region; none for an unknown one.
pub fn s3_prefixes(region: &str) -> &'static [Ipv4Net] {
    gateway_prefixes(region, "s3")
}

/// IPv4 prefixes of DynamoDB in a Region; none for an unknown one.
pub fn dynamodb_prefixes(region: &str) -> &'static [Ipv4Net] {
    gateway_prefixes(region, "dynamodb")
}

fn gateway_prefixes(region: &str, service: &str) -> &'static [Ipv4Net] {
    managed_list(region, service).map(|list| list.prefixes.as_slice()).unwrap_or_default()
}

/// AWS's list for a gateway service, by the service's short name.
pub(super) fn managed_list(region: &str, service: &str) -> Option<&'static ManagedList> {
    LISTS.get(region)?.get(service)
}

/// AWS's lists of a Region: short service name and list.
pub(super) fn managed_lists(region: &str) -> impl Iterator<Item = (&'static str, &'static ManagedList)> {
    LISTS.get(region).into_iter().flatten().map(|(service, list)| (*service, list))
}

/// The hosted zone that holds the Region's endpoint names (B3.3): AWS's where it is known, derived where not.
pub(super) fn endpoint_hosted_zone(region: &str) -> String {
    match region {
        "us-east-1" => "Z7HUB22UULQXV".to_owned(),
        "us-east-2" => "ZC8PG0KIFKBRI".to_owned(),
        _ => format!("Z{}", id::Digest::of(&["vpce hosted zone", region]).alphanumerics(13).to_uppercase()),
    }
}
