//! What an instance's metadata says, as paths and texts: a function of the world.
//!
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html>

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::model::access::Directory;
use crate::model::address::public_dns_name;
use crate::model::region::{dns_suffix, partition};
use crate::model::{Instance, MetadataOptions, NetworkInterface, World};

/// The versions of the tree that are told; all have the same.
const VERSIONS: [&str; 18] = [
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "2011-01-01",
    "2011-05-01",
    "2012-01-12",
    "2014-02-25",
    "2016-09-02",
    "2018-09-24",
    "2019-10-01",
    "2021-07-15",
    "latest",
];

/// An instance's metadata.
#[derive(Clone, Debug)]
pub struct Tree {
    /// `i-…`.
    pub instance_id: String,
    /// Its primary private address.
    pub private_ip: Ipv4Addr,
    /// How it may be read.
    pub options: MetadataOptions,
    role: Option<Role>,
    /// Path below the version, without slashes at its ends, to its text.
    leaves: BTreeMap<String, Leaf>,
}

/// The role that an instance has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its account.
    pub account: String,
    /// Its ARN.
    pub arn: String,
    /// `AROA…`.
    pub role_id: String,
}

/// The instance profile of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its ARN.
    pub arn: String,
    /// `AIPA…`.
    pub id: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Leaf {
    Text(String),
    Json(String),
    Profile(Profile),
    Credentials,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A text, or the list of what is below.
    Text(String),
    /// A document.
    Json(String),
    /// The instance profile, and when its role's credentials changed last.
    Profile(&'a Profile),
    /// Credentials of the role, which change with time.
    Credentials(&'a Role),
}

impl Tree {
    /// Of an instance; `None` where there is none of that id, or it has no interface. `directory` is the world's.
    pub fn of(world: &World, directory: &Directory, instance_id: &str) -> Option<Self> {
        let instance = world.instances.get(instance_id)?;
        let interfaces: Vec<&NetworkInterface> =
            instance.network_interface_ids.iter().filter_map(|id| world.network_interfaces.get(id)).collect();
        let primary = *interfaces.first()?;
        let private_ip = *primary.private_ip_addresses.first()?;
        let mut leaves = BTreeMap::new();
        let mut add = |path: &str, text: String| drop(leaves.insert(path.to_owned(), Leaf::Text(text)));
        of_instance(world, instance, primary, &mut add);
        for interface in &interfaces {
            of_interface(world, instance, interface, &mut add);
        }
        if instance.metadata_options.tags {
            for (key, value) in &instance.meta.tags {
                add(&format!("meta-data/tags/instance/{key}"), value.clone());
            }
        }
        if let Some(script) = &instance.user_data {
            add("user-data", script.clone());
        }
        let document = identity_document(world, instance, primary);
        leaves.insert("dynamic/instance-identity/document".to_owned(), Leaf::Json(document));
        let role = of_role(directory, instance, &mut leaves);
        Some(Self { instance_id: instance_id.to_owned(), private_ip, options: instance.metadata_options, role, leaves })
    }

    /// What is at a path such as `/latest/meta-data/`.
    pub fn find(&self, path: &str) -> Option<Found<'_>> {
        let path = path.trim_matches('/');
        if path.is_empty() {
            return Some(Found::Text(VERSIONS.join("\n")));
        }
        let (version, below) = path.split_once('/').unwrap_or((path, ""));
        if !VERSIONS.contains(&version) {
            return None;
        }
        match self.leaves.get(below) {
            Some(Leaf::Text(text)) => return Some(Found::Text(text.clone())),
            Some(Leaf::Json(text)) => return Some(Found::Json(text.clone())),
            Some(Leaf::Profile(profile)) => return Some(Found::Profile(profile)),
            Some(Leaf::Credentials) => return self.role.as_ref().map(Found::Credentials),
            None => {}
        }
        let folder = if below.is_empty() { String::new() } else { format!("{below}/") };
        let mut names: Vec<String> = self
            .leaves
            .keys()
            .filter_map(|leaf| leaf.strip_prefix(&folder))
            .map(|rest| rest.split_once('/').map_or_else(|| rest.to_owned(), |(name, _)| format!("{name}/")))
            .collect();
        names.dedup();
        (!names.is_empty()).then(|| Found::Text(names.join("\n")))
    }
}

fn of_instance(world: &World, instance: &Instance, primary: &NetworkInterface, add: &mut impl FnMut(&str, String)) {
    let region = &instance.meta.region;
    let address = primary.private_ip_addresses.first().map(ToString::to_string).unwrap_or_default();
    let mut say = |name: &str, text: String| add(&format!("meta-data/{name}"), text);
    say("ami-id", instance.image_id.clone());
    say("ami-launch-index", "0".to_owned());
    say("hostname", instance.private_dns_name.clone());
    say("instance-action", "none".to_owned());
    say("instance-id", instance.instance_id.clone());
    say("instance-life-cycle", "on-demand".to_owned());
    say("instance-type", instance.instance_type.clone());
    say("local-hostname", instance.private_dns_name.clone());
    say("local-ipv4", address);
    say("mac", mac(primary));
    say("profile", "default-hvm".to_owned());
    say("reservation-id", instance.instance_id.replacen("i-", "r-", 1));
    say("security-groups", groups(world, primary));
    say("services/domain", dns_suffix(region).to_owned());
    say("services/partition", partition(region).to_owned());
    say("placement/region", region.clone());
    if let Some(subnet) = world.subnets.get(&primary.subnet_id) {
        say("placement/availability-zone", subnet.availability_zone.clone());
        say("placement/availability-zone-id", subnet.availability_zone_id.clone());
    }
    if let Some(public) = world.public_ip_of(primary) {
        say("public-ipv4", public.to_string());
        say("public-hostname", public_dns_name(region, public));
    }
}

fn of_interface(world: &World, instance: &Instance, interface: &NetworkInterface, add: &mut impl FnMut(&str, String)) {
    let folder = format!("meta-data/network/interfaces/macs/{}", mac(interface));
    let mut say = |name: &str, text: String| add(&format!("{folder}/{name}"), text);
    let list = |addresses: &[Ipv4Addr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let plug = interface.attachment.as_ref();
    say("device-number", plug.map_or(0, |attachment| attachment.device_index).to_string());
    say("interface-id", interface.network_interface_id.clone());
    say("local-hostname", instance.private_dns_name.clone());
    say("local-ipv4s", list(&interface.private_ip_addresses));
    say("mac", mac(interface));
    say("owner-id", interface.meta.account.clone());
    say("security-group-ids", interface.groups.join("\n"));
    say("security-groups", groups(world, interface));
    say("subnet-id", interface.subnet_id.clone());
    say("vpc-id", interface.vpc_id.clone());
    if let Some(subnet) = world.subnets.get(&interface.subnet_id) {
        say("subnet-ipv4-cidr-block", subnet.cidr_block.to_string());
    }
    if let Some(vpc) = world.vpcs.get(&interface.vpc_id) {
        let blocks: Vec<String> = vpc.cidr_blocks.iter().map(ToString::to_string).collect();
        say("vpc-ipv4-cidr-block", blocks.first().cloned().unwrap_or_default());
        say("vpc-ipv4-cidr-blocks", blocks.join("\n"));
    }
    let public: Vec<(Ipv4Addr, Ipv4Addr)> = world.public_addresses_of(interface);
    if !public.is_empty() {
        say("public-ipv4s", list(&public.iter().map(|(_, public)| *public).collect::<Vec<_>>()));
    }
    for (private, public) in public {
        say(&format!("ipv4-associations/{public}"), private.to_string());
    }
}

fn of_role(directory: &Directory, instance: &Instance, leaves: &mut BTreeMap<String, Leaf>) -> Option<Role> {
    let profile = directory.instance_role(&instance.instance_id)?;
    let told = Profile { arn: profile.instance_profile_arn.clone(), id: profile.instance_profile_id.clone() };
    leaves.insert("meta-data/iam/info".to_owned(), Leaf::Profile(told));
    let role = directory.role(profile.role_arn.as_deref()?)?;
    leaves.insert(format!("meta-data/iam/security-credentials/{}", role.role_name), Leaf::Credentials);
    Some(Role { account: role.account.clone(), arn: role.arn.clone(), role_id: role.role_id.clone() })
}

fn identity_document(world: &World, instance: &Instance, primary: &NetworkInterface) -> String {
    let zone = world.subnets.get(&primary.subnet_id).map(|subnet| subnet.availability_zone.clone());
    let document = serde_json::json!({
        "accountId": instance.meta.account,
        "architecture": architecture(&instance.instance_type),
        "availabilityZone": zone,
        "billingProducts": null,
        "devpayProductCodes": null,
        "marketplaceProductCodes": null,
        "imageId": instance.image_id,
        "instanceId": instance.instance_id,
        "instanceType": instance.instance_type,
        "kernelId": null,
        "privateIp": primary.private_ip_addresses.first().map(ToString::to_string),
        "ramdiskId": null,
        "region": instance.meta.region,
        "version": "2017-09-30",
    });
    format!("{document:#}")
}

/// Of a type such as `c7gn.large`: behind the generation, a `g` is Graviton's (or Grace's, as in `p6e-gb200`).
///
/// <https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html>
fn architecture(instance_type: &str) -> &'static str {
    let family = instance_type.split('.').next().unwrap_or_default();
    let series = family.trim_start_matches(|c: char| !c.is_ascii_digit());
    let options = series.trim_start_matches(|c: char| c.is_ascii_digit());
    let arm = family == "a1" || options.contains('g') || family.starts_with("mac") && family != "mac1";
    if arm { "arm64" } else { "x86_64" }
}

fn groups(world: &World, interface: &NetworkInterface) -> String {
    let names = interface.groups.iter().filter_map(|id| world.security_groups.get(id));
    names.map(|group| group.group_name.as_str()).collect::<Vec<_>>().join("\n")
}

fn mac(interface: &NetworkInterface) -> String {
    interface.mac_address.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_types_name_says_its_architecture() {
        let arm = ["a1.large", "t4g.nano", "m7gd.metal", "c6gn.xlarge", "im4gn.large", "is4gen.large", "g5g.xlarge"];
        for name in arm.into_iter().chain(["hpc7g.4xlarge", "x2gd.medium", "p6e-gb200.36xlarge", "mac2-m2.metal"]) {
            assert_eq!(architecture(name), "arm64", "{name}");
        }
        let x86 =
            ["t3.micro", "g4dn.xlarge", "g6.xlarge", "gr6.4xlarge", "m7i-flex.large", "u-6tb1.metal", "mac1.metal"];
        for name in x86.into_iter().chain(["c5.large", "x2iedn.large", "trn1n.32xlarge", ""]) {
            assert_eq!(architecture(name), "x86_64", "{name}");
        }
    }
}
