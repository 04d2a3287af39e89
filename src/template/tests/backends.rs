//! `organization` and `backends` of a `lab.yaml`.

use std::path::PathBuf;

use super::*;
use crate::template::{Backend, BackendCredentials};

fn files(lab_yaml: &str) -> Memory {
    let stacks = "stacks: {app: {template: app.yaml}}\n";
    let app = "Resources: {Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}}";
    Memory::new([("l/lab.yaml", format!("{stacks}{lab_yaml}").as_str()), ("l/app.yaml", app)])
}

#[test]
fn a_lab_has_an_organization_and_backends() {
    let lab = "
organization: o-exampleorgid
backends:
  s3:
    url: http://127.0.0.1:9000/
    access_key_id: MINIO_USER
    secret_access_key: MINIO_PASSWORD
    session_token: MINIO_TOKEN
    region: garage
    path_style: false
    ca_file: ./ca.pem
  sqs: {url: 'https://[::1]:4566'}
";
    let lab =
        load(&files(lab), Path::new("l/lab.yaml"), &LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(lab.world.organization.as_deref(), Some("o-exampleorgid"));
    let s3 = Backend {
        service: "s3".to_owned(),
        url: "http://127.0.0.1:9000".to_owned(),
        credentials: Some(BackendCredentials {
            access_key_id: "MINIO_USER".to_owned(),
            secret_access_key: "MINIO_PASSWORD".to_owned(),
            session_token: Some("MINIO_TOKEN".to_owned()),
        }),
        region: Some("garage".to_owned()),
        path_style: false,
        ca_file: Some(PathBuf::from("l/ca.pem")),
    };
    let sqs = Backend {
        service: "sqs".to_owned(),
        url: "https://[::1]:4566".to_owned(),
        credentials: None,
        region: None,
        path_style: true,
        ca_file: None,
    };
    assert_eq!(lab.backends, [s3, sqs]);
}

/// Each with its message, its place (the first line is the stacks'), and its help.
#[test]
fn what_is_no_organization_and_no_backend() {
    let org = "an organization's id is `o-` and 10 to 32 small letters and digits|write one such as o-exampleorgid";
    let key = "`access_key_id` is not the name of an environment variable|put the credential into a variable and write the variable's name here";
    let both = "a backend's credentials are `access_key_id` and `secret_access_key`, both|without either, requests go out unsigned";
    let form = "write it as http://HOST:PORT or https://HOST:PORT";
    for (lab, place, expected) in [
        ("organization: example", "2:15", org),
        ("organization: o-Example0rgId", "2:15", org),
        ("organization: [o-exampleorgid]", "2:15", org),
        (
            "backends: {s4: {url: 'http://a'}}",
            "2:12",
            "`s4` is not a service of AWS|it is what stands behind `com.amazonaws.REGION.` in the name of an endpoint's service",
        ),
        (
            "backends: {dynamobd: {url: 'http://a'}}",
            "2:12",
            "`dynamobd` is not a service of AWS|did you mean `dynamodb`?",
        ),
        ("backends: {s3: 'http://a'}", "2:16", "a backend is a map, not text|write `{url: http://HOST:PORT}`"),
        ("backends: {s3: {}}", "2:12", "the backend has no `url`|add `url: http://HOST:PORT`"),
        (
            "backends: {s3: {uri: 'http://a', url: 'http://a'}}",
            "2:17",
            "`uri` is not a key of a backend|did you mean `url`?",
        ),
        ("backends: {s3: {url: [a]}}", "2:22", "a URL is expected here, not a list|"),
        ("backends: {s3: {url: 'localhost:9000'}}", "2:22", &format!("`localhost:9000` is not a URL|{form}")),
        ("backends: {s3: {url: 'ftp://a'}}", "2:22", &format!("a backend speaks http or https, not `ftp`|{form}")),
        ("backends: {s3: {url: 'http://u:p@a'}}", "2:22", &format!("credentials in a URL are not used|{form}")),
        ("backends: {s3: {url: 'http://a/b'}}", "2:22", &format!("a backend's URL has no path|{form}")),
        (
            "backends: {s3: {url: 'http://a:99999'}}",
            "2:22",
            &format!("`http://a:99999` has no valid host and port|{form}"),
        ),
        ("backends: {s3: {url: 'http://:80'}}", "2:22", &format!("`http://:80` has no valid host and port|{form}")),
        (
            "backends: {s3: {url: 'http://[::x]:80'}}",
            "2:22",
            &format!("`http://[::x]:80` has no valid host and port|{form}"),
        ),
        ("backends: {s3: {url: 'http://a', access_key_id: A}}", "2:12", both),
        ("backends: {s3: {url: 'http://a', session_token: A}}", "2:12", both),
        ("backends: {s3: {url: 'http://a', access_key_id: AKIAIOSFODNN7EXAMPLE, secret_access_key: S}}", "2:49", key),
        ("backends: {s3: {url: 'http://a', access_key_id: 'a/b', secret_access_key: S}}", "2:49", key),
        ("backends: {s3: {url: 'http://a', path_style: maybe}}", "2:46", "`path_style` is true or false|"),
        ("backends: {s3: {url: 'http://a', region: 'us east'}}", "2:42", "`us east` is not the name of a Region|"),
        ("backends: [s3]", "2:11", "`backends` must be a map, not a list|"),
    ] {
        let drawn = drawn_from(&files(lab), "l/lab.yaml", &LoadOptions::default());
        let (message, help) = expected.split_once('|').expect("a message and its help");
        assert!(drawn.starts_with(&format!("error: {message}")), "{lab}\n{drawn}");
        assert!(drawn.contains(&format!("--> l/lab.yaml:{place}\n")), "{lab}: {place}\n{drawn}");
        assert_eq!(drawn.split_once("= help: ").map_or("", |(_, help)| help), help, "{lab}\n{drawn}");
    }
}
