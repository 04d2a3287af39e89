//! Load balancers with their target groups and listeners, and buckets.

use super::*;

/// ELBv2 DescribeLoadBalancers, with DescribeLoadBalancerAttributes.
pub fn load_balancers(world: &World) -> Vec<Value> {
    let shape = |balancer: &LoadBalancer| {
        let zones: Value = balancer
            .nodes
            .iter()
            .map(|node| {
                json!({
                    "ZoneName": node.availability_zone,
                    "SubnetId": node.subnet_id,
                    "LoadBalancerAddresses": [{ "PrivateIPv4Address": node.private_ip_address }],
                })
            })
            .collect();
        json!({
            "LoadBalancerArn": balancer.load_balancer_arn,
            "LoadBalancerName": balancer.load_balancer_name,
            "DNSName": balancer.dns_name,
            "CanonicalHostedZoneId": balancer.canonical_hosted_zone_id(),
            "Type": "network",
            "Scheme": balancer.scheme,
            "VpcId": balancer.vpc_id,
            "State": { "Code": "active" },
            "AvailabilityZones": zones,
            "SecurityGroups": balancer.security_groups,
            "IpAddressType": "ipv4",
            "Attributes": key_values(&balancer.attributes),
            "Tags": tags(&balancer.meta),
        })
    };
    world.load_balancers.values().map(shape).collect()
}

/// ELBv2 DescribeTargetGroups, with DescribeTargetGroupAttributes and the targets.
pub fn target_groups(world: &World) -> Vec<Value> {
    let shape = |group: &TargetGroup| {
        let targets: Value =
            group.targets.iter().map(|target| json!({ "Id": target.id, "Port": target.port })).collect();
        let mut shape = json!({
            "TargetGroupArn": group.target_group_arn,
            "TargetGroupName": group.target_group_name,
            "Protocol": group.protocol,
            "Port": group.port,
            "VpcId": group.vpc_id,
            "TargetType": group.target_type,
            "LoadBalancerArns": world.load_balancers_of(&group.target_group_arn),
            "Targets": targets,
            "Attributes": key_values(&group.attributes),
            "Tags": tags(&group.meta),
        });
        add_health_check(&mut shape, &group.health_check);
        shape
    };
    world.target_groups.values().map(shape).collect()
}

fn add_health_check(shape: &mut Value, check: &HealthCheck) {
    let port = check.port.map_or_else(|| "traffic-port".to_owned(), |port| port.to_string());
    add(shape, "HealthCheckEnabled", Some(json!(true)));
    add(shape, "HealthCheckProtocol", Some(json!(check.protocol.as_str())));
    add(shape, "HealthCheckPort", Some(json!(port)));
    add(shape, "HealthCheckPath", check.path.as_ref().map(|path| json!(path)));
    add(shape, "HealthCheckIntervalSeconds", Some(json!(check.interval_seconds)));
    add(shape, "HealthCheckTimeoutSeconds", Some(json!(check.timeout_seconds)));
    add(shape, "HealthyThresholdCount", Some(json!(check.healthy_threshold)));
    add(shape, "UnhealthyThresholdCount", Some(json!(check.unhealthy_threshold)));
    add(shape, "Matcher", check.matcher.as_ref().map(|code| json!({ "HttpCode": code })));
}

/// One entry of ELBv2 DescribeTargetHealth's TargetHealthDescriptions, with the group that it answers for.
pub fn target_health(group: &TargetGroup, target: &Target, health: &TargetHealth) -> Value {
    let mut said = json!({ "State": health.state.as_str() });
    add(&mut said, "Reason", health.reason.map(|reason| json!(reason)));
    add(&mut said, "Description", health.description.as_ref().map(|text| json!(text)));
    json!({
        "TargetGroupArn": group.target_group_arn,
        "TargetGroupName": group.target_group_name,
        "Target": { "Id": target.id, "Port": target.port },
        "HealthCheckPort": group.health_check.port.unwrap_or(target.port).to_string(),
        "TargetHealth": said,
    })
}

/// ELBv2 DescribeListeners, with DescribeListenerAttributes.
pub fn listeners(world: &World) -> Vec<Value> {
    let shape = |listener: &Listener| {
        let forward: Value =
            listener.target_group_arns.iter().map(|arn| json!({ "TargetGroupArn": arn, "Weight": 1 })).collect();
        let mut action = json!({ "Type": "forward", "ForwardConfig": { "TargetGroups": forward } });
        if let [only] = listener.target_group_arns.as_slice() {
            add(&mut action, "TargetGroupArn", Some(json!(only)));
        }
        let mut shape = json!({
            "ListenerArn": listener.listener_arn,
            "LoadBalancerArn": listener.load_balancer_arn,
            "Protocol": listener.protocol,
            "Port": listener.port,
            "DefaultActions": [action],
        });
        let certificates = listener.certificate_arns.iter().map(|arn| json!({ "CertificateArn": arn }));
        let certificates = (listener.protocol == "TLS").then(|| certificates.collect::<Value>());
        add(&mut shape, "Certificates", certificates);
        add(&mut shape, "Attributes", Some(key_values(&listener.attributes)));
        shape
    };
    world.listeners.values().map(shape).collect()
}

/// S3 ListBuckets, with GetBucketPolicy.
pub fn buckets(world: &World) -> Vec<Value> {
    let shape = |bucket: &Bucket| {
        let mut shape = json!({
            "Name": bucket.bucket,
            "BucketArn": bucket.arn(),
            "BucketRegion": bucket.meta.region,
            "OwnerId": bucket.meta.account,
            "Tags": tags(&bucket.meta),
        });
        add(&mut shape, "Versioning", bucket.versioning.map(|versioning| json!({ "Status": versioning.as_str() })));
        let block = |block: PublicAccessBlock| {
            json!({
                "BlockPublicAcls": block.block_public_acls,
                "IgnorePublicAcls": block.ignore_public_acls,
                "BlockPublicPolicy": block.block_public_policy,
                "RestrictPublicBuckets": block.restrict_public_buckets,
            })
        };
        add(&mut shape, "PublicAccessBlockConfiguration", bucket.public_access_block.map(block));
        add(&mut shape, "CORSConfiguration", bucket.cors.clone());
        add(&mut shape, "Policy", bucket.policy.as_ref().map(|policy| json!(policy.value.to_string())));
        shape
    };
    world.buckets.values().map(shape).collect()
}
