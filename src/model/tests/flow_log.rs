//! Flow logs (B8.1).

use super::*;

fn of_vpc(vpc_id: &str) -> CreateFlowLogs {
    CreateFlowLogs {
        resource_id: vpc_id.to_owned(),
        resource_type: "VPC".to_owned(),
        traffic_type: Some("ALL".to_owned()),
        log_group_name: Some("logs".to_owned()),
        ..Default::default()
    }
}

#[test]
fn a_flow_log_is_of_a_vpc_a_subnet_or_an_interface() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let subnet_id = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let instance_id = asker.instance(&subnet_id);
    let interface = asker.world.instances[&instance_id].network_interface_ids[0].clone();
    let id = asker.make(Change::CreateFlowLogs(of_vpc(&vpc_id)));
    let log = &asker.world.flow_logs[&id];
    assert!(id::is_well_formed("fl", &id));
    assert_eq!((log.max_aggregation_interval, log.log_destination_type.as_str()), (600, "cloud-watch-logs"));
    assert_eq!((log.fields().len(), log.version()), (14, 2));
    assert_eq!((log.fields()[0], log.fields()[13]), ("version", "log-status"));
    assert_eq!(asker.world.attribute(&id, "Id").unwrap(), id);
    let custom = CreateFlowLogs {
        resource_id: subnet_id,
        resource_type: "Subnet".to_owned(),
        log_format: Some("${srcaddr}  ${flow-direction} ${vpc-id}".to_owned()),
        max_aggregation_interval: Some(60),
        log_destination_type: Some("s3".to_owned()),
        log_destination: Some("arn:aws:s3:::logs".to_owned()),
        log_group_name: None,
        ..of_vpc("")
    };
    let id = asker.make(Change::CreateFlowLogs(custom));
    let log = &asker.world.flow_logs[&id];
    assert_eq!((log.fields(), log.version()), (vec!["srcaddr", "flow-direction", "vpc-id"], 5));
    let on_interface =
        CreateFlowLogs { resource_id: interface, resource_type: "NetworkInterface".to_owned(), ..of_vpc("") };
    asker.make(Change::CreateFlowLogs(on_interface));
    let described = describe(&asker.world);
    let shown = described["FlowLogs"].as_array().unwrap().iter().find(|log| log["ResourceId"] == vpc_id).unwrap();
    assert_eq!(shown["LogFormat"], DEFAULT_LOG_FORMAT);
    assert_eq!((&shown["FlowLogStatus"], &shown["TrafficType"]), (&"ACTIVE".into(), &"ALL".into()));
}

#[test]
fn flow_logs_that_are_refused() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    asker.make(Change::CreateFlowLogs(of_vpc(&vpc_id)));
    // Another group, or other traffic, is another flow log.
    asker.make(Change::CreateFlowLogs(CreateFlowLogs { log_group_name: Some("more".to_owned()), ..of_vpc(&vpc_id) }));
    asker.make(Change::CreateFlowLogs(CreateFlowLogs { traffic_type: Some("REJECT".to_owned()), ..of_vpc(&vpc_id) }));
    let other = || CreateFlowLogs { log_group_name: Some("other".to_owned()), ..of_vpc(&vpc_id) };
    let kind = |text: &str| CreateFlowLogs { resource_type: text.to_owned(), ..other() };
    let format = |text: &str| CreateFlowLogs { log_format: Some(text.to_owned()), ..other() };
    let to = |kind: &str, arn: Option<&str>, group: Option<&str>| CreateFlowLogs {
        log_destination_type: Some(kind.to_owned()),
        log_destination: arn.map(str::to_owned),
        log_group_name: group.map(str::to_owned),
        ..other()
    };
    let cases = [
        (
            of_vpc(&vpc_id),
            "FlowLogAlreadyExists: Error. There is an existing Flow Log with the same configuration and log destination",
        ),
        (of_vpc("vpc-00000000"), "InvalidVpcID.NotFound"),
        (kind("Subnet"), "InvalidSubnetId.Malformed"),
        (kind("NetworkInterface"), "InvalidNetworkInterfaceId.Malformed"),
        (kind("TransitGateway"), "InvalidParameter: Value (TransitGateway) for parameter resourceType is invalid."),
        (
            CreateFlowLogs { traffic_type: Some("SOME".to_owned()), ..other() },
            "InvalidParameter: Value (SOME) for parameter trafficType is invalid.",
        ),
        (CreateFlowLogs { traffic_type: None, ..other() }, "MissingParameter: The request must contain the parameter"),
        (
            CreateFlowLogs { max_aggregation_interval: Some(61), ..other() },
            "InvalidParameter: Invalid Flow Log Max Aggregation Interval: 61",
        ),
        (format("${srcaddr} ${srcadr}"), "InvalidParameter: Unknown fields provided: srcadr"),
        (format("srcaddr dstaddr"), "InvalidParameter: Invalid Log Format: srcaddr is not of the form ${field}"),
        (format(" "), "InvalidParameter: Invalid Log Format: it names no field"),
        (to("s3", None, None), "MissingParameter: LogDestination can't be empty"),
        (to("s3", Some("arn:aws:s3:::x"), Some("group")), "InvalidParameter: LogDestinationType s3 takes"),
        (to("cloud-watch-logs", None, None), "MissingParameter: LogGroupName can't be empty"),
        (to("cloud-watch-logs", Some("arn"), Some("group")), "InvalidParameter: Please only provide LogGroupName"),
        (to("paper", None, Some("group")), "InvalidParameter: Value (paper) for parameter logDestinationType is"),
    ];
    asker.all_refused(cases.map(|(members, expected)| (Change::CreateFlowLogs(members), expected)));
    asker.refused_as(OTHER_ACCOUNT, Change::CreateFlowLogs(of_vpc(&vpc_id)), "InvalidVpcID.NotFound");
}
