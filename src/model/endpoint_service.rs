//! `AWS::EC2::VPCEndpointService` and its permissions: the provider's side of PrivateLink.

use super::service_private_dns::check_private_dns_name;
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
    pub private_dns: Option<ServicePrivateDns>,
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
    /// Whether the asker may see the service and connect to it: its owner, or who is among the allowed principals.
    ///
    /// Who asks without being anybody in particular (a template) asks for the whole account, so that any user's or role's
    /// ARN of it is enough.
    pub fn admits(&self, account: &str, principal: Option<&str>) -> bool {
        self.meta.account == account
            || self.allowed_principals.iter().any(|allowed| match (allowed.as_str(), principal) {
                ("*", _) => true,
                (arn, None) => principal_account(arn) == Some(account),
                (arn, Some(principal)) => {
                    arn == principal || arn.ends_with(":root") && principal_account(arn) == Some(account)
                }
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
        self.check_service_balancers(request, network_load_balancer_arns)?;
        if let Some(name) = private_dns_name {
            check_private_dns_name(name)?;
        }
        let service_id = id::for_request(request, "vpce-svc", |id| {
            self.vpc_endpoint_services.contains_key(id) || self.retired_ids.contains(id)
        });
        let service = VpcEndpointService {
            service_id: service_id.clone(),
            meta: request.meta(),
            service_name: format!("com.amazonaws.vpce.{}.{service_id}", request.region),
            network_load_balancer_arns: network_load_balancer_arns.to_vec(),
            acceptance_required,
            private_dns: private_dns_name
                .map(|name| ServicePrivateDns::unproved(&service_id, name, request.stack.is_some())),
            allowed_principals: Vec::new(),
            service_state: VpcEndpointServiceState::Available,
        };
        self.vpc_endpoint_services.insert(service_id.clone(), service);
        self.verify_declared_names();
        Ok(service_id)
    }

    fn check_service_balancers(&self, request: &Request, arns: &[String]) -> Result<(), Refusal> {
        arns.iter().try_for_each(|arn| self.check_service_balancer(request, arn))?;
        match arns.iter().enumerate().find(|(position, arn)| arns[..*position].contains(arn)) {
            Some((_, arn)) => {
                Err(Refusal::new("InvalidParameter", format!("The Network Load Balancer ARN '{arn}' is given twice")))
            }
            None => Ok(()),
        }
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

    /// Other load balancers, another rule for acceptance, another name; at once.
    pub(super) fn modify_endpoint_service(
        &mut self,
        request: &Request,
        members: &ModifyVpcEndpointServiceConfiguration,
    ) -> Result<ObjectId, Refusal> {
        let service = self.own_service(&members.service_id, request)?;
        let balancers = self.balancers_of_modified(request, service, members)?;
        let private_dns = self.private_dns_of_modified(service, members)?;
        let id = service.service_id.clone();
        let service = self.vpc_endpoint_services.get_mut(&id).expect("own_service found it");
        service.network_load_balancer_arns = balancers;
        service.private_dns = private_dns;
        // Who waits already goes on waiting.
        service.acceptance_required = members.acceptance_required.unwrap_or(service.acceptance_required);
        Ok(id)
    }

    fn balancers_of_modified(
        &self,
        request: &Request,
        service: &VpcEndpointService,
        members: &ModifyVpcEndpointServiceConfiguration,
    ) -> Result<Vec<String>, Refusal> {
        let (add, remove) = (&members.add_network_load_balancer_arns, &members.remove_network_load_balancer_arns);
        self.check_service_balancers(request, add)?;
        if let Some(arn) = remove.iter().find(|arn| !service.network_load_balancer_arns.contains(arn)) {
            return Err(Refusal::new(
                "InvalidNetworkLoadBalancerArn.NotFound",
                format!("The Network Load Balancer ARN '{arn}' is not associated with {}", service.service_id),
            ));
        }
        if !remove.is_empty() {
            self.refuse_connections(service)?;
        }
        let kept = service.network_load_balancer_arns.iter().filter(|arn| !remove.contains(arn));
        let balancers: Vec<String> = kept.chain(add).cloned().collect();
        if balancers.is_empty() {
            return Err(Refusal::new(
                "InvalidParameter",
                "An endpoint service must have at least one Network Load Balancer",
            ));
        }
        Ok(balancers)
    }

    fn private_dns_of_modified(
        &self,
        service: &VpcEndpointService,
        members: &ModifyVpcEndpointServiceConfiguration,
    ) -> Result<Option<ServicePrivateDns>, Refusal> {
        match (&members.private_dns_name, members.remove_private_dns_name) {
            (Some(_), true) => Err(Refusal::new(
                "InvalidParameterCombination",
                "The parameters PrivateDnsName and RemovePrivateDnsName cannot be used together",
            )),
            (Some(name), false) if service.private_dns.as_ref().is_some_and(|it| it.name == *name) => {
                Ok(service.private_dns.clone())
            }
            (Some(name), false) => {
                check_private_dns_name(name)?;
                if service.private_dns.is_some() {
                    self.refuse_connections(service)?;
                }
                Ok(Some(ServicePrivateDns::unproved(&service.service_id, name, false)))
            }
            (None, true) => self.refuse_connections(service).map(|()| None),
            (None, false) => Ok(service.private_dns.clone()),
        }
    }

    /// What can't be while somebody is connected, or waits to be (B4).
    fn refuse_connections(&self, service: &VpcEndpointService) -> Result<(), Refusal> {
        use VpcEndpointState::{Available, Pending, PendingAcceptance};
        let mut connected = self.vpc_endpoints.values().filter(|endpoint| {
            endpoint.service_name == service.service_name
                && matches!(endpoint.state, Available | Pending | PendingAcceptance)
        });
        match connected.next() {
            None => Ok(()),
            Some(endpoint) => Err(Refusal::new(
                "ExistingVpcEndpointConnections",
                format!("Service {} has existing active VPC Endpoint connections", service.service_id),
            )
            .help(format!("{} is {}: reject it first", endpoint.vpc_endpoint_id, endpoint.state.as_str()))),
        }
    }

    /// Endpoints that were rejected stay with their consumers, and lead nowhere.
    pub(super) fn delete_endpoint_services(
        &mut self,
        request: &Request,
        service_ids: &[String],
    ) -> Result<ObjectId, Refusal> {
        for id in service_ids {
            self.refuse_connections(self.own_service(id, request)?)?;
        }
        for id in service_ids {
            self.vpc_endpoint_services.remove(id);
            self.connection_notifications.retain(|_, it| it.service_id.as_ref() != Some(id));
            self.retired_ids.insert(id.clone());
        }
        Ok(service_ids.join(","))
    }
}
