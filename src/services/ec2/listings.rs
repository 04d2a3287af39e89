//! What can be described: of each operation the rows, who sees them, and what they can be asked by. Data for [`super::describe`].

use serde_json::{Value, json};

use super::form::Form;
use super::page::Pages;
use super::{Asker, refused};
use crate::model::{Meta, World, describe};
use crate::services::failure::Failure;

/// A Describe operation.
pub struct Listing {
    /// The operation.
    pub name: &'static str,
    /// The list's member in the answer.
    pub set: &'static str,
    /// The member by which a row is known.
    pub key: &'static str,
    /// The parameter that names rows.
    pub ids: Option<Ids>,
    /// Pages.
    pub pages: Pages,
    /// The rows that the asker sees.
    pub rows: fn(&World, &Asker, &Form) -> Result<Vec<Value>, Failure>,
    /// Filters, and the members that they are about.
    pub filters: &'static [(&'static str, &'static str)],
}

/// How rows are named, and AWS's words for a name that is none.
pub struct Ids {
    /// The list of ids.
    pub parameter: &'static str,
    /// What ids begin with; `None` where any text may be one.
    pub prefix: Option<&'static str>,
    /// Code for what can't be an id.
    pub malformed: &'static str,
    /// Code for nobody's.
    pub not_found: &'static str,
    /// The noun.
    pub word: &'static str,
}

const fn ids(
    parameter: &'static str,
    prefix: &'static str,
    malformed: &'static str,
    not_found: &'static str,
    word: &'static str,
) -> Option<Ids> {
    Some(Ids { parameter, prefix: Some(prefix), malformed, not_found, word })
}

/// Up to a thousand, and more is a thousand (B6.1).
const CUT: Pages = Pages { least: 1, most: 1000, cuts: true };
const UP_TO_1000: Pages = Pages { least: 5, most: 1000, cuts: false };
const UP_TO_100: Pages = Pages { least: 5, most: 100, cuts: false };

pub const VPC_ENDPOINTS: Listing = Listing {
    name: "DescribeVpcEndpoints",
    set: "VpcEndpoints",
    key: "VpcEndpointId",
    ids: ids(
        "VpcEndpointId",
        "vpce",
        "InvalidVpcEndpointId.Malformed",
        "InvalidVpcEndpointId.NotFound",
        "Vpc Endpoint Id",
    ),
    pages: CUT,
    rows: |world, asker, _| Ok(own(world, asker, describe::vpc_endpoints(world), "VpcEndpointId", endpoint_meta)),
    filters: &[
        ("ip-address-type", "IpAddressType"),
        ("service-name", "ServiceName"),
        ("service-region", "ServiceRegion"),
        ("vpc-id", "VpcId"),
        ("vpc-endpoint-id", "VpcEndpointId"),
        ("vpc-endpoint-state", "State"),
        ("vpc-endpoint-type", "VpcEndpointType"),
    ],
};

pub const SERVICES: Listing = Listing {
    name: "DescribeVpcEndpointServices",
    set: "ServiceDetails",
    key: "ServiceName",
    ids: Some(Ids {
        parameter: "ServiceName",
        prefix: None,
        malformed: "InvalidServiceName",
        not_found: "InvalidServiceName",
        word: "Vpc Endpoint Service",
    }),
    pages: CUT,
    rows: |world, asker, _| {
        let principal = asker.principal.as_deref();
        Ok(describe::vpc_endpoint_service_details(world, &asker.account, &asker.region, principal))
    },
    filters: &[
        ("owner", "Owner"),
        ("service-name", "ServiceName"),
        ("service-region", "ServiceRegion"),
        ("service-type", "ServiceType.ServiceType"),
        ("supported-ip-address-types", "SupportedIpAddressTypes"),
    ],
};

pub const SERVICE_CONFIGURATIONS: Listing = Listing {
    name: "DescribeVpcEndpointServiceConfigurations",
    set: "ServiceConfigurations",
    key: "ServiceId",
    ids: ids(
        "ServiceId",
        "vpce-svc",
        "InvalidVpcEndpointServiceIdId.Malformed",
        "InvalidVpcEndpointServiceId.NotFound",
        "VpcEndpointService Id",
    ),
    pages: CUT,
    rows: |world, asker, _| {
        Ok(own(world, asker, describe::vpc_endpoint_service_configurations(world), "ServiceId", service_meta))
    },
    filters: &[
        ("service-name", "ServiceName"),
        ("service-id", "ServiceId"),
        ("service-state", "ServiceState"),
        ("supported-ip-address-types", "SupportedIpAddressTypes"),
    ],
};

pub const SERVICE_PERMISSIONS: Listing = Listing {
    name: "DescribeVpcEndpointServicePermissions",
    set: "AllowedPrincipals",
    key: "Principal",
    ids: None,
    pages: CUT,
    rows: |world, asker, form| {
        let id = form.need("ServiceId")?;
        let service = world.vpc_endpoint_services.get(&id).filter(|it| is_own(&it.meta, asker));
        let service = service.ok_or_else(|| super::describe::unknown(&SERVICE_CONFIGURATIONS, &id))?;
        Ok(service.allowed_principals.iter().map(|principal| allowed_principal(&id, principal)).collect())
    },
    filters: &[("principal", "Principal"), ("principal-type", "PrincipalType")],
};

pub const CONNECTIONS: Listing = Listing {
    name: "DescribeVpcEndpointConnections",
    set: "VpcEndpointConnections",
    key: "VpcEndpointId",
    ids: None,
    pages: UP_TO_1000,
    rows: |world, asker, _| Ok(own(world, asker, describe::vpc_endpoint_connections(world), "ServiceId", service_meta)),
    filters: &[
        ("ip-address-type", "IpAddressType"),
        ("service-id", "ServiceId"),
        ("vpc-endpoint-owner", "VpcEndpointOwner"),
        ("vpc-endpoint-state", "VpcEndpointState"),
        ("vpc-endpoint-id", "VpcEndpointId"),
    ],
};

pub const NOTIFICATIONS: Listing = Listing {
    name: "DescribeVpcEndpointConnectionNotifications",
    set: "ConnectionNotificationSet",
    key: "ConnectionNotificationId",
    // One alone, not a list: see `describe`.
    ids: ids(
        "ConnectionNotificationId",
        "vpce-nfn",
        "InvalidConnectionNotification",
        "InvalidConnectionNotification",
        "connection notification ID",
    ),
    pages: UP_TO_1000,
    rows: |world, asker, _| {
        let rows = describe::connection_notifications(world);
        Ok(own(world, asker, rows, "ConnectionNotificationId", |world, id| {
            world.connection_notifications.get(id).map(|it| &it.meta)
        }))
    },
    filters: &[
        ("connection-notification-arn", "ConnectionNotificationArn"),
        ("connection-notification-id", "ConnectionNotificationId"),
        ("connection-notification-state", "ConnectionNotificationState"),
        ("connection-notification-type", "ConnectionNotificationType"),
        ("service-id", "ServiceId"),
        ("vpc-endpoint-id", "VpcEndpointId"),
    ],
};

pub const PREFIX_LISTS: Listing = Listing {
    name: "DescribePrefixLists",
    set: "PrefixLists",
    key: "PrefixListId",
    ids: ids("PrefixListId", "pl", "InvalidPrefixListId.Malformed", "InvalidPrefixListID.NotFound", "prefix list ID"),
    pages: CUT,
    rows: |world, asker, _| {
        let awss = prefix_lists(world, asker).into_iter().filter(|row| row["OwnerId"] == "AWS");
        Ok(awss.map(|row| only(&row, &["PrefixListId", "PrefixListName", "Cidrs"])).collect())
    },
    filters: &[("prefix-list-id", "PrefixListId"), ("prefix-list-name", "PrefixListName")],
};

pub const MANAGED_PREFIX_LISTS: Listing = Listing {
    name: "DescribeManagedPrefixLists",
    set: "PrefixLists",
    key: "PrefixListId",
    ids: PREFIX_LISTS.ids,
    pages: Pages { least: 1, most: 100, cuts: false },
    rows: |world, asker, _| Ok(prefix_lists(world, asker).into_iter().map(|row| without(row, &["Cidrs"])).collect()),
    filters: &[("owner-id", "OwnerId"), ("prefix-list-id", "PrefixListId"), ("prefix-list-name", "PrefixListName")],
};

pub const NETWORK_INTERFACES: Listing = Listing {
    name: "DescribeNetworkInterfaces",
    set: "NetworkInterfaces",
    key: "NetworkInterfaceId",
    ids: ids(
        "NetworkInterfaceId",
        "eni",
        "InvalidNetworkInterfaceId.Malformed",
        "InvalidNetworkInterfaceID.NotFound",
        "networkInterface ID",
    ),
    pages: UP_TO_1000,
    rows: |world, asker, _| {
        Ok(own(world, asker, describe::network_interfaces(world), "NetworkInterfaceId", |world, id| {
            world.network_interfaces.get(id).map(|it| &it.meta)
        }))
    },
    filters: &[
        ("addresses.private-ip-address", "PrivateIpAddresses.PrivateIpAddress"),
        ("attachment.attachment-id", "Attachment.AttachmentId"),
        ("attachment.device-index", "Attachment.DeviceIndex"),
        ("attachment.instance-id", "Attachment.InstanceId"),
        ("attachment.instance-owner-id", "Attachment.InstanceOwnerId"),
        ("attachment.status", "Attachment.Status"),
        ("availability-zone", "AvailabilityZone"),
        ("description", "Description"),
        ("group-id", "Groups.GroupId"),
        ("group-name", "Groups.GroupName"),
        ("interface-type", "InterfaceType"),
        ("mac-address", "MacAddress"),
        ("network-interface-id", "NetworkInterfaceId"),
        ("owner-id", "OwnerId"),
        ("private-dns-name", "PrivateDnsName"),
        ("private-ip-address", "PrivateIpAddress"),
        ("requester-id", "RequesterId"),
        ("requester-managed", "RequesterManaged"),
        ("source-dest-check", "SourceDestCheck"),
        ("status", "Status"),
        ("subnet-id", "SubnetId"),
        ("vpc-id", "VpcId"),
    ],
};

pub const VPCS: Listing = Listing {
    name: "DescribeVpcs",
    set: "Vpcs",
    key: "VpcId",
    ids: ids("VpcId", "vpc", "InvalidVpcId.Malformed", "InvalidVpcID.NotFound", "vpc ID"),
    pages: UP_TO_1000,
    rows: |world, asker, _| {
        let rows = own(world, asker, describe::vpcs(world), "VpcId", |world, id| world.vpcs.get(id).map(|it| &it.meta));
        // DescribeVpcAttribute's.
        Ok(rows.into_iter().map(|row| without(row, &["EnableDnsSupport", "EnableDnsHostnames"])).collect())
    },
    filters: &[
        ("cidr", "CidrBlock"),
        ("cidr-block-association.association-id", "CidrBlockAssociationSet.AssociationId"),
        ("cidr-block-association.cidr-block", "CidrBlockAssociationSet.CidrBlock"),
        ("cidr-block-association.state", "CidrBlockAssociationSet.CidrBlockState.State"),
        ("is-default", "IsDefault"),
        ("owner-id", "OwnerId"),
        ("state", "State"),
        ("vpc-id", "VpcId"),
    ],
};

pub const SUBNETS: Listing = Listing {
    name: "DescribeSubnets",
    set: "Subnets",
    key: "SubnetId",
    ids: ids("SubnetId", "subnet", "InvalidSubnetId.Malformed", "InvalidSubnetID.NotFound", "subnet ID"),
    pages: UP_TO_1000,
    rows: |world, asker, _| {
        Ok(own(world, asker, describe::subnets(world), "SubnetId", |world, id| {
            world.subnets.get(id).map(|it| &it.meta)
        }))
    },
    filters: &[
        ("availability-zone", "AvailabilityZone"),
        ("availability-zone-id", "AvailabilityZoneId"),
        ("available-ip-address-count", "AvailableIpAddressCount"),
        ("cidr-block", "CidrBlock"),
        ("default-for-az", "DefaultForAz"),
        ("map-public-ip-on-launch", "MapPublicIpOnLaunch"),
        ("owner-id", "OwnerId"),
        ("state", "State"),
        ("subnet-arn", "SubnetArn"),
        ("subnet-id", "SubnetId"),
        ("vpc-id", "VpcId"),
    ],
};

/// The asker's own names of the Region's zones (B1.1).
pub const AVAILABILITY_ZONES: Listing = Listing {
    name: "DescribeAvailabilityZones",
    set: "AvailabilityZones",
    key: "ZoneName",
    ids: Some(Ids {
        parameter: "ZoneName",
        prefix: None,
        malformed: "InvalidParameterValue",
        not_found: "InvalidParameterValue",
        word: "availability zone",
    }),
    pages: UP_TO_1000,
    rows: |world, asker, _| Ok(describe::availability_zones(world, &asker.account, &asker.region)),
    filters: &[
        ("group-name", "GroupName"),
        ("opt-in-status", "OptInStatus"),
        ("region-name", "RegionName"),
        ("state", "State"),
        ("zone-id", "ZoneId"),
        ("zone-name", "ZoneName"),
        ("zone-type", "ZoneType"),
    ],
};

pub const ROUTE_TABLES: Listing = Listing {
    name: "DescribeRouteTables",
    set: "RouteTables",
    key: "RouteTableId",
    ids: ids("RouteTableId", "rtb", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound", "routeTable ID"),
    pages: UP_TO_100,
    rows: |world, asker, _| {
        Ok(own(world, asker, describe::route_tables(world), "RouteTableId", |world, id| {
            world.route_tables.get(id).map(|it| &it.meta)
        }))
    },
    filters: &[
        ("association.gateway-id", "Associations.GatewayId"),
        ("association.main", "Associations.Main"),
        ("association.route-table-association-id", "Associations.RouteTableAssociationId"),
        ("association.route-table-id", "Associations.RouteTableId"),
        ("association.subnet-id", "Associations.SubnetId"),
        ("owner-id", "OwnerId"),
        ("route-table-id", "RouteTableId"),
        ("route.destination-cidr-block", "Routes.DestinationCidrBlock"),
        ("route.destination-prefix-list-id", "Routes.DestinationPrefixListId"),
        ("route.gateway-id", "Routes.GatewayId"),
        ("route.instance-id", "Routes.InstanceId"),
        ("route.nat-gateway-id", "Routes.NatGatewayId"),
        ("route.origin", "Routes.Origin"),
        ("route.state", "Routes.State"),
        ("route.vpc-peering-connection-id", "Routes.VpcPeeringConnectionId"),
        ("vpc-id", "VpcId"),
    ],
};

pub const SECURITY_GROUPS: Listing = Listing {
    name: "DescribeSecurityGroups",
    set: "SecurityGroups",
    key: "GroupId",
    ids: ids("GroupId", "sg", "InvalidGroupId.Malformed", "InvalidGroup.NotFound", "security group"),
    pages: UP_TO_1000,
    rows: |world, asker, _| {
        Ok(own(world, asker, describe::security_groups(world), "GroupId", |world, id| {
            world.security_groups.get(id).map(|it| &it.meta)
        }))
    },
    filters: &[
        ("description", "Description"),
        ("egress.ip-permission.cidr", "IpPermissionsEgress.IpRanges.CidrIp"),
        ("egress.ip-permission.from-port", "IpPermissionsEgress.FromPort"),
        ("egress.ip-permission.group-id", "IpPermissionsEgress.UserIdGroupPairs.GroupId"),
        ("egress.ip-permission.prefix-list-id", "IpPermissionsEgress.PrefixListIds.PrefixListId"),
        ("egress.ip-permission.protocol", "IpPermissionsEgress.IpProtocol"),
        ("egress.ip-permission.to-port", "IpPermissionsEgress.ToPort"),
        ("group-id", "GroupId"),
        ("group-name", "GroupName"),
        ("ip-permission.cidr", "IpPermissions.IpRanges.CidrIp"),
        ("ip-permission.from-port", "IpPermissions.FromPort"),
        ("ip-permission.group-id", "IpPermissions.UserIdGroupPairs.GroupId"),
        ("ip-permission.prefix-list-id", "IpPermissions.PrefixListIds.PrefixListId"),
        ("ip-permission.protocol", "IpPermissions.IpProtocol"),
        ("ip-permission.to-port", "IpPermissions.ToPort"),
        ("owner-id", "OwnerId"),
        ("vpc-id", "VpcId"),
    ],
};

fn endpoint_meta<'w>(world: &'w World, id: &str) -> Option<&'w Meta> {
    world.vpc_endpoints.get(id).map(|it| &it.meta)
}

fn service_meta<'w>(world: &'w World, id: &str) -> Option<&'w Meta> {
    world.vpc_endpoint_services.get(id).map(|it| &it.meta)
}

fn is_own(meta: &Meta, asker: &Asker) -> bool {
    (&meta.account, &meta.region) == (&asker.account, &asker.region)
}

/// The rows of objects that are the asker's, in the Region that it asks.
fn own(
    world: &World,
    asker: &Asker,
    rows: Vec<Value>,
    key: &str,
    meta: for<'w> fn(&'w World, &str) -> Option<&'w Meta>,
) -> Vec<Value> {
    let is_own = |row: &Value| meta(world, row[key].as_str().unwrap_or_default()).is_some_and(|it| is_own(it, asker));
    rows.into_iter().filter(is_own).collect()
}

/// AWS's lists of the Region and the asker's own.
fn prefix_lists(world: &World, asker: &Asker) -> Vec<Value> {
    let in_region =
        |row: &Value| row["PrefixListArn"].as_str().and_then(|arn| arn.split(':').nth(3)) == Some(&asker.region);
    let visible = |row: &Value| row["OwnerId"] == "AWS" || row["OwnerId"] == asker.account.as_str();
    describe::prefix_lists(world).into_iter().filter(|row| in_region(row) && visible(row)).collect()
}

/// An allowed principal with its type.
pub fn allowed_principal(service_id: &str, principal: &str) -> Value {
    let resource = principal.rsplit(':').next().unwrap_or_default();
    let kind = match resource.split('/').next() {
        Some("*") => "All",
        Some("user") => "User",
        Some("role") => "Role",
        _ => "Account",
    };
    json!({ "PrincipalType": kind, "Principal": principal, "ServiceId": service_id })
}

fn only(row: &Value, members: &[&str]) -> Value {
    let kept = row.as_object().into_iter().flatten().filter(|(name, _)| members.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into()
}

fn without(row: Value, members: &[&str]) -> Value {
    let Value::Object(all) = row else { return row };
    all.into_iter().filter(|(name, _)| !members.contains(&name.as_str())).collect::<serde_json::Map<_, _>>().into()
}

/// The one row of a listing that has that key, as the asker sees it.
pub fn row(listing: &Listing, world: &World, asker: &Asker, id: &str) -> Result<Value, Failure> {
    let rows = (listing.rows)(world, asker, &Form::default())?;
    let found = rows.into_iter().find(|row| row[listing.key] == id);
    found.ok_or_else(|| refused(400, "InternalError", format!("'{id}' was deleted meanwhile")))
}
