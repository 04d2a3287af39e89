//! Labs of several stacks: the examples, CDK's output, `lab.yaml`.

use super::*;
use crate::model::{ConnectionEvent, NatGatewayState, VpcEndpointType, World, connection_notices};

/// The examples of the repository, under their paths.
fn examples() -> Memory {
    Memory::new([
        ("examples/first.yaml", include_str!("../../../examples/first.yaml")),
        ("examples/private-service/lab.yaml", include_str!("../../../examples/private-service/lab.yaml")),
        ("examples/private-service/provider.yaml", include_str!("../../../examples/private-service/provider.yaml")),
        ("examples/private-service/consumer.yaml", include_str!("../../../examples/private-service/consumer.yaml")),
        ("examples/partner/lab.yaml", include_str!("../../../examples/partner/lab.yaml")),
        ("examples/partner/vendor.yaml", include_str!("../../../examples/partner/vendor.yaml")),
        ("examples/partner/customer.yaml", include_str!("../../../examples/partner/customer.yaml")),
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
fn a_partner_has_one_customer_that_is_let_in_and_one_that_waits() {
    let lab = loaded(&examples(), "examples/partner");
    let world = &lab.world;
    assert!(world.vpcs.len() == 4 && world.vpcs.values().all(|vpc| vpc.cidr_blocks[0].to_string() == "10.0.0.0/16"));
    let states: Vec<(&str, &str)> =
        world.vpc_endpoints.values().map(|it| (it.meta.account.as_str(), it.state.as_str())).collect();
    let mut sorted = states.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [("222222222222", "available"), ("333333333333", "pendingAcceptance")]);
    let permitted = world.vpc_endpoint_services.values().flat_map(|service| &service.allowed_principals);
    assert!(permitted.clone().count() == 2 && permitted.clone().all(|it| !it.contains("444444444444")));
    let told = connection_notices(&World::default(), world);
    assert_eq!(
        told.iter().map(|it| (it.event, it.topic())).collect::<Vec<_>>(),
        [(ConnectionEvent::Connect, "partner-events")]
    );
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

/// What the README shows of its sessions is what these templates get: an id that changes makes its text a lie.
#[test]
fn the_readme_shows_the_ids_of_the_examples() {
    let readme = include_str!("../../../README.md");
    let first = loaded(&examples(), "examples/first.yaml");
    let private = loaded(&examples(), "examples/private-service");
    let no_way_back = loaded(
        &Memory::new([("no-way-back.yaml", include_str!("../../../examples/no-way-back.yaml"))]),
        "no-way-back.yaml",
    );
    let policies = loaded(
        &Memory::new([("endpoint-policies.yaml", include_str!("../../../examples/endpoint-policies.yaml"))]),
        "endpoint-policies.yaml",
    );
    // The demo's second part: the first example without what makes or names the endpoint.
    let lines = include_str!("../../../examples/first.yaml").lines();
    let without: Vec<&str> =
        lines.filter(|line| !line.starts_with("  S3:") && !line.starts_with("  Policy:")).collect();
    let without =
        loaded(&Memory::new([("without-endpoint.yaml", without.join("\n").as_str())]), "without-endpoint.yaml");
    let made = |lab: &Lab| {
        let resources = lab.stacks.iter().flat_map(|stack| &stack.resources);
        resources.filter_map(|resource| resource.physical_id.clone()).collect::<Vec<_>>()
    };
    let partner = loaded(&examples(), "examples/partner");
    let labs = [&first, &private, &no_way_back, &policies, &without, &partner];
    let known: Vec<String> = labs.into_iter().flat_map(made).collect();
    let kinds = ["i", "rtb", "vpce", "acl", "vpc", "subnet"];
    let is_id = |word: &&str| word.split_once('-').is_some_and(|(kind, _)| kinds.contains(&kind));
    let shown: Vec<&str> = readme.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(is_id).collect();
    assert!(shown.len() >= 5, "{shown:?}");
    let name = private.stacks[1].outputs["Url"].clone();
    assert!(readme.contains(&format!("-- curl -s {name}")), "{name}");
    for word in shown {
        let is_known = known.iter().any(|id| id == word) || name.contains(word);
        assert!(is_known, "the README's {word} is nobody's");
    }
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
ignored: AWS::Lambda::Function `CustomVpcRestrictDefaultSGCustomResourceProviderHandlerDC833E5E` (isolated/Isolated.template.json:352)
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
    // Each private subnet's default route leads to the NAT gateway of its zone.
    assert_eq!(world.nat_gateways.len(), 4);
    assert!(world.nat_gateways.values().all(|gateway| gateway.state == NatGatewayState::Available));
    assert!(!lab.notices.iter().any(|notice| notice.subject.contains("AWS::EC2::Route ")));
}

/// A network of its own, small enough for labs that are about something else.
const VPC: &str = "
Parameters: {Cidr: {Type: String, Default: 10.0.0.0/16}}
Resources: {Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Ref Cidr}}, Data: {Type: AWS::S3::Bucket}}
Outputs: {Id: {Value: !Ref Vpc, Export: {Name: !Sub '${AWS::StackName}-id'}}}
";

const SUBNET: &str = "
Resources:
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !ImportValue network-id, CidrBlock: 10.0.1.0/24}}
";

fn lab_of(lab_yaml: &str, options: LoadOptions) -> Result<Lab, String> {
    let files = Memory::new([("l/lab.yaml", lab_yaml), ("l/vpc.yaml", VPC), ("l/subnet.yaml", SUBNET)]);
    load(&files, Path::new("l"), &options).map_err(|error| error.to_string())
}

#[test]
fn an_import_comes_after_its_export() {
    let lab = lab_of("stacks: {a: {template: subnet.yaml}, network: {template: vpc.yaml}}", LoadOptions::default());
    let lab = lab.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(lab.stacks.iter().map(|stack| stack.name.as_str()).collect::<Vec<_>>(), ["network", "a"]);
    assert_eq!(lab.name, "l");
}

#[test]
fn the_command_line_fills_parameters_and_buckets() {
    let options = LoadOptions {
        parameters: vec![("one.Cidr".into(), "10.1.0.0/16".into())],
        seeds: vec![("two/Data".into(), "files".into())],
        account: Some("999999999999".into()),
        region: Some("eu-central-1".into()),
    };
    let lab =
        lab_of("stacks: {one: {template: vpc.yaml}, two: {template: vpc.yaml, account: '111111111111'}}", options);
    let lab = lab.unwrap_or_else(|error| panic!("{error}"));
    assert!(lab.world.vpcs.values().any(|vpc| vpc.cidr_blocks[0].to_string() == "10.1.0.0/16"));
    assert_eq!((lab.stacks[0].account.as_str(), lab.stacks[0].region.as_str()), ("999999999999", "eu-central-1"));
    assert_eq!(lab.stacks[1].account, "111111111111");
    let bucket = &lab.world.buckets[&lab.seeds[0].bucket];
    assert_eq!((bucket.meta.stack.as_deref(), lab.seeds[0].folder.as_path()), (Some("two"), Path::new("files")));
}

/// Whatever the order of writing: the stack that has the SSM parameter comes first.
#[test]
fn an_ssm_parameter_of_another_stack_is_a_value() {
    const GIVES: &str = "
Resources:
  Office: {Type: AWS::SSM::Parameter, Properties: {Name: /lab/office, Type: String, Value: 10.3.0.0/16}}
";
    const TAKES: &str = "
Parameters: {Cidr: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /lab/office}}
Resources: {Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Ref Cidr}}}
Outputs: {Cidr: {Value: !GetAtt Vpc.CidrBlock}}
";
    let files = Memory::new([
        ("l/lab.yaml", "stacks: {takes: {template: takes.yaml}, gives: {template: gives.yaml}}"),
        ("l/gives.yaml", GIVES),
        ("l/takes.yaml", TAKES),
    ]);
    let lab = loaded(&files, "l");
    assert_eq!(lab.stacks.iter().map(|stack| stack.name.as_str()).collect::<Vec<_>>(), ["gives", "takes"]);
    assert_eq!(summary(&lab), "Cidr = 10.3.0.0/16\n");
}

fn lab_refused(lab_yaml: &str, options: LoadOptions, expect: &str) {
    match lab_of(lab_yaml.trim_start_matches('\n'), options) {
        Ok(lab) => panic!("it was loaded: {}", summary(&lab)),
        Err(error) => assert_eq!(error, expect.trim_matches('\n')),
    }
}

#[test]
fn an_output_that_is_not_there() {
    lab_refused(
        r#"stacks: {a: {template: vpc.yaml, parameters: {Cidr: "${b.Idd}"}}, b: {template: vpc.yaml}}"#,
        LoadOptions::default(),
        r#"
error: stack `b` has no output `Idd`
 --> l/lab.yaml:1:53
  |
1 | stacks: {a: {template: vpc.yaml, parameters: {Cidr: "${b.Idd}"}}, b: {template: vpc.yaml}}
  |                                                     ^^^^^^^^^^
  = help: did you mean `Id`?"#,
    );
}

#[test]
fn a_stack_that_is_not_there() {
    lab_refused(
        r#"stacks: {a: {template: vpc.yaml, parameters: {Cidr: "${c.Id}"}}, b: {template: vpc.yaml}}"#,
        LoadOptions::default(),
        r#"
error: there is no stack `c`
 --> l/lab.yaml:1:53
  |
1 | stacks: {a: {template: vpc.yaml, parameters: {Cidr: "${c.Id}"}}, b: {template: vpc.yaml}}
  |                                                     ^^^^^^^^^
  = help: the stacks are a, b"#,
    );
}

#[test]
fn stacks_in_a_circle() {
    lab_refused(
        r#"stacks: {a: {template: vpc.yaml, parameters: {Cidr: "${b.Id}"}}, b: {template: vpc.yaml, parameters: {Cidr: "${a.Id}"}}}"#,
        LoadOptions::default(),
        r#"
error: circular dependency between stacks: `a` needs `b` needs `a`
 --> l/lab.yaml:1:10
  |
1 | stacks: {a: {template: vpc.yaml, parameters: {Cidr: "${b.Id}"}}, b: {template: vpc.yaml, parameters: {Cidr: "${a.Id}"}}}
  |          ^
  = help: one of them must not take what the next gives"#,
    );
}

#[test]
fn stacks_with_wrong_keys_and_places() {
    lab_refused(
        "stacks: {a: {template: nothere.yaml, accont: 1, account: 12, region: mars-1}}",
        LoadOptions::default(),
        "
error: can't read l/nothere.yaml: there is no such file or folder
 --> l/lab.yaml:1:24
  |
1 | stacks: {a: {template: nothere.yaml, accont: 1, account: 12, region: mars-1}}
  |                        ^^^^^^^^^^^^
  = help: the path is relative to the file that names it

error: `accont` is not a key of a stack
 --> l/lab.yaml:1:38
  |
1 | stacks: {a: {template: nothere.yaml, accont: 1, account: 12, region: mars-1}}
  |                                      ^^^^^^
  = help: did you mean `account`?

error: `12` is not an account: twelve digits, quoted in YAML
 --> l/lab.yaml:1:58
  |
1 | stacks: {a: {template: nothere.yaml, accont: 1, account: 12, region: mars-1}}
  |                                                          ^^

error: `mars-1` is not a Region, such as us-east-1
 --> l/lab.yaml:1:70
  |
1 | stacks: {a: {template: nothere.yaml, accont: 1, account: 12, region: mars-1}}
  |                                                                      ^^^^^^",
    );
}

#[test]
fn a_template_that_is_not_there() {
    lab_refused(
        "stacks: {a: {template: nothere.yaml}}",
        LoadOptions::default(),
        "
error: can't read l/nothere.yaml: there is no such file or folder
 --> l/lab.yaml:1:24
  |
1 | stacks: {a: {template: nothere.yaml}}
  |                        ^^^^^^^^^^^^
  = help: the path is relative to the file that names it",
    );
}

#[test]
fn a_lab_without_stacks() {
    lab_refused(
        "name: x",
        LoadOptions::default(),
        "
error: the lab has no `stacks`
 --> l/lab.yaml:1:1
  |
1 | name: x
  | ^
  = help: add `stacks`, such as `stacks: {app: {template: app.yaml}}`",
    );
}

#[test]
fn a_misspelt_key_of_a_lab() {
    lab_refused(
        "stack: {}",
        LoadOptions::default(),
        "
error: `stack` is not a key of a lab.yaml
 --> l/lab.yaml:1:1
  |
1 | stack: {}
  | ^^^^^
  = help: did you mean `stacks`?",
    );
}

#[test]
fn a_parameter_of_several_stacks() {
    lab_refused(
        "stacks: {a: {template: vpc.yaml}, b: {template: vpc.yaml}}",
        LoadOptions { parameters: vec![("Cidr".into(), "10.1.0.0/16".into())], ..LoadOptions::default() },
        "
error: several stacks have a parameter `Cidr`
 --> --param:1:1
  |
1 | Cidr=10.1.0.0/16
  | ^^^^^^^^^^^^^^^^
  = help: say which: `--param a.Cidr=VALUE`",
    );
}

#[test]
fn a_parameter_of_no_stack() {
    lab_refused(
        "stacks: {a: {template: vpc.yaml}, b: {template: vpc.yaml}}",
        LoadOptions { parameters: vec![("c.Cidr".into(), "10.1.0.0/16".into())], ..LoadOptions::default() },
        "
error: there is no stack `c`
 --> --param:1:1
  |
1 | c.Cidr=10.1.0.0/16
  | ^^^^^^^^^^^^^^^^^^
  = help: the stacks are a, b",
    );
}

#[test]
fn a_misspelt_parameter() {
    lab_refused(
        "stacks: {a: {template: vpc.yaml}, b: {template: vpc.yaml}}",
        LoadOptions { parameters: vec![("b.Cdir".into(), "10.1.0.0/16".into())], ..LoadOptions::default() },
        "
error: stack `b` has no parameter `Cdir`
 --> --param:1:1
  |
1 | b.Cdir=10.1.0.0/16
  | ^^^^^^^^^^^^^^^^^^
  = help: did you mean `Cidr`?",
    );
}

#[test]
fn a_seed_of_no_bucket() {
    lab_refused(
        "stacks: {a: {template: vpc.yaml}}",
        LoadOptions { seeds: vec![("Dat".into(), ".".into())], ..LoadOptions::default() },
        "
error: there is no bucket `Dat`
 --> --seed:1:1
  |
1 | Dat=.
  | ^^^^^
  = help: did you mean `Data`?",
    );
}

#[test]
fn a_seed_of_two_buckets() {
    lab_refused(
        "stacks: {a: {template: vpc.yaml}, b: {template: vpc.yaml}}",
        LoadOptions { seeds: vec![("Data".into(), ".".into())], ..LoadOptions::default() },
        "
error: several stacks have a bucket `Data`
 --> --seed:1:1
  |
1 | Data=.
  | ^^^^^^
  = help: write STACK/Data",
    );
}

#[test]
fn an_export_of_another_region() {
    lab_refused(
        "stacks: {network: {template: vpc.yaml}, a: {template: subnet.yaml, region: eu-west-1}}",
        LoadOptions::default(),
        "
error: no stack of this lab exports `network-id` in 123456789012 eu-west-1
 --> l/subnet.yaml:3:56
  |
3 |   Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !ImportValue network-id, CidrBlock: 10.0.1.0/24}}
  |                                                        ^^^^^^^^^^^^^^^^^^^^^^^
  = help: a stack of the same account and Region must export it in its `Outputs`",
    );
}

#[test]
fn a_failed_stack_has_no_echo() {
    lab_refused(
        r#"stacks: {network: {template: vpc.yaml, parameters: {Cidr: 10.0.0.0/30}}, a: {template: subnet.yaml}, z: {template: vpc.yaml, parameters: {Cidr: "${network.Id}"}}}"#,
        LoadOptions::default(),
        "
error: InvalidVpc.Range: The CIDR '10.0.0.0/30' is invalid.
 --> l/vpc.yaml:3:64
  |
3 | Resources: {Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Ref Cidr}}, Data: {Type: AWS::S3::Bucket}}
  |                                                                ^^^^^^^^^
  = help: a VPC's block is between /16 and /28",
    );
}
