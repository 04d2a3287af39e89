//! What is refused, and how it is drawn.

use super::*;

#[test]
fn a_subnet_outside_of_its_vpc_is_shown_at_its_block() {
    refused(
        "
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.1.0.0/24}}
",
        "
error: InvalidSubnet.Range: The CIDR '10.1.0.0/24' is invalid.
 --> t.yaml:3:77
  |
3 |   Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.1.0.0/24}}
  |                                                                             ^^^^^^^^^^^
  = help: it lies outside the VPC's 10.0.0.0/16",
    );
}

#[test]
fn an_unknown_tag() {
    refused(
        r"
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Rfe Cidr}}
",
        r"
error: `!Rfe` is not a tag of CloudFormation
 --> t.yaml:2:54
  |
2 |   Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Rfe Cidr}}
  |                                                      ^^^^^^^^^
  = help: did you mean `!Ref`?",
    );
}

#[test]
fn a_key_that_is_there_twice() {
    refused(
        r"
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.1.0.0/16}}
",
        r"
error: the key `Vpc` is here twice
 --> t.yaml:3:3
  |
3 |   Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.1.0.0/16}}
  |   ^^^
  = help: the first is on line 2; remove or rename one of them",
    );
}

#[test]
fn aliases() {
    refused(
        r"
Resources:
  Vpc: &v {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Two: *v
",
        r"
error: YAML aliases are not supported, as in CloudFormation
 --> t.yaml:3:8
  |
3 |   Two: *v
  |        ^^
  = help: write the value out where it is used",
    );
}

#[test]
fn merges() {
    refused(
        r"
Resources:
  Vpc: &v {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Two:
    <<: *v
",
        r"
error: YAML merges (`<<`) are not supported, as in CloudFormation
 --> t.yaml:4:5
  |
4 |     <<: *v
  |     ^^
  = help: write the keys out where they are used",
    );
}

#[test]
fn tabs_in_yaml() {
    refused(
        r"
Resources:
  Vpc:
	Type: AWS::EC2::VPC
",
        r"
error: this is not YAML: tabs disallowed within this context (block indentation)
 --> t.yaml:3:2
  |
3 |  Type: AWS::EC2::VPC
  |  ^
  = help: indent with spaces; YAML does not take tabs",
    );
}

#[test]
fn a_missing_brace() {
    refused(
        r"
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}
  Two: {Type: AWS::EC2::VPC}
",
        r"
error: this is not YAML: invalid indentation in flow construct
 --> t.yaml:3:3
  |
3 |   Two: {Type: AWS::EC2::VPC}
  |   ^
  = help: a bracket, a brace or a comma is missing",
    );
}

#[test]
fn a_colon_too_many() {
    refused(
        r"
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties: CidrBlock: 10.0.0.0/16
",
        r"
error: this is not YAML: mapping values are not allowed in this context
 --> t.yaml:4:26
  |
4 |     Properties: CidrBlock: 10.0.0.0/16
  |                          ^
  = help: a `:` or the indentation of this line or the one above is wrong; quote text that contains `: `",
    );
}

#[test]
fn brackets_without_end() {
    let error = drawn(&"[".repeat(5000));
    assert!(error.starts_with("error: this is not YAML: recursion limit exceeded\n --> t.yaml:1:256\n"), "{error}");
}

#[test]
fn nesting_without_end() {
    let error = drawn(&format!("a: {}1{}", "{a: ".repeat(2000), "}".repeat(2000)));
    assert!(error.starts_with("error: nested more than 100 levels deep\n --> t.yaml:1:404\n"), "{error}");
}

#[test]
fn nothing() {
    refused(
        r"
",
        r"
error: the template is empty
 --> t.yaml:1:1
  = help: it needs at least a `Resources` section",
    );
}

#[test]
fn two_documents() {
    refused(
        r"
Resources: {}
---
Resources: {}
",
        r"
error: a second document begins here
 --> t.yaml:3:1
  |
3 | Resources: {}
  | ^
  = help: one file holds one document; remove the `---`",
    );
}

#[test]
fn an_unknown_section() {
    refused(
        r"
Resource:
  Vpc: {Type: AWS::EC2::VPC}
",
        r"
error: `Resource` is not a section of a template
 --> t.yaml:1:1
  |
1 | Resource:
  | ^^^^^^^^
  = help: did you mean `Resources`?",
    );
}

#[test]
fn an_unknown_name() {
    refused(
        r"
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlok: 10.0.0.0/16}}
  S: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vcp, CidrBlock: [1]}}
",
        r"
error: there is no parameter or resource `Vcp`
 --> t.yaml:3:51
  |
3 |   S: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vcp, CidrBlock: [1]}}
  |                                                   ^^^^^^^^
  = help: did you mean `Vpc`?",
    );
}

#[test]
fn several_errors_at_once() {
    refused(
        r"
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsSupport: perhaps}}
  S: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: [1]}}
  R: {Type: AWS::EC2::Route, Properties: {RouteTableId: rtb-1}}
  V2: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/8}}
",
        r"
error: `EnableDnsSupport` of AWS::EC2::VPC `Vpc` must be true or false, not `perhaps`
 --> t.yaml:2:85
  |
2 | …PC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsSupport: perhaps}}
  |                                                             ^^^^^^^

error: `CidrBlock` of AWS::EC2::Subnet `S` must be text, not a list
 --> t.yaml:3:72
  |
3 |   S: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: [1]}}
  |                                                                        ^

error: AWS::EC2::Route `R` needs the property `DestinationCidrBlock`
 --> t.yaml:4:3
  |
4 |   R: {Type: AWS::EC2::Route, Properties: {RouteTableId: rtb-1}}
  |   ^
  = help: add `DestinationCidrBlock`

error: MissingParameter: a route needs a target
 --> t.yaml:4:3
  |
4 |   R: {Type: AWS::EC2::Route, Properties: {RouteTableId: rtb-1}}
  |   ^
  = help: add GatewayId, NatGatewayId, NetworkInterfaceId, InstanceId or another one

error: InvalidVpc.Range: The CIDR '10.0.0.0/8' is invalid.
 --> t.yaml:5:53
  |
5 |   V2: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/8}}
  |                                                     ^^^^^^^^^^
  = help: a VPC's block is between /16 and /28",
    );
}

#[test]
fn resources_in_a_circle() {
    refused(
        r"
Resources:
  A: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: a, VpcId: !Ref V, SecurityGroupIngress: [{IpProtocol: -1, SourceSecurityGroupId: !Ref B}]}}
  B: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: b, VpcId: !Ref V, SecurityGroupIngress: [{IpProtocol: -1, SourceSecurityGroupId: !Ref A}]}}
  V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
",
        r"
error: circular dependency between resources: `A` needs `B` needs `A`
 --> t.yaml:2:3
  |
2 |   A: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: a, VpcId: !Ref V, SecurityGroupIngress: [{IpProtocol…
  |   ^
  = help: one of them must not mention the next; a security group's rule, for one, can be a resource of its own",
    );
}

#[test]
fn shell_variables_in_a_text() {
    refused(
        r#"
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  I:
    Type: AWS::EC2::Instance
    Properties:
      SubnetId: !Sub "${Vcp}"
      UserData: !Base64
        Fn::Sub: |
          #!/bin/sh
          echo ${HOME:-x} ${HOSTNAME}
"#,
        r#"
error: there is no parameter or resource `Vcp`
 --> t.yaml:6:23
  |
6 |       SubnetId: !Sub "${Vcp}"
  |                       ^^^^^^
  = help: did you mean `Vpc`?

error: there is no parameter or resource `HOME:-x`
  --> t.yaml:10:16
   |
10 |           echo ${HOME:-x} ${HOSTNAME}
   |                ^^^^^^^^^^
   = help: if `${HOME:-x}` is meant as it stands, as in a shell script, write `${!HOME:-x}`

error: there is no parameter or resource `HOSTNAME`
  --> t.yaml:10:27
   |
10 |           echo ${HOME:-x} ${HOSTNAME}
   |                           ^^^^^^^^^^^
   = help: if `${HOSTNAME}` is meant as it stands, as in a shell script, write `${!HOSTNAME}`"#,
    );
}

#[test]
fn an_unknown_attribute() {
    refused(
        r"
Resources:
  V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  S: {Type: AWS::EC2::Subnet, Properties: {VpcId: !GetAtt V.Cidrblock, CidrBlock: 10.0.1.0/24}}
",
        r#"
error: `V` has no attribute `Cidrblock`
 --> t.yaml:3:51
  |
3 |   S: {Type: AWS::EC2::Subnet, Properties: {VpcId: !GetAtt V.Cidrblock, CidrBlock: 10.0.1.0/24}}
  |                                                   ^^^^^^^^^^^^^^^^^^^
  = help: the AWS resource reference lists the attributes below "Return values""#,
    );
}

#[test]
fn overlapping_subnets() {
    refused(
        r"
Resources:
  V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  S: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref V, CidrBlock: 10.0.1.0/24}}
  T: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref V, CidrBlock: 10.0.0.0/23}}
",
        r"
error: InvalidSubnet.Conflict: The CIDR '10.0.0.0/23' conflicts with another subnet
 --> t.yaml:4:70
  |
4 |   T: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref V, CidrBlock: 10.0.0.0/23}}
  |                                                                      ^^^^^^^^^^^
  = help: it overlaps 10.0.1.0/24 (S)",
    );
}

#[test]
fn endpoints_that_the_world_refuses() {
    refused(
        r"
Resources:
  V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  R: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref V}}
  A: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref V, ServiceName: com.amazonaws.us-east-1.s3, RouteTableIds: [!Ref R]}}
  B: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref V, ServiceName: com.amazonaws.us-east-1.s3, RouteTableIds: [!Ref R]}}
  C: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref V, ServiceName: com.amazonaws.us-east-1.s4, RouteTableIds: [!Ref R]}}
",
        r"
error: RouteAlreadyExists: route table rtb-26ef668c9fd6c1b6f already has a route with destination-prefix-list-id pl-63a5400a
 --> t.yaml:5:121
  |
5 | …, ServiceName: com.amazonaws.us-east-1.s3, RouteTableIds: [!Ref R]}}
  |                                                             ^^^^^^
  = help: a route table takes one gateway endpoint per service

error: InvalidServiceName: The Vpc Endpoint Service 'com.amazonaws.us-east-1.s4' does not exist
 --> t.yaml:6:77
  |
6 |   C: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref V, ServiceName: com.amazonaws.us-east-1.s4, RouteTableIds: […
  |                                                                             ^^^^^^^^^^^^^^^^^^^^^^^^^^",
    );
}

#[test]
fn parameters_out_of_bounds() {
    refused(
        r#"
Parameters:
  P: {Type: String, AllowedValues: [a, b], Default: c}
  Q: {Type: Number, MinValue: 3, Default: 2}
  R: {Type: String}
  S: {Type: Strin, Default: x}
  T: {Type: String, AllowedPattern: "[a-z]+", Default: A1, ConstraintDescription: lower case only}
Resources: {V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}}
"#,
        r#"
error: parameter `P` can't be `c`: allowed are a, b
 --> t.yaml:2:53
  |
2 |   P: {Type: String, AllowedValues: [a, b], Default: c}
  |                                                     ^

error: parameter `Q` can't be `2`: MinValue is 3
 --> t.yaml:3:43
  |
3 |   Q: {Type: Number, MinValue: 3, Default: 2}
  |                                           ^

error: parameter `R` of stack `t` has no value
 --> t.yaml:4:3
  |
4 |   R: {Type: String}
  |   ^
  = help: give one: `--param t.R=VALUE`, `parameters` in lab.yaml, or a `Default`

error: `Strin` is not a type of a parameter
 --> t.yaml:5:13
  |
5 |   S: {Type: Strin, Default: x}
  |             ^^^^^
  = help: did you mean `String`?

error: parameter `T` can't be `A1`: AllowedPattern is [a-z]+
 --> t.yaml:6:56
  |
6 |   T: {Type: String, AllowedPattern: "[a-z]+", Default: A1, ConstraintDescription: lower case only}
  |                                                        ^^
  = help: lower case only"#,
    );
}

/// CloudFormation reads parameters before it makes the first resource, so a stack's own SSM parameter is no help to it.
#[test]
fn an_ssm_parameter_that_does_not_exist_yet() {
    refused(
        r"
Parameters:
  Cidr: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /lab/cidr}
Resources:
  Own: {Type: AWS::SSM::Parameter, Properties: {Name: /lab/cidr, Type: String, Value: 10.3.0.0/16}}
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Ref Cidr}}
",
        r"
error: no SSM parameter `/lab/cidr` exists for parameter `Cidr` of stack `t`
 --> t.yaml:2:63
  |
2 |   Cidr: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /lab/cidr}
  |                                                               ^^^^^^^^^
  = help: give the value: `--param t.Cidr=VALUE`, or add an AWS::SSM::Parameter of that name to another stack of the lab (this stack's own are made too late for its parameters)",
    );
}

#[test]
fn a_dependency_on_nothing() {
    refused(
        r"
Resources:
  Vpc: {Type: AWS::EC2::VPC, DependsOn: Gatewy, Properties: {CidrBlock: 10.0.0.0/16}}
  Gateway: {Type: AWS::EC2::InternetGateway}
",
        r"
error: there is no resource `Gatewy`
 --> t.yaml:2:41
  |
2 |   Vpc: {Type: AWS::EC2::VPC, DependsOn: Gatewy, Properties: {CidrBlock: 10.0.0.0/16}}
  |                                         ^^^^^^
  = help: did you mean `Gateway`?",
    );
}

#[test]
fn two_subnets_of_an_endpoint_in_one_zone() {
    refused(
        r"
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  A: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, AvailabilityZone: us-east-1a}}
  B: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24, AvailabilityZone: us-east-1a}}
  Queue:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcEndpointType: Interface
      VpcId: !Ref Vpc
      ServiceName: com.amazonaws.us-east-1.sqs
      SubnetIds: [!Ref A, !Ref B]
",
        r"
error: DuplicateSubnetsInSameZone: Found another VPC endpoint subnet in the availability zone of subnet-dc856a585511f5603. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service.
  --> t.yaml:11:27
   |
11 |       SubnetIds: [!Ref A, !Ref B]
   |                           ^^^^^^",
    );
}

#[test]
fn conditions_in_a_circle() {
    refused(
        r"
Conditions:
  A: !Not [!Condition B]
  B: !Not [!Condition A]
Resources: {V: {Type: AWS::EC2::VPC, Condition: A, Properties: {CidrBlock: 10.0.0.0/16}}}
",
        r"
error: circular dependency between conditions: `A` needs `B` needs `A`
 --> t.yaml:2:3
  |
2 |   A: !Not [!Condition B]
  |   ^
  = help: one of them must not mention the next",
    );
}

#[test]
fn a_key_that_a_mapping_has_not() {
    refused(
        r"
Mappings: {M: {a: {b: 1}}}
Resources: {V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !FindInMap [M, a, c]}}}
",
        r"
error: `c` is not a second-level key of the mapping
 --> t.yaml:2:80
  |
2 | Resources: {V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !FindInMap [M, a, c]}}}
  |                                                                                ^
  = help: known are b",
    );
}

#[test]
fn an_index_beyond_the_list() {
    refused(
        r"
Resources: {V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Select [2, [a, b]]}}}
",
        r"
error: `Fn::Select` asks for item 2 of a list of 2
 --> t.yaml:1:71
  |
1 | Resources: {V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Select [2, [a, b]]}}}
  |                                                                       ^
  = help: the first item is 0",
    );
}

#[test]
fn a_wrong_number_of_arguments() {
    refused(
        r"
Resources: {V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Join [a, [b], c]}}}
",
        r"
error: `Fn::Join` takes a list of 2, not a list of 3
 --> t.yaml:1:62
  |
1 | Resources: {V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Join [a, [b], c]}}}
  |                                                              ^^^^^^^",
    );
}

#[test]
fn an_unknown_function() {
    refused(
        r#"
Resources: {V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: {"Fn::Joi": [a, [b]]}}}}
"#,
        r#"
error: `Fn::Joi` is not a function that is emulated
 --> t.yaml:1:63
  |
1 | Resources: {V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: {"Fn::Joi": [a, [b]]}}}}
  |                                                               ^^^^^^^^^
  = help: did you mean `Fn::Join`?"#,
    );
}

#[test]
fn a_missing_value() {
    refused(
        r"
Resources:
  V:
    Type: AWS::EC2::VPC
    Properties:
      CidrBlock:
",
        r"
error: a value is missing: templates can't hold null
 --> t.yaml:5:16
  |
5 |       CidrBlock:
  |                ^
  = help: write a value, or remove the key",
    );
}

#[test]
fn a_property_in_the_wrong_place() {
    refused(
        r"
Resources:
  V:
    Type: AWS::EC2::VPC
    CidrBlock: 10.0.0.0/16
",
        r"
error: `CidrBlock` is not an attribute of a resource
 --> t.yaml:4:5
  |
4 |     CidrBlock: 10.0.0.0/16
  |     ^^^^^^^^^
  = help: write `CidrBlock` below `Properties` of `V`",
    );
}

#[test]
fn an_import_that_nobody_exports() {
    refused(
        r"
Resources: {V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !ImportValue x}}}
",
        r"
error: no stack of this lab exports `x` in 123456789012 us-east-1
 --> t.yaml:1:62
  |
1 | Resources: {V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !ImportValue x}}}
  |                                                              ^^^^^^^^^^^^^^
  = help: a stack of the same account and Region must export it in its `Outputs`",
    );
}

#[test]
fn a_list() {
    refused(
        r"
- a
- b
",
        r"
error: a template is a map of sections, not a list
 --> t.yaml:1:1
  |
1 | - a
  | ^
  = help: it needs at least a `Resources` section",
    );
}

#[test]
fn a_resource_that_a_condition_removes() {
    refused(
        r"
Conditions: {C: !Equals [a, b]}
Resources:
  V: {Type: AWS::EC2::VPC, Condition: C, Properties: {CidrBlock: 10.0.0.0/16}}
  S: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref V, CidrBlock: 10.0.1.0/24}}
",
        r"
error: `V` does not exist: its condition is false
 --> t.yaml:4:51
  |
4 |   S: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref V, CidrBlock: 10.0.1.0/24}}
  |                                                   ^^^^^^
  = help: put this into an `Fn::If` with the same condition",
    );
}
