//! The fields of a record, as a table: a name, and where its value comes from (B8.1).

use super::{Count, LoggedInterface, Observation, TrafficPath};
use crate::dataplane::filter::Side;

/// A field that a format may name.
pub struct Field {
    /// As formats write it, without `${}`.
    pub name: &'static str,
    value: fn(&Entry<'_>) -> Option<String>,
}

/// What a line tells of.
pub(super) struct Entry<'a> {
    pub interface: &'a LoggedInterface,
    /// Packets; `None` for NODATA and SKIPDATA.
    pub record: Option<Record<'a>>,
    pub status: &'static str,
    /// Unix seconds.
    pub start: u64,
    pub end: u64,
}

#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub observation: &'a Observation,
    pub count: &'a Count,
    /// The AWS services that the packet's addresses belong to.
    pub source_service: Option<&'static str>,
    pub destination_service: Option<&'static str>,
}

/// A format: which fields, in which order.
#[derive(Clone)]
pub struct Format {
    fields: Vec<Option<&'static Field>>,
    version: u8,
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.fields.iter().map(|field| field.map(|field| field.name))).finish()
    }
}

impl Format {
    /// Of field names, and the version that the field `version` says. A name that does not exist is written as `-`.
    pub fn of<'n>(version: u8, names: impl IntoIterator<Item = &'n str>) -> Self {
        let find = |name: &str| FIELDS.iter().find(|field| field.name == name);
        Self { fields: names.into_iter().map(find).collect(), version }
    }

    pub(super) fn line(&self, entry: &Entry<'_>) -> String {
        let mut line = String::with_capacity(self.fields.len() * 12);
        for field in &self.fields {
            if !line.is_empty() {
                line.push(' ');
            }
            let value = match field {
                Some(Field { name: "version", .. }) => Some(self.version.to_string()),
                Some(field) => (field.value)(entry),
                None => None,
            };
            line.push_str(value.as_deref().unwrap_or("-"));
        }
        line
    }
}

impl Field {
    /// All of them.
    pub fn all() -> &'static [Field] {
        FIELDS
    }
}

macro_rules! fields {
    ($($name:literal $value:expr;)*) => {
        &[$(Field { name: $name, value: $value }),*]
    };
}

fn nothing(_: &Entry<'_>) -> Option<String> {
    None
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

static FIELDS: &[Field] = fields! {
    // Version 2.
    // The format's own.
    "version" nothing;
    "account-id" |it| text(&it.interface.account_id);
    "interface-id" |it| text(&it.interface.interface_id);
    // On its own side of a record an interface always has its primary address, whatever the packet says.
    "srcaddr" |it| it.record.map(|record| match record.observation.side {
        Side::Egress => it.interface.primary.to_string(),
        Side::Ingress => record.observation.header.source.to_string(),
    });
    "dstaddr" |it| it.record.map(|record| match record.observation.side {
        Side::Ingress => it.interface.primary.to_string(),
        Side::Egress => record.observation.header.destination.to_string(),
    });
    "srcport" |it| it.record.map(|record| record.observation.header.source_port.to_string());
    "dstport" |it| it.record.map(|record| record.observation.header.destination_port.to_string());
    "protocol" |it| it.record.map(|record| record.observation.header.protocol.to_string());
    "packets" |it| it.record.map(|record| record.count.packets.to_string());
    "bytes" |it| it.record.map(|record| record.count.bytes.to_string());
    "start" |it| Some(it.start.to_string());
    "end" |it| Some(it.end.to_string());
    "action" |it| it.record.and_then(|record| text(if record.observation.accepted { "ACCEPT" } else { "REJECT" }));
    "log-status" |it| text(it.status);
    // Version 3.
    "vpc-id" |it| text(&it.interface.vpc_id);
    "subnet-id" |it| text(&it.interface.subnet_id);
    "instance-id" |it| it.interface.instance_id.clone();
    "tcp-flags" |it| it.record.map(|record| record.count.tcp_flags.to_string());
    "type" |it| it.record.and_then(|_| text("IPv4"));
    "pkt-srcaddr" |it| it.record.map(|record| record.observation.header.source.to_string());
    "pkt-dstaddr" |it| it.record.map(|record| record.observation.header.destination.to_string());
    // Version 4.
    "region" |it| text(&it.interface.region);
    "az-id" |it| text(&it.interface.az_id);
    // Wavelength, Outposts and Local Zones.
    "sublocation-type" nothing;
    "sublocation-id" nothing;
    // Version 5.
    "pkt-src-aws-service" |it| it.record?.source_service.and_then(text);
    "pkt-dst-aws-service" |it| it.record?.destination_service.and_then(text);
    "flow-direction" |it| it.record.and_then(|record| match record.observation.side {
        Side::Ingress => text("ingress"),
        Side::Egress => text("egress"),
    });
    "traffic-path" |it| match it.record?.observation.path {
        TrafficPath::None => None,
        path => Some((path as u8).to_string()),
    };
    // Version 7.
    "ecs-cluster-arn" nothing;
    "ecs-cluster-name" nothing;
    "ecs-container-instance-arn" nothing;
    "ecs-container-instance-id" nothing;
    "ecs-container-id" nothing;
    "ecs-second-container-id" nothing;
    "ecs-service-name" nothing;
    "ecs-task-definition-arn" nothing;
    "ecs-task-arn" nothing;
    "ecs-task-id" nothing;
    // Version 8.
    // BPA and EC: what security groups and network ACLs refuse has no reason here.
    "reject-reason" nothing;
    // Version 9.
    "resource-id" nothing;
    // Version 10.
    "encryption-status" nothing;
    // Version 11.
    "interface-type" |it| text(it.interface.interface_type);
    "next-hop-interface-id" nothing;
    "next-hop-interface-type" nothing;
    "next-hop-subnet-id" nothing;
    "next-hop-az-id" nothing;
    "next-hop-vpc-id" nothing;
    "instance-tag" nothing;
    "instance-tag-2" nothing;
    "interface-tag" nothing;
    "interface-tag-2" nothing;
    "asg-tag" nothing;
    "asg-tag-2" nothing;
};
