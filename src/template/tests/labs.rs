//! Labs of several stacks: the examples, CDK's output, `lab.yaml`.

use super::*;
use crate::model::VpcEndpointType;

/// The examples of the repository, under their paths.
fn examples() -> Memory {
    Memory::new([
        ("examples/first.yaml", include_str!("../../../examples/first.yaml")),
        ("examples/private-service/lab.yaml", include_str!("../../../examples/private-service/lab.yaml")),
        ("examples/private-service/provider.yaml", include_str!("../../../examples/private-service/provider.yaml")),
        ("examples/private-service/consumer.yaml", include_str!("../../../examples/private-service/consumer.yaml")),
        ("examples/three-endpoints/lab.yaml", include_str!("../../../examples/three-endpoints/lab.yaml")),
        ("examples/three-endpoints/home.yaml", include_str!("../../../examples/three-endpoints/home.yaml")),
        (
            "examples/three-endpoints/../private-service/provider.yaml",
            include_str!("../../../examples/private-service/provider.yaml"),
        ),
    ])
}

fn cdk() -> Memory {
    Memory::new([
        ("isolated/manifest.json", include_str!("cdk/isolated/manifest.json")),
        ("isolated/Isolated.template.json", include_str!("cdk/isolated/Isolated.template.json")),
        ("service/manifest.json", include_str!("cdk/service/manifest.json")),
        ("service/Provider.template.json", include_str!("cdk/service/Provider.template.json")),
        ("service/Consumer.template.json", include_str!("cdk/service/Consumer.template.json")),
    ])
}

fn loaded(files: &Memory, path: &str) -> Lab {
    match load(files, Path::new(path), &LoadOptions::default()) {
        Ok(lab) => lab,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_first_example_has_at_most_twelve_lines() {
    assert!(include_str!("../../../examples/first.yaml").lines().count() <= 12);
}

#[test]
fn a_private_service_has_two_sides_with_one_range() {
    let lab = loaded(&examples(), "examples/private-service");
    assert_eq!(lab.name, "private-service");
    assert_eq!(lab.stacks.iter().map(|stack| stack.name.as_str()).collect::<Vec<_>>(), ["provider", "consumer"]);
    let world = &lab.world;
    assert!(world.vpcs.values().all(|vpc| vpc.cidr_blocks[0].to_string() == "10.0.0.0/16"));
    let service = world.vpc_endpoint_services.values().next().expect("the service");
    assert_eq!(service.allowed_principals, ["arn:aws:iam::222222222222:root"]);
    let endpoint = world.vpc_endpoints.values().next().expect("the endpoint");
    assert_eq!((endpoint.meta.account.as_str(), &endpoint.service_name), ("222222222222", &service.service_name));
    assert_eq!(endpoint.network_interface_ids.len(), 2);
    let name = lab.stacks[1].outputs["Url"].trim_start_matches("http://").trim_end_matches('/');
    assert_eq!(name, endpoint.dns_entries[0].dns_name);
    let server = world.instances.values().find(|instance| instance.user_data.is_some()).expect("the server");
    assert_eq!(server.user_data.as_deref(), Some("#!/bin/sh\nvpclab echo --listen 0.0.0.0:80 &\n"));
}

#[test]
fn one_vpc_has_three_endpoints() {
    let lab = loaded(&examples(), "examples/three-endpoints");
    let endpoints: Vec<_> = lab.world.vpc_endpoints.values().collect();
    assert!(endpoints.iter().all(|endpoint| endpoint.vpc_endpoint_type == VpcEndpointType::Interface));
    let mut names: Vec<_> = endpoints.iter().filter_map(|endpoint| endpoint.meta.logical_id.as_deref()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Orders", "Partner", "S3"]);
    let s3 = endpoints.iter().find(|endpoint| endpoint.private_dns_enabled).expect("S3 has private DNS");
    assert!(!s3.private_dns_only_for_inbound_resolver_endpoint);
    let seed = &lab.seeds[0];
    assert_eq!(seed.bucket, "three-endpoints-111111111111");
    assert_eq!(seed.folder, Path::new("examples/three-endpoints/../files"));
}

#[test]
fn ids_are_the_same_at_every_load() {
    let load = || loaded(&examples(), "examples/private-service").stacks;
    assert_eq!(load(), load());
}

#[test]
fn cdk_isolated_subnets_with_a_gateway_endpoint() {
    let lab = loaded(&cdk(), "isolated");
    assert_eq!(lab.name, "isolated");
    assert_eq!((lab.stacks[0].account.as_str(), lab.stacks[0].region.as_str()), ("123456789012", "us-east-1"));
    let world = &lab.world;
    assert_eq!((world.subnets.len(), world.instances.len(), world.buckets.len()), (2, 1, 1));
    let gateway = world.vpc_endpoints.values().find(|endpoint| endpoint.vpc_endpoint_type == VpcEndpointType::Gateway);
    assert_eq!(gateway.expect("the gateway endpoint").route_table_ids.len(), 2);
    assert_eq!(
        summary(&lab),
        "\
Address = 10.0.0.4
ignored: Custom::VpcRestrictDefaultSG `VpcRestrictDefaultSecurityGroupCustomResourceC73DA2BE` (isolated/Isolated.template.json:167)
parsed, not enforced yet: egress rules of AWS::EC2::SecurityGroup `VpcSsmSecurityGroup67706949` (isolated/Isolated.template.json:193)
parsed, not enforced yet: ingress rules of AWS::EC2::SecurityGroup `VpcSsmSecurityGroup67706949` (isolated/Isolated.template.json:200)
ignored: AWS::IAM::Role `CustomVpcRestrictDefaultSGCustomResourceProviderRole26592FE0` (isolated/Isolated.template.json:283)
ignored: AWS::Lambda::Function `CustomVpcRestrictDefaultSGCustomResourceProviderHandlerDC833E5E` (isolated/Isolated.template.json:352)
ignored: property PublicAccessBlockConfiguration of AWS::S3::Bucket `Data666C94C7` (isolated/Isolated.template.json:380)
parsed, not enforced yet: policy of AWS::S3::BucketPolicy `DataPolicyB80589C3` (isolated/Isolated.template.json:396)
parsed, not enforced yet: egress rules of AWS::EC2::SecurityGroup `AppInstanceSecurityGroup61E33F46` (isolated/Isolated.template.json:441)
ignored: AWS::IAM::Role `AppInstanceRole0700670C` (isolated/Isolated.template.json:459)
ignored: AWS::IAM::Policy `AppInstanceRoleDefaultPolicy2AC7C13A` (isolated/Isolated.template.json:482)
ignored: AWS::IAM::InstanceProfile `AppInstanceProfileE36EA74F` (isolated/Isolated.template.json:528)
ignored: property IamInstanceProfile of AWS::EC2::Instance `AppF1B96344` (isolated/Isolated.template.json:549)
ignored: property LaunchTemplate of AWS::EC2::Instance `AppF1B96344` (isolated/Isolated.template.json:556)
ignored: AWS::EC2::LaunchTemplate `AppLaunchTemplateB5B40588` (isolated/Isolated.template.json:591)
placeholder: parameter `SsmParameterValueawsserviceamiamazonlinuxlatestal2023amikernel61x8664C96584B6F00A464EAD1953AFF4B05118Parameter` of stack `Isolated` is `ami-00000000000000000` (isolated/Isolated.template.json:604)
placeholder: parameter `BootstrapVersion` of stack `Isolated` is `999` (isolated/Isolated.template.json:608)
ignored: assets `Isolated.assets`: files and images are not deployed (isolated/manifest.json:4)
"
    );
}

#[test]
fn cdk_service_of_one_stack_and_endpoint_of_another() {
    let lab = loaded(&cdk(), "service/manifest.json");
    assert_eq!(lab.stacks.iter().map(|stack| stack.name.as_str()).collect::<Vec<_>>(), ["Provider", "Consumer"]);
    let world = &lab.world;
    let service = world.vpc_endpoint_services.values().next().expect("the service");
    let endpoint = world.vpc_endpoints.values().next().expect("the endpoint");
    assert_eq!(endpoint.service_name, service.service_name);
    assert_eq!(lab.stacks[0].outputs["ServiceName"], service.service_name);
    assert_eq!(lab.stacks[1].outputs["Name"], endpoint.dns_entries[0].dns_name);
    // The NAT gateways are ignored, so the private subnets' default routes are, and nothing else.
    let routes: Vec<_> = lab.notices.iter().filter(|notice| notice.subject.contains("AWS::EC2::Route ")).collect();
    assert_eq!(routes.len(), 4);
    assert_eq!(
        routes[0].to_string(),
        "ignored: AWS::EC2::Route `VpcPrivateSubnet1DefaultRouteBE02A9ED`: needs `VpcPublicSubnet1NATGateway4D7517AA` (AWS::EC2::NatGateway, not emulated) (service/Consumer.template.json:270)"
    );
}
