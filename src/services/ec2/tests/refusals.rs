//! What the API refuses, in AWS's words, and that nothing changes then.

use super::*;

/// Who asks what with which parameters, and the code of the refusal.
type Case<'c> = (&'c str, &'c str, &'c [(&'c str, &'c str)], &'c str);

#[test]
fn what_is_wrong_is_said_in_awss_words_and_changes_nothing() {
    let story = Story::new();
    let (service_id, name) = story.service();
    story.allow(&service_id, "*");
    let id = element(&story.done(CONSUMER, "CreateVpcEndpoint", &story.endpoint_of(&name)), "vpcEndpointId");
    let (service, endpoint) = (("ServiceId", service_id.as_str()), ("VpcEndpointId", id.as_str()));
    let long = "x".repeat(65);
    let cases: &[Case<'_>] = &[
        (PROVIDER, "AcceptVpcEndpointConnections", &[service], "MissingParameter"),
        (PROVIDER, "AcceptVpcEndpointConnections", &[("VpcEndpointId.1", UNKNOWN)], "MissingParameter"),
        (
            PROVIDER,
            "AcceptVpcEndpointConnections",
            &[("ServiceId", "x"), ("VpcEndpointId.1", UNKNOWN)],
            "InvalidVpcEndpointServiceIdId.Malformed",
        ),
        (PROVIDER, "AcceptVpcEndpointConnections", &[service, ("VpcEndpointId.x", UNKNOWN)], "MalformedQueryString"),
        (
            PROVIDER,
            "AcceptVpcEndpointConnections",
            &[service, ("VpcEndpointId.1", &id), ("VpcEndpointId.01", &id)],
            "MalformedQueryString",
        ),
        (
            PROVIDER,
            "ModifyVpcEndpointServicePermissions",
            &[service, ("AddAllowedPrincipals.1", "<root>")],
            "InvalidPrincipal",
        ),
        (
            PROVIDER,
            "ModifyVpcEndpointServicePermissions",
            &[service, ("AddAllowedPrincipals.1", CONSUMER)],
            "InvalidPrincipal",
        ),
        (
            PROVIDER,
            "ModifyVpcEndpointServiceConfiguration",
            &[service, ("AcceptanceRequired", "maybe")],
            "InvalidParameterValue",
        ),
        (
            PROVIDER,
            "ModifyVpcEndpointServiceConfiguration",
            &[service, ("AddGatewayLoadBalancerArn.1", "arn")],
            "UnsupportedOperation",
        ),
        (PROVIDER, "CreateVpcEndpointServiceConfiguration", &[], "MissingParameter"),
        (
            PROVIDER,
            "CreateVpcEndpointServiceConfiguration",
            &[("NetworkLoadBalancerArn.1", "arn")],
            "InvalidNetworkLoadBalancerArn.Malformed",
        ),
        (CONSUMER, "CreateVpcEndpoint", &[("VpcId", &story.vpc_id)], "MissingParameter"),
        (
            CONSUMER,
            "CreateVpcEndpoint",
            &[("VpcId", "vpc-1"), ("ServiceName", &name), ("VpcEndpointType", "Interface")],
            "InvalidVpcId.Malformed",
        ),
        (
            CONSUMER,
            "CreateVpcEndpoint",
            &[("VpcId", &story.vpc_id), ("ServiceName", &name), ("VpcEndpointType", "Tunnel")],
            "InvalidParameter",
        ),
        (
            CONSUMER,
            "CreateVpcEndpoint",
            &[("VpcId", &story.vpc_id), ("ServiceName", &name), ("IpAddressType", "ipv6")],
            "InvalidParameterValue",
        ),
        (
            CONSUMER,
            "CreateVpcEndpoint",
            &[("VpcId", &story.vpc_id), ("ServiceName", &name), ("PolicyDocument", "{")],
            "InvalidPolicyDocument",
        ),
        (
            CONSUMER,
            "CreateVpcEndpoint",
            &[("VpcId", &story.vpc_id), ("ServiceName", &name), ("ClientToken", &long)],
            "InvalidClientToken",
        ),
        (
            CONSUMER,
            "CreateVpcEndpoint",
            &[("VpcId", &story.vpc_id), ("ServiceName", &name), ("TagSpecification.1.ResourceType", "vpc")],
            "InvalidParameterValue",
        ),
        (
            CONSUMER,
            "CreateVpcEndpoint",
            &[
                ("VpcId", &story.vpc_id),
                ("ServiceName", &name),
                ("TagSpecification.1.ResourceType", "vpc-endpoint"),
                ("TagSpecification.1.Tag.1.Key", "aws:x"),
            ],
            "InvalidParameterValue",
        ),
        (CONSUMER, "ModifyVpcEndpoint", &[("VpcEndpointId", UNKNOWN)], "InvalidVpcEndpointId.NotFound"),
        (CONSUMER, "ModifyVpcEndpoint", &[endpoint, ("AddSubnetId.1", &story.subnet_id)], "DuplicateSubnetsInSameZone"),
        (CONSUMER, "ModifyVpcEndpoint", &[endpoint, ("PrivateDnsEnabled", "true")], "InvalidParameter"),
        (PROVIDER, "ModifyVpcEndpoint", &[endpoint, ("PrivateDnsEnabled", "false")], "InvalidVpcEndpointId.NotFound"),
        (CONSUMER, "DescribeVpcEndpoints", &[("VpcEndpointId.1", UNKNOWN)], "InvalidVpcEndpointId.NotFound"),
        (CONSUMER, "DescribeVpcEndpoints", &[("VpcEndpointId.1", "../../etc")], "InvalidVpcEndpointId.Malformed"),
        (
            CONSUMER,
            "DescribeVpcEndpoints",
            &[("VpcEndpointId.1", &id), ("MaxResults", "5")],
            "InvalidParameterCombination",
        ),
        (
            CONSUMER,
            "DescribeVpcEndpoints",
            &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")],
            "InvalidParameterValue",
        ),
        (CONSUMER, "DescribeVpcEndpoints", &[("Filter.1.Name", "vpc-id")], "InvalidParameterValue"),
        (CONSUMER, "DescribeVpcEndpoints", &[("NextToken", "bm9uc2Vuc2U")], "InvalidNextToken"),
        (CONSUMER, "DescribeSubnets", &[("MaxResults", "4")], "InvalidParameterValue"),
        (CONSUMER, "DescribeSubnets", &[("MaxResults", "many")], "InvalidParameterValue"),
        (CONSUMER, "DescribeVpcs", &[("Colour", "red")], "UnknownParameter"),
        (CONSUMER, "DescribeVpcs", &[("DryRun", "perhaps")], "InvalidParameterValue"),
        (CONSUMER, "TerminateInstances", &[], "InvalidAction"),
        (CONSUMER, "<script>", &[], "InvalidAction"),
    ];
    for (account, action, parameters, code) in cases {
        story.refused(account, action, parameters, 400, code);
    }
    // What a caller wrote comes back as text, whatever it is.
    let message = story.refused(
        CONSUMER,
        "DescribeVpcEndpoints",
        &[("VpcEndpointId.1", "<a>&\u{1}\n")],
        400,
        "InvalidVpcEndpointId.Malformed",
    );
    assert!(message.contains("'&lt;a&gt;&amp;\u{fffd}\u{fffd}'"), "{message}");
    let nobody = [("ServiceId", service_id.as_str()), ("VpcEndpointId.1", "<a>\u{2}")];
    let body = story.done(PROVIDER, "RejectVpcEndpointConnections", &nobody);
    assert_eq!(element(&body, "resourceId"), "&lt;a&gt;\u{fffd}");
    story.running.end();
}

#[test]
fn broken_and_huge_forms_are_refused() {
    let story = Story::new();
    let whole = form("DescribeVpcs", &[]);
    let with = |more: &[u8]| [whole.as_slice(), more].concat();
    let huge = with(format!("&Filter.1.Name={}", "x".repeat(1 << 20)).as_bytes());
    let many: String = (0..20_000).map(|number| format!("&VpcId.{number}=")).collect();
    for (form, status, code) in [
        (Vec::new(), 400, "MissingParameter"),
        (b"Action".to_vec(), 400, "MalformedQueryString"),
        (with(b"&Filter.1.Name=%"), 400, "MalformedQueryString"),
        (with(b"&Filter.1.Name=%4"), 400, "MalformedQueryString"),
        (with(b"&Filter.1.Name=%zz"), 400, "MalformedQueryString"),
        (with(b"&Filter.1.Name=%ff%fe"), 400, "MalformedQueryString"),
        (with(&[b'&', 0xff, b'=', 0xfe]), 400, "MalformedQueryString"),
        (with(b"&Action=DescribeSubnets"), 400, "MalformedQueryString"),
        (with(b"&=x"), 400, "MalformedQueryString"),
        (b"Action=DescribeVpcs&Version=2006-03-01".to_vec(), 400, "NoSuchVersion"),
        (b"{\"Action\": \"DescribeVpcs\"}".to_vec(), 400, "MalformedQueryString"),
        (huge, 413, "RequestEntityTooLarge"),
        (with(many.as_bytes()), 400, "InvalidParameterValue"),
        (vec![0; 1 << 20], 413, "RequestEntityTooLarge"),
    ] {
        let (got, body) = story.send(&root(CONSUMER), "us-east-1", &form);
        let shown = String::from_utf8_lossy(&form[..form.len().min(120)]).into_owned();
        assert_eq!((got, element(&body, "Code").as_str()), (status, code), "{shown}: {body}");
    }
    let (status, _) = story.send(&root(CONSUMER), "us-east-1", &whole);
    assert_eq!(status, 200, "and the next one is answered");
    story.running.end();
}

#[test]
fn nobody_asks_unsigned_or_with_a_strangers_key() {
    let story = Story::new();
    let form = form("DescribeVpcs", &[]);
    let stranger = Credentials { access_key_id: "AKIA0000000000000000".to_owned(), ..root(CONSUMER) };
    let wrong = Credentials { secret_access_key: "wrong".to_owned(), ..root(CONSUMER) };
    for credentials in [stranger, wrong] {
        let (status, body) = story.send(&credentials, "us-east-1", &form);
        assert_eq!((status, element(&body, "Code").as_str()), (401, "AuthFailure"), "{body}");
    }
    let (status, body) = story.send(&root(CONSUMER), "mars-north-1", &form);
    assert_eq!((status, element(&body, "Code").as_str()), (400, "InvalidParameterValue"), "{body}");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        story.running.plain,
        form.len()
    );
    let answer = story.running.raw(&[head.as_bytes(), &form].concat());
    assert!(
        answer.starts_with("HTTP/1.1 403") && answer.contains("<Code>MissingAuthenticationToken</Code>"),
        "{answer}"
    );
    story.running.end();
}

#[test]
fn policies_decide_who_may_do_what() {
    let story = Story::new();
    let send = |name: &str, action: &str, parameters: &[(&str, &str)]| {
        story.send(&story.users[name], "us-east-1", &form(action, parameters))
    };
    assert_eq!(send("reader", "DescribeVpcs", &[]).0, 200);
    let create = story.endpoint_of("com.amazonaws.us-east-1.sqs");
    for (name, action, parameters) in [
        ("reader", "CreateVpcEndpoint", create.as_slice()),
        ("deleter", "DescribeVpcs", &[]),
        // One of the two is not allowed, so neither is touched.
        ("deleter", "DeleteVpcEndpoints", &[("VpcEndpointId.1", "vpce-1"), ("VpcEndpointId.2", "vpce-2")]),
    ] {
        let before = story.lab.world();
        let (status, body) = send(name, action, parameters);
        assert_eq!((status, element(&body, "Code").as_str()), (403, "UnauthorizedOperation"), "{body}");
        let message = element(&body, "Message");
        let expected = format!(
            "You are not authorized to perform this operation. User: arn:aws:iam::{CONSUMER}:user/{name} is not authorized to perform: ec2:{action}"
        );
        assert!(message.starts_with(&expected), "{message}");
        assert!(*before == *story.lab.world());
    }
    let (status, body) = send("deleter", "DeleteVpcEndpoints", &[("VpcEndpointId.1", "vpce-10000000000000000")]);
    assert!(status == 200 && body.contains("InvalidVpcEndpointId.NotFound"), "{body}");
    story.running.end();
}

#[test]
fn a_dry_run_only_says_what_would_be() {
    let story = Story::new();
    let dry = ("DryRun", "true");
    let create = [story.endpoint_of("com.amazonaws.us-east-1.sqs"), vec![dry]].concat();
    let message = story.refused(CONSUMER, "CreateVpcEndpoint", &create, 412, "DryRunOperation");
    assert_eq!(message, "Request would have succeeded, but DryRun flag is set.");
    let unknown = [story.endpoint_of("com.amazonaws.us-east-1.sqss"), vec![dry]].concat();
    story.refused(CONSUMER, "CreateVpcEndpoint", &unknown, 400, "InvalidServiceName");
    story.refused(CONSUMER, "DescribeVpcs", &[dry], 412, "DryRunOperation");
    let (status, body) = story.send(&story.users["reader"], "us-east-1", &form("CreateVpcEndpoint", &create));
    assert_eq!((status, element(&body, "Code").as_str()), (403, "UnauthorizedOperation"), "{body}");
    story.running.end();
}
