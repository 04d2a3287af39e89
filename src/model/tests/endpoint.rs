//! Gateway and interface endpoints (B2, B3, B6.3).

use super::*;

#[test]
fn a_gateway_endpoint_puts_its_route_into_each_route_table() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let subnet_id = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let [one, two] = [(); 2].map(|()| asker.make(Change::CreateRouteTable { vpc_id: vpc_id.clone() }));
    let endpoint =
        |service: &str, tables: &[&str]| Change::CreateVpcEndpoint(gateway_endpoint(&vpc_id, service, tables));
    let id = asker.make(endpoint("s3", &[&one]));
    let route = asker.world.route_tables[&one].routes[1].clone();
    assert_eq!(route.destination, RouteDestination::PrefixList("pl-63a5400a".to_owned()), "AWS's own id");
    assert_eq!(route.target, RouteTarget::VpcEndpoint(id.clone()));
    assert_eq!(asker.world.route_state(&route), RouteState::Active);

    let second = format!(
        "RouteAlreadyExists: route table {one} already has a route with destination-prefix-list-id pl-63a5400a"
    );
    // The free table comes first: the refusal must not leave a route there.
    asker.refused(endpoint("s3", &[&two, &one]), &second);
    asker.make(endpoint("s3", &[&two]));
    asker.make(endpoint("dynamodb", &[&one]));
    asker.make(endpoint("s3", &[]));
    asker.refused(
        endpoint("s4", &[]),
        "InvalidServiceName: The Vpc Endpoint Service 'com.amazonaws.us-east-1.s4' does not exist",
    );
    asker.refused(
        endpoint("ec2", &[]),
        "InvalidParameter: Endpoint type (Gateway) does not match available service types ([Interface]).",
    );
    let mut elsewhere = gateway_endpoint(&vpc_id, "s3", &[]);
    elsewhere.service_name = "com.amazonaws.eu-west-1.s3".to_owned();
    asker.refused(Change::CreateVpcEndpoint(elsewhere), "InvalidServiceName");
    let mut with_subnet = gateway_endpoint(&vpc_id, "s3", &[]);
    with_subnet.subnet_ids = vec![subnet_id];
    asker.refused(
        Change::CreateVpcEndpoint(with_subnet),
        "InvalidParameter: Subnet IDs are only supported for Interface and GatewayLoadBalancer type VPC Endpoints.",
    );
    let mut bad_policy = gateway_endpoint(&vpc_id, "s3", &[]);
    bad_policy.policy_document =
        Some(serde_json::json!({ "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }] }).into());
    asker.refused(Change::CreateVpcEndpoint(bad_policy), "InvalidPolicyDocument: Missing required field Principal");
    asker.refused(
        super::route(&two, "1.0.0.0/8", RouteTargetId::VpcEndpoint(id.clone())),
        &format!("RouteNotSupported: Route table contains unsupported route target: {id}. VPC Endpoints of this type cannot be used as route targets."),
    );
}

#[test]
fn an_interface_endpoint_has_one_requester_managed_interface_per_zone() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let a = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let b = asker.subnet(&vpc_id, "10.0.2.0/24", "us-east-1b");
    let also_a = asker.subnet(&vpc_id, "10.0.3.0/24", "us-east-1a");
    let mut members = interface_endpoint(&vpc_id, "com.amazonaws.us-east-1.ec2", &[&a, &b]);
    members.private_dns_enabled = Some(true);
    let id = asker.make(Change::CreateVpcEndpoint(members.clone()));
    let endpoint = asker.world.vpc_endpoints[&id].clone();
    assert_eq!(endpoint.state, VpcEndpointState::Available);
    assert_eq!(endpoint.subnet_ids, [a.clone(), b]);
    let interface = &asker.world.network_interfaces[&endpoint.network_interface_ids[1]];
    assert_eq!(interface.description, format!("VPC Endpoint Interface {id}"));
    assert!(interface.requester_managed);
    assert_eq!(interface.interface_type, InterfaceType::VpcEndpoint(id.clone()));
    assert!(interface.attachment.as_ref().unwrap().attachment_id.starts_with("ela-attach-"));
    assert_eq!(interface.groups, [asker.world.vpcs[&vpc_id].default_security_group_id.clone()]);
    assert_eq!(interface.mac_address, [0x06, 0x02, 10, 0, 2, 4]);

    let names: Vec<&str> = endpoint.dns_entries.iter().map(|entry| entry.dns_name.as_str()).collect();
    let hash = names[0].strip_prefix(&format!("{id}-")).unwrap().split('.').next().unwrap();
    assert!(hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{hash}");
    assert_eq!(
        names,
        [
            format!("{id}-{hash}.ec2.us-east-1.vpce.amazonaws.com"),
            format!("{id}-{hash}-us-east-1a.ec2.us-east-1.vpce.amazonaws.com"),
            format!("{id}-{hash}-us-east-1b.ec2.us-east-1.vpce.amazonaws.com"),
            "ec2.us-east-1.amazonaws.com".to_owned(),
        ]
    );
    assert_eq!(endpoint.dns_entries[1].hosted_zone_id, "Z7HUB22UULQXV");
    let entries = asker.world.attribute(&id, "DnsEntries").unwrap();
    assert_eq!(entries[0], format!("Z7HUB22UULQXV:{}", names[0]));

    asker.refused(
        Change::CreateVpcEndpoint(members),
        &format!("InvalidParameter: private-dns-enabled cannot be set because there is already a conflicting DNS domain for ec2.us-east-1.amazonaws.com in the VPC {vpc_id}"),
    );
    asker.refused(
        Change::CreateVpcEndpoint(interface_endpoint(&vpc_id, "com.amazonaws.us-east-1.sqs", &[&a, &also_a])),
        &format!("DuplicateSubnetsInSameZone: Found another VPC endpoint subnet in the availability zone of {also_a}. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service."),
    );
    let mut with_table = interface_endpoint(&vpc_id, "com.amazonaws.us-east-1.sqs", &[]);
    with_table.route_table_ids = vec![asker.world.vpcs[&vpc_id].main_route_table_id.clone()];
    asker.refused(
        Change::CreateVpcEndpoint(with_table),
        "InvalidParameter: Route table IDs are only supported for Gateway type VPC Endpoint.",
    );
}

#[test]
fn private_dns_needs_both_vpc_attributes_and_a_name() {
    let mut asker = Asker::default();
    let vpc_id = asker.make(Change::CreateVpc {
        cidr_block: "10.0.0.0/16".to_owned(),
        enable_dns_support: true,
        enable_dns_hostnames: false,
    });
    let with_private_dns = |vpc_id: &str, service: &str| {
        let mut members = interface_endpoint(vpc_id, &format!("com.amazonaws.us-east-1.{service}"), &[]);
        members.private_dns_enabled = Some(true);
        members
    };
    asker.refused(
        Change::CreateVpcEndpoint(with_private_dns(&vpc_id, "ec2")),
        &format!("InvalidParameter: Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {vpc_id}"),
    );
    let vpc_id = asker.vpc();
    asker.refused(
        Change::CreateVpcEndpoint(with_private_dns(&vpc_id, "dynamodb")),
        "InvalidParameter: Private DNS can't be enabled because the service com.amazonaws.us-east-1.dynamodb does not provide a private DNS name.",
    );
    let ecr = asker.make(Change::CreateVpcEndpoint(with_private_dns(&vpc_id, "ecr.dkr")));
    let private: Vec<&str> = asker.world.vpc_endpoints[&ecr].private_names_in_vpc().collect();
    assert_eq!(private, ["*.dkr.ecr.us-east-1.amazonaws.com"]);
}

#[test]
fn s3_keeps_private_names_for_inbound_resolvers_unless_told_otherwise() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let mut members = interface_endpoint(&vpc_id, "com.amazonaws.us-east-1.s3", &[]);
    members.private_dns_enabled = Some(true);
    asker.refused(
        Change::CreateVpcEndpoint(members.clone()),
        &format!("InvalidParameter: To set PrivateDnsOnlyForInboundResolverEndpoint to true, the VPC {vpc_id} must have a Gateway endpoint for the service."),
    );
    let mut for_all = members.clone();
    for_all.private_dns_only_for_inbound_resolver_endpoint = Some(false);
    let open = asker.clone().make(Change::CreateVpcEndpoint(for_all.clone()));
    asker.make(Change::CreateVpcEndpoint(gateway_endpoint(&vpc_id, "s3", &[])));
    let mut with_gateway = asker.clone();
    let kept = with_gateway.make(Change::CreateVpcEndpoint(members));
    let kept = &with_gateway.world.vpc_endpoints[&kept];
    assert!(kept.private_dns_only_for_inbound_resolver_endpoint);
    assert_eq!(kept.private_names_in_vpc().count(), 0);
    assert!(kept.dns_entries[0].dns_name.starts_with("*.vpce-"), "S3's names stand for the labels before them");

    let id = asker.make(Change::CreateVpcEndpoint(for_all));
    let names: Vec<&str> = asker.world.vpc_endpoints[&id].private_names_in_vpc().collect();
    assert_eq!(names[..2], ["s3.us-east-1.amazonaws.com", "*.s3.us-east-1.amazonaws.com"]);
    assert_ne!(open, id, "each request has its own id");
}

#[test]
fn a_live_endpoint_takes_another_policy_and_other_route_tables() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let [one, two, other] = [(); 3].map(|()| asker.make(Change::CreateRouteTable { vpc_id: vpc_id.clone() }));
    let id = asker.make(Change::CreateVpcEndpoint(gateway_endpoint(&vpc_id, "s3", &[&one])));
    asker.make(Change::CreateVpcEndpoint(gateway_endpoint(&vpc_id, "s3", &[&other])));
    let subnet_id = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let sqs = interface_endpoint(&vpc_id, "com.amazonaws.us-east-1.sqs", &[&subnet_id]);
    let sqs = asker.make(Change::CreateVpcEndpoint(sqs));
    let default = asker.world.vpc_endpoints[&id].policy_document.clone();
    let policy = |action: &str| -> PolicyDocument {
        let statement = serde_json::json!({ "Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*" });
        serde_json::json!({ "Statement": [statement] }).into()
    };
    let modify = |id: &str, policy: Option<PolicyDocument>, reset_policy: bool, add: &[&str], remove: &[&str]| {
        Change::ModifyVpcEndpoint(ModifyVpcEndpoint {
            vpc_endpoint_id: id.to_owned(),
            policy_document: policy,
            reset_policy,
            add_route_table_ids: add.iter().map(|id| (*id).to_owned()).collect(),
            remove_route_table_ids: remove.iter().map(|id| (*id).to_owned()).collect(),
            ..ModifyVpcEndpoint::default()
        })
    };
    assert_eq!(asker.make(modify(&id, Some(policy("s3:*")), false, &[&two], &[&one])), id);
    let endpoint = &asker.world.vpc_endpoints[&id];
    assert_eq!((&endpoint.policy_document, &endpoint.route_table_ids), (&policy("s3:*"), &vec![two.clone()]));
    let routes = |asker: &Asker, table: &str| asker.world.route_tables[table].routes.len();
    assert_eq!((routes(&asker, &one), routes(&asker, &two)), (1, 2), "the local route, and the endpoint's");
    asker.make(modify(&id, None, false, &[&one], &[]));
    assert_eq!(asker.world.vpc_endpoints[&id].policy_document, policy("s3:*"), "what is not mentioned stays");
    asker.make(modify(&id, None, true, &[], &[]));
    assert_eq!(asker.world.vpc_endpoints[&id].policy_document, default);
    asker.make(modify(&sqs, Some(policy("sqs:*")), false, &[], &[]));
    let broken: PolicyDocument = serde_json::json!({ "Statement": [{ "Effect": "Allow" }] }).into();
    asker.all_refused([
        (modify(&id, Some(broken), false, &[], &[&one]), "InvalidPolicyDocument: ".to_owned()),
        (modify(&id, Some(policy("*")), true, &[], &[]), "InvalidParameterCombination: ".to_owned()),
        (modify(&id, None, false, &[&one], &[]), format!("RouteAlreadyExists: route table {one} already has")),
        (modify(&id, None, false, &[&other], &[&one]), format!("RouteAlreadyExists: route table {other} already has")),
        (
            modify(&id, None, false, &[], &[&other]),
            format!("InvalidParameter: Route table {other} is not associated with VPC endpoint {id}"),
        ),
        (modify(&sqs, None, false, &[&one], &[]), "InvalidParameter: Route table IDs are only supported".to_owned()),
        (modify("vpce-1", None, true, &[], &[]), "InvalidVpcEndpointId.Malformed".to_owned()),
        (modify("vpce-00000000000000000", None, true, &[], &[]), "InvalidVpcEndpointId.NotFound".to_owned()),
    ]);
}
