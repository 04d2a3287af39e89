//! What connection notifications tell: the events that lie between two worlds (B4).
//!
//! An endpoint that is new to a service has connected; one that may carry packets after it waited or was kept out was accepted;
//! one that is kept out was rejected; one that is gone was deleted. Nobody keeps a list of what happened: whoever puts a world
//! in the place of another asks for the difference, so that templates, `apply` and the EC2 API are told of alike.
//!
//! A connection of a service that wants no acceptance is told as `Connect` alone: nobody accepted it.

use super::*;

/// One event, for one notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionNotice {
    /// What happened …
    pub event: ConnectionEvent,
    /// … told by whom …
    pub connection_notification_id: String,
    /// … at which SNS topic.
    pub topic_arn: String,
    /// The service, where it is one of the lab's or of AWS's.
    pub service_id: Option<String>,
    /// Its name.
    pub service_name: String,
    /// The endpoint …
    pub vpc_endpoint_id: String,
    /// … its owner's account …
    pub vpc_endpoint_owner: String,
    /// … its Region …
    pub vpc_endpoint_region: String,
    /// … and its state afterwards.
    pub vpc_endpoint_state: VpcEndpointState,
}

impl ConnectionNotice {
    /// The topic's name: the last part of its ARN.
    pub fn topic(&self) -> &str {
        topic_name(&self.topic_arn)
    }
}

/// The last part of a topic's ARN.
pub(super) fn topic_name(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

/// What happened between two worlds, for each notification that is to be told of it, endpoint by endpoint.
pub fn connection_notices(before: &World, after: &World) -> Vec<ConnectionNotice> {
    let gone = before.vpc_endpoints.values().filter_map(|was| {
        let still = after.vpc_endpoints.get(&was.vpc_endpoint_id);
        let deleted = still.is_none_or(|is| is.service_name != was.service_name);
        deleted.then_some((ConnectionEvent::Delete, was))
    });
    let there = after.vpc_endpoints.values().filter_map(|is| {
        let was = before.vpc_endpoints.get(&is.vpc_endpoint_id).filter(|was| was.service_name == is.service_name);
        Some((event(was.map(|was| was.state), is.state)?, is))
    });
    let events: Vec<(ConnectionEvent, &VpcEndpoint)> = gone.chain(there).collect();
    events.into_iter().flat_map(|(event, endpoint)| told(before, after, event, endpoint)).collect()
}

fn event(was: Option<VpcEndpointState>, is: VpcEndpointState) -> Option<ConnectionEvent> {
    use VpcEndpointState::{Available, Pending, PendingAcceptance, Rejected};
    match (was, is) {
        (None, _) => Some(ConnectionEvent::Connect),
        (Some(PendingAcceptance | Rejected), Available | Pending) => Some(ConnectionEvent::Accept),
        (Some(was), Rejected) if was != Rejected => Some(ConnectionEvent::Reject),
        _ => None,
    }
}

fn told(before: &World, after: &World, event: ConnectionEvent, endpoint: &VpcEndpoint) -> Vec<ConnectionNotice> {
    if endpoint.vpc_endpoint_type != VpcEndpointType::Interface {
        return Vec::new();
    }
    // A notification goes with its endpoint, and is still told that it went.
    let world = if event == ConnectionEvent::Delete { before } else { after };
    let of_lab = world.vpc_endpoint_services.values().find(|service| service.service_name == endpoint.service_name);
    let service_id = match of_lab {
        Some(service) => Some(service.service_id.clone()),
        None => describe::aws_service_id(endpoint),
    };
    let is_told = |notification: &&ConnectionNotification| {
        let about = notification.vpc_endpoint_id.as_ref() == Some(&endpoint.vpc_endpoint_id)
            || notification.service_id.is_some() && notification.service_id == service_id;
        about && notification.connection_events.contains(&event) && after.publishes(notification)
    };
    let mut vpc_endpoint_state = endpoint.state;
    if event == ConnectionEvent::Delete {
        vpc_endpoint_state = VpcEndpointState::Deleted;
    }
    let notice = |notification: &ConnectionNotification| ConnectionNotice {
        event,
        connection_notification_id: notification.connection_notification_id.clone(),
        topic_arn: notification.connection_notification_arn.clone(),
        service_id: service_id.clone(),
        service_name: endpoint.service_name.clone(),
        vpc_endpoint_id: endpoint.vpc_endpoint_id.clone(),
        vpc_endpoint_owner: endpoint.meta.account.clone(),
        vpc_endpoint_region: endpoint.meta.region.clone(),
        vpc_endpoint_state,
    };
    world.connection_notifications.values().filter(is_told).map(notice).collect()
}

impl World {
    /// Whether a notification's topic takes what is published: its state is `Enabled`.
    pub fn publishes(&self, notification: &ConnectionNotification) -> bool {
        !self.disabled_topics.contains(topic_name(&notification.connection_notification_arn))
    }
}
