//! Load balancers, target groups, listeners, endpoint services and who may connect (B4, B9).

use super::hosted_zone::{record, zone};
use super::*;

/// A provider in `OTHER_ACCOUNT` with one balancer in zone a: its world's hand, VPC, subnet, balancer.
pub(super) fn provider() -> (Asker, String, String, String) {
    let mut asker = Asker::default();
    let vpc_id = asker.ask_as(OTHER_ACCOUNT, vpc("10.0.0.0/16")).unwrap();
    let subnet_id = asker.ask_as(OTHER_ACCOUNT, subnet(&vpc_id, "10.0.1.0/24", "us-east-1a")).unwrap();
    let arn = asker.ask_as(OTHER_ACCOUNT, balancer(Some("orders"), true, &[&subnet_id])).unwrap();
    (asker, vpc_id, subnet_id, arn)
}

pub(super) fn service(arn: &str, acceptance_required: bool) -> Change {
    Change::CreateVpcEndpointServiceConfiguration {
        network_load_balancer_arns: vec![arn.to_owned()],
        acceptance_required,
        private_dns_name: Some("orders.example.com".to_owned()),
    }
}

pub(super) fn allow(service_id: &str, principal: &str) -> Change {
    Change::ModifyVpcEndpointServicePermissions {
        service_id: service_id.to_owned(),
        add_allowed_principals: vec![principal.to_owned()],
        remove_allowed_principals: Vec::new(),
    }
}

fn target_group(
    name: &str,
    vpc_id: &str,
    protocol: &str,
    target_type: &str,
    targets: &[(&str, Option<&str>)],
) -> Change {
    let target = |(id, zone): &(&str, Option<&str>)| TargetDescription {
        id: (*id).to_owned(),
        port: None,
        availability_zone: zone.map(str::to_owned),
    };
    Change::CreateTargetGroup(CreateTargetGroup {
        name: Some(name.to_owned()),
        protocol: protocol.to_owned(),
        port: 8080,
        vpc_id: vpc_id.to_owned(),
        target_type: Some(target_type.to_owned()),
        targets: targets.iter().map(target).collect(),
        ..Default::default()
    })
}

#[test]
fn a_balancer_has_one_node_per_zone() {
    let (mut asker, vpc_id, subnet_id, arn) = provider();
    let parts: Vec<&str> = arn.split('/').collect();
    assert_eq!(parts[..3], ["arn:aws:elasticloadbalancing:us-east-1:444455556666:loadbalancer", "net", "orders"]);
    assert!(parts[3].len() == 16 && parts[3].bytes().all(|digit| digit.is_ascii_hexdigit()), "{arn}");
    let balancer_made = asker.world.load_balancers[&arn].clone();
    assert_eq!(balancer_made.dns_name, format!("orders-{}.elb.us-east-1.amazonaws.com", parts[3]));
    let node = &asker.world.network_interfaces[&balancer_made.nodes[0].network_interface_id];
    assert_eq!(node.description, format!("ELB net/orders/{}", parts[3]));
    assert_eq!(node.interface_type, InterfaceType::NetworkLoadBalancer(arn.clone()));
    assert_eq!(node.mac_address, [0x06, 0x03, 10, 0, 1, 4]);

    let also_a = asker.ask_as(OTHER_ACCOUNT, subnet(&vpc_id, "10.0.2.0/24", "us-east-1a")).unwrap();
    let cases = [
        (
            balancer(Some("orders"), true, &[&also_a]),
            "DuplicateLoadBalancerName: A load balancer with the same name 'orders' exists, but with different settings",
        ),
        (
            balancer(None, true, &[&subnet_id, &also_a]),
            "InvalidConfigurationRequest: A load balancer cannot be attached to multiple subnets in the same Availability Zone",
        ),
        (balancer(Some(&"x".repeat(33)), true, &[&subnet_id]), "ValidationError: The load balancer name"),
        (balancer(Some("-x"), true, &[&subnet_id]), "ValidationError: The load balancer name"),
        (balancer(None, true, &[]), "ValidationError: At least one subnet"),
        (balancer(None, false, &[&subnet_id]), "InvalidSubnet: VPC"),
        (
            balancer(None, true, &["subnet-00000000000000000"]),
            "SubnetNotFound: The subnet ID 'subnet-00000000000000000' does not exist",
        ),
    ];
    for (change, expected) in cases {
        asker.refused_as(OTHER_ACCOUNT, change, expected);
    }
    let unnamed = asker.ask_as(OTHER_ACCOUNT, balancer(None, true, &[&subnet_id])).unwrap();
    assert!(asker.world.load_balancers[&unnamed].load_balancer_name.len() <= 32);
}

#[test]
fn targets_exist_and_belong_to_the_vpc() {
    let (mut asker, vpc_id, subnet_id, arn) = provider();
    let instance_id = asker.ask_as(OTHER_ACCOUNT, instance(&subnet_id, None)).unwrap();
    let elsewhere = asker.ask_as(OTHER_ACCOUNT, vpc("10.9.0.0/16")).unwrap();
    let cases = [
        (
            target_group("g", &vpc_id, "TCP", "instance", &[("i-00000000000000000", None)]),
            "InvalidTarget: Instance ID 'i-00000000000000000' is not valid",
        ),
        (
            target_group("g", &elsewhere, "TCP", "instance", &[(&instance_id, None)]),
            "InvalidTarget: The following targets are not in the target group VPC",
        ),
        (
            target_group("g", &vpc_id, "TCP", "ip", &[("ten", None)]),
            "InvalidTarget: The IP address 'ten' is not a valid IPv4 address",
        ),
        (
            target_group("g", &vpc_id, "TCP", "ip", &[("8.8.8.8", Some("all"))]),
            "InvalidTarget: The IP address '8.8.8.8' is not in the VPC",
        ),
        (
            target_group("g", &vpc_id, "TCP", "ip", &[("192.168.1.1", None)]),
            "InvalidTarget: The IP address '192.168.1.1' is not in the VPC",
        ),
        (target_group("g", &vpc_id, "HTTP", "ip", &[]), "ValidationError: Protocol 'HTTP'"),
        (target_group("g", &vpc_id, "TCP", "lambda", &[]), "ValidationError: Target type 'lambda'"),
    ];
    for (change, expected) in cases {
        asker.refused_as(OTHER_ACCOUNT, change, expected);
    }
    let group =
        asker.ask_as(OTHER_ACCOUNT, target_group("g", &vpc_id, "TCP", "instance", &[(&instance_id, None)])).unwrap();
    let addresses = [("10.0.1.77", None), ("192.168.1.1", Some("all"))];
    asker.ask_as(OTHER_ACCOUNT, target_group("by-address", &vpc_id, "TCP", "ip", &addresses)).unwrap();
    let again = TargetDescription { id: instance_id.clone(), port: Some(8080), availability_zone: None };
    asker
        .ask_as(OTHER_ACCOUNT, Change::RegisterTargets { target_group_arn: group.clone(), targets: vec![again] })
        .unwrap();
    assert_eq!(asker.world.target_groups[&group].targets, [Target { id: instance_id, port: 8080 }], "registered once");

    let listener = |port: u16, protocol: &str, group: &str| Change::CreateListener {
        load_balancer_arn: arn.clone(),
        protocol: protocol.to_owned(),
        port,
        target_group_arns: vec![group.to_owned()],
        certificate_arns: Vec::new(),
        attributes: Default::default(),
    };
    let listener_arn = asker.ask_as(OTHER_ACCOUNT, listener(80, "TCP", &group)).unwrap();
    assert!(listener_arn.contains(":listener/net/orders/"), "{listener_arn}");
    let duplicate = format!("DuplicateListener: A listener already exists on this port for this load balancer '{arn}'");
    asker.refused_as(OTHER_ACCOUNT, listener(80, "TCP", &group), &duplicate);
    asker.refused_as(OTHER_ACCOUNT, listener(81, "UDP", &group), "ValidationError: Listener protocol 'UDP'");
    asker.refused_as(
        OTHER_ACCOUNT,
        listener(81, "TCP", "arn:aws:nothing"),
        "TargetGroupNotFound: One or more target groups not found",
    );
    asker.refused(listener(81, "TCP", &group), "LoadBalancerNotFound");
    let with_certificate = |protocol: &str| Change::CreateListener {
        load_balancer_arn: arn.clone(),
        protocol: protocol.to_owned(),
        port: 443,
        target_group_arns: vec![group.clone()],
        certificate_arns: vec!["arn:aws:acm:us-east-1:444455556666:certificate/1".to_owned()],
        attributes: Default::default(),
    };
    asker.refused_as(
        OTHER_ACCOUNT,
        listener(443, "TLS", &group),
        "ValidationError: A certificate must be specified for TLS listeners",
    );
    asker.refused_as(
        OTHER_ACCOUNT,
        with_certificate("TCP"),
        "ValidationError: A certificate cannot be specified for TCP listeners",
    );
    asker.ask_as(OTHER_ACCOUNT, with_certificate("TLS")).unwrap();
    let idle = |protocol: &str, seconds: &str| match listener(444, protocol, &group) {
        Change::CreateListener { load_balancer_arn, protocol, port, target_group_arns, .. } => Change::CreateListener {
            load_balancer_arn,
            certificate_arns: if protocol == "TLS" { vec!["arn".to_owned()] } else { Vec::new() },
            protocol,
            port,
            target_group_arns,
            attributes: [("tcp.idle_timeout.seconds".to_owned(), seconds.to_owned())].into(),
        },
        other => other,
    };
    let wrong = "ValidationError: Listener attribute value '59' is not valid for key 'tcp.idle_timeout.seconds'";
    asker.refused_as(OTHER_ACCOUNT, idle("TCP", "59"), wrong);
    asker.refused_as(OTHER_ACCOUNT, idle("TLS", "60"), "ValidationError: Listener attribute key 'tcp.idle_timeout");
    let patient = asker.ask_as(OTHER_ACCOUNT, idle("TCP", "6000")).unwrap();
    assert_eq!(asker.world.listeners[&patient].idle_timeout().map(|it| it.as_secs()), Some(6000));
    assert_eq!(asker.world.attribute(&group, "LoadBalancerArns").unwrap()[0], arn);
}

#[test]
fn an_endpoint_service_is_invisible_to_whom_it_does_not_admit() {
    let (mut asker, _, _, arn) = provider();
    asker.refused_as(OTHER_ACCOUNT, service("arn:aws:x", false), "InvalidNetworkLoadBalancerArn.Malformed");
    asker.refused(service(&arn, false), "InvalidNetworkLoadBalancerArn.NotFound");
    let service_id = asker.ask_as(OTHER_ACCOUNT, service(&arn, false)).unwrap();
    asker.refused_as(
        OTHER_ACCOUNT,
        service(&arn, false),
        "InvalidParameter: LBs are already associated with another VPC Endpoint Service Configuration",
    );
    let service_name = format!("com.amazonaws.vpce.us-east-1.{service_id}");
    assert_eq!(asker.world.vpc_endpoint_services[&service_id].service_name, service_name);

    let consumer_vpc = asker.vpc();
    let a = asker.subnet(&consumer_vpc, "10.0.1.0/24", "us-east-1a");
    let b = asker.subnet(&consumer_vpc, "10.0.2.0/24", "us-east-1b");
    let connect =
        |subnets: &[&str]| Change::CreateVpcEndpoint(interface_endpoint(&consumer_vpc, &service_name, subnets));
    asker.refused(
        connect(&[&a]),
        &format!("InvalidServiceName: The Vpc Endpoint Service '{service_name}' does not exist"),
    );
    asker.refused_as(OTHER_ACCOUNT, allow(&service_id, ACCOUNT), "InvalidPrincipal");
    asker.refused(allow(&service_id, "*"), "InvalidVpcEndpointServiceId.NotFound");
    asker.ask_as(OTHER_ACCOUNT, allow(&service_id, &format!("arn:aws:iam::{ACCOUNT}:root"))).unwrap();
    asker.refused(
        connect(&[&b]),
        &format!("InvalidParameter: The VPC endpoint service {service_name} does not support the availability zone of the subnet: {b}."),
    );
    let mut with_policy = interface_endpoint(&consumer_vpc, &service_name, &[&a]);
    with_policy.policy_document = Some(
        serde_json::json!({ "Statement": { "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*" } })
            .into(),
    );
    asker.refused(Change::CreateVpcEndpoint(with_policy), "InvalidParameter: The service");
    let id = asker.make(connect(&[&a]));
    let endpoint = &asker.world.vpc_endpoints[&id];
    assert_eq!(endpoint.state, VpcEndpointState::Available);
    assert!(endpoint.dns_entries[0].dns_name.ends_with(&format!(".{service_id}.us-east-1.vpce.amazonaws.com")));
    // The provider's VPC has the same block: both have a 10.0.1.4, each in its own.
    let address = |id: &str| asker.world.network_interfaces[id].private_ip_address();
    assert_eq!(
        address(&endpoint.network_interface_ids[0]),
        address(&asker.world.load_balancers[&arn].nodes[0].network_interface_id)
    );
    let mut private = interface_endpoint(&consumer_vpc, &service_name, &[&a]);
    private.private_dns_enabled = Some(true);
    asker.refused(
        Change::CreateVpcEndpoint(private.clone()),
        &format!("InvalidParameter: Private DNS can't be enabled because the service {service_name} has not verified the private DNS name."),
    );
    let proof = asker.world.vpc_endpoint_services[&service_id].private_dns.clone().unwrap();
    let hosted = asker.ask_as(OTHER_ACCOUNT, zone("example.com", &[])).unwrap();
    let name = format!("{}.orders.example.com", proof.record_name);
    asker.ask_as(OTHER_ACCOUNT, record(&hosted, &name, "TXT", &[&format!("\"{}\"", proof.record_value)])).unwrap();
    let id = asker.make(Change::CreateVpcEndpoint(private));
    assert_eq!(asker.world.vpc_endpoints[&id].private_names_in_vpc().collect::<Vec<_>>(), ["orders.example.com"]);
}
