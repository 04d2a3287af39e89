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
