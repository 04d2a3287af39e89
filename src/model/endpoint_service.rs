//! `AWS::EC2::VPCEndpointService` and its permissions: the provider's side of PrivateLink.

use super::world::Meta;
use super::*;

/// An endpoint service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpcEndpointService {
    /// `vpce-svc-…`.
    pub service_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// `com.amazonaws.vpce.REGION.vpce-svc-…`.
    pub service_name: String,
    /// Load balancers behind it.
    pub network_load_balancer_arns: Vec<String>,
    /// Endpoints wait for the provider.
    pub acceptance_required: bool,
    /// Name that consumers may use inside their VPCs.
    pub private_dns_name: Option<String>,
    /// Who may see it: account root, user, role ARN, or `*`.
    pub allowed_principals: Vec<String>,
    /// Where it stands in its life.
    pub service_state: VpcEndpointServiceState,
}

/// AWS's `ServiceState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum VpcEndpointServiceState {
    Pending,
    Available,
    Deleting,
    Deleted,
    Failed,
}

impl VpcEndpointService {
    /// Whether an account may see the service and connect to it: its owner, or who is among the allowed principals.
    ///
    /// A user's or role's ARN lets its whole account in: a lab's consumers are accounts, they have no identities yet.
    pub fn admits(&self, account: &str) -> bool {
        self.meta.account == account
            || self.allowed_principals.iter().any(|principal| match principal.as_str() {
                "*" => true,
                arn => principal_account(arn) == Some(account),
            })
    }
}

/// The account in `arn:PARTITION:iam::ACCOUNT:root`, `…:user/…` or `…:role/…`.
fn principal_account(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let (Some("arn"), Some(_partition), Some("iam"), Some(""), Some(account), Some(resource)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_principal = resource == "root" || resource.starts_with("user/") || resource.starts_with("role/");
    (is_account && is_principal).then_some(account)
}

impl World {
    /// Zone ids in which the service's load balancers have nodes.
    pub fn service_zones(&self, service: &VpcEndpointService) -> Vec<&str> {
        let mut zones: Vec<&str> = service
            .network_load_balancer_arns
            .iter()
            .filter_map(|arn| self.load_balancers.get(arn))
            .flat_map(|balancer| &balancer.nodes)
            .filter_map(|node| self.subnets.get(&node.subnet_id))
            .map(|subnet| subnet.availability_zone_id.as_str())
            .collect();
        zones.sort_unstable();
        zones.dedup();
        zones
    }
}
