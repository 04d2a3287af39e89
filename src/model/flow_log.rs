//! `AWS::EC2::FlowLog`: which packets are written down, and in which form (B8).
//!
//! Not done: flow logs of transit gateways, tags in records, cross-account delivery.

use super::world::Meta;
use super::*;

/// A flow log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowLog {
    /// `fl-…`.
    pub flow_log_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// VPC, subnet or network interface.
    pub resource_id: String,
    /// Which of them.
    pub resource_type: FlowLogResourceType,
    /// Which packets.
    pub traffic_type: TrafficType,
    /// Fields as written, `${version} ${account-id} …`; `None` for the default, version 2.
    pub log_format: Option<String>,
    /// Seconds after which a flow's record is written at the latest: 60 or 600.
    pub max_aggregation_interval: u32,
    /// `cloud-watch-logs`, `s3` or `kinesis-data-firehose`; a lab writes a file for each.
    pub log_destination_type: String,
    /// ARN of the destination.
    pub log_destination: Option<String>,
    /// CloudWatch Logs: the group's name.
    pub log_group_name: Option<String>,
}

/// AWS's `ResourceType` of a flow log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum FlowLogResourceType {
    Vpc,
    Subnet,
    NetworkInterface,
}

/// AWS's `TrafficType` of a flow log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum TrafficType {
    Accept,
    Reject,
    All,
}

/// What a record has when no format is given: version 2 (B8.1).
pub const DEFAULT_LOG_FORMAT: &str = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}";

/// A lab's own tag: records last so many seconds at most, where 60 would be long to wait for.
pub const AGGREGATION_TAG: &str = "vpclab:AggregationSeconds";

/// A lab's own tag: the file to write to, one that outlives the lab; relative to the folder in which the lab was started.
pub const LOG_FILE_TAG: &str = "vpclab:LogFile";

/// The fields that a custom format may name, by the version that brought them.
///
/// <https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html>
pub const FLOW_LOG_FIELDS: [(u8, &str); 9] = [
    (
        2,
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status",
    ),
    (3, "vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr"),
    (4, "region az-id sublocation-type sublocation-id"),
    (5, "pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path"),
    (
        7,
        "ecs-cluster-arn ecs-cluster-name ecs-container-instance-arn ecs-container-instance-id ecs-container-id ecs-second-container-id ecs-service-name ecs-task-definition-arn ecs-task-arn ecs-task-id",
    ),
    (8, "reject-reason"),
    (9, "resource-id"),
    (10, "encryption-status"),
    (
        11,
        "instance-tag instance-tag-2 interface-tag interface-tag-2 asg-tag asg-tag-2 interface-type next-hop-interface-id next-hop-subnet-id next-hop-az-id next-hop-vpc-id next-hop-interface-type",
    ),
];

/// The version that brought a field; `None` for a name that is no field.
fn version_of(field: &str) -> Option<u8> {
    let brought = FLOW_LOG_FIELDS.iter().find(|(_, fields)| fields.split(' ').any(|name| name == field));
    brought.map(|(version, _)| *version)
}

impl FlowLog {
    /// The names of the fields of a record, in their order.
    pub fn fields(&self) -> Vec<&str> {
        fields(self.log_format.as_deref().unwrap_or(DEFAULT_LOG_FORMAT)).flatten().collect()
    }

    /// Seconds that a record of an interface lasts at most. At instances, which are all Nitro's here, 60 whatever was asked
    /// (B8.1); a lab's own tag says otherwise for all.
    pub fn aggregation_seconds(&self, of_instance: bool) -> u32 {
        match self.meta.tags.get(AGGREGATION_TAG).and_then(|written| written.parse().ok()) {
            Some(seconds) => seconds,
            None if of_instance => self.max_aggregation_interval.min(60),
            None => self.max_aggregation_interval,
        }
    }

    /// The file to write to, where the lab's own tag names one.
    pub fn log_file(&self) -> Option<&str> {
        self.meta.tags.get(LOG_FILE_TAG).map(String::as_str)
    }

    /// What its destination is called: the log group's name, or the ARN's resource: a bucket with its prefix, a log group, a
    /// stream.
    pub fn destination_name(&self) -> &str {
        // arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE
        let resource = |arn: &'_ str| -> usize { arn.match_indices(':').nth(4).map_or(0, |(at, _)| at + 1) };
        let of_arn = self.log_destination.as_deref().map(|arn| &arn[resource(arn)..]);
        let name = self.log_group_name.as_deref().or(of_arn).unwrap_or_default();
        let name = name.strip_prefix("log-group:").or_else(|| name.strip_prefix("deliverystream/")).unwrap_or(name);
        name.strip_suffix(":*").unwrap_or(name)
    }

    /// What the field `version` says: the highest version among the fields.
    pub fn version(&self) -> u8 {
        self.fields().into_iter().filter_map(version_of).max().unwrap_or(2)
    }
}

/// The names in a format; `None` for a piece that is no `${name}`.
fn fields(format: &str) -> impl Iterator<Item = Option<&str>> {
    format.split_ascii_whitespace().map(|piece| piece.strip_prefix("${")?.strip_suffix('}'))
}

impl World {
    pub(super) fn create_flow_logs(
        &mut self,
        request: &Request,
        members: &CreateFlowLogs,
    ) -> Result<ObjectId, Refusal> {
        let resource_type = self.checked_flow_log_resource(request, members)?;
        let flow_log_id = id::for_request(request, "fl", |id| self.flow_logs.contains_key(id));
        check_tags(request)?;
        let log_destination_type = members.log_destination_type.as_deref().unwrap_or("cloud-watch-logs");
        members.check_destination(log_destination_type)?;
        if let Some(format) = &members.log_format {
            check_format(format)?;
        }
        let flow_log = FlowLog {
            flow_log_id: flow_log_id.clone(),
            meta: request.meta(),
            resource_id: members.resource_id.clone(),
            resource_type,
            traffic_type: members.checked_traffic_type()?,
            log_format: members.log_format.clone(),
            max_aggregation_interval: members.checked_interval()?,
            log_destination_type: log_destination_type.to_owned(),
            log_destination: members.log_destination.clone(),
            log_group_name: members.log_group_name.clone(),
        };
        if self.flow_logs.values().any(|other| other.is_same_as(&flow_log)) {
            return Err(Refusal::new(
                "FlowLogAlreadyExists",
                format!(
                    "Error. There is an existing Flow Log with the same configuration and log destination for {}.",
                    members.resource_id
                ),
            ));
        }
        self.flow_logs.insert(flow_log_id.clone(), flow_log);
        Ok(flow_log_id)
    }

    fn checked_flow_log_resource(
        &self,
        request: &Request,
        members: &CreateFlowLogs,
    ) -> Result<FlowLogResourceType, Refusal> {
        let id = &members.resource_id;
        match members.resource_type.as_str() {
            "VPC" => self.own_vpc(id, request).map(|_| FlowLogResourceType::Vpc),
            "Subnet" => self.own_subnet(id, request).map(|_| FlowLogResourceType::Subnet),
            // One's own, AWS's among them: an endpoint's interface can be logged.
            "NetworkInterface" => {
                self.own_network_interface(id, request).map(|_| FlowLogResourceType::NetworkInterface)
            }
            other => {
                Err(Refusal::new("InvalidParameter", format!("Value ({other}) for parameter resourceType is invalid."))
                    .help("VPC, Subnet and NetworkInterface are emulated"))
            }
        }
    }
}

impl FlowLog {
    /// The same packets in the same form to the same place, which AWS takes once.
    fn is_same_as(&self, other: &Self) -> bool {
        let says = |log: &Self| {
            (
                log.resource_id.clone(),
                log.traffic_type,
                log.log_destination_type.clone(),
                log.log_destination.clone(),
                log.log_group_name.clone(),
            )
        };
        says(self) == says(other)
    }
}

impl CreateFlowLogs {
    fn check_destination(&self, log_destination_type: &str) -> Result<(), Refusal> {
        let missing = |message: &str| Err(Refusal::new("MissingParameter", message));
        match log_destination_type {
            "cloud-watch-logs" if self.log_group_name.is_some() && self.log_destination.is_some() => Err(Refusal::new(
                "InvalidParameter",
                "Please only provide LogGroupName or only provide LogDestination.",
            )),
            "cloud-watch-logs" if self.log_group_name.is_none() && self.log_destination.is_none() => {
                missing("LogGroupName can't be empty if LogDestinationType is cloud-watch-logs.")
            }
            "s3" | "kinesis-data-firehose" if self.log_destination.is_none() => missing(&format!(
                "LogDestination can't be empty if LogDestinationType is not cloud-watch-logs: {log_destination_type}."
            )),
            "s3" | "kinesis-data-firehose" if self.log_group_name.is_some() => Err(Refusal::new(
                "InvalidParameter",
                format!("LogDestinationType {log_destination_type} takes LogDestination, not LogGroupName."),
            )),
            "cloud-watch-logs" | "s3" | "kinesis-data-firehose" => Ok(()),
            other => Err(Refusal::new(
                "InvalidParameter",
                format!("Value ({other}) for parameter logDestinationType is invalid."),
            )
            .help("write cloud-watch-logs, s3 or kinesis-data-firehose")),
        }
    }

    fn checked_traffic_type(&self) -> Result<TrafficType, Refusal> {
        match self.traffic_type.as_deref() {
            Some("ACCEPT") => Ok(TrafficType::Accept),
            Some("REJECT") => Ok(TrafficType::Reject),
            Some("ALL") => Ok(TrafficType::All),
            Some(other) => {
                Err(Refusal::new("InvalidParameter", format!("Value ({other}) for parameter trafficType is invalid."))
                    .help("write ACCEPT, REJECT or ALL"))
            }
            None => Err(Refusal::new("MissingParameter", "The request must contain the parameter trafficType")
                .help("write TrafficType: ALL, ACCEPT or REJECT")),
        }
    }

    fn checked_interval(&self) -> Result<u32, Refusal> {
        match self.max_aggregation_interval {
            None => Ok(600),
            Some(seconds @ (60 | 600)) => Ok(seconds),
            Some(other) => {
                Err(Refusal::new("InvalidParameter", format!("Invalid Flow Log Max Aggregation Interval: {other}"))
                    .help("write 60 or 600"))
            }
        }
    }
}

/// What a lab's own tags may say. A file is appended to, so that a template can't make lines of a log stand in just any file.
fn check_tags(request: &Request) -> Result<(), Refusal> {
    let refuse = |message: String| Err(Refusal::new("InvalidParameterValue", message));
    if let Some(written) = request.tags.get(AGGREGATION_TAG)
        && !written.parse::<u32>().is_ok_and(|seconds| (1..=600).contains(&seconds))
    {
        return refuse(format!("The tag {AGGREGATION_TAG} is '{written}', which is not between 1 and 600 seconds"));
    }
    match request.tags.get(LOG_FILE_TAG) {
        Some(written) if !written.ends_with(".log") => {
            refuse(format!("The tag {LOG_FILE_TAG} is '{written}', which does not end in .log"))
        }
        _ => Ok(()),
    }
}

fn check_format(format: &str) -> Result<(), Refusal> {
    let refuse = |message: String| Err(Refusal::new("InvalidParameter", message));
    let mut any = false;
    for (piece, field) in format.split_ascii_whitespace().zip(fields(format)) {
        any = true;
        match field {
            Some(field) if version_of(field).is_some() => {}
            Some(field) => return refuse(format!("Unknown fields provided: {field}")),
            None => return refuse(format!("Invalid Log Format: {piece} is not of the form ${{field}}")),
        }
    }
    match any {
        true => Ok(()),
        false => refuse("Invalid Log Format: it names no field".to_owned()),
    }
}
