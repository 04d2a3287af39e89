//! VPC endpoints, and endpoint services with their permissions.

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::{Change, CreateVpcEndpoint, PRIVATE_DNS_NAME_TAG};
use crate::policy;

pub(super) fn endpoint(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let vpc_endpoint_type = properties.text("VpcEndpointType");
    match vpc_endpoint_type.as_deref() {
        None | Some("Gateway" | "Interface") => {}
        Some(other @ ("GatewayLoadBalancer" | "Resource" | "ServiceNetwork")) => {
            properties.unemulated(format!("endpoints of type {other} are not emulated"));
        }
        Some(other) => {
            let message = format!("`{other}` is not a type of an endpoint");
            properties.error("VpcEndpointType", message, Some("write Gateway or Interface"));
        }
    }
    for unemulated in ["ResourceConfigurationArn", "ServiceNetworkArn"] {
        if properties.has(unemulated) {
            properties.unemulated(format!("endpoints by {unemulated} are not emulated"));
        }
    }
    ip_address_type(&mut properties);
    let private_dns_only = properties
        .object("DnsOptions", |options| {
            if options.text("DnsRecordIpType").is_some_and(|kind| matches!(kind.as_str(), "ipv6" | "dualstack")) {
                options.ignored("DnsRecordIpType", "IPv6 records");
            }
            options.text("PrivateDnsOnlyForInboundResolverEndpoint")
        })
        .flatten();
    let private_dns_only = match private_dns_only.as_deref() {
        None | Some("NotSpecified") => None,
        // CloudFormation's words; the API has a boolean, which older templates carry.
        Some("OnlyInboundResolver" | "true") => Some(true),
        Some("AllResolvers" | "false") => Some(false),
        Some(other) => {
            let message = format!("`PrivateDnsOnlyForInboundResolverEndpoint` can't be `{other}`");
            properties.error("DnsOptions", message, Some("write AllResolvers or OnlyInboundResolver"));
            None
        }
    };
    let policy_document = properties.policy("PolicyDocument", policy::Kind::Endpoint);
    let change = Change::CreateVpcEndpoint(CreateVpcEndpoint {
        vpc_endpoint_type,
        vpc_id: properties.required_text("VpcId"),
        service_name: properties.decisive_text("ServiceName").unwrap_or_default(),
        policy_document,
        route_table_ids: properties.texts("RouteTableIds"),
        subnet_ids: properties.texts("SubnetIds"),
        security_group_ids: properties.texts("SecurityGroupIds"),
        private_dns_enabled: properties.boolean("PrivateDnsEnabled"),
        private_dns_only_for_inbound_resolver_endpoint: private_dns_only,
    });
    if !properties.has("ServiceName")
        && !properties.has("ResourceConfigurationArn")
        && !properties.has("ServiceNetworkArn")
    {
        properties.required_text("ServiceName");
    }
    maker.make(properties, tags, change)
}

/// IPv4 is what there is: anything else is said.
fn ip_address_type(properties: &mut Properties) {
    if properties.text("IpAddressType").is_some_and(|kind| kind != "ipv4") {
        properties.ignored("IpAddressType", "IPv6 addresses");
    }
}

pub(super) fn service(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let network_load_balancer_arns = properties.texts("NetworkLoadBalancerArns");
    if properties.has("GatewayLoadBalancerArns") {
        properties.unemulated("Gateway Load Balancers are not emulated");
    } else {
        properties.required_texts("NetworkLoadBalancerArns");
    }
    let change = Change::CreateVpcEndpointServiceConfiguration {
        network_load_balancer_arns,
        // Endpoints wait for the provider unless it says otherwise.
        acceptance_required: properties.boolean("AcceptanceRequired").unwrap_or(true),
        private_dns_name: tags.get(PRIVATE_DNS_NAME_TAG).cloned(),
    };
    maker.make(properties, tags, change)
}

pub(super) fn permissions(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let service_id = properties.required_text("ServiceId");
    let change = Change::ModifyVpcEndpointServicePermissions {
        service_id: service_id.clone(),
        add_allowed_principals: properties.texts("AllowedPrincipals"),
        remove_allowed_principals: Vec::new(),
    };
    maker.finish(properties)?;
    maker.apply(Default::default(), change)?;
    Ok(Made { reference: service_id, ..Made::default() })
}
