//! `AWS::EC2::PrefixList`, customer-managed and AWS's own.

use ipnet::Ipv4Net;

use super::world::Meta;
use super::*;

/// A managed prefix list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixList {
    /// `pl-…`.
    pub prefix_list_id: String,
    /// Owner (`AWS` for AWS's lists) and origin.
    pub meta: Meta,
    /// `com.amazonaws.us-east-1.s3` or the customer's name.
    pub prefix_list_name: String,
    /// Entries, IPv4.
    pub entries: Vec<PrefixListEntry>,
    /// Capacity; `None` for AWS's lists.
    pub max_entries: Option<u32>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixListEntry {
    /// The block.
    pub cidr: Ipv4Net,
    /// Free text.
    pub description: Option<String>,
}

/// AWS's quota of entries in a customer's list, and what one CreateManagedPrefixList takes.
const MAX_ENTRIES: u32 = 1000;
const ENTRIES_PER_CALL: usize = 100;

impl World {
    /// Adds AWS's own lists of a Region, unless they are there.
    pub(super) fn add_managed_prefix_lists(&mut self, region: &str) {
        for (service, list) in region::managed_lists(region) {
            let key = (region.to_owned(), list.prefix_list_id.clone());
            self.prefix_lists.entry(key).or_insert_with(|| PrefixList {
                prefix_list_id: list.prefix_list_id.clone(),
                meta: Meta::of_aws("AWS", region),
                prefix_list_name: format!("com.amazonaws.{region}.{service}"),
                entries: list.prefixes.iter().map(|cidr| PrefixListEntry { cidr: *cidr, description: None }).collect(),
                max_entries: None,
            });
        }
    }

    pub(super) fn create_managed_prefix_list(
        &mut self,
        request: &Request,
        name: &str,
        address_family: &str,
        max_entries: u32,
        entries: &[(String, Option<String>)],
    ) -> Result<ObjectId, Refusal> {
        check_members(name, address_family, max_entries, entries.len())?;
        let entries = read_entries(entries)?;
        let key = |id: &str| (request.region.clone(), id.to_owned());
        let prefix_list_id = id::for_request(request, "pl", |id| self.prefix_lists.contains_key(&key(id)));
        let list = PrefixList {
            prefix_list_id: prefix_list_id.clone(),
            meta: request.meta(),
            prefix_list_name: name.to_owned(),
            entries,
            max_entries: Some(max_entries),
        };
        self.prefix_lists.insert(key(&prefix_list_id), list);
        Ok(prefix_list_id)
    }
}

fn check_members(name: &str, address_family: &str, max_entries: u32, entries: usize) -> Result<(), Refusal> {
    let refuse = |message: String| Err(Refusal::new("InvalidParameterValue", message));
    if name.is_empty() || name.len() > 255 || name.starts_with("com.amazonaws") {
        return refuse(format!("The prefix list name '{name}' is invalid: up to 255 characters, not com.amazonaws…"));
    }
    if address_family != "IPv4" {
        return Err(Refusal::new("InvalidParameterValue", format!("Invalid address family: '{address_family}'"))
            .help("IPv4 is emulated; IPv6 is not"));
    }
    if !(1..=MAX_ENTRIES).contains(&max_entries) {
        return refuse(format!("Invalid value for MaxEntries: {max_entries} is not between 1 and {MAX_ENTRIES}"));
    }
    if entries > ENTRIES_PER_CALL {
        return refuse(format!("A request can add at most {ENTRIES_PER_CALL} entries, this one adds {entries}"));
    }
    if entries > max_entries as usize {
        return Err(Refusal::new(
            "PrefixListMaxEntriesExceeded",
            format!("The {entries} entries exceed the maximum of {max_entries} of the prefix list"),
        ));
    }
    Ok(())
}

fn read_entries(entries: &[(String, Option<String>)]) -> Result<Vec<PrefixListEntry>, Refusal> {
    let mut read: Vec<PrefixListEntry> = Vec::with_capacity(entries.len());
    for (cidr, description) in entries {
        let block = address::block(cidr).ok_or_else(|| {
            Refusal::new("InvalidParameterValue", format!("The CIDR block {cidr} of a prefix list entry is invalid"))
        })?;
        if read.iter().any(|entry| entry.cidr == block) {
            return Err(Refusal::new("InvalidParameterValue", format!("Duplicate prefix list entry: {block}")));
        }
        read.push(PrefixListEntry { cidr: block, description: description.clone() });
    }
    Ok(read)
}

impl PrefixList {
    /// How many entries of a quota it takes where it is named: MaxEntries; AWS's lists of S3 and DynamoDB take one.
    ///
    /// <https://docs.aws.amazon.com/vpc/latest/userguide/working-with-aws-managed-prefix-lists.html>
    pub(super) fn weight(&self) -> usize {
        self.max_entries.map_or(1, |entries| entries as usize)
    }

    /// `arn:aws:ec2:REGION:OWNER:prefix-list/ID`; AWS's own lists say `aws` for the owner.
    pub fn arn(&self) -> String {
        let Meta { account, region, .. } = &self.meta;
        let owner = if account == "AWS" { "aws" } else { account };
        format!("arn:{}:ec2:{region}:{owner}:prefix-list/{}", region::partition(region), self.prefix_list_id)
    }
}
