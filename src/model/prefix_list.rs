//! `AWS::EC2::PrefixList`, customer-managed and AWS's own.

use ipnet::Ipv4Net;

use super::world::Meta;

/// A managed prefix list.
#[derive(Clone, Debug)]
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
