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

impl World {
    pub(super) fn create_endpoint_service(
        &mut self,
        request: &Request,
        network_load_balancer_arns: &[String],
        acceptance_required: bool,
        private_dns_name: Option<&str>,
    ) -> Result<ObjectId, Refusal> {
        if network_load_balancer_arns.is_empty() {
            return Err(Refusal::new(
                "MissingParameter",
                "The request must contain the parameter NetworkLoadBalancerArn",
            ));
        }
        for arn in network_load_balancer_arns {
            self.check_service_balancer(request, arn)?;
        }
        if let Some(name) = private_dns_name {
            check_private_dns_name(name)?;
        }
        let service_id = id::for_request(request, "vpce-svc", |id| self.vpc_endpoint_services.contains_key(id));
        let service = VpcEndpointService {
            service_id: service_id.clone(),
            meta: request.meta(),
            service_name: format!("com.amazonaws.vpce.{}.{service_id}", request.region),
            network_load_balancer_arns: network_load_balancer_arns.to_vec(),
            acceptance_required,
            private_dns_name: private_dns_name.map(str::to_owned),
            allowed_principals: Vec::new(),
            service_state: VpcEndpointServiceState::Available,
        };
        self.vpc_endpoint_services.insert(service_id.clone(), service);
        Ok(service_id)
    }

    /// The load balancer is a Network Load Balancer of the asker's, and in no service yet (B4).
    fn check_service_balancer(&self, request: &Request, arn: &str) -> Result<(), Refusal> {
        if !arn.contains(":loadbalancer/net/") {
            return Err(Refusal::new(
                "InvalidNetworkLoadBalancerArn.Malformed",
                format!("Invalid Network Load Balancer ARN: '{arn}'"),
            )
            .help("an endpoint service takes the ARN of a load balancer of type network"));
        }
        if !self.load_balancers.get(arn).is_some_and(|balancer| lookup::is_own(balancer, request)) {
            return Err(Refusal::new(
                "InvalidNetworkLoadBalancerArn.NotFound",
                format!("The Network Load Balancer ARN '{arn}' does not exist"),
            ));
        }
        let other = self
            .vpc_endpoint_services
            .values()
            .find(|service| service.network_load_balancer_arns.iter().any(|other| other == arn));
        match other {
            None => Ok(()),
            Some(service) => Err(Refusal::new(
                "InvalidParameter",
                "LBs are already associated with another VPC Endpoint Service Configuration",
            )
            .help(format!("it is behind {}", service.meta.label(&service.service_id)))),
        }
    }

    pub(super) fn modify_service_permissions(
        &mut self,
        request: &Request,
        service_id: &str,
        add: &[String],
        remove: &[String],
    ) -> Result<ObjectId, Refusal> {
        self.own_service(service_id, request)?;
        if let Some(principal) = add.iter().find(|each| *each != "*" && principal_account(each).is_none()) {
            return Err(Refusal::new("InvalidPrincipal", format!("Invalid Principal: '{principal}'"))
                .help("an account's root, user or role ARN (arn:aws:iam::111122223333:root), or *"));
        }
        let service = self.vpc_endpoint_services.get_mut(service_id).expect("own_service found it");
        // Endpoints that stand already stay: permissions are asked at creation only.
        service.allowed_principals.retain(|principal| !remove.contains(principal));
        for principal in add {
            if !service.allowed_principals.contains(principal) {
                service.allowed_principals.push(principal.clone());
            }
        }
        Ok(service_id.to_owned())
    }

    /// The provider lets waiting endpoints in; all of them or none.
    pub(super) fn accept_endpoint_connections(
        &mut self,
        request: &Request,
        service_id: &str,
        vpc_endpoint_ids: &[String],
    ) -> Result<ObjectId, Refusal> {
        let service = self.own_service(service_id, request)?;
        for id in vpc_endpoint_ids {
            let endpoint = self.vpc_endpoints.get(id).filter(|each| each.service_name == service.service_name);
            match endpoint.map(|endpoint| endpoint.state) {
                Some(VpcEndpointState::PendingAcceptance | VpcEndpointState::Rejected) => {}
                Some(state) => {
                    return Err(Refusal::new(
                        "IncorrectState",
                        format!(
                            "The Vpc Endpoint '{id}' is in state {}, it does not wait for acceptance",
                            state.as_str()
                        ),
                    ));
                }
                None => {
                    return Err(Self::no_such("InvalidVpcEndpointId.NotFound", "Vpc Endpoint Id", id)
                        .help(format!("no endpoint of that id connects to {service_id}")));
                }
            }
        }
        for id in vpc_endpoint_ids {
            self.vpc_endpoints.get_mut(id).expect("each was looked up above").state = VpcEndpointState::Available;
        }
        Ok(service_id.to_owned())
    }
}

/// A lower-case domain name, with `*.` in front where it stands for all names below.
fn check_private_dns_name(name: &str) -> Result<(), Refusal> {
    let domain = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() <= 253 && domain.contains('.') && domain.split('.').all(is_label) {
        return Ok(());
    }
    Err(Refusal::new("InvalidParameter", format!("The private DNS name '{name}' is not valid"))
        .help("a domain name in lower case, such as api.example.com or *.example.com"))
}
