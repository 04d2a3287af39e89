//! What templates become.

use super::*;

#[test]
fn the_first_example_becomes_a_world() {
    let lab = lab(include_str!("../../../examples/first.yaml"));
    let world = &lab.world;
    assert_eq!((world.vpcs.len(), world.subnets.len(), world.instances.len(), world.buckets.len()), (1, 1, 1, 1));
    let endpoint = world.vpc_endpoints.values().next().expect("the endpoint");
    assert_eq!(endpoint.service_name, "com.amazonaws.us-east-1.s3");
    assert_eq!(endpoint.route_table_ids.len(), 1);
    assert_eq!(endpoint.meta.source.as_ref().expect("a place").to_string(), "t.yaml:7");
    assert_eq!(
        summary(&lab),
        "placeholder: {{resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64}} is `ami-00000000000000000` (t.yaml:8)\n\
         parsed, not enforced yet: policy of AWS::S3::BucketPolicy `Policy` (t.yaml:10)\n"
    );
}
