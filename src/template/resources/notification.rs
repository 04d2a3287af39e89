//! Connection notifications, and SNS topics, which are names for them: a lab has no SNS.

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::{Change, CreateConnectionNotification, is_topic_name, region};

pub(super) fn notification(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let change = Change::CreateVpcEndpointConnectionNotification(CreateConnectionNotification {
        service_id: properties.text("ServiceId"),
        vpc_endpoint_id: properties.text("VPCEndpointId"),
        connection_notification_arn: properties.required_text("ConnectionNotificationArn"),
        connection_events: properties.required_texts("ConnectionEvents"),
    });
    let made = maker.make(properties, Default::default(), change)?;
    let id = made.reference.clone();
    Ok(Made { attributes: [("VPCEndpointConnectionNotificationId", id)].into(), ..made })
}

/// A topic has an ARN. That its `Subscription` is ignored is said; a `lab.yaml` has webhooks.
pub(super) fn topic(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    properties.tags();
    if properties.boolean("FifoTopic") == Some(true) {
        properties.unemulated("FIFO topics take no connection notifications");
    }
    for known in ["DisplayName", "KmsMasterKeyId", "SignatureVersion", "TracingConfig", "DataProtectionPolicy"] {
        properties.known(known);
    }
    properties.known("DeliveryStatusLogging");
    let written = properties.text("TopicName");
    let name = written.unwrap_or_else(|| format!("{}-{}", maker.stack.name, maker.resource.logical_id.text));
    if !is_topic_name(&name) {
        let message = format!("`{name}` is not a topic's name");
        properties.error("TopicName", message, Some("up to 256 letters, digits, `-` and `_`"));
    }
    maker.finish(properties)?;
    let (account, region) = (&maker.stack.account, &maker.stack.region);
    let arn = format!("arn:{}:sns:{region}:{account}:{name}", region::partition(region));
    Ok(Made { reference: arn.clone(), object: None, attributes: [("TopicArn", arn), ("TopicName", name)].into() })
}
