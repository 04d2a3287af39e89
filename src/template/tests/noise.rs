//! Whatever the bytes, the answer is a world or an error: no panic, no endless loop.

use proptest::prelude::*;

use super::*;

/// Words that templates are made of, so that noise gets past the first line.
fn word() -> impl Strategy<Value = String> {
    let words = [
        "Resources",
        "Parameters",
        "Conditions",
        "Outputs",
        "Mappings",
        "Rules",
        "Type",
        "Properties",
        "DependsOn",
        "AWS::EC2::VPC",
        "AWS::EC2::Subnet",
        "AWS::EC2::VPCEndpoint",
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::Instance",
        "AWS::IAM::Role",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::DynamoDB::Table",
        "PolicyDocument",
        "Statement",
        "Effect",
        "Principal",
        "not-emulated-A",
        "CidrBlock",
        "VpcId",
        "10.0.0.0/16",
        "10.0.1.0/24",
        "!Ref",
        "!GetAtt",
        "!Sub",
        "!Join",
        "!Select",
        "!Split",
        "!Cidr",
        "!If",
        "!Equals",
        "!FindInMap",
        "!GetAZs",
        "Fn::Sub",
        "Ref",
        "${A}",
        "${A.B}",
        "A",
        "B",
        "A.B",
        "String",
        "Default",
        "{",
        "}",
        "[",
        "]",
        ",",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "\"",
        "'",
        "|",
        ">",
        "&a",
        "*a",
        "<<",
        "---",
        "#",
        "\t",
        "é",
        "0",
        "-1",
        "99999999999999999999",
        "null",
        "true",
        "~",
    ];
    prop_oneof![8 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => ".{0,4}"]
}

/// A document whose shape is right and whose values are anything.
fn value(depth: u32) -> impl Strategy<Value = serde_json::Value> {
    let keys = [
        "Ref",
        "Fn::Sub",
        "Fn::Join",
        "Fn::GetAtt",
        "Fn::Select",
        "Fn::Split",
        "Fn::Cidr",
        "Fn::If",
        "CidrBlock",
        "Key",
        "Statement",
        "Effect",
        "Principal",
        "AWS",
        "Action",
        "Resource",
        "Condition",
        "PolicyName",
        "PolicyDocument",
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        proptest::sample::select(vec![
            "A",
            "B",
            "${A}",
            "A.CidrBlock",
            "10.0.0.0/16",
            "0",
            "AWS::NoValue",
            "",
            ",",
            "*",
            "Allow",
            "s3:*",
            "not-emulated-A",
            "{\"Statement\":{}}"
        ])
        .prop_map(Into::into),
    ];
    leaf.prop_recursive(depth, 64, 5, move |inner| {
        let key = proptest::sample::select(keys.to_vec()).prop_map(str::to_owned);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::vec((key, inner), 0..3)
                .prop_map(|entries| entries.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

const TYPES: [&str; 58] = [
    "AWS::EC2::VPCEndpointConnectionNotification",
    "AWS::SNS::Topic",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCCidrBlock",
    "AWS::EC2::Subnet",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::Route",
    "AWS::EC2::PrefixList",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::VPCEndpointService",
    "AWS::EC2::VPCEndpointServicePermissions",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::Instance",
    "AWS::EC2::NetworkInterface",
    "AWS::EC2::NetworkInterfaceAttachment",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SSM::Parameter",
    "AWS::EC2::NetworkAcl",
    "AWS::EC2::NetworkAclEntry",
    "AWS::EC2::SubnetNetworkAclAssociation",
    "AWS::EC2::EIP",
    "AWS::EC2::EIPAssociation",
    "AWS::EC2::NatGateway",
    "AWS::EC2::VPCPeeringConnection",
    "AWS::EC2::VPNGateway",
    "AWS::EC2::VPNGatewayRoutePropagation",
    "AWS::EC2::CustomerGateway",
    "AWS::EC2::VPNConnection",
    "AWS::EC2::VPNConnectionRoute",
    "AWS::EC2::GatewayRouteTableAssociation",
    "AWS::EC2::FlowLog",
    "AWS::EC2::DHCPOptions",
    "AWS::IAM::Role",
    "AWS::IAM::InstanceProfile",
    "AWS::IAM::User",
    "AWS::IAM::Group",
    "AWS::IAM::UserToGroupAddition",
    "AWS::IAM::AccessKey",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::RolePolicy",
    "AWS::IAM::UserPolicy",
    "AWS::IAM::GroupPolicy",
    "AWS::DynamoDB::Table",
    "AWS::Route53Resolver::ResolverEndpoint",
    "AWS::Route53::HostedZone",
    "AWS::Route53::RecordSet",
    "AWS::Route53::RecordSetGroup",
    "AWS::EC2::LaunchTemplate",
];

/// Property names of all types.
const NAMES: [&str; 54] = [
    "CidrBlock",
    "VpcId",
    "SubnetId",
    "Tags",
    "RouteTableId",
    "GatewayId",
    "DestinationCidrBlock",
    "Entries",
    "ServiceName",
    "RouteTableIds",
    "SubnetIds",
    "PolicyDocument",
    "GroupDescription",
    "SecurityGroupIngress",
    "NetworkInterfaces",
    "UserData",
    "PrivateIpAddress",
    "Type",
    "Targets",
    "DefaultActions",
    "Port",
    "Protocol",
    "Bucket",
    "DnsOptions",
    "Name",
    "Value",
    "NetworkAclId",
    "RuleNumber",
    "PortRange",
    "Icmp",
    "AllocationId",
    "InstanceId",
    "ConnectivityType",
    "PeerVpcId",
    "VpnGatewayId",
    "StaticRoutesOnly",
    "ResourceId",
    "LogFormat",
    "AssumeRolePolicyDocument",
    "Policies",
    "ManagedPolicyArns",
    "PermissionsBoundary",
    "PolicyName",
    "RoleName",
    "UserName",
    "Roles",
    "Users",
    "IamInstanceProfile",
    "MetadataOptions",
    "KeySchema",
    "AttributeDefinitions",
    "GlobalSecondaryIndexes",
    "IpAddresses",
    "CorsConfiguration",
];

fn loads_or_errs(name: &str, text: &str) {
    match load(&Memory::new([(name, text)]), Path::new(name), &LoadOptions::default()) {
        Ok(lab) => drop(summary(&lab)),
        Err(error) => assert!(error.to_string().starts_with("error: ")),
    }
}

proptest! {
    #[test]
    fn bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        loads_or_errs("t.yaml", &text);
        loads_or_errs("t.json", &text);
    }

    #[test]
    fn words(words in proptest::collection::vec(word(), 0..60)) {
        let text = words.concat();
        loads_or_errs("t.yaml", &text);
        loads_or_errs("lab.yaml", &format!("stacks: {{a: {text}}}"));
        loads_or_errs("lab.yaml", &format!("stacks: {{}}\norganization: {text}\navailability_zones: {{'1': {text}}}\nbackends: {{s3: {{url: '{text}'}}}}"));
        loads_or_errs("t.json", &text);
    }

    #[test]
    fn properties(
        resources in proptest::collection::vec((
            proptest::sample::select(TYPES.to_vec()),
            proptest::collection::vec((proptest::sample::select(NAMES.to_vec()), value(4)), 0..6),
        ), 1..4),
        output in value(5),
    ) {
        let mut document = serde_json::json!({ "Resources": {}, "Outputs": { "O": { "Value": output } } });
        for (name, (type_name, properties)) in ["A", "B", "C"].iter().zip(resources) {
            let properties: serde_json::Map<_, _> = properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            document["Resources"][name] = serde_json::json!({ "Type": type_name, "Properties": properties });
        }
        loads_or_errs("t.json", &document.to_string());
    }
}
