//! ModifyVpcEndpoint: another policy, other route tables, subnets, security groups or private DNS for an endpoint that stands.
//!
//! All at once, where AWS takes minutes and shows `pending` meanwhile (B3.4). Not done: other addresses in the subnets that an
//! endpoint has (`SubnetConfigurations`), IPv6.

use super::endpoint::default_policy;
use super::interface_endpoint::{InterfaceService, Place, dns_entries, only_for_inbound_resolver};
use super::world::Meta;
use super::*;
use crate::policy::Kind;

impl World {
    /// Another policy, other route tables, subnets, groups or private DNS; at once, where AWS takes minutes.
    pub(super) fn modify_vpc_endpoint(
        &mut self,
        request: &Request,
        members: &ModifyVpcEndpoint,
    ) -> Result<ObjectId, Refusal> {
        let endpoint = self.own_vpc_endpoint(&members.vpc_endpoint_id, request)?;
        let id = endpoint.vpc_endpoint_id.clone();
        let policy_document = members.policy_for(endpoint)?;
        let (add, remove) = (&members.add_route_table_ids, &members.remove_route_table_ids);
        match endpoint.vpc_endpoint_type {
            VpcEndpointType::Gateway => {
                members.check_gateway_members()?;
                if let Some(id) = remove.iter().find(|id| !endpoint.route_table_ids.contains(id)) {
                    return Err(Refusal::new(
                        "InvalidParameter",
                        format!("Route table {id} is not associated with VPC endpoint {}", members.vpc_endpoint_id),
                    ));
                }
                let list = self.gateway_service_list(request, &endpoint.service_name)?;
                let added = self.route_tables_for(request, &endpoint.vpc_id, add, &list)?;
                self.remove_endpoint_routes(&id, remove);
                self.add_endpoint_routes(request, &id, &added, &list);
                let endpoint = self.vpc_endpoints.get_mut(&id).expect("own_vpc_endpoint found it");
                endpoint.route_table_ids.retain(|table| !remove.contains(table));
                endpoint.route_table_ids.extend(added);
            }
            VpcEndpointType::Interface if !add.is_empty() || !remove.is_empty() => {
                return Err(Refusal::new(
                    "InvalidParameter",
                    "Route table IDs are only supported for Gateway type VPC Endpoint.",
                ));
            }
            VpcEndpointType::Interface if members.names_interfaces() => {
                let modified = self.modified_interfaces(request, endpoint, members)?;
                self.put_interfaces(modified);
            }
            VpcEndpointType::Interface => {}
        }
        if let Some(policy_document) = policy_document {
            self.vpc_endpoints.get_mut(&id).expect("own_vpc_endpoint found it").policy_document = policy_document;
        }
        Ok(id)
    }
}

/// An interface endpoint as ModifyVpcEndpoint makes it; not in the world yet.
struct ModifiedInterfaces {
    endpoint: VpcEndpoint,
    /// Ids of interfaces that go.
    gone: Vec<String>,
    new: Vec<NetworkInterface>,
}

impl World {
    /// The endpoint with other subnets, groups or private DNS, or why that can't be.
    fn modified_interfaces(
        &self,
        request: &Request,
        endpoint: &VpcEndpoint,
        members: &ModifyVpcEndpoint,
    ) -> Result<ModifiedInterfaces, Refusal> {
        let id = &endpoint.vpc_endpoint_id;
        let not_associated = |what: &str, other: &str| {
            Refusal::new("InvalidParameter", format!("{what} {other} is not associated with VPC endpoint {id}"))
        };
        if let Some(other) = members.remove_subnet_ids.iter().find(|it| !endpoint.subnet_ids.contains(it)) {
            return Err(not_associated("Subnet", other));
        }
        let removed_groups = &members.remove_security_group_ids;
        if let Some(other) = removed_groups.iter().find(|it| !endpoint.security_group_ids.contains(it)) {
            return Err(not_associated("Security group", other));
        }
        let vpc = self.own_vpc(&endpoint.vpc_id, request)?;
        let service = self.service_behind(endpoint)?;
        let stays = |subnet_id: &&String| !members.remove_subnet_ids.contains(subnet_id);
        let kept = endpoint.subnet_ids.iter().filter(stays).filter_map(|it| self.subnets.get(it)).collect();
        let place = Place { vpc_id: &endpoint.vpc_id, service_name: &endpoint.service_name, kept };
        let planned = self.plan_interfaces(request, &place, &members.add_subnet_ids, &service)?;
        let groups = self.modified_groups(request, vpc, endpoint, members)?;
        let wanted = members.as_created(endpoint);
        let private_names = self.private_names(&wanted, vpc, &service, Some(id))?;

        let meta = Meta { tags: Default::default(), ..endpoint.meta.clone() };
        let new: Vec<NetworkInterface> = planned.iter().map(|plan| plan.interface(&meta, id, &groups)).collect();
        let subnets: Vec<&Subnet> = place.kept.iter().copied().chain(planned.iter().map(|plan| plan.subnet)).collect();
        let zones: Vec<&str> = subnets.iter().map(|subnet| subnet.availability_zone.as_str()).collect();
        let interfaces = || endpoint.subnet_ids.iter().zip(&endpoint.network_interface_ids);
        let kept_ids = interfaces().filter(|(subnet, _)| stays(subnet)).map(|(_, id)| id);
        let modified = VpcEndpoint {
            subnet_ids: subnets.iter().map(|subnet| subnet.subnet_id.clone()).collect(),
            network_interface_ids: kept_ids.chain(new.iter().map(|it| &it.network_interface_id)).cloned().collect(),
            security_group_ids: groups,
            private_dns_enabled: wanted.private_dns_enabled == Some(true),
            private_dns_only_for_inbound_resolver_endpoint: only_for_inbound_resolver(&wanted, &service),
            dns_entries: dns_entries(id, &vpc.meta.region, &service, &zones, private_names),
            ..endpoint.clone()
        };
        let gone = interfaces().filter(|(subnet, _)| !stays(subnet)).map(|(_, id)| id.clone()).collect();
        Ok(ModifiedInterfaces { endpoint: modified, gone, new })
    }

    /// Puts it into the world.
    fn put_interfaces(&mut self, modified: ModifiedInterfaces) {
        let ModifiedInterfaces { endpoint, gone, new } = modified;
        gone.iter().for_each(|id| self.remove_requester_managed(id));
        for interface in new {
            self.network_interfaces.insert(interface.network_interface_id.clone(), interface);
        }
        for id in &endpoint.network_interface_ids {
            let interface = self.network_interfaces.get_mut(id).expect("an endpoint's interfaces are there");
            interface.groups.clone_from(&endpoint.security_group_ids);
        }
        self.vpc_endpoints.insert(endpoint.vpc_endpoint_id.clone(), endpoint);
    }

    /// An interface of AWS's goes with what it was made for.
    pub(super) fn remove_requester_managed(&mut self, network_interface_id: &str) {
        self.network_interfaces.remove(network_interface_id);
        self.flow_logs.retain(|_, log| log.resource_id != network_interface_id);
    }

    /// The service that an endpoint connects to, whether or not its account may still see it (B4).
    fn service_behind<'a>(&'a self, endpoint: &'a VpcEndpoint) -> Result<InterfaceService<'a>, Refusal> {
        let name = &endpoint.service_name;
        if let Some(short) = short_service_name(name, &endpoint.meta.region) {
            return Ok(InterfaceService::Aws(short));
        }
        let service = self.vpc_endpoint_services.values().find(|service| service.service_name == *name);
        service.map(InterfaceService::Customer).ok_or_else(|| {
            Refusal::new("InvalidServiceName", format!("The Vpc Endpoint Service '{name}' does not exist"))
        })
    }

    fn modified_groups(
        &self,
        request: &Request,
        vpc: &Vpc,
        endpoint: &VpcEndpoint,
        members: &ModifyVpcEndpoint,
    ) -> Result<Vec<String>, Refusal> {
        let kept = endpoint.security_group_ids.iter().filter(|id| !members.remove_security_group_ids.contains(id));
        let groups: Vec<String> = kept.chain(&members.add_security_group_ids).cloned().collect();
        if groups.is_empty() {
            return Err(Refusal::new(
                "InvalidParameter",
                format!("VPC endpoint {} must have at least one security group", endpoint.vpc_endpoint_id),
            ));
        }
        self.endpoint_groups(request, vpc, &groups)
    }
}

impl ModifyVpcEndpoint {
    /// As if the endpoint were created so, as far as private DNS is concerned.
    fn as_created(&self, endpoint: &VpcEndpoint) -> CreateVpcEndpoint {
        let only = self.private_dns_only_for_inbound_resolver_endpoint;
        // What was said at creation stands; where private DNS was off, AWS's default does.
        let stands = endpoint.private_dns_enabled.then_some(endpoint.private_dns_only_for_inbound_resolver_endpoint);
        CreateVpcEndpoint {
            vpc_id: endpoint.vpc_id.clone(),
            service_name: endpoint.service_name.clone(),
            private_dns_enabled: self.private_dns_enabled.or(Some(endpoint.private_dns_enabled)),
            private_dns_only_for_inbound_resolver_endpoint: only.or(stands),
            ..CreateVpcEndpoint::default()
        }
    }

    /// Members that only interface endpoints have.
    fn names_interfaces(&self) -> bool {
        let lists = [
            &self.add_subnet_ids,
            &self.remove_subnet_ids,
            &self.add_security_group_ids,
            &self.remove_security_group_ids,
        ];
        lists.iter().any(|list| !list.is_empty())
            || self.private_dns_enabled.is_some()
            || self.private_dns_only_for_inbound_resolver_endpoint.is_some()
    }
}

impl ModifyVpcEndpoint {
    /// Members that only interface endpoints have.
    fn check_gateway_members(&self) -> Result<(), Refusal> {
        let joined = |add: &[String], remove: &[String]| [add, remove].concat();
        let members = CreateVpcEndpoint {
            subnet_ids: joined(&self.add_subnet_ids, &self.remove_subnet_ids),
            security_group_ids: joined(&self.add_security_group_ids, &self.remove_security_group_ids),
            private_dns_enabled: self.private_dns_enabled,
            ..CreateVpcEndpoint::default()
        };
        members.check_gateway_members()
    }

    /// The policy that the endpoint shall have; `None` leaves it as it is.
    fn policy_for(&self, endpoint: &VpcEndpoint) -> Result<Option<PolicyDocument>, Refusal> {
        let wanted = match (&self.policy_document, self.reset_policy) {
            (Some(_), true) => {
                return Err(Refusal::new(
                    "InvalidParameterCombination",
                    "The parameters PolicyDocument and ResetPolicy cannot be used together",
                ));
            }
            (Some(policy), false) => policy.clone(),
            (None, true) => default_policy(),
            (None, false) => return Ok(None),
        };
        if !endpoint.supports_policy() {
            return Err(Refusal::new(
                "InvalidParameter",
                format!("The service {} does not support endpoint policies", endpoint.service_name),
            ));
        }
        wanted.check(Kind::Endpoint)?;
        Ok(Some(wanted))
    }
}
