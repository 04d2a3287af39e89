//! Security groups, network interfaces, prefix lists, buckets, Regions, and what Describe prints.

use super::*;

#[test]
fn security_group_rules_are_canonical_and_unique() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let other_vpc = asker.vpc();
    let group = |name: Option<&str>| Change::CreateSecurityGroup {
        group_name: name.map(str::to_owned),
        group_description: "test".to_owned(),
        vpc_id: vpc_id.clone(),
    };
    let id = asker.make(group(Some("web")));
    asker.refused(
        group(Some("WEB")),
        &format!("InvalidGroup.Duplicate: The security group 'WEB' already exists for VPC '{vpc_id}'"),
    );
    asker.refused(group(Some("default")), "InvalidGroup.Reserved");
    asker.refused(group(Some("sg-web")), "InvalidParameterValue");
    let ingress = |permission: IpPermission| Change::AuthorizeSecurityGroupIngress {
        group_id: id.clone(),
        permissions: vec![permission],
    };
    let cidr = |text: &str| PermissionPeer::Cidr(text.to_owned());
    asker.make(ingress(permission("6", 443, cidr("100.68.0.18/18"))));
    let made = asker.world.security_groups[&id].ingress[0].clone();
    assert_eq!(made.permission.ip_protocol, "tcp");
    assert_eq!(made.permission.peer, cidr("100.68.0.0/18"), "host bits are cleared");
    assert!(id::is_well_formed("sgr", &made.security_group_rule_id));
    let foreign = asker.world.vpcs[&other_vpc].default_security_group_id.clone();
    let cases = [
        (
            permission("tcp", 443, cidr("100.68.0.0/18")),
            "InvalidPermission.Duplicate: the specified rule \"peer: 100.68.0.0/18, TCP, from port: 443, to port: 443, ALLOW\" already exists",
        ),
        (
            permission("tcp", 70000, cidr("0.0.0.0/0")),
            "InvalidParameterValue: Invalid TCP/UDP port range (70000:70000)",
        ),
        (
            permission("tpc", 1, cidr("0.0.0.0/0")),
            "InvalidParameterValue: Invalid value 'tpc' for IP protocol. Unknown protocol.",
        ),
        (permission("tcp", 1, cidr("10.0.0.0/33")), "InvalidParameterValue: CIDR block 10.0.0.0/33 is malformed"),
        (
            permission("tcp", 1, PermissionPeer::Group(foreign)),
            "InvalidGroup.NotFound: You have specified two resources that belong to different networks.",
        ),
        (permission("tcp", 1, PermissionPeer::PrefixList("pl-00000000".to_owned())), "InvalidPrefixListID.NotFound"),
    ];
    for (permission, expected) in cases {
        asker.refused(ingress(permission), expected);
    }
    asker.make(ingress(permission("tcp", 443, PermissionPeer::PrefixList("pl-63a5400a".to_owned()))));
    asker.make(Change::AuthorizeSecurityGroupEgress {
        group_id: id.clone(),
        permissions: vec![permission("udp", 53, cidr("10.0.0.0/8"))],
        replace_default: true,
    });
    assert_eq!(asker.world.security_groups[&id].egress.len(), 1, "the template's first rule replaces allow-all");
    for port in 2..60 {
        asker.make(ingress(permission("tcp", port, cidr("10.0.0.0/8"))));
    }
    asker.refused(ingress(permission("tcp", 60, cidr("10.0.0.0/8"))), "RulesPerSecurityGroupLimitExceeded");
}

#[test]
fn interfaces_are_plugged_in_once_and_awss_never() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let subnet_id = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let elsewhere = asker.subnet(&vpc_id, "10.0.2.0/24", "us-east-1b");
    let interface = |subnet_id: &str, secondary: &[&str]| {
        Change::CreateNetworkInterface(CreateNetworkInterface {
            secondary_private_ip_addresses: secondary.iter().map(|address| address.parse().unwrap()).collect(),
            source_dest_check: false,
            ..network_interface(subnet_id)
        })
    };
    let first = asker.make(interface(&subnet_id, &["10.0.1.4"]));
    assert_eq!(
        asker.world.attribute(&first, "PrimaryPrivateIpAddress").unwrap(),
        "10.0.1.5",
        "the secondary was asked for"
    );
    let second = asker.make(interface(&subnet_id, &[]));
    let third = asker.make(interface(&elsewhere, &[]));
    let run = |ids: &[&str]| {
        Change::RunInstance(RunInstance {
            network_interface_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            ..Default::default()
        })
    };
    asker.refused(run(&[&first, &first]), "InvalidNetworkInterface.InUse");
    asker.refused(run(&[&first, &third]), "InvalidParameterCombination: You may not attach");
    let instance_id = asker.make(run(&[&first]));
    assert_eq!(asker.world.instances[&instance_id].private_dns_name, "ip-10-0-1-5.ec2.internal");
    asker.refused(run(&[&first]), &format!("InvalidNetworkInterface.InUse: Interface: [{first}] in use."));
    let attach = |id: &str, device_index| Change::AttachNetworkInterface {
        network_interface_id: id.to_owned(),
        instance_id: instance_id.clone(),
        device_index,
    };
    asker.refused(
        attach(&second, 0),
        &format!(
            "InvalidParameterValue: Instance '{instance_id}' already has an interface attached at device index '0'."
        ),
    );
    let attachment = asker.make(attach(&second, 1));
    assert!(attachment.starts_with("eni-attach-"));
    assert_eq!(asker.world.instances[&instance_id].network_interface_ids, [first, second]);
    asker.make(Change::CreateVpcEndpoint(interface_endpoint(&vpc_id, "com.amazonaws.us-east-1.kms", &[&subnet_id])));
    let managed = asker.world.network_interfaces.values().find(|each| each.requester_managed).unwrap();
    let managed = managed.network_interface_id.clone();
    asker.refused(attach(&managed, 2), "AuthFailure: You do not have permission to access the specified resource.");
    asker.refused(Change::RunInstance(RunInstance::default()), "VPCIdNotSpecified: No default VPC for this user");
}

#[test]
fn public_addresses_come_from_outside_every_aws_range() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let subnet_id = asker.make(Change::CreateSubnet {
        vpc_id: vpc_id.clone(),
        cidr_block: "10.0.1.0/24".to_owned(),
        availability_zone: None,
        map_public_ip_on_launch: true,
    });
    let id = asker.instance(&subnet_id);
    let other = asker.instance(&subnet_id);
    let text = |id: &str, name: &str| asker.world.attribute(id, name).unwrap().as_str().unwrap().to_owned();
    assert_eq!(text(&id, "PublicIp"), "198.18.0.1");
    assert_eq!(text(&id, "PublicDnsName"), "ec2-198-18-0-1.compute-1.amazonaws.com");
    assert_eq!(text(&other, "PublicIp"), "198.18.0.2");
    let address: std::net::Ipv4Addr = text(&id, "PublicIp").parse().unwrap();
    for region in region::regions() {
        assert!(!s3_prefixes(region).iter().chain(dynamodb_prefixes(region)).any(|prefix| prefix.contains(&address)));
    }
}

#[test]
fn public_names_say_the_region() {
    let mut world = World::default();
    let mut ask = |logical_id: &str, change| {
        world.apply(Request { region: "eu-west-1".to_owned(), ..request(ACCOUNT, logical_id, change) }).unwrap()
    };
    let vpc_id = ask("Vpc", vpc("10.0.0.0/16"));
    let subnet_id = ask("Subnet", subnet(&vpc_id, "10.0.1.0/24", "eu-west-1a"));
    let public =
        RunInstance { subnet_id: Some(subnet_id), associate_public_ip_address: Some(true), ..Default::default() };
    let id = ask("app", Change::RunInstance(public));
    assert_eq!(world.attribute(&id, "PublicDnsName").unwrap(), "ec2-198-18-0-1.eu-west-1.compute.amazonaws.com");
    world.vpcs.get_mut(&vpc_id).unwrap().enable_dns_hostnames = false;
    assert_eq!(world.attribute(&id, "PublicDnsName").unwrap(), "");
}

#[test]
fn idle_timeouts_have_limits() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let subnet_id = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let with = |tcp, udp, stream| {
        let connection_tracking =
            ConnectionTracking { tcp_established_timeout: tcp, udp_timeout: udp, udp_stream_timeout: stream };
        Change::CreateNetworkInterface(CreateNetworkInterface { connection_tracking, ..network_interface(&subnet_id) })
    };
    asker.all_refused([
        (
            with(Some(59), None, None),
            "InvalidParameterValue: Value (59) for parameter tcpEstablishedTimeout is invalid.",
        ),
        (with(Some(432_001), None, None), "InvalidParameterValue: Value (432001) for parameter tcpEstablishedTimeout"),
        (with(None, Some(29), None), "InvalidParameterValue: Value (29) for parameter udpTimeout is invalid."),
        (with(None, Some(61), None), "InvalidParameterValue: Value (61) for parameter udpTimeout is invalid."),
        (with(None, None, Some(59)), "InvalidParameterValue: Value (59) for parameter udpStreamTimeout is invalid."),
        (with(None, None, Some(181)), "InvalidParameterValue: Value (181) for parameter udpStreamTimeout is invalid."),
    ]);
    let id = asker.make(with(Some(60), Some(60), Some(60)));
    assert_eq!(asker.world.network_interfaces[&id].connection_tracking.udp_timeout, Some(60));
    assert_eq!(
        describe(&asker.world)["NetworkInterfaces"][0]["ConnectionTrackingConfiguration"],
        serde_json::json!({ "TcpEstablishedTimeout": 60, "UdpStreamTimeout": 60, "UdpTimeout": 60 })
    );
}

#[test]
fn prefix_lists_are_awss_and_customers() {
    let mut asker = Asker::default();
    asker.vpc();
    let list = asker.world.prefix_list(REGION, "pl-63a5400a").unwrap();
    assert_eq!(list.prefix_list_name, "com.amazonaws.us-east-1.s3");
    assert!(list.entries.iter().any(|entry| entry.cidr == "52.216.0.0/15".parse().unwrap()));
    assert_eq!(list.arn(), "arn:aws:ec2:us-east-1:aws:prefix-list/pl-63a5400a");
    let make = |name: &str, family: &str, max_entries, entries: &[&str]| Change::CreateManagedPrefixList {
        prefix_list_name: name.to_owned(),
        address_family: family.to_owned(),
        max_entries,
        entries: entries.iter().map(|cidr| ((*cidr).to_owned(), None)).collect(),
    };
    asker.make(make("mine", "IPv4", 2, &["10.0.0.7/8"]));
    asker.refused(make("com.amazonaws.mine", "IPv4", 2, &[]), "InvalidParameterValue");
    asker.refused(make("mine", "IPv6", 2, &[]), "InvalidParameterValue");
    asker.refused(make("mine", "IPv4", 1, &["10.0.0.0/8", "11.0.0.0/8"]), "PrefixListMaxEntriesExceeded");
    asker.refused(make("mine", "IPv4", 2, &["10.0.0.0/8", "10.0.0.1/8"]), "InvalidParameterValue: Duplicate");
}

/// The same id is S3's in one Region and DynamoDB's in another (B2.2); both must live in one world.
#[test]
fn one_prefix_list_id_means_different_lists_in_different_regions() {
    let mut world = World::default();
    for region in ["eu-west-1", "ap-southeast-1"] {
        world.apply(Request { region: region.to_owned(), ..request(ACCOUNT, "Vpc", vpc("10.0.0.0/16")) }).unwrap();
    }
    let name = |region| world.prefix_list(region, "pl-6fa54006").unwrap().prefix_list_name.as_str();
    assert_eq!(name("eu-west-1"), "com.amazonaws.eu-west-1.dynamodb");
    assert_eq!(name("ap-southeast-1"), "com.amazonaws.ap-southeast-1.s3");
}

#[test]
fn bucket_names_are_unique_and_well_formed() {
    let mut asker = Asker::default();
    let bucket = |name: &str| Change::CreateBucket { bucket: Some(name.to_owned()) };
    asker.make(bucket("orders-data"));
    asker.refused(bucket("orders-data"), "BucketAlreadyOwnedByYou");
    asker.refused_as(
        OTHER_ACCOUNT,
        bucket("orders-data"),
        "BucketAlreadyExists: The requested bucket name is not available.",
    );
    for name in ["ab", "Orders", "a..b", "-ab", "192.168.1.1", "xn--abc", "a_b"] {
        asker.refused(bucket(name), "InvalidBucketName: The specified bucket is not valid.");
    }
    let unnamed = asker.make(Change::CreateBucket { bucket: None });
    assert!(unnamed.starts_with("story-object"), "{unnamed}");
    assert_eq!(asker.world.attribute("orders-data", "Arn").unwrap(), "arn:aws:s3:::orders-data");
    assert_eq!(
        asker.world.attribute("orders-data", "RegionalDomainName").unwrap(),
        "orders-data.s3.us-east-1.amazonaws.com"
    );
    let policy = |bucket: &str, policy: serde_json::Value| Change::PutBucketPolicy {
        bucket: bucket.to_owned(),
        policy: policy.into(),
    };
    let good = serde_json::json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::orders-data/*" }
    ]});
    asker.make(policy("orders-data", good.clone()));
    asker.refused(policy("nobodys", good.clone()), "NoSuchBucket");
    asker.refused_as(OTHER_ACCOUNT, policy("orders-data", good.clone()), "AccessDenied");
    let mut long = good;
    long["Statement"][0]["Sid"] = "x".repeat(20_480).into();
    asker.refused(
        policy("orders-data", long),
        "MalformedPolicy: Policy document exceeds the maximum allowed size of 20480 bytes",
    );
    asker.refused(policy("orders-data", serde_json::json!({ "Statement": [] })), "MalformedPolicy: Could not parse");
    asker.refused(
        policy("orders-data", serde_json::json!({ "Version": "2020-01-01", "Statement": [] })),
        "MalformedPolicy: The policy must contain a valid version string",
    );
    let about = |action: &str, resource: &str| {
        let statement =
            serde_json::json!({ "Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource });
        policy("orders-data", serde_json::json!({ "Statement": [statement] }))
    };
    asker.all_refused([
        (about("s3:GetObject", "arn:aws:s3:::other/*"), "MalformedPolicy: Policy has invalid resource"),
        (about("sqs:SendMessage", "arn:aws:s3:::orders-data/*"), "MalformedPolicy: Policy has invalid action"),
        (
            about("s3:GetObject", "arn:aws:s3:::orders-data"),
            "MalformedPolicy: Action does not apply to any resource(s)",
        ),
    ]);
    let delete = || Change::DeleteBucketPolicy { bucket: "orders-data".to_owned() };
    asker.refused_as(OTHER_ACCOUNT, delete(), "AccessDenied");
    asker.make(delete());
    asker.make(delete());
    assert_eq!(asker.world.buckets["orders-data"].policy, None);
}

#[test]
fn buckets_keep_versions_and_answer_other_origins() {
    let mut asker = Asker::default();
    let bucket = asker.make(Change::CreateBucket { bucket: None });
    let versioning = |status: &str| Change::PutBucketVersioning { bucket: bucket.clone(), status: status.to_owned() };
    asker.make(versioning("Enabled"));
    assert_eq!(asker.world.buckets[&bucket].versioning, Some(BucketVersioning::Enabled));
    asker.make(versioning("Suspended"));
    assert_eq!(asker.world.buckets[&bucket].versioning, Some(BucketVersioning::Suspended));
    let cors = |rules: serde_json::Value| Change::PutBucketCors {
        bucket: bucket.clone(),
        cors_configuration: serde_json::json!({ "CORSRules": rules }),
    };
    let rule =
        |origin: &str, method: &str| serde_json::json!({ "AllowedOrigins": [origin], "AllowedMethods": [method] });
    asker.make(cors(serde_json::json!([rule("https://*.example.com", "GET")])));
    asker.all_refused([
        (versioning("Off"), "MalformedXML"),
        (cors(serde_json::json!([])), "MalformedXML"),
        (cors(serde_json::json!(vec![rule("*", "GET"); 101])), "MalformedXML"),
        (cors(serde_json::json!([{ "AllowedMethods": ["GET"] }])), "MalformedXML"),
        (
            cors(serde_json::json!([rule("*", "PATCH")])),
            "InvalidRequest: Found unsupported HTTP method in CORS config. Unsupported method is PATCH",
        ),
        (
            cors(serde_json::json!([rule("https://*.*", "GET")])),
            "InvalidRequest: AllowedOrigin \"https://*.*\" can not have more than one wildcard.",
        ),
    ]);
}

#[test]
fn regions_have_zones_and_prefixes() {
    let ids = |region: &str| availability_zones(region).into_iter().map(|zone| zone.id).collect::<Vec<_>>().join(" ");
    assert_eq!(ids("us-east-1"), "use1-az1 use1-az2 use1-az3 use1-az4 use1-az5 use1-az6");
    assert_eq!(ids("ap-northeast-2"), "apne2-az1 apne2-az2 apne2-az3 apne2-az4");
    assert_eq!(ids("us-gov-west-1"), "usgw1-az1 usgw1-az2 usgw1-az3");
    assert_eq!(ids("nowhere-1"), "");
    for region in region::regions() {
        assert!(!availability_zones(region).is_empty());
        assert!(!dynamodb_prefixes(region).is_empty(), "{region}");
    }
    assert_eq!(region::regions().count(), 42);
    let mut world = World::default();
    let refusal = world.apply(Request { region: "us-moon-1".into(), ..request(ACCOUNT, "Vpc", vpc("10.0.0.0/16")) });
    assert_eq!(refusal.unwrap_err().code, "InvalidParameterValue");
    assert!(world == World::default());
}

#[test]
fn every_service_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<&str> = aws_services().collect();
    assert_eq!(names.len(), aws_services().count(), "no service twice");
    for service in [
        "sts",
        "kms",
        "ssm",
        "ssmmessages",
        "ec2messages",
        "secretsmanager",
        "logs",
        "monitoring",
        "sqs",
        "sns",
        "lambda",
    ] {
        assert_eq!(private_dns_names(service, REGION).unwrap(), [format!("{service}.us-east-1.amazonaws.com")]);
    }
    assert_eq!(private_dns_names("ecr.api", "cn-north-1").unwrap(), ["api.ecr.cn-north-1.amazonaws.com.cn"]);
    assert_eq!(private_dns_names("execute-api", REGION).unwrap(), ["*.execute-api.us-east-1.amazonaws.com"]);
    assert_eq!(private_dns_names("sqqs", REGION), None);
}

#[test]
fn ids_are_the_same_at_every_up_and_differ_by_where_they_come_from() {
    let vpc_of = |account: &str, stack: &str, logical_id: &str| {
        let mut world = World::default();
        let request = Request { stack: Some(stack.to_owned()), ..request(account, logical_id, vpc("10.0.0.0/16")) };
        world.apply(request).unwrap()
    };
    let id = vpc_of(ACCOUNT, "one", "Vpc");
    assert_eq!(id, "vpc-4afb73b7d37a1da8a", "changes of this id break what people noted down");
    assert_eq!(id, vpc_of(ACCOUNT, "one", "Vpc"));
    assert_ne!(id, vpc_of(OTHER_ACCOUNT, "one", "Vpc"));
    assert_ne!(id, vpc_of(ACCOUNT, "two", "Vpc"));
    assert_ne!(id, vpc_of(ACCOUNT, "one", "Vpc2"));
    assert_ne!(vpc_of(ACCOUNT, "ab", "c"), vpc_of(ACCOUNT, "a", "bc"));
}

#[test]
fn describe_prints_awss_shapes() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let subnet_id = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let instance_id = asker.instance(&subnet_id);
    let table = asker.world.vpcs[&vpc_id].main_route_table_id.clone();
    let endpoint = asker.make(Change::CreateVpcEndpoint(gateway_endpoint(&vpc_id, "s3", &[&table])));
    let lonely = asker.make(Change::CreateNetworkInterface(network_interface(&subnet_id)));
    asker.make(route(&table, "1.0.0.0/8", RouteTargetId::NetworkInterface(lonely)));
    let described = describe(&asker.world);
    assert_eq!(
        described["RouteTables"][0]["Routes"][1],
        serde_json::json!({
            "DestinationPrefixListId": "pl-63a5400a",
            "GatewayId": endpoint,
            "Origin": "CreateRoute",
            "State": "active",
        })
    );
    assert_eq!(described["RouteTables"][0]["Routes"][0]["GatewayId"], "local");
    assert_eq!(described["RouteTables"][0]["Routes"][2]["State"], "blackhole", "its interface is plugged into nothing");
    assert_eq!(described["RouteTables"][0]["Associations"][0]["Main"], true);
    let instance = &described["Instances"][0];
    assert_eq!(instance["InstanceId"], instance_id);
    assert_eq!(instance["NetworkInterfaces"][0]["MacAddress"], "06:01:0a:00:01:04");
    assert_eq!(instance["Placement"]["AvailabilityZone"], "us-east-1a");
    assert_eq!(described["Subnets"][0]["AvailableIpAddressCount"], 249);
    let endpoint = &described["VpcEndpoints"][0];
    assert_eq!(endpoint["State"], "available");
    assert_eq!(endpoint["VpcEndpointType"], "Gateway");
    assert_eq!(endpoint["NetworkInterfaceIds"], serde_json::json!([]));
    let default_group = &described["SecurityGroups"][0];
    assert_eq!(default_group["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"], default_group["GroupId"]);
    assert_eq!(default_group["IpPermissionsEgress"][0]["IpRanges"][0]["CidrIp"], "0.0.0.0/0");
}
