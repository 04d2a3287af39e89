//! Route 53 Resolver: inbound endpoints. Outbound ones and their rules are listed as ignored.

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::{Change, CreateResolverEndpoint};

pub(super) fn endpoint(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let direction = properties.required_text("Direction");
    if matches!(direction.as_str(), "OUTBOUND" | "INBOUND_DELEGATION") {
        properties.unemulated(format!("resolver endpoints of direction {direction} are not emulated"));
    }
    if properties.text("ResolverEndpointType").is_some_and(|kind| kind != "IPV4") {
        properties.ignored("ResolverEndpointType", "IPv6 addresses");
    }
    if properties.texts("Protocols").iter().any(|protocol| protocol != "Do53") {
        properties.ignored("Protocols", "DNS over HTTPS");
    }
    if !properties.has("IpAddresses") {
        properties.required_text("IpAddresses");
    }
    let create = CreateResolverEndpoint {
        direction,
        ip_addresses: properties.objects("IpAddresses", |entry| (entry.required_text("SubnetId"), entry.address("Ip"))),
        security_group_ids: properties.required_texts("SecurityGroupIds"),
        name: properties.text("Name"),
    };
    maker.make(properties, tags, Change::CreateResolverEndpoint(create))
}
