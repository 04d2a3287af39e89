//! The operations: their parameters, whom they touch, and what they do.

use super::act::{self, Plan};
use super::form::{Form, shown};
use super::listings::{self, Listing};
use super::refused;
use crate::services::failure::Failure;

/// An operation of the API.
pub struct Operation {
    /// AWS's name.
    pub name: &'static str,
    /// Parameters, without numbers and members, beside those of all operations.
    parameters: &'static [&'static str],
    /// Parameters that AWS has and vpclab does not emulate.
    not_emulated: &'static [&'static str],
    /// Parameters that name objects, and the objects' kinds in ARNs: what policies are asked about.
    pub resources: &'static [(&'static str, &'static str)],
    /// What it does.
    pub does: Does,
}

/// What an operation does.
pub enum Does {
    /// Says what there is.
    List(Listing),
    /// Changes the world.
    Act(fn(&Form) -> Result<Plan, Failure>),
}

/// Of every operation.
const COMMON: &[&str] = &["Action", "Version", "DryRun"];
const VERSION: &str = "2016-11-15";

const fn list(parameters: &'static [&'static str], listing: Listing) -> Operation {
    Operation { name: listing.name, parameters, not_emulated: &[], resources: &[], does: Does::List(listing) }
}

const fn act(
    name: &'static str,
    parameters: &'static [&'static str],
    resources: &'static [(&'static str, &'static str)],
    plan: fn(&Form) -> Result<Plan, Failure>,
) -> Operation {
    Operation { name, parameters, not_emulated: &[], resources, does: Does::Act(plan) }
}

const ENDPOINT: &str = "vpc-endpoint";
const SERVICE: &str = "vpc-endpoint-service";

#[rustfmt::skip]
static OPERATIONS: &[Operation] = &[
    Operation {
        not_emulated: &["SubnetConfiguration", "ServiceNetworkArn", "ResourceConfigurationArn", "ServiceRegion"],
        ..act(
            "CreateVpcEndpoint",
            &["VpcEndpointType", "VpcId", "ServiceName", "PolicyDocument", "RouteTableId", "SubnetId", "SecurityGroupId",
              "IpAddressType", "DnsOptions", "ClientToken", "PrivateDnsEnabled", "TagSpecification"],
            &[("VpcId", "vpc"), ("SubnetId", "subnet"), ("SecurityGroupId", "security-group"), ("RouteTableId", "route-table")],
            act::create_endpoint,
        )
    },
    list(&["VpcEndpointId", "Filter", "MaxResults", "NextToken"], listings::VPC_ENDPOINTS),
    Operation {
        not_emulated: &["SubnetConfiguration"],
        ..act(
            "ModifyVpcEndpoint",
            &["VpcEndpointId", "ResetPolicy", "PolicyDocument", "AddRouteTableId", "RemoveRouteTableId", "AddSubnetId",
              "RemoveSubnetId", "AddSecurityGroupId", "RemoveSecurityGroupId", "IpAddressType", "DnsOptions", "PrivateDnsEnabled"],
            &[("VpcEndpointId", ENDPOINT)],
            act::modify_endpoint,
        )
    },
    act("DeleteVpcEndpoints", &["VpcEndpointId"], &[("VpcEndpointId", ENDPOINT)], act::delete_endpoints),
    Operation {
        not_emulated: &["ServiceRegion"],
        ..list(&["ServiceName", "Filter", "MaxResults", "NextToken"], listings::SERVICES)
    },
    Operation {
        not_emulated: &["GatewayLoadBalancerArn", "SupportedRegion"],
        ..act(
            "CreateVpcEndpointServiceConfiguration",
            &["AcceptanceRequired", "PrivateDnsName", "NetworkLoadBalancerArn", "SupportedIpAddressType", "ClientToken",
              "TagSpecification"],
            &[],
            act::create_service,
        )
    },
    list(&["ServiceId", "Filter", "MaxResults", "NextToken"], listings::SERVICE_CONFIGURATIONS),
    Operation {
        not_emulated: &["AddGatewayLoadBalancerArn", "RemoveGatewayLoadBalancerArn", "AddSupportedRegion", "RemoveSupportedRegion",
                        "AddSupportedIpAddressType", "RemoveSupportedIpAddressType"],
        ..act(
            "ModifyVpcEndpointServiceConfiguration",
            &["ServiceId", "PrivateDnsName", "RemovePrivateDnsName", "AcceptanceRequired", "AddNetworkLoadBalancerArn",
              "RemoveNetworkLoadBalancerArn"],
            &[("ServiceId", SERVICE)],
            act::modify_service,
        )
    },
    act("DeleteVpcEndpointServiceConfigurations", &["ServiceId"], &[("ServiceId", SERVICE)], act::delete_services),
    act(
        "ModifyVpcEndpointServicePermissions",
        &["ServiceId", "AddAllowedPrincipals", "RemoveAllowedPrincipals"],
        &[("ServiceId", SERVICE)],
        act::modify_permissions,
    ),
    list(&["ServiceId", "Filter", "MaxResults", "NextToken"], listings::SERVICE_PERMISSIONS),
    list(&["Filter", "MaxResults", "NextToken"], listings::CONNECTIONS),
    act("AcceptVpcEndpointConnections", &["ServiceId", "VpcEndpointId"], &[("ServiceId", SERVICE)], act::accept),
    act("RejectVpcEndpointConnections", &["ServiceId", "VpcEndpointId"], &[("ServiceId", SERVICE)], act::reject),
    act(
        "CreateVpcEndpointConnectionNotification",
        &["ServiceId", "VpcEndpointId", "ConnectionNotificationArn", "ConnectionEvents", "ClientToken"],
        &[("ServiceId", SERVICE), ("VpcEndpointId", ENDPOINT)],
        act::create_notification,
    ),
    list(&["ConnectionNotificationId", "Filter", "MaxResults", "NextToken"], listings::NOTIFICATIONS),
    act(
        "ModifyVpcEndpointConnectionNotification",
        &["ConnectionNotificationId", "ConnectionNotificationArn", "ConnectionEvents"],
        &[],
        act::modify_notification,
    ),
    act("DeleteVpcEndpointConnectionNotifications", &["ConnectionNotificationId"], &[], act::delete_notifications),
    act("StartVpcEndpointServicePrivateDnsVerification", &["ServiceId"], &[("ServiceId", SERVICE)], act::verify),
    list(&["PrefixListId", "Filter", "MaxResults", "NextToken"], listings::PREFIX_LISTS),
    list(&["PrefixListId", "Filter", "MaxResults", "NextToken"], listings::MANAGED_PREFIX_LISTS),
    list(&["NetworkInterfaceId", "IncludeManagedResources", "Filter", "MaxResults", "NextToken"], listings::NETWORK_INTERFACES),
    list(&["VpcId", "Filter", "MaxResults", "NextToken"], listings::VPCS),
    list(&["SubnetId", "Filter", "MaxResults", "NextToken"], listings::SUBNETS),
    Operation {
        not_emulated: &["ZoneId"],
        // Zones that an account has to opt in to are not there, with or without asking for all.
        ..list(&["ZoneName", "AllAvailabilityZones", "Filter"], listings::AVAILABILITY_ZONES)
    },
    list(&["RouteTableId", "Filter", "MaxResults", "NextToken"], listings::ROUTE_TABLES),
    Operation {
        not_emulated: &["GroupName"],
        ..list(&["GroupId", "Filter", "MaxResults", "NextToken"], listings::SECURITY_GROUPS)
    },
];

/// The operation that a form asks for, with no other parameters than its own.
///
/// # Errors
/// There is none of that name, version or parameters.
pub fn called(form: &Form) -> Result<&'static Operation, Failure> {
    let name = form.need("Action")?;
    let Some(operation) = OPERATIONS.iter().find(|operation| operation.name == name) else {
        let message = format!(
            "The action {} is not valid for this web service: vpclab's EC2 API does not have it.",
            shown(&name)
        );
        return Err(refused(400, "InvalidAction", message));
    };
    if let Some(version) = form.text("Version").filter(|version| *version != VERSION) {
        let message = format!("The requested version ({}) of service AmazonEC2 does not exist", shown(version));
        return Err(refused(400, "NoSuchVersion", message));
    }
    for parameter in form.names() {
        if operation.not_emulated.contains(&parameter) {
            let message = format!("vpclab does not emulate the parameter {parameter} of {name}");
            return Err(refused(400, "UnsupportedOperation", message));
        }
        if !operation.parameters.contains(&parameter) && !COMMON.contains(&parameter) {
            let message = format!("The parameter {} is not recognized", shown(parameter));
            return Err(refused(400, "UnknownParameter", message));
        }
    }
    Ok(operation)
}
