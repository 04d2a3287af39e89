//! Flow logs. A lab writes files: destinations and roles are names only, so they need not be emulated.

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::{Change, CreateFlowLogs};

pub(super) fn flow_log(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    properties.known("DeliverLogsPermissionArn");
    properties.known("DeliverCrossAccountRole");
    let resource_type = properties.required_text("ResourceType");
    if matches!(resource_type.as_str(), "TransitGateway" | "TransitGatewayAttachment" | "RegionalNatGateway") {
        properties.unemulated(format!("flow logs of a {resource_type} are not emulated"));
    }
    let change = Change::CreateFlowLogs(CreateFlowLogs {
        resource_id: properties.required_text("ResourceId"),
        resource_type,
        traffic_type: properties.text("TrafficType"),
        log_format: properties.text("LogFormat"),
        max_aggregation_interval: properties.integer("MaxAggregationInterval"),
        log_destination_type: properties.text("LogDestinationType"),
        log_destination: properties.label("LogDestination"),
        log_group_name: properties.label("LogGroupName"),
    });
    maker.make(properties, tags, change)
}
