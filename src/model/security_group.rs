//! `AWS::EC2::SecurityGroup`.

use super::change::IpPermission;
use super::world::Meta;

/// A security group.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
pub struct SecurityGroupRule {
    /// `sgr-…`.
    pub security_group_rule_id: String,
    /// What it allows.
    pub permission: IpPermission,
}
