//! Connection notifications: whom AWS tells that an endpoint connects, is accepted, rejected or deleted (B4).
//!
//! Kept and described. What happened and who is told of it is [`connection_notices`]'s; a lab has no SNS, so that topics are
//! names, and whether one lets AWS publish is said by whoever runs the lab (`World::disabled_topics`).

use super::world::Meta;
use super::*;

/// A notification of a service's or an endpoint's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionNotification {
    /// `vpce-nfn-…`.
    pub connection_notification_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// The service …
    pub service_id: Option<String>,
    /// … or the endpoint.
    pub vpc_endpoint_id: Option<String>,
    /// SNS topic.
    pub connection_notification_arn: String,
    /// What it is told.
    pub connection_events: Vec<ConnectionEvent>,
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum ConnectionEvent {
    Accept,
    Connect,
    Delete,
    Reject,
}

impl ConnectionEvent {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "Accept",
            Self::Connect => "Connect",
            Self::Delete => "Delete",
            Self::Reject => "Reject",
        }
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let all = [Self::Accept, Self::Connect, Self::Delete, Self::Reject];
        all.into_iter().find(|event| event.as_str() == text).ok_or_else(|| {
            Refusal::new("InvalidParameterValue", format!("The connection event '{text}' is not valid"))
                .help("Accept, Connect, Delete or Reject")
        })
    }
}

impl World {
    pub(super) fn create_connection_notification(
        &mut self,
        request: &Request,
        members: &CreateConnectionNotification,
    ) -> Result<ObjectId, Refusal> {
        match (&members.service_id, &members.vpc_endpoint_id) {
            (Some(id), None) => self.own_service(id, request).map(|_| ())?,
            (None, Some(id)) => self.own_vpc_endpoint(id, request).map(|_| ())?,
            _ => {
                return Err(Refusal::new(
                    "InvalidParameterCombination",
                    "Exactly one of ServiceId and VpcEndpointId must be specified",
                ));
            }
        }
        check_topic(&members.connection_notification_arn)?;
        let connection_events = events(&members.connection_events)?;
        let same = |it: &&ConnectionNotification| {
            (&it.service_id, &it.vpc_endpoint_id) == (&members.service_id, &members.vpc_endpoint_id)
                && it.connection_events.iter().any(|event| connection_events.contains(event))
        };
        if let Some(other) = self.connection_notifications.values().find(same) {
            return Err(Refusal::new(
                "InvalidParameter",
                format!("{} is told of one of these events already", other.connection_notification_id),
            ));
        }
        let id = id::for_request(request, "vpce-nfn", |id| {
            self.connection_notifications.contains_key(id) || self.retired_ids.contains(id)
        });
        let notification = ConnectionNotification {
            connection_notification_id: id.clone(),
            meta: request.meta(),
            service_id: members.service_id.clone(),
            vpc_endpoint_id: members.vpc_endpoint_id.clone(),
            connection_notification_arn: members.connection_notification_arn.clone(),
            connection_events,
        };
        self.connection_notifications.insert(id.clone(), notification);
        Ok(id)
    }

    pub(super) fn modify_connection_notification(
        &mut self,
        request: &Request,
        id: &str,
        arn: Option<&str>,
        connection_events: &[String],
    ) -> Result<ObjectId, Refusal> {
        self.own_connection_notification(id, request)?;
        arn.map_or(Ok(()), check_topic)?;
        let wanted = if connection_events.is_empty() { None } else { Some(events(connection_events)?) };
        let notification = self.connection_notifications.get_mut(id).expect("it was found above");
        if let Some(arn) = arn {
            notification.connection_notification_arn = arn.to_owned();
        }
        if let Some(wanted) = wanted {
            notification.connection_events = wanted;
        }
        Ok(id.to_owned())
    }

    pub(super) fn delete_connection_notifications(
        &mut self,
        request: &Request,
        ids: &[String],
    ) -> Result<ObjectId, Refusal> {
        for id in ids {
            self.own_connection_notification(id, request)?;
        }
        for id in ids {
            self.connection_notifications.remove(id);
            self.retired_ids.insert(id.clone());
        }
        Ok(ids.join(","))
    }
}

fn events(texts: &[String]) -> Result<Vec<ConnectionEvent>, Refusal> {
    let mut events = texts.iter().map(|text| ConnectionEvent::parse(text)).collect::<Result<Vec<_>, _>>()?;
    events.sort_unstable();
    events.dedup();
    if events.is_empty() {
        return Err(Refusal::new("MissingParameter", "The request must contain the parameter ConnectionEvents"));
    }
    Ok(events)
}

/// `arn:PARTITION:sns:REGION:ACCOUNT:NAME`.
fn check_topic(arn: &str) -> Result<(), Refusal> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", _, "sns", region, account, name]
            if region::is_region(region) && account.len() == 12 && is_topic_name(name) =>
        {
            Ok(())
        }
        _ => Err(Refusal::new("InvalidParameter", format!("The connection notification ARN '{arn}' is not valid"))
            .help("the ARN of an SNS topic")),
    }
}

/// Letters, digits, dashes and underscores, at most 256: a file can have it
/// (<https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html>).
pub fn is_topic_name(name: &str) -> bool {
    (1..=256).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
