//! `AWS::EC2::VPCEndpoint`.

use super::world::Meta;
use super::*;
use crate::policy::Kind;

/// A VPC endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpcEndpoint {
    /// `vpce-…`.
    pub vpc_endpoint_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Gateway or Interface.
    pub vpc_endpoint_type: VpcEndpointType,
    /// The VPC it serves.
    pub vpc_id: String,
    /// Name of the service behind it.
    pub service_name: String,
    /// Where it stands in its life.
    pub state: VpcEndpointState,
    /// Policy as written; AWS's default when none was.
    pub policy_document: PolicyDocument,
    /// Gateway: route tables that carry its route.
    pub route_table_ids: Vec<String>,
    /// Interface: its subnets, one per zone.
    pub subnet_ids: Vec<String>,
    /// Interface: its network interfaces, in the order of `subnet_ids`.
    pub network_interface_ids: Vec<String>,
    /// Interface: security groups of those.
    pub security_group_ids: Vec<String>,
    /// The service's own name answers with the endpoint's addresses in this VPC.
    pub private_dns_enabled: bool,
    /// S3: … but only for queries through an inbound resolver endpoint.
    pub private_dns_only_for_inbound_resolver_endpoint: bool,
    /// Regional name, zonal names, then private names (B3.3).
    pub dns_entries: Vec<DnsEntry>,
}

/// AWS's `VpcEndpointType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VpcEndpointType {
    /// A route target for S3 and DynamoDB.
    Gateway,
    /// Network interfaces in subnets: PrivateLink.
    Interface,
}

/// AWS's `State` of an endpoint; the wire form is lower camel case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum VpcEndpointState {
    PendingAcceptance,
    Pending,
    Available,
    Rejected,
    Expired,
    Failed,
    Deleting,
    Deleted,
}

/// A name of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsEntry {
    /// Name without a final dot; a leading `*.` label is a wildcard.
    pub dns_name: String,
    /// Hosted zone that holds it.
    pub hosted_zone_id: String,
    /// What the name stands for.
    pub scope: DnsEntryScope,
}

/// What an endpoint's name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsEntryScope {
    /// All zones; resolvable everywhere.
    Regional,
    /// One zone by name; resolvable everywhere.
    Zonal(String),
    /// The service's own name; inside the endpoint's VPC only.
    Private,
}

impl VpcEndpoint {
    /// Whether its service takes endpoint policies: AWS's do, another customer's does not (B5).
    pub fn supports_policy(&self) -> bool {
        short_service_name(&self.service_name, &self.meta.region).is_some()
    }

    /// The service's own names, which inbound resolver endpoints of its VPC answer with the endpoint's addresses always.
    pub fn private_names(&self) -> impl Iterator<Item = &str> {
        let private = self.dns_entries.iter().filter(|entry| entry.scope == DnsEntryScope::Private);
        private.map(|entry| entry.dns_name.as_str())
    }

    /// The names that answer with the endpoint's addresses inside its VPC only.
    ///
    /// Empty while `private_dns_only_for_inbound_resolver_endpoint` keeps clients of the VPC on the public names, which
    /// the gateway endpoint's route serves.
    pub fn private_names_in_vpc(&self) -> impl Iterator<Item = &str> {
        let hidden = self.private_dns_only_for_inbound_resolver_endpoint;
        self.private_names().filter(move |_| !hidden)
    }
}

impl VpcEndpointState {
    /// AWS's wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PendingAcceptance => "pendingAcceptance",
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }
}

impl World {
    pub(super) fn create_vpc_endpoint(
        &mut self,
        request: &Request,
        members: &CreateVpcEndpoint,
    ) -> Result<ObjectId, Refusal> {
        if let Some(policy) = &members.policy_document {
            policy.check(Kind::Endpoint)?;
        }
        match members.vpc_endpoint_type.as_deref() {
            None | Some("Gateway") => self.create_gateway_endpoint(request, members),
            Some("Interface") => self.create_interface_endpoint(request, members),
            Some(other) => Err(Refusal::new("InvalidParameter", format!("Invalid VPC endpoint type: {other}"))
                .help("Gateway and Interface are emulated")),
        }
    }

    fn create_gateway_endpoint(&mut self, request: &Request, members: &CreateVpcEndpoint) -> Result<ObjectId, Refusal> {
        self.own_vpc(&members.vpc_id, request)?;
        members.check_gateway_members()?;
        let list = self.gateway_service_list(request, &members.service_name)?;
        let route_table_ids = self.route_tables_for(request, &members.vpc_id, &members.route_table_ids, &list)?;
        let vpc_endpoint_id = self.new_endpoint_id(request);
        self.add_endpoint_routes(request, &vpc_endpoint_id, &route_table_ids, &list);
        let endpoint = VpcEndpoint {
            route_table_ids,
            ..VpcEndpoint::new(vpc_endpoint_id.clone(), request, members, VpcEndpointType::Gateway)
        };
        self.vpc_endpoints.insert(vpc_endpoint_id.clone(), endpoint);
        Ok(vpc_endpoint_id)
    }

    /// An id that no endpoint has or ever had.
    pub(super) fn new_endpoint_id(&self, request: &Request) -> String {
        id::for_request(request, "vpce", |id| self.vpc_endpoints.contains_key(id) || self.retired_ids.contains(id))
    }

    /// The prefix list of a service that has gateway endpoints, as a route's destination.
    pub(super) fn gateway_service_list(
        &self,
        request: &Request,
        service_name: &str,
    ) -> Result<RouteDestination, Refusal> {
        let short = short_service_name(service_name, &request.region);
        if let Some(list) = short.and_then(|short| region::managed_list(&request.region, short)) {
            return Ok(RouteDestination::PrefixList(list.prefix_list_id.clone()));
        }
        // A service of the other type gets its own words; any other name is not there.
        self.interface_service(request, service_name)?;
        Err(Refusal::new(
            "InvalidParameter",
            "Endpoint type (Gateway) does not match available service types ([Interface]).",
        )
        .help("set VpcEndpointType: Interface; only S3 and DynamoDB have gateway endpoints"))
    }

    /// The route tables, known to be of the endpoint's VPC and without a route to the service.
    pub(super) fn route_tables_for(
        &self,
        request: &Request,
        vpc_id: &str,
        route_table_ids: &[String],
        list: &RouteDestination,
    ) -> Result<Vec<String>, Refusal> {
        let mut checked: Vec<String> = Vec::with_capacity(route_table_ids.len());
        for id in route_table_ids {
            let table = self.own_route_table(id, request)?;
            if table.vpc_id != vpc_id {
                return Err(Refusal::new(
                    "InvalidParameter",
                    format!("Route table {id} and VPC endpoint belong to different networks: {vpc_id}"),
                ));
            }
            if table.has(list) || checked.contains(id) {
                return Err(
                    route_table::already_exists(id, list).help("a route table takes one gateway endpoint per service")
                );
            }
            checked.push(id.clone());
        }
        Ok(checked)
    }

    pub(super) fn add_endpoint_routes(
        &mut self,
        request: &Request,
        vpc_endpoint_id: &str,
        route_table_ids: &[String],
        list: &RouteDestination,
    ) {
        for id in route_table_ids {
            self.route_tables.get_mut(id).expect("route_tables_for found it").routes.push(Route {
                destination: list.clone(),
                target: RouteTarget::VpcEndpoint(vpc_endpoint_id.to_owned()),
                origin: RouteOrigin::CreateRoute,
                source: request.source.clone(),
            });
        }
    }

    pub(super) fn remove_endpoint_routes(&mut self, vpc_endpoint_id: &str, route_table_ids: &[String]) {
        let target = RouteTarget::VpcEndpoint(vpc_endpoint_id.to_owned());
        for table in route_table_ids {
            let table = self.route_tables.get_mut(table).expect("an endpoint's route tables are there");
            table.routes.retain(|route| route.target != target);
        }
    }

    /// The consumer takes endpoints away, in whatever state they are; all of them or none. AWS's `deleting` takes no time.
    pub(super) fn delete_vpc_endpoints(
        &mut self,
        request: &Request,
        vpc_endpoint_ids: &[String],
    ) -> Result<ObjectId, Refusal> {
        for id in vpc_endpoint_ids {
            let endpoint = self.own_vpc_endpoint(id, request)?;
            self.check_not_needed(endpoint, vpc_endpoint_ids)?;
        }
        for id in vpc_endpoint_ids {
            // The same id may be named twice.
            let Some(endpoint) = self.vpc_endpoints.remove(id) else { continue };
            self.remove_endpoint_routes(id, &endpoint.route_table_ids);
            endpoint.network_interface_ids.iter().for_each(|id| self.remove_requester_managed(id));
            self.connection_notifications.retain(|_, it| it.vpc_endpoint_id.as_ref() != Some(id));
            self.retired_ids.insert(id.clone());
        }
        Ok(vpc_endpoint_ids.join(","))
    }

    /// An S3 interface endpoint whose private names are for inbound resolvers only needs its gateway endpoint (B2).
    fn check_not_needed(&self, endpoint: &VpcEndpoint, going: &[String]) -> Result<(), Refusal> {
        if endpoint.vpc_endpoint_type != VpcEndpointType::Gateway {
            return Ok(());
        }
        let beside =
            |other: &&VpcEndpoint| other.vpc_id == endpoint.vpc_id && other.service_name == endpoint.service_name;
        let others = || self.vpc_endpoints.values().filter(beside).filter(|it| !going.contains(&it.vpc_endpoint_id));
        if others().any(|it| it.vpc_endpoint_type == VpcEndpointType::Gateway) {
            return Ok(());
        }
        match others().find(|it| it.private_dns_only_for_inbound_resolver_endpoint) {
            None => Ok(()),
            Some(other) => Err(Refusal::new(
                "InvalidParameter",
                format!(
                    "The VPC endpoint {} can't be deleted: {} has PrivateDnsOnlyForInboundResolverEndpoint set to true and needs it.",
                    endpoint.vpc_endpoint_id, other.vpc_endpoint_id
                ),
            )),
        }
    }
}

impl VpcEndpoint {
    /// What endpoints of both types have in common, in the state of one that nobody need accept.
    pub(super) fn new(
        vpc_endpoint_id: String,
        request: &Request,
        members: &CreateVpcEndpoint,
        vpc_endpoint_type: VpcEndpointType,
    ) -> Self {
        Self {
            vpc_endpoint_id,
            meta: request.meta(),
            vpc_endpoint_type,
            vpc_id: members.vpc_id.clone(),
            service_name: members.service_name.clone(),
            state: VpcEndpointState::Available,
            policy_document: members.policy_document.clone().unwrap_or_else(default_policy),
            route_table_ids: Vec::new(),
            subnet_ids: Vec::new(),
            network_interface_ids: Vec::new(),
            security_group_ids: Vec::new(),
            private_dns_enabled: false,
            private_dns_only_for_inbound_resolver_endpoint: false,
            dns_entries: Vec::new(),
        }
    }
}

impl CreateVpcEndpoint {
    /// Members that only interface endpoints have.
    pub(super) fn check_gateway_members(&self) -> Result<(), Refusal> {
        let refuse = |message: &str| Err(Refusal::new("InvalidParameter", message));
        if !self.subnet_ids.is_empty() {
            return refuse("Subnet IDs are only supported for Interface and GatewayLoadBalancer type VPC Endpoints.");
        }
        if !self.security_group_ids.is_empty() {
            return refuse("Security group IDs are only supported for Interface type VPC Endpoints.");
        }
        if self.private_dns_enabled == Some(true) {
            return refuse("Private DNS is only supported for Interface type VPC Endpoints.");
        }
        Ok(())
    }
}

/// What an endpoint has when no policy was given, as Describe returns it.
pub(super) fn default_policy() -> PolicyDocument {
    let value = serde_json::json!({
        "Version": "2008-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*" }]
    });
    value.into()
}
