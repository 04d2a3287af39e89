//! `Custom::AWS`: what a stack asks of AWS's API through a CDK's AwsCustomResource, where the lab has the operation.
//!
//! CloudFormation has no property for the private DNS name of an endpoint service; CDK's VpcEndpointServiceDomainName names it,
//! asks for the proof and starts the verification by three of these. All other calls are listed as ignored.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::{Change, ModifyVpcEndpointServiceConfiguration, ServicePrivateDns};

pub(super) fn aws(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    // The function that would make the call, and the calls of other times.
    for name in ["ServiceToken", "Update", "Delete", "InstallLatestAwsSdk"] {
        properties.known(name);
    }
    let call = properties.json("Create").unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (service, action, parameters) = (text(&call["service"]), text(&call["action"]), &call["parameters"]);
    let (service_id, mut reference) = (text(&parameters["ServiceId"]), text(&call["physicalResourceId"]["id"]));
    if reference.is_empty() {
        reference.clone_from(&maker.resource.logical_id.text);
    }
    let is_ec2 = matches!(service.as_str(), "EC2" | "ec2" | "@aws-sdk/client-ec2");
    let change = match action.as_str() {
        "modifyVpcEndpointServiceConfiguration" if is_ec2 && parameters["PrivateDnsName"].is_string() => {
            Some(Change::ModifyVpcEndpointServiceConfiguration(ModifyVpcEndpointServiceConfiguration {
                service_id,
                private_dns_name: Some(text(&parameters["PrivateDnsName"])),
                ..Default::default()
            }))
        }
        "startVpcEndpointServicePrivateDnsVerification" if is_ec2 => {
            Some(Change::StartVpcEndpointServicePrivateDnsVerification { service_id })
        }
        "describeVpcEndpointServiceConfigurations" if is_ec2 => None,
        _ => {
            properties.unemulated(format!("calls of {action} of {service} are not emulated"));
            None
        }
    };
    maker.finish(properties)?;
    if let Some(change) = change {
        maker.apply(BTreeMap::new(), change)?;
        return Ok(Made { reference, ..Made::default() });
    }
    let services = &maker.site.world.vpc_endpoint_services;
    let described = services.get(parameters["ServiceIds"][0].as_str().unwrap_or_default());
    let own = described.filter(|service| service.meta.account == maker.stack.account);
    let proof = own.and_then(|service| service.private_dns.as_ref()).map(attributes).unwrap_or_default();
    Ok(Made { reference, attributes: proof, object: None })
}

/// The fields of the answer that CDK's construct reads.
fn attributes(private_dns: &ServicePrivateDns) -> BTreeMap<&'static str, String> {
    [
        ("ServiceConfigurations.0.PrivateDnsNameConfiguration.Name", private_dns.record_name.clone()),
        ("ServiceConfigurations.0.PrivateDnsNameConfiguration.Value", private_dns.record_value.clone()),
    ]
    .into()
}
