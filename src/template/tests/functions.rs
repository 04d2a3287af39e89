//! Functions, parameters, conditions: what outputs become.

use super::*;

/// The outputs of a template that has one parameter list, two subnets and these outputs.
fn outputs(outputs: &str, expect: &str) {
    let template = format!(
        "
Parameters:
  Name: {{Type: String, Default: shop}}
  Zones: {{Type: CommaDelimitedList, Default: 'a, b,c'}}
  Ports: {{Type: List<Number>, Default: '80,443'}}
Mappings:
  Sizes:
    us-east-1: {{small: t3.nano, list: [x, y]}}
Conditions:
  IsShop: !Equals [!Ref Name, shop]
  IsNot: !Not [!Condition IsShop]
  Both: !And [!Condition IsShop, !Or [!Condition IsNot, !Equals [1, '1']]]
Resources:
  Vpc: {{Type: AWS::EC2::VPC, Properties: {{CidrBlock: 10.0.0.0/16}}}}
  Role: {{Type: AWS::Lambda::Function}}
  Never: {{Type: AWS::EC2::VPC, Condition: IsNot, Properties: {{CidrBlock: 10.9.0.0/16}}}}
Outputs:
{outputs}
"
    );
    let lab = lab(&template);
    let lines: Vec<String> = lab.stacks[0].outputs.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    assert_eq!(lines, expect.trim().lines().map(str::trim).collect::<Vec<_>>());
}

#[test]
fn text_functions() {
    outputs(
        r#"
  A: {Value: !Sub "${Name}-${!Name}-${AWS::Region}-${Vpc.CidrBlock}"}
  B: {Value: !Sub ["${X}/${Name}", {X: !Join ["+", !Ref Zones]}]}
  C: {Value: !Select [1, !Split ["|", "p|q|r"]]}
  D: {Value: !Base64 "hi there"}
  E: {Value: !Join ["", [a, !Ref "AWS::NoValue", b, 1, true]]}
  F: {Value: !Length [1, 2, 3]}
  G: {Value: !ToJsonString {a: !Ref Name, b: [1, true, "x"]}}
  H: {Value: {"Fn::Sub": "${AWS::Partition} ${AWS::URLSuffix} ${AWS::AccountId} ${AWS::StackName}"}}
  I: {Value: !Sub "x${Role}y${Role.Arn}"}
"#,
        r#"A = shop-${Name}-us-east-1-10.0.0.0/16
           B = a+b+c/shop
           C = q
           D = aGkgdGhlcmU=
           E = ab1true
           F = 3
           G = {"a":"shop","b":[1,true,"x"]}
           H = aws amazonaws.com 123456789012 t
           I = xnot-emulated-Roleynot-emulated-Role"#,
    );
}

#[test]
fn lists_maps_and_conditions() {
    outputs(
        r#"
  A: {Value: !FindInMap [Sizes, !Ref "AWS::Region", small]}
  B: {Value: !Select [0, !FindInMap [Sizes, us-east-1, list]]}
  C: {Value: !FindInMap [Sizes, eu-west-1, small, {DefaultValue: !Ref Name}]}
  D: {Value: !If [IsShop, yes it is, !GetAtt Never.CidrBlock]}
  E: {Value: !If [Both, 1, 2]}
  F: {Value: !Select [1, !Cidr [!GetAtt Vpc.CidrBlock, 4, 8]]}
  G: {Value: !Join [" ", !Cidr [10.0.0.0/24, 3, 6]]}
  H: {Value: !Select [1, !GetAZs ""]}
  I: {Value: !Select [0, !GetAZs eu-west-1]}
  J: {Value: !Select [1, !Ref Ports]}
  K: {Value: !Ref Never, Condition: IsNot}
  L: {Value: !Select [1, !Ref Zones]}
"#,
        "A = t3.nano
         B = x
         C = shop
         D = yes it is
         E = 1
         F = 10.0.1.0/24
         G = 10.0.0.0/26 10.0.0.64/26 10.0.0.128/26
         H = us-east-1b
         I = eu-west-1a
         J = 443
         L = b",
    );
}

#[test]
fn json_templates_may_have_tabs() {
    let template = "{\n\t\"Resources\": {\n\t\t\"Vpc\": {\"Type\": \"AWS::EC2::VPC\",\t\"Properties\": {\"CidrBlock\": \"10.0.0.0/16\", \"Tags\": [{\"Key\": \"Name\", \"Value\": \"caf\\u00e9 \\ud83d\\ude00\"}]}}\n\t}\n}";
    let lab = lab(template);
    let vpc = lab.world.vpcs.values().next().expect("a VPC");
    assert_eq!(vpc.meta.tags["Name"], "café 😀");
    assert_eq!(vpc.meta.source.as_ref().map(|source| (source.line, source.column)), Some((3, 3)));
}

#[test]
fn the_command_line_wins_over_defaults() {
    let template = "
Parameters:
  Cidr: {Type: String, Default: 10.0.0.0/16}
  Image: {Type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>', Default: /aws/service/x}
  Given: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /nobody/has/it}
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Ref Cidr}}
Outputs:
  A: {Value: !GetAtt Vpc.CidrBlock}
  B: {Value: !Ref Given}
";
    let parameters = vec![("t.Cidr".into(), "10.7.0.0/16".into()), ("Given".into(), "mine".into())];
    let lab = lab_with(template, LoadOptions { parameters, ..LoadOptions::default() });
    assert_eq!(
        summary(&lab),
        "A = 10.7.0.0/16\nB = mine\nplaceholder: parameter `Image` of stack `t` is `ami-00000000000000000` (t.yaml:4)\n"
    );
}

#[test]
fn rules_are_checked_where_their_values_are_known() {
    let template = |version: &str| {
        format!(
            "
Parameters:
  BootstrapVersion: {{Type: 'AWS::SSM::Parameter::Value<String>', Default: /cdk-bootstrap/hnb659fds/version}}
  Size: {{Type: String, Default: '{version}'}}
Rules:
  Size:
    RuleCondition: !Not [!Equals [!Ref Size, none]]
    Assertions:
    - {{Assert: !Contains [[small, large], !Ref Size], AssertDescription: small or large}}
  Bootstrap:
    Assertions:
    - Assert: {{'Fn::Not': [{{'Fn::Contains': [['1', '2', '3', '4', '5'], {{Ref: BootstrapVersion}}]}}]}}
  Unknown:
    Assertions:
    - Assert: {{'Fn::EachMemberIn': [{{'Fn::ValueOfAll': ['AWS::EC2::Subnet::Id', VpcId]}}, [a]]}}
Resources:
  Vpc: {{Type: AWS::EC2::VPC, Properties: {{CidrBlock: 10.0.0.0/16}}}}
"
        )
    };
    let listed = "placeholder: parameter `BootstrapVersion` of stack `t` is `999` (t.yaml:3)\n\
                  ignored: rule `Unknown`: its values are not known (t.yaml:15)\n";
    assert_eq!(summary(&lab(&template("large"))), listed);
    assert_eq!(summary(&lab(&template("none"))), listed);
    refused(
        &template("huge"),
        "
error: rule `Size` does not hold: small or large
 --> t.yaml:8:7
  |
8 |     - {Assert: !Contains [[small, large], !Ref Size], AssertDescription: small or large}
  |       ^",
    );
}
