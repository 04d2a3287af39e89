//! `AWS::EC2::VPCEndpointService` and its permissions: the provider's side of PrivateLink.

use super::world::Meta;

/// An endpoint service.
#[derive(Clone, Debug)]
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
