//! `AWS::EC2::SecurityGroup`.

use super::change::IpPermission;
use super::world::Meta;
use super::*;

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityGroup {
    /// `sg-…`.
    pub group_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Unique in its VPC, case-insensitive.
    pub group_name: String,
    /// Free text.
    pub description: String,
    /// Its VPC.
    pub vpc_id: String,
    /// What may come in.
    pub ingress: Vec<SecurityGroupRule>,
    /// What may go out.
    pub egress: Vec<SecurityGroupRule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityGroupRule {
    /// `sgr-…`.
    pub security_group_rule_id: String,
    /// What it allows.
    pub permission: IpPermission,
}

/// AWS's quotas, raisable.
const RULES_PER_DIRECTION: usize = 60;
const GROUPS_PER_INTERFACE: usize = 5;

/// The two lists of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Ingress,
    Egress,
}

impl SecurityGroup {
    /// The group that is born with a VPC: everything from itself, everything out.
    pub(super) fn default_of(request: &Request, vpc_id: &str) -> Self {
        let group_id = id::derived("sg", &[vpc_id, "default"]);
        let from_itself = all_traffic(PermissionPeer::Group(group_id.clone()));
        Self {
            meta: request.meta_of_dependent(),
            group_name: "default".to_owned(),
            description: "default VPC security group".to_owned(),
            vpc_id: vpc_id.to_owned(),
            ingress: vec![rule(&group_id, Direction::Ingress, from_itself)],
            egress: vec![allow_all_egress(&group_id)],
            group_id,
        }
    }

    fn rules(&self, direction: Direction) -> &Vec<SecurityGroupRule> {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

impl World {
    pub(super) fn create_security_group(
        &mut self,
        request: &Request,
        group_name: Option<&str>,
        description: &str,
        vpc_id: &str,
    ) -> Result<ObjectId, Refusal> {
        self.own_vpc(vpc_id, request)?;
        let group_name = match group_name {
            Some(name) => checked_name(name)?,
            None => id::free_generated_name(request, "sg", 255, |name| self.has_group_name(vpc_id, name)),
        };
        if description.is_empty() || description.len() > 255 {
            return Err(Refusal::new(
                "InvalidParameterValue",
                "Invalid value for parameter groupDescription: 1 to 255 characters are needed",
            ));
        }
        if self.has_group_name(vpc_id, &group_name) {
            return Err(Refusal::new(
                "InvalidGroup.Duplicate",
                format!("The security group '{group_name}' already exists for VPC '{vpc_id}'"),
            ));
        }
        let group_id = id::for_request(request, "sg", |id| self.security_groups.contains_key(id));
        let group = SecurityGroup {
            group_id: group_id.clone(),
            meta: request.meta(),
            group_name,
            description: description.to_owned(),
            vpc_id: vpc_id.to_owned(),
            ingress: Vec::new(),
            egress: vec![allow_all_egress(&group_id)],
        };
        self.security_groups.insert(group_id.clone(), group);
        Ok(group_id)
    }

    fn has_group_name(&self, vpc_id: &str, name: &str) -> bool {
        let mut groups = self.security_groups.values().filter(|group| group.vpc_id == vpc_id);
        groups.any(|group| group.group_name.eq_ignore_ascii_case(name))
    }

    pub(super) fn authorize_ingress(
        &mut self,
        request: &Request,
        group_id: &str,
        permissions: &[IpPermission],
    ) -> Result<ObjectId, Refusal> {
        let group = self.own_security_group(group_id, request)?;
        let rules = self.new_rules(request, group, permissions, Direction::Ingress, group.ingress.clone())?;
        self.security_groups.get_mut(group_id).expect("own_security_group found it").ingress = rules;
        Ok(group_id.to_owned())
    }

    pub(super) fn authorize_egress(
        &mut self,
        request: &Request,
        group_id: &str,
        permissions: &[IpPermission],
        replace_default: bool,
    ) -> Result<ObjectId, Refusal> {
        let group = self.own_security_group(group_id, request)?;
        let mut present = group.egress.clone();
        if replace_default {
            let default = allow_all_egress(group_id);
            present.retain(|rule| *rule != default);
        }
        let rules = self.new_rules(request, group, permissions, Direction::Egress, present)?;
        self.security_groups.get_mut(group_id).expect("own_security_group found it").egress = rules;
        Ok(group_id.to_owned())
    }

    /// The rules of one direction after all permissions were added to `present`.
    fn new_rules(
        &self,
        request: &Request,
        group: &SecurityGroup,
        permissions: &[IpPermission],
        direction: Direction,
        mut present: Vec<SecurityGroupRule>,
    ) -> Result<Vec<SecurityGroupRule>, Refusal> {
        for permission in permissions {
            let permission = self.checked_permission(request, group, permission)?;
            if present.iter().any(|rule| same_rule(&rule.permission, &permission)) {
                return Err(Refusal::new(
                    "InvalidPermission.Duplicate",
                    format!("the specified rule \"{}, ALLOW\" already exists", rule_text(&permission)),
                ));
            }
            present.push(rule(&group.group_id, direction, permission));
        }
        let weight = |rules: &[SecurityGroupRule]| self.rules_weight(&request.region, rules);
        if weight(&present) > RULES_PER_DIRECTION && weight(&present) > weight(group.rules(direction)) {
            return Err(Refusal::new(
                "RulesPerSecurityGroupLimitExceeded",
                format!("The maximum number of rules per security group has been reached: {RULES_PER_DIRECTION}"),
            ));
        }
        Ok(present)
    }

    /// How much of the quota rules take, of the one for IPv4 or the one for IPv6, whichever is fuller: a customer's prefix
    /// list takes its MaxEntries, AWS's own the weight that AWS gives it, which for S3 and DynamoDB is 1 (B1.6).
    fn rules_weight(&self, region: &str, rules: &[SecurityGroupRule]) -> usize {
        let sum = |weight: &dyn Fn(&PermissionPeer) -> usize| -> usize {
            rules.iter().map(|rule| weight(&rule.permission.peer)).sum()
        };
        let of_list = |id: &str| self.prefix_list(region, id).map_or(1, PrefixList::weight);
        let ipv4 = sum(&|peer| match peer {
            PermissionPeer::Cidr(_) | PermissionPeer::Group(_) => 1,
            PermissionPeer::PrefixList(id) => of_list(id),
            PermissionPeer::Ipv6Cidr(_) => 0,
        });
        let ipv6 = sum(&|peer| usize::from(matches!(peer, PermissionPeer::Ipv6Cidr(_) | PermissionPeer::Group(_))));
        ipv4.max(ipv6)
    }

    /// The permission in canonical form, with its peer known to exist.
    fn checked_permission(
        &self,
        request: &Request,
        group: &SecurityGroup,
        permission: &IpPermission,
    ) -> Result<IpPermission, Refusal> {
        let mut checked = permission.clone();
        checked.ip_protocol = protocol(&permission.ip_protocol)?;
        (checked.from_port, checked.to_port) = ports(&checked.ip_protocol, permission.from_port, permission.to_port)?;
        checked.peer = match &permission.peer {
            PermissionPeer::Cidr(cidr) => {
                let block = address::block(cidr)
                    .ok_or_else(|| Refusal::new("InvalidParameterValue", format!("CIDR block {cidr} is malformed")))?;
                PermissionPeer::Cidr(block.to_string())
            }
            PermissionPeer::Ipv6Cidr(cidr) => match cidr.parse::<ipnet::Ipv6Net>() {
                Ok(block) => PermissionPeer::Ipv6Cidr(block.trunc().to_string()),
                Err(_) => {
                    return Err(Refusal::new("InvalidParameterValue", format!("CIDR block {cidr} is malformed")));
                }
            },
            PermissionPeer::Group(id) => {
                let peer = self.group_of_peer(request, id, permission.group_owner_id.as_deref())?;
                if !self.may_reference(group, peer) {
                    return Err(Refusal::new(
                        "InvalidGroup.NotFound",
                        "You have specified two resources that belong to different networks.",
                    )
                    .help(format!(
                        "a rule may name groups of its own VPC and of VPCs with an active peering in its Region: {}",
                        peer.vpc_id
                    )));
                }
                PermissionPeer::Group(id.clone())
            }
            PermissionPeer::PrefixList(id) => {
                self.usable_prefix_list(id, request)?;
                PermissionPeer::PrefixList(id.clone())
            }
        };
        Ok(checked)
    }

    /// The group that a rule names: one's own, or the named owner's.
    fn group_of_peer(&self, request: &Request, id: &str, owner: Option<&str>) -> Result<&SecurityGroup, Refusal> {
        let owner = owner.unwrap_or(&request.account);
        self.own_security_group(id, &Request { account: owner.to_owned(), ..request.clone() })
    }

    /// A rule may name a group of its own VPC, or of one with an active peering in the same Region (B1.6).
    fn may_reference(&self, group: &SecurityGroup, peer: &SecurityGroup) -> bool {
        peer.vpc_id == group.vpc_id
            || peer.meta.region == group.meta.region && self.active_peering(&group.vpc_id, &peer.vpc_id).is_some()
    }

    /// The groups of a new network interface: the VPC's default where none is named.
    pub(super) fn interface_groups(
        &self,
        request: &Request,
        subnet: &Subnet,
        groups: &[String],
    ) -> Result<Vec<String>, Refusal> {
        if groups.is_empty() {
            return Ok(vec![self.vpcs[&subnet.vpc_id].default_security_group_id.clone()]);
        }
        let mut checked: Vec<String> = Vec::with_capacity(groups.len());
        for id in groups {
            if self.own_security_group(id, request)?.vpc_id != subnet.vpc_id {
                return Err(Refusal::new(
                    "InvalidParameter",
                    format!("Security group {id} and subnet {} belong to different networks.", subnet.subnet_id),
                ));
            }
            if !checked.contains(id) {
                checked.push(id.clone());
            }
        }
        if checked.len() > GROUPS_PER_INTERFACE {
            return Err(Refusal::new(
                "SecurityGroupsPerInterfaceLimitExceeded",
                "The maximum number of security groups per interface has been reached.",
            ));
        }
        Ok(checked)
    }
}

/// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html>
fn checked_name(name: &str) -> Result<String, Refusal> {
    let name = name.trim_end();
    if name.eq_ignore_ascii_case("default") {
        return Err(Refusal::new("InvalidGroup.Reserved", "The security group 'default' is reserved"));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if name.is_empty() || name.len() > 255 || name.starts_with("sg-") || !name.chars().all(allowed) {
        return Err(Refusal::new(
            "InvalidParameterValue",
            format!("Value ({name}) for parameter GroupName is invalid."),
        )
        .help("up to 255 of a-z A-Z 0-9 space ._-:/()#,@[]+=&;{}!$*, and not beginning with sg-"));
    }
    Ok(name.to_owned())
}

fn protocol(written: &str) -> Result<String, Refusal> {
    let lower = written.to_ascii_lowercase();
    let known = match lower.as_str() {
        "all" => "-1",
        "6" => "tcp",
        "17" => "udp",
        "1" => "icmp",
        "58" => "icmpv6",
        other => other,
    };
    let is_number = known.parse::<u8>().is_ok();
    if is_number || matches!(known, "-1" | "tcp" | "udp" | "icmp" | "icmpv6") {
        return Ok(known.to_owned());
    }
    Err(Refusal::new("InvalidParameterValue", format!("Invalid value '{written}' for IP protocol. Unknown protocol.")))
}

/// Ports (or ICMP type and code) in canonical form.
fn ports(protocol: &str, from: i32, to: i32) -> Result<(i32, i32), Refusal> {
    match protocol {
        "tcp" | "udp" if (from, to) == (-1, -1) => Ok((0, 65535)),
        "tcp" | "udp" if (0..=65535).contains(&from) && (from..=65535).contains(&to) => Ok((from, to)),
        "tcp" | "udp" => {
            Err(Refusal::new("InvalidParameterValue", format!("Invalid TCP/UDP port range ({from}:{to})")))
        }
        "icmp" | "icmpv6" if (-1..=255).contains(&from) && (-1..=255).contains(&to) => Ok((from, to)),
        "icmp" | "icmpv6" => {
            Err(Refusal::new("InvalidParameterValue", format!("Invalid ICMP type and code ({from}:{to})")))
        }
        // Other protocols have no ports: whatever is written allows everything.
        _ => Ok((-1, -1)),
    }
}

fn same_rule(one: &IpPermission, other: &IpPermission) -> bool {
    (&one.ip_protocol, one.from_port, one.to_port, &one.peer)
        == (&other.ip_protocol, other.from_port, other.to_port, &other.peer)
}

/// A rule in the words of `InvalidPermission.Duplicate`.
fn rule_text(permission: &IpPermission) -> String {
    let peer = match &permission.peer {
        PermissionPeer::Cidr(text)
        | PermissionPeer::Ipv6Cidr(text)
        | PermissionPeer::Group(text)
        | PermissionPeer::PrefixList(text) => text,
    };
    match permission.ip_protocol.as_str() {
        "-1" => format!("peer: {peer}, ALL"),
        "icmp" | "icmpv6" => format!(
            "peer: {peer}, {}, type: {}, code: {}",
            permission.ip_protocol.to_uppercase(),
            permission.from_port,
            permission.to_port
        ),
        protocol => format!(
            "peer: {peer}, {}, from port: {}, to port: {}",
            protocol.to_uppercase(),
            permission.from_port,
            permission.to_port
        ),
    }
}

fn all_traffic(peer: PermissionPeer) -> IpPermission {
    IpPermission {
        ip_protocol: "-1".to_owned(),
        from_port: -1,
        to_port: -1,
        peer,
        group_owner_id: None,
        description: None,
        source: None,
    }
}

fn allow_all_egress(group_id: &str) -> SecurityGroupRule {
    rule(group_id, Direction::Egress, all_traffic(PermissionPeer::Cidr("0.0.0.0/0".to_owned())))
}

fn rule(group_id: &str, direction: Direction, permission: IpPermission) -> SecurityGroupRule {
    // What a rule says makes its id, so that rules keep theirs when others come and go.
    let says = format!("{direction:?} {}", rule_text(&permission));
    SecurityGroupRule { security_group_rule_id: id::derived("sgr", &[group_id, &says]), permission }
}
