//! Health checks and attributes of target groups: AWS's defaults, limits and refusals (B9).

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

const CHECK_LIMITS: &[(&[(&str, &str)], &str)] = &[
    (&[("HealthCheckProtocol", "UDP")], "ValidationError: Health check protocol 'UDP' is not supported"),
    (
        &[("HealthCheckIntervalSeconds", "4")],
        "ValidationError: Health check interval '4' must be between '5' and '300'",
    ),
    (&[("HealthCheckIntervalSeconds", "301")], "ValidationError: Health check interval '301'"),
    (&[("HealthCheckIntervalSeconds", "soon")], "ValidationError: Health check interval 'soon'"),
    (&[("HealthCheckTimeoutSeconds", "1")], "ValidationError: Health check timeout '1' must be between '2' and '120'"),
    // The default timeout of TCP is 10 s.
    (
        &[("HealthCheckIntervalSeconds", "9")],
        "ValidationError: Health check interval must be greater than the timeout.",
    ),
    (
        &[("HealthyThresholdCount", "1")],
        "ValidationError: Health check healthy threshold count '1' must be between '2' and '10'",
    ),
    (
        &[("UnhealthyThresholdCount", "11")],
        "ValidationError: Health check unhealthy threshold count '11' must be between '2' and '10'",
    ),
    (
        &[("HealthCheckPort", "0")],
        "ValidationError: Health check port '0' must be between '1' and '65535' or equal to 'traffic-port'",
    ),
    (
        &[("HealthCheckPath", "/")],
        "InvalidConfigurationRequest: Health check paths are not supported for TCP health checks",
    ),
    (
        &[("Matcher", r#"{"HttpCode":"200"}"#)],
        "InvalidConfigurationRequest: Health check matchers are not supported for TCP health checks",
    ),
    (
        &[("HealthCheckProtocol", "HTTP"), ("HealthCheckPath", "up")],
        "ValidationError: Health check path 'up' must begin with a '/' character",
    ),
    (
        &[("HealthCheckProtocol", "HTTP"), ("Matcher", r#"{"HttpCode":"199"}"#)],
        "ValidationError: Health check matcher HTTP code '199' must be within '200-599'",
    ),
    (
        &[("HealthCheckProtocol", "HTTP"), ("Matcher", r#"{"HttpCode":"300-200"}"#)],
        "ValidationError: Health check matcher HTTP code '300-200'",
    ),
    (&[("HealthCheckProtocol", "HTTP"), ("Matcher", "{}")], "ValidationError: A health check matcher must have"),
    (&[("HealthCheckEnabled", "false")], "InvalidConfigurationRequest: Health check enabled must be true"),
];

const ATTRIBUTE_LIMITS: &[(&str, &str, &str)] = &[
    (
        "stickyness.enabled",
        "true",
        "ValidationError: Target group attribute key 'stickyness.enabled' is not recognized",
    ),
    (
        "slow_start.duration_seconds",
        "30",
        "InvalidConfigurationRequest: The provided target group attribute is not supported",
    ),
    (
        "preserve_client_ip.enabled",
        "yes",
        "ValidationError: Target group attribute value 'yes' is not valid for key 'preserve_client_ip.enabled'",
    ),
    ("stickiness.type", "lb_cookie", "ValidationError: Target group attribute value 'lb_cookie'"),
    ("deregistration_delay.timeout_seconds", "3601", "ValidationError: Target group attribute value '3601'"),
    ("load_balancing.cross_zone.enabled", "maybe", "ValidationError: Target group attribute value 'maybe'"),
];

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn group(vpc_id: &str, check: &[(&str, &str)], attributes: &[(&str, &str)]) -> Change {
    Change::CreateTargetGroup(CreateTargetGroup {
        protocol: "TCP".to_owned(),
        port: 8080,
        vpc_id: vpc_id.to_owned(),
        target_type: Some("ip".to_owned()),
        health_check: pairs(check),
        attributes: pairs(attributes),
        ..Default::default()
    })
}

#[test]
fn health_checks_keep_to_awss_limits() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    asker.all_refused(CHECK_LIMITS.iter().map(|(check, expected)| (group(&vpc_id, check, &[]), *expected)));
    let tagged = |value: &str| Request {
        tags: pairs(&[(HEALTH_CHECK_INTERVAL_TAG, value)]),
        ..request(ACCOUNT, "Tagged", group(&vpc_id, &[], &[]))
    };
    for wrong in ["49", "1s", ""] {
        let refusal = asker.world.apply(tagged(wrong)).expect_err("the tag is wrong");
        assert!(refusal.message.contains("not between 50 and 300000 milliseconds"), "{refusal}");
    }
    let arn = asker.world.apply(tagged("200")).unwrap();
    let check = &asker.world.target_groups[&arn].health_check;
    assert_eq!((check.interval(), check.timeout()), (Duration::from_millis(200), Duration::from_millis(200)));
}

#[test]
fn health_checks_have_awss_defaults() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let mut made = |check: &[(&str, &str)]| {
        let arn = asker.make(group(&vpc_id, check, &[]));
        asker.world.target_groups[&arn].health_check.clone()
    };
    let tcp = made(&[]);
    assert_eq!((tcp.protocol, tcp.port, tcp.path.as_deref()), (HealthCheckProtocol::Tcp, None, None));
    assert_eq!((tcp.interval_seconds, tcp.timeout_seconds), (30, 10));
    assert_eq!((tcp.healthy_threshold, tcp.unhealthy_threshold), (5, 2));
    let http = made(&[("HealthCheckProtocol", "HTTP")]);
    assert_eq!((http.path.as_deref(), http.timeout_seconds), (Some("/"), 6));
    assert!(http.matches(200) && http.matches(399) && !http.matches(400) && !http.matches(199));
    let https = made(&[("HealthCheckProtocol", "HTTPS"), ("Matcher", r#"{"HttpCode":"200,404-405"}"#)]);
    assert_eq!(https.timeout_seconds, 10);
    assert_eq!([200, 201, 404, 405, 406].map(|code| https.matches(code)), [true, false, true, true, false]);
}

#[test]
fn attributes_keep_to_awss_names_and_values() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let cases = ATTRIBUTE_LIMITS.iter().map(|(key, value, said)| (group(&vpc_id, &[], &[(key, value)]), *said));
    asker.all_refused(cases);
    let subnet_id = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let balancer = |attributes: &[(&str, &str)]| Change::CreateLoadBalancer {
        name: None,
        scheme: "internal".to_owned(),
        subnets: vec![SubnetMapping { subnet_id: subnet_id.clone(), private_ipv4_address: None, allocation_id: None }],
        security_groups: Vec::new(),
        attributes: pairs(attributes),
    };
    asker.all_refused([
        (
            balancer(&[("idle_timeout.timeout_seconds", "60")]),
            "ValidationError: Load balancer attribute key 'idle_timeout.timeout_seconds' is not recognized",
        ),
        (
            balancer(&[("load_balancing.cross_zone.enabled", "use_load_balancer_configuration")]),
            "ValidationError: Load balancer attribute value 'use_load_balancer_configuration'",
        ),
    ]);
    let crossing = asker.make(balancer(&[("load_balancing.cross_zone.enabled", "true")]));
    let mut crosses = |value: Option<&str>| {
        let own: Vec<_> = value.map(|value| ("load_balancing.cross_zone.enabled", value)).into_iter().collect();
        let arn = asker.make(group(&vpc_id, &[], &own));
        asker.world.target_groups[&arn].crosses_zones(&asker.world.load_balancers[&crossing])
    };
    let words = [None, Some("use_load_balancer_configuration"), Some("true"), Some("false")];
    assert_eq!(words.map(&mut crosses), [true, true, true, false], "the group's own word, else its load balancer's");
}

#[test]
fn targets_are_deregistered_with_or_without_their_port() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let target = |id: &str, port| TargetDescription { id: id.to_owned(), port, availability_zone: None };
    let arn = asker.make(group(&vpc_id, &[], &[]));
    let (register, deregister) = (
        |targets| Change::RegisterTargets { target_group_arn: arn.clone(), targets },
        |targets| Change::DeregisterTargets { target_group_arn: arn.clone(), targets },
    );
    let both = || vec![target("10.0.1.7", Some(81)), target("10.0.1.7", Some(82)), target("10.0.1.8", None)];
    asker.make(register(both()));
    asker.refused(
        deregister(vec![target("10.0.1.8", None), target("10.0.1.9", None)]),
        "InvalidTarget: The following targets are not registered with target group: '10.0.1.9'",
    );
    asker.make(deregister(vec![target("10.0.1.7", Some(82))]));
    let left = |asker: &Asker| asker.world.target_groups[&arn].targets.iter().map(|it| it.port).collect::<Vec<_>>();
    assert_eq!(left(&asker), [81, 8080]);
    asker.make(register(both()));
    asker.make(deregister(vec![target("10.0.1.7", None)]));
    assert_eq!(left(&asker), [8080], "without a port, every port of it");
    asker.refused_as(OTHER_ACCOUNT, deregister(both()), "TargetGroupNotFound");
}
