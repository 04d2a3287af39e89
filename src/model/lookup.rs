//! Finding an object by the id in a request, with AWS's codes for ids that are malformed, unknown, or someone else's.
//!
//! AWS answers for another account's or Region's object exactly as for one that does not exist; so do we, and the help
//! says which it was.

use std::collections::{BTreeMap, BTreeSet};

use super::change::Request;
use super::world::Meta;
use super::*;

/// How AWS speaks of a kind of object when it can't find one.
pub(super) struct Noun {
    prefix: &'static str,
    word: &'static str,
    malformed: &'static str,
    not_found: &'static str,
}

macro_rules! nouns {
    ($($name:ident: $prefix:literal, $word:literal, $malformed:literal, $not_found:literal;)*) => {
        $(const $name: Noun = Noun { prefix: $prefix, word: $word, malformed: $malformed, not_found: $not_found };)*
    };
}

nouns! {
    VPC: "vpc", "vpc ID", "InvalidVpcId.Malformed", "InvalidVpcID.NotFound";
    SUBNET: "subnet", "subnet ID", "InvalidSubnetId.Malformed", "InvalidSubnetID.NotFound";
    ROUTE_TABLE: "rtb", "routeTable ID", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound";
    INTERNET_GATEWAY: "igw", "internetGateway ID", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound";
    SECURITY_GROUP: "sg", "security group", "InvalidGroupId.Malformed", "InvalidGroup.NotFound";
    NETWORK_ACL: "acl", "networkAcl ID", "InvalidNetworkAclId.Malformed", "InvalidNetworkAclID.NotFound";
    NETWORK_INTERFACE: "eni", "networkInterface ID", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound";
    INSTANCE: "i", "instance ID", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound";
    ADDRESS: "eipalloc", "allocation ID", "InvalidAllocationID.NotFound", "InvalidAllocationID.NotFound";
    NAT_GATEWAY: "nat", "natGateway ID", "NatGatewayMalformed", "InvalidNatGatewayID.NotFound";
    PEERING: "pcx", "vpcPeeringConnection ID", "InvalidVpcPeeringConnectionId.Malformed", "InvalidVpcPeeringConnectionID.NotFound";
    VPN_GATEWAY: "vgw", "vpnGateway ID", "InvalidVpnGatewayID.NotFound", "InvalidVpnGatewayID.NotFound";
    CUSTOMER_GATEWAY: "cgw", "customerGateway ID", "InvalidCustomerGatewayId.Malformed", "InvalidCustomerGatewayID.NotFound";
    VPN_CONNECTION: "vpn", "vpnConnection ID", "InvalidVpnConnectionID", "InvalidVpnConnectionID.NotFound";
    PREFIX_LIST: "pl", "prefix list ID", "InvalidPrefixListId.Malformed", "InvalidPrefixListID.NotFound";
    VPC_ENDPOINT: "vpce", "Vpc Endpoint Id", "InvalidVpcEndpointId.Malformed", "InvalidVpcEndpointId.NotFound";
    SERVICE: "vpce-svc", "VpcEndpointService Id", "InvalidVpcEndpointServiceIdId.Malformed", "InvalidVpcEndpointServiceId.NotFound";
    CONNECTION_NOTIFICATION: "vpce-nfn", "connection notification ID", "InvalidConnectionNotification", "InvalidConnectionNotification";
}

/// What an account in a Region owns.
pub(super) trait Owned {
    fn meta(&self) -> &Meta;
}

macro_rules! owned {
    ($($noun:ty),*) => { $(impl Owned for $noun { fn meta(&self) -> &Meta { &self.meta } })* };
}

owned!(
    Vpc,
    Subnet,
    RouteTable,
    InternetGateway,
    PrefixList,
    SecurityGroup,
    NetworkAcl,
    NetworkInterface,
    Instance,
    Address,
    NatGateway,
    VpnGateway,
    CustomerGateway,
    VpnConnection,
    VpcEndpoint,
    VpcEndpointService,
    ConnectionNotification,
    LoadBalancer,
    TargetGroup
);

/// Whether the asker may touch it.
pub(super) fn is_own(object: &impl Owned, request: &Request) -> bool {
    let meta = object.meta();
    meta.account == request.account && meta.region == request.region
}

fn find<'a, T: Owned>(
    objects: &'a BTreeMap<String, T>,
    noun: &Noun,
    id: &str,
    request: &Request,
) -> Result<&'a T, Refusal> {
    if !id::is_well_formed(noun.prefix, id) {
        return Err(malformed(noun, id));
    }
    match objects.get(id) {
        Some(object) if is_own(object, request) => Ok(object),
        other => Err(not_found(noun, id, other.map(Owned::meta))),
    }
}

/// Whether a text can be an endpoint's id, be it whosever.
pub(super) fn check_endpoint_id(id: &str) -> Result<(), Refusal> {
    if id::is_well_formed(VPC_ENDPOINT.prefix, id) { Ok(()) } else { Err(malformed(&VPC_ENDPOINT, id)) }
}

fn malformed(noun: &Noun, id: &str) -> Refusal {
    let prefix = noun.prefix;
    Refusal::new(
        noun.malformed,
        format!(
            "Invalid Id: '{id}' (expecting '{prefix}-...; the Id may only contain lowercase alphanumeric characters and a single dash')"
        ),
    )
}

fn not_found(noun: &Noun, id: &str, of_another: Option<&Meta>) -> Refusal {
    let refusal = Refusal::new(noun.not_found, format!("The {} '{id}' does not exist", noun.word));
    match of_another {
        Some(meta) => refusal.help(format!("it belongs to account {} in {}", meta.account, meta.region)),
        None => refusal,
    }
}

macro_rules! finders {
    ($($method:ident, $field:ident, $noun:ty, $words:ident;)*) => {
        impl World {
            $(pub(super) fn $method(&self, id: &str, request: &Request) -> Result<&$noun, Refusal> {
                find(&self.$field, &$words, id, request)
            })*
        }
    };
}

finders! {
    own_vpc, vpcs, Vpc, VPC;
    own_subnet, subnets, Subnet, SUBNET;
    own_route_table, route_tables, RouteTable, ROUTE_TABLE;
    own_internet_gateway, internet_gateways, InternetGateway, INTERNET_GATEWAY;
    own_security_group, security_groups, SecurityGroup, SECURITY_GROUP;
    own_network_interface, network_interfaces, NetworkInterface, NETWORK_INTERFACE;
    own_network_acl, network_acls, NetworkAcl, NETWORK_ACL;
    own_address, addresses, Address, ADDRESS;
    own_nat_gateway, nat_gateways, NatGateway, NAT_GATEWAY;
    own_vpn_gateway, vpn_gateways, VpnGateway, VPN_GATEWAY;
    own_customer_gateway, customer_gateways, CustomerGateway, CUSTOMER_GATEWAY;
    own_vpn_connection, vpn_connections, VpnConnection, VPN_CONNECTION;
    own_instance, instances, Instance, INSTANCE;
    own_vpc_endpoint, vpc_endpoints, VpcEndpoint, VPC_ENDPOINT;
    own_service, vpc_endpoint_services, VpcEndpointService, SERVICE;
    own_connection_notification, connection_notifications, ConnectionNotification, CONNECTION_NOTIFICATION;
}

macro_rules! all_metas {
    ($world:ident: $($field:ident),* $(,)?) => {
        std::iter::empty()$(.chain($world.$field.values().map(|object| &object.meta)))*
    };
}

impl World {
    /// The accounts that own anything, twelve digits each.
    pub fn accounts(&self) -> BTreeSet<String> {
        // What belongs to AWS itself has a word in its place.
        let is_number = |account: &&String| account.bytes().all(|byte| byte.is_ascii_digit());
        self.metas().map(|meta| &meta.account).filter(is_number).cloned().collect()
    }

    /// The stacks that have anything, with their accounts and Regions.
    pub fn stacks(&self) -> BTreeMap<String, (String, String)> {
        let named = self.metas().filter_map(|meta| Some((meta.stack.clone()?, meta)));
        named.map(|(stack, meta)| (stack, (meta.account.clone(), meta.region.clone()))).collect()
    }

    fn metas(&self) -> impl Iterator<Item = &Meta> {
        all_metas!(
            self: vpcs, subnets, route_tables, internet_gateways, prefix_lists, security_groups, network_acls,
            network_interfaces, instances, addresses, nat_gateways, vpc_peering_connections, vpn_gateways, customer_gateways, vpn_connections,
            flow_logs, vpc_endpoints, vpc_endpoint_services, connection_notifications, load_balancers, target_groups, listeners, buckets,
            tables, resolver_endpoints, roles, instance_profiles, users, groups, managed_policies, access_keys,
        )
    }

    /// A prefix list that a route or rule in `region` may name: AWS's of that Region, or a customer's.
    ///
    /// AWS gave the same id to different lists in different Regions (`pl-6fa54006` is S3's in ap-southeast-1 and
    /// DynamoDB's in eu-west-1), so an id alone names no list.
    pub fn prefix_list(&self, region: &str, prefix_list_id: &str) -> Option<&PrefixList> {
        self.prefix_lists.get(&(region.to_owned(), prefix_list_id.to_owned()))
    }

    pub(super) fn usable_prefix_list(&self, id: &str, request: &Request) -> Result<&PrefixList, Refusal> {
        if !id::is_well_formed(PREFIX_LIST.prefix, id) {
            return Err(malformed(&PREFIX_LIST, id));
        }
        match self.prefix_list(&request.region, id) {
            Some(list) if list.meta.account == "AWS" || list.meta.account == request.account => Ok(list),
            other => Err(not_found(&PREFIX_LIST, id, other.map(Owned::meta))),
        }
    }

    /// A peering that the asker may touch: both sides see it, each in its account and Region.
    pub(super) fn visible_peering(&self, id: &str, request: &Request) -> Result<&VpcPeeringConnection, Refusal> {
        if !id::is_well_formed(PEERING.prefix, id) {
            return Err(malformed(&PEERING, id));
        }
        let sees = |side: &PeeringSide| (&side.account, &side.region) == (&request.account, &request.region);
        match self.vpc_peering_connections.get(id) {
            Some(connection) if sees(&connection.requester) || sees(&connection.accepter) => Ok(connection),
            other => Err(not_found(&PEERING, id, other.map(|connection| &connection.meta))),
        }
    }

    /// For an object of a kind that the lab does not have yet: AWS's answer to an id that nobody owns.
    pub(super) fn no_such(not_found: &'static str, word: &str, id: &str) -> Refusal {
        Refusal::new(not_found, format!("The {word} '{id}' does not exist"))
    }
}
