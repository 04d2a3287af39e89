//! `AWS::EC2::NetworkAcl`, its entries and its subnets (B1.7).
//!
//! The last rule of every list, `*`, which denies what no entry matched, is not stored: it can't be changed.

use ipnet::Ipv4Net;

use super::world::{Meta, Source};
use super::*;

/// A network ACL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkAcl {
    /// `acl-…`.
    pub network_acl_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Its VPC.
    pub vpc_id: String,
    /// Born with the VPC; holds the subnets that no other ACL holds.
    pub is_default: bool,
    /// Inbound entries, then outbound ones, each by rule number: in the order in which they decide.
    pub entries: Vec<NetworkAclEntry>,
    /// The subnets that it guards.
    pub associations: Vec<NetworkAclAssociation>,
}

/// One numbered rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkAclEntry {
    /// 1 to 32766; the lowest that matches decides.
    pub rule_number: u16,
    /// IP protocol number; `None` for all.
    pub protocol: Option<u8>,
    /// What becomes of a packet that matches.
    pub rule_action: RuleAction,
    /// For packets that leave the subnet, not for those that enter it.
    pub egress: bool,
    /// The other side: source of what enters, destination of what leaves.
    pub cidr_block: Ipv4Net,
    /// ICMP only: type and code, -1 for any.
    pub icmp_type_code: Option<(i16, i16)>,
    /// TCP and UDP only: destination ports, first and last.
    pub port_range: Option<(u16, u16)>,
    /// Where it is written.
    pub source: Option<Source>,
}

/// AWS's `RuleAction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// It may pass.
    Allow,
    /// It vanishes.
    Deny,
}

/// A subnet under a network ACL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkAclAssociation {
    /// `aclassoc-…`.
    pub association_id: String,
    /// The subnet.
    pub subnet_id: String,
}

/// Highest number of an entry; 32767 is `*`.
const HIGHEST_RULE_NUMBER: i64 = 32766;

/// AWS's quota of entries in one direction, raisable to 40.
const ENTRIES_PER_DIRECTION: usize = 20;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

impl NetworkAcl {
    /// The ACL that is born with a VPC: everything in, everything out.
    pub(super) fn default_of(request: &Request, vpc_id: &str) -> Self {
        let allow_all = |egress| NetworkAclEntry {
            rule_number: 100,
            protocol: None,
            rule_action: RuleAction::Allow,
            egress,
            cidr_block: Ipv4Net::default(),
            icmp_type_code: None,
            port_range: None,
            source: request.source.clone(),
        };
        Self {
            network_acl_id: id::derived("acl", &[vpc_id, "default"]),
            meta: request.meta_of_dependent(),
            vpc_id: vpc_id.to_owned(),
            is_default: true,
            entries: vec![allow_all(false), allow_all(true)],
            associations: Vec::new(),
        }
    }

    fn associate(&mut self, subnet_id: &str) -> String {
        let association_id = id::derived("aclassoc", &[&self.network_acl_id, subnet_id]);
        let association =
            NetworkAclAssociation { association_id: association_id.clone(), subnet_id: subnet_id.to_owned() };
        self.associations.push(association);
        association_id
    }

    /// The association of a subnet with this ACL.
    pub fn association_with(&self, subnet_id: &str) -> Option<&NetworkAclAssociation> {
        self.associations.iter().find(|association| association.subnet_id == subnet_id)
    }
}

impl World {
    /// The network ACL that guards a subnet; `None` for an unknown subnet.
    pub fn network_acl_of(&self, subnet_id: &str) -> Option<&NetworkAcl> {
        self.network_acls.values().find(|acl| acl.association_with(subnet_id).is_some())
    }

    /// A new subnet is its VPC's default ACL's.
    pub(super) fn associate_default_network_acl(&mut self, vpc_id: &str, subnet_id: &str) {
        let id = &self.vpcs[vpc_id].default_network_acl_id;
        self.network_acls.get_mut(id).expect("every VPC has a default network ACL").associate(subnet_id);
    }

    pub(super) fn create_network_acl(&mut self, request: &Request, vpc_id: &str) -> Result<ObjectId, Refusal> {
        self.own_vpc(vpc_id, request)?;
        let network_acl_id = id::for_request(request, "acl", |id| self.network_acls.contains_key(id));
        let acl = NetworkAcl {
            network_acl_id: network_acl_id.clone(),
            meta: request.meta(),
            vpc_id: vpc_id.to_owned(),
            is_default: false,
            entries: Vec::new(),
            associations: Vec::new(),
        };
        self.network_acls.insert(network_acl_id.clone(), acl);
        Ok(network_acl_id)
    }

    pub(super) fn create_network_acl_entry(
        &mut self,
        request: &Request,
        members: &CreateNetworkAclEntry,
    ) -> Result<ObjectId, Refusal> {
        let acl = self.own_network_acl(&members.network_acl_id, request)?;
        let entry = members.checked(request)?;
        let same_direction = || acl.entries.iter().filter(|other| other.egress == entry.egress);
        if let Some(other) = same_direction().find(|other| other.rule_number == entry.rule_number) {
            let refusal = Refusal::new(
                "NetworkAclEntryAlreadyExists",
                format!("The network acl entry identified by {} already exists.", entry.rule_number),
            );
            return Err(match &other.source {
                Some(source) => refusal.help(format!("the first one is at {source}; give this one another number")),
                None => refusal,
            });
        }
        if same_direction().count() >= ENTRIES_PER_DIRECTION {
            return Err(Refusal::new(
                "NetworkAclEntryLimitExceeded",
                format!(
                    "The maximum number of network acl entries has been reached for {}: {ENTRIES_PER_DIRECTION}",
                    acl.network_acl_id
                ),
            ));
        }
        let acl = self.network_acls.get_mut(&members.network_acl_id).expect("own_network_acl found it");
        let key = |entry: &NetworkAclEntry| (entry.egress, entry.rule_number);
        let position = acl.entries.partition_point(|other| key(other) < key(&entry));
        acl.entries.insert(position, entry);
        Ok(members.network_acl_id.clone())
    }

    /// Puts a subnet under another ACL: exactly one guards it.
    pub(super) fn replace_network_acl_association(
        &mut self,
        request: &Request,
        subnet_id: &str,
        network_acl_id: &str,
    ) -> Result<ObjectId, Refusal> {
        let subnet = self.own_subnet(subnet_id, request)?;
        let acl = self.own_network_acl(network_acl_id, request)?;
        if acl.vpc_id != subnet.vpc_id {
            return Err(Refusal::new(
                "InvalidParameterValue",
                format!("Network ACL {network_acl_id} and subnet {subnet_id} belong to different networks"),
            ));
        }
        for acl in self.network_acls.values_mut() {
            acl.associations.retain(|association| association.subnet_id != subnet_id);
        }
        Ok(self.network_acls.get_mut(network_acl_id).expect("own_network_acl found it").associate(subnet_id))
    }
}

impl CreateNetworkAclEntry {
    /// The entry in canonical form.
    fn checked(&self, request: &Request) -> Result<NetworkAclEntry, Refusal> {
        let invalid = |message: String| Refusal::new("InvalidParameterValue", message);
        if !(1..=HIGHEST_RULE_NUMBER).contains(&self.rule_number) {
            return Err(invalid(format!("Value ({}) for parameter ruleNumber is invalid.", self.rule_number))
                .help(format!("a rule number is between 1 and {HIGHEST_RULE_NUMBER}")));
        }
        let rule_action = match self.rule_action.to_ascii_lowercase().as_str() {
            "allow" => RuleAction::Allow,
            "deny" => RuleAction::Deny,
            _ => {
                return Err(invalid(format!("Value ({}) for parameter ruleAction is invalid.", self.rule_action))
                    .help("write allow or deny"));
            }
        };
        let cidr_block = address::block(&self.cidr_block).ok_or_else(|| {
            let refusal = invalid(format!(
                "Value ({}) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
                self.cidr_block
            ));
            match self.cidr_block.starts_with("pl-") {
                true => refusal.help("network ACLs take no prefix lists: write the list's blocks, an entry for each"),
                false => refusal,
            }
        })?;
        let protocol = self.checked_protocol()?;
        Ok(NetworkAclEntry {
            rule_number: u16::try_from(self.rule_number).expect("the range is checked above"),
            protocol,
            rule_action,
            egress: self.egress,
            cidr_block,
            icmp_type_code: if protocol == Some(ICMP) { Some(self.checked_icmp()?) } else { None },
            port_range: if matches!(protocol, Some(TCP | UDP)) { Some(self.checked_ports()?) } else { None },
            source: request.source.clone(),
        })
    }

    /// `-1` or a number; network ACLs know no names.
    fn checked_protocol(&self) -> Result<Option<u8>, Refusal> {
        let invalid = || {
            let message = format!("Invalid value '{}' for IP protocol. Unknown protocol.", self.protocol);
            Refusal::new("InvalidParameterValue", message)
                .help("write the protocol's number: 6 for TCP, 17 for UDP, 1 for ICMP, -1 for all")
        };
        match self.protocol.parse::<i16>() {
            Ok(-1) => Ok(None),
            Ok(number) => u8::try_from(number).map(Some).map_err(|_| invalid()),
            Err(_) => Err(invalid()),
        }
    }

    /// Without a range the rule of TCP or UDP would say nothing.
    fn checked_ports(&self) -> Result<(u16, u16), Refusal> {
        let Some((from, to)) = self.port_range else {
            return Err(Refusal::new(
                "InvalidParameterValue",
                "Invalid value for portRange. Must specify both from and to ports with TCP/UDP.",
            )
            .help("add PortRange: {From: 0, To: 65535} for all ports"));
        };
        match (u16::try_from(from), u16::try_from(to)) {
            (Ok(first), Ok(last)) if first <= last => Ok((first, last)),
            _ => Err(Refusal::new("InvalidParameterValue", format!("Invalid TCP/UDP port range ({from}:{to})"))),
        }
    }

    fn checked_icmp(&self) -> Result<(i16, i16), Refusal> {
        let Some((kind, code)) = self.icmp_type_code else {
            return Err(Refusal::new(
                "InvalidParameterValue",
                "Invalid value for icmpTypeCode. Must specify both type and code with ICMP.",
            )
            .help("add Icmp: {Type: -1, Code: -1} for all types"));
        };
        let known = |value: i32| i16::try_from(value).ok().filter(|value| (-1..=255).contains(value));
        match (known(kind), known(code)) {
            // All types have all codes.
            (Some(-1), Some(code)) if code != -1 => Err(icmp_refusal(kind, i32::from(code))),
            (Some(kind), Some(code)) => Ok((kind, code)),
            _ => Err(icmp_refusal(kind, code)),
        }
    }
}

fn icmp_refusal(kind: i32, code: i32) -> Refusal {
    Refusal::new("InvalidParameterValue", format!("Invalid ICMP type and code ({kind}:{code})"))
}
