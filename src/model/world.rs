//! All objects of a lab, and the one way in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::*;

/// Where an object is written in a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// File as the user named it.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What every object has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Owner's account, or `AWS` / `amazon`.
    pub account: String,
    /// Region.
    pub region: String,
    /// Stack that declares it.
    pub stack: Option<String>,
    /// Logical id in that stack.
    pub logical_id: Option<String>,
    /// Where it is written.
    pub source: Option<Source>,
    /// Tags, key to value.
    pub tags: BTreeMap<String, String>,
}

/// All objects of a lab, by id (or ARN, or bucket name).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each map is its noun's, keyed by the noun's id")]
pub struct World {
    pub vpcs: BTreeMap<String, Vpc>,
    pub subnets: BTreeMap<String, Subnet>,
    pub route_tables: BTreeMap<String, RouteTable>,
    pub internet_gateways: BTreeMap<String, InternetGateway>,
    /// By Region and id: see [`World::prefix_list`].
    pub prefix_lists: BTreeMap<(String, String), PrefixList>,
    pub security_groups: BTreeMap<String, SecurityGroup>,
    pub network_acls: BTreeMap<String, NetworkAcl>,
    pub network_interfaces: BTreeMap<String, NetworkInterface>,
    pub instances: BTreeMap<String, Instance>,
    pub addresses: BTreeMap<String, Address>,
    pub nat_gateways: BTreeMap<String, NatGateway>,
    pub vpc_peering_connections: BTreeMap<String, VpcPeeringConnection>,
    pub vpn_gateways: BTreeMap<String, VpnGateway>,
    pub customer_gateways: BTreeMap<String, CustomerGateway>,
    pub vpn_connections: BTreeMap<String, VpnConnection>,
    pub flow_logs: BTreeMap<String, FlowLog>,
    pub vpc_endpoints: BTreeMap<String, VpcEndpoint>,
    pub vpc_endpoint_services: BTreeMap<String, VpcEndpointService>,
    pub connection_notifications: BTreeMap<String, ConnectionNotification>,
    /// Ids of endpoints and services that are gone: no later one gets them.
    pub retired_ids: BTreeSet<String>,
    /// Ids of zones that are down by an injected fault.
    pub zones_down: BTreeSet<String>,
    pub load_balancers: BTreeMap<String, LoadBalancer>,
    pub target_groups: BTreeMap<String, TargetGroup>,
    pub listeners: BTreeMap<String, Listener>,
    pub buckets: BTreeMap<String, Bucket>,
    pub tables: BTreeMap<String, Table>,
    pub resolver_endpoints: BTreeMap<String, ResolverEndpoint>,
    pub hosted_zones: BTreeMap<String, HostedZone>,
    pub roles: BTreeMap<String, Role>,
    pub instance_profiles: BTreeMap<String, InstanceProfile>,
    pub users: BTreeMap<String, User>,
    pub groups: BTreeMap<String, Group>,
    pub managed_policies: BTreeMap<String, ManagedPolicy>,
    pub access_keys: BTreeMap<String, AccessKey>,
    /// The organization that all accounts of the lab belong to, such as `o-exampleorgid`; not an object, and changed by none.
    pub organization: Option<String>,
    /// Names of SNS topics whose policy does not let AWS publish: notifications to them are `Disabled`. Not objects, either.
    pub disabled_topics: BTreeSet<String>,
    /// By account: what it calls the zones of which id, where that is not the default; see [`World::availability_zones`].
    pub zone_names: BTreeMap<String, BTreeMap<String, String>>,
}

/// The id (or ARN, or name) of what a change made or touched.
pub type ObjectId = String;

impl World {
    /// Does the operation whole, or refuses and leaves the world as it was.
    ///
    /// Returns the id of what was made: the object's id, ARN or bucket name as CloudFormation's `Ref` gives it (IAM's objects
    /// are known by their ARN, while `Ref` gives most of them by name); for operations that make nothing, the id of what they
    /// touched (an association's id for Associate…).
    ///
    /// Every operation checks all it needs before it writes the first object; that is what "whole" rests on.
    pub fn apply(&mut self, request: Request) -> Result<ObjectId, Refusal> {
        if !region::is_region(&request.region) {
            return Err(Refusal::new("InvalidParameterValue", format!("There is no Region '{}'", request.region))
                .help(format!("the Regions are {}", region::regions().collect::<Vec<_>>().join(", "))));
        }
        let made = self.dispatch(&request)?;
        // AWS's lists are there wherever somebody is.
        self.add_managed_prefix_lists(&request.region);
        Ok(made)
    }

    fn dispatch(&mut self, request: &Request) -> Result<ObjectId, Refusal> {
        match &request.change {
            Change::CreateVpc { cidr_block, enable_dns_support, enable_dns_hostnames } => {
                self.create_vpc(request, cidr_block, *enable_dns_support, *enable_dns_hostnames)
            }
            Change::AssociateVpcCidrBlock { vpc_id, cidr_block } => {
                self.associate_vpc_cidr_block(request, vpc_id, cidr_block)
            }
            Change::CreateSubnet { vpc_id, cidr_block, availability_zone, map_public_ip_on_launch } => {
                self.create_subnet(request, vpc_id, cidr_block, availability_zone.as_deref(), *map_public_ip_on_launch)
            }
            Change::CreateRouteTable { vpc_id } => self.create_route_table(request, vpc_id),
            Change::AssociateRouteTable { route_table_id, subnet_id } => {
                self.associate_route_table(request, route_table_id, subnet_id)
            }
            Change::AssociateGatewayRouteTable { route_table_id, gateway_id } => {
                self.associate_gateway_route_table(request, route_table_id, gateway_id)
            }
            Change::CreateRoute { route_table_id, destination_cidr_block, destination_prefix_list_id, target } => self
                .create_route(
                    request,
                    route_table_id,
                    destination_cidr_block.as_deref(),
                    destination_prefix_list_id.as_deref(),
                    target,
                ),
            Change::CreateInternetGateway => self.create_internet_gateway(request),
            Change::AttachInternetGateway { internet_gateway_id, vpc_id } => {
                self.attach_internet_gateway(request, internet_gateway_id, vpc_id)
            }
            Change::CreateManagedPrefixList { prefix_list_name, address_family, max_entries, entries } => {
                self.create_managed_prefix_list(request, prefix_list_name, address_family, *max_entries, entries)
            }
            Change::CreateSecurityGroup { group_name, group_description, vpc_id } => {
                self.create_security_group(request, group_name.as_deref(), group_description, vpc_id)
            }
            Change::AuthorizeSecurityGroupIngress { group_id, permissions } => {
                self.authorize_ingress(request, group_id, permissions)
            }
            Change::AuthorizeSecurityGroupEgress { group_id, permissions, replace_default } => {
                self.authorize_egress(request, group_id, permissions, *replace_default)
            }
            Change::CreateNetworkInterface(members) => self.create_network_interface(request, members),
            Change::AttachNetworkInterface { network_interface_id, instance_id, device_index } => {
                self.attach_network_interface(request, network_interface_id, instance_id, *device_index)
            }
            Change::RunInstance(members) => self.run_instance(request, members),
            other => self.dispatch_gateways(request, other),
        }
    }

    /// What stands at the edge of a subnet or VPC: network ACLs, public addresses, NAT, peering, VPN; and flow logs.
    fn dispatch_gateways(&mut self, request: &Request, change: &Change) -> Result<ObjectId, Refusal> {
        match change {
            Change::CreateNetworkAcl { vpc_id } => self.create_network_acl(request, vpc_id),
            Change::CreateNetworkAclEntry(members) => self.create_network_acl_entry(request, members),
            Change::ReplaceNetworkAclAssociation { subnet_id, network_acl_id } => {
                self.replace_network_acl_association(request, subnet_id, network_acl_id)
            }
            Change::AllocateAddress { address } => self.allocate_address(request, *address),
            Change::AssociateAddress(members) => self.associate_address(request, members),
            Change::CreateNatGateway(members) => self.create_nat_gateway(request, members),
            Change::CreateVpcPeeringConnection(members) => self.create_vpc_peering_connection(request, members),
            Change::AcceptVpcPeeringConnection { vpc_peering_connection_id } => {
                self.accept_vpc_peering_connection(request, vpc_peering_connection_id)
            }
            Change::CreateVpnGateway { gateway_type, amazon_side_asn } => {
                self.create_vpn_gateway(request, gateway_type, *amazon_side_asn)
            }
            Change::AttachVpnGateway { vpn_gateway_id, vpc_id } => {
                self.attach_vpn_gateway(request, vpn_gateway_id, vpc_id)
            }
            Change::EnableVgwRoutePropagation { gateway_id, route_table_id } => {
                self.enable_vgw_route_propagation(request, gateway_id, route_table_id)
            }
            Change::CreateCustomerGateway { gateway_type, ip_address, bgp_asn } => {
                self.create_customer_gateway(request, gateway_type, ip_address, *bgp_asn)
            }
            Change::CreateVpnConnection {
                connection_type,
                customer_gateway_id,
                vpn_gateway_id,
                static_routes_only,
            } => {
                let ends = (customer_gateway_id.as_str(), vpn_gateway_id.as_str());
                self.create_vpn_connection(request, connection_type, ends, *static_routes_only)
            }
            Change::CreateVpnConnectionRoute { vpn_connection_id, destination_cidr_block } => {
                self.create_vpn_connection_route(request, vpn_connection_id, destination_cidr_block)
            }
            Change::CreateFlowLogs(members) => self.create_flow_logs(request, members),
            other => self.dispatch_private_link(request, other),
        }
    }

    /// Both sides of PrivateLink, and gateway endpoints.
    fn dispatch_private_link(&mut self, request: &Request, change: &Change) -> Result<ObjectId, Refusal> {
        match change {
            Change::CreateVpcEndpoint(members) => self.create_vpc_endpoint(request, members),
            Change::ModifyVpcEndpoint(members) => self.modify_vpc_endpoint(request, members),
            Change::DeleteVpcEndpoints { vpc_endpoint_ids } => self.delete_vpc_endpoints(request, vpc_endpoint_ids),
            Change::CreateVpcEndpointServiceConfiguration {
                network_load_balancer_arns,
                acceptance_required,
                private_dns_name,
            } => self.create_endpoint_service(
                request,
                network_load_balancer_arns,
                *acceptance_required,
                private_dns_name.as_deref(),
            ),
            Change::ModifyVpcEndpointServiceConfiguration(members) => self.modify_endpoint_service(request, members),
            Change::DeleteVpcEndpointServiceConfigurations { service_ids } => {
                self.delete_endpoint_services(request, service_ids)
            }
            Change::StartVpcEndpointServicePrivateDnsVerification { service_id } => {
                self.verify_private_dns_name(request, service_id)
            }
            Change::ModifyVpcEndpointServicePermissions {
                service_id,
                add_allowed_principals,
                remove_allowed_principals,
            } => {
                self.modify_service_permissions(request, service_id, add_allowed_principals, remove_allowed_principals)
            }
            Change::AcceptVpcEndpointConnections { service_id, vpc_endpoint_ids } => {
                self.accept_endpoint_connections(request, service_id, vpc_endpoint_ids)
            }
            Change::RejectVpcEndpointConnections { service_id, vpc_endpoint_ids } => {
                self.reject_endpoint_connections(request, service_id, vpc_endpoint_ids)
            }
            Change::CreateVpcEndpointConnectionNotification(members) => {
                self.create_connection_notification(request, members)
            }
            Change::ModifyVpcEndpointConnectionNotification {
                connection_notification_id: id,
                connection_notification_arn,
                connection_events,
            } => {
                let arn = connection_notification_arn.as_deref();
                self.modify_connection_notification(request, id, arn, connection_events)
            }
            Change::DeleteVpcEndpointConnectionNotifications { connection_notification_ids } => {
                self.delete_connection_notifications(request, connection_notification_ids)
            }
            other => self.dispatch_services(request, other),
        }
    }

    /// Load balancers, and what AWS's own services hold: buckets, tables, IAM.
    fn dispatch_services(&mut self, request: &Request, change: &Change) -> Result<ObjectId, Refusal> {
        match change {
            Change::CreateLoadBalancer { name, scheme, subnets, security_groups, attributes } => {
                self.create_load_balancer(request, name.as_deref(), scheme, subnets, security_groups, attributes)
            }
            Change::CreateTargetGroup(members) => self.create_target_group(request, members),
            Change::RegisterTargets { target_group_arn, targets } => {
                self.register_targets(request, target_group_arn, targets)
            }
            Change::DeregisterTargets { target_group_arn, targets } => {
                self.deregister_targets(request, target_group_arn, targets)
            }
            Change::CreateListener {
                load_balancer_arn,
                protocol,
                port,
                target_group_arns,
                certificate_arns,
                attributes,
            } => self.create_listener(
                request,
                load_balancer_arn,
                (protocol, *port),
                target_group_arns,
                (certificate_arns, attributes),
            ),
            Change::CreateBucket { bucket } => self.create_bucket(request, bucket.as_deref()),
            Change::PutBucketPolicy { bucket, policy } => self.put_bucket_policy(request, bucket, policy),
            Change::DeleteBucketPolicy { bucket } => self.delete_bucket_policy(request, bucket),
            Change::PutBucketVersioning { bucket, status } => self.put_bucket_versioning(request, bucket, status),
            Change::PutBucketCors { bucket, cors_configuration } => {
                self.put_bucket_cors(request, bucket, cors_configuration)
            }
            Change::PutPublicAccessBlock { bucket, public_access_block } => {
                self.put_public_access_block(request, bucket, *public_access_block)
            }
            Change::CreateTable(members) => self.create_table(request, members),
            Change::CreateResolverEndpoint(members) => self.create_resolver_endpoint(request, members),
            Change::CreateHostedZone(members) => self.create_hosted_zone(request, members),
            Change::ChangeResourceRecordSets(members) => self.change_resource_record_sets(request, members),
            Change::Iam(change) => self.change_iam(request, change),
            other => unreachable!("dispatch handles {other:?}"),
        }
    }
}

impl Request {
    /// What the object that the request makes has in common with all others.
    pub(super) fn meta(&self) -> Meta {
        Meta {
            account: self.account.clone(),
            region: self.region.clone(),
            stack: self.stack.clone(),
            logical_id: self.logical_id.clone(),
            source: self.source.clone(),
            tags: self.tags.clone(),
        }
    }

    /// The same for what is born with it: its logical id and place say where it comes from, the tags are not its own.
    pub(super) fn meta_of_dependent(&self) -> Meta {
        Meta { tags: BTreeMap::new(), ..self.meta() }
    }
}

impl Meta {
    /// What people call an object: its logical id where it has one, its id where not.
    pub(super) fn label<'a>(&'a self, id: &'a str) -> &'a str {
        self.logical_id.as_deref().unwrap_or(id)
    }
}

impl Meta {
    /// For what belongs to AWS itself (`AWS` or `amazon`, as the API says it).
    pub(super) fn of_aws(owner: &str, region: &str) -> Self {
        Self {
            account: owner.to_owned(),
            region: region.to_owned(),
            stack: None,
            logical_id: None,
            source: None,
            tags: BTreeMap::new(),
        }
    }
}
