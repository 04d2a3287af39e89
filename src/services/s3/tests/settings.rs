//! What is set on buckets: tags, policies, CORS, public access, and what has one value.

use super::*;

#[test]
fn tags_are_kept_and_checked() {
    let lab = lab();
    let document = |tags: &[(&str, &str)]| {
        let tags: String =
            tags.iter().map(|(key, value)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")).collect();
        format!("<Tagging><TagSet>{tags}</TagSet></Tagging>")
    };
    lab.refused("GET /?tagging", "", "", 404, "NoSuchTagSet");
    lab.good("PUT /?tagging", "", &document(&[("a", "1")]));
    assert_eq!(element(&lab.good("GET /?tagging", "", ""), "Value"), "1");
    lab.good("DELETE /?tagging", "", "");
    lab.refused("GET /?tagging", "", "", 404, "NoSuchTagSet");
    lab.good("PUT /data?tagging", "", &document(&[("a", "1"), ("b", "")]));
    assert_eq!(elements(&lab.good("GET /data?tagging", "", ""), "Key"), ["a", "b"]);
    let many: Vec<(String, String)> = (0..11).map(|number| (number.to_string(), String::new())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    lab.refused("PUT /data?tagging", "", &document(&many), 400, "BadRequest");
    for wrong in
        [[("a", "1"), ("a", "2")], [("aws:a", "1"), ("b", "2")], [("", "1"), ("b", "2")], [("a", "{"), ("b", "2")]]
    {
        lab.refused("PUT /data?tagging", "", &document(&wrong), 400, "InvalidTag");
    }
    lab.refused("PUT /new", "x-amz-tagging: a=1&a=2\r\n", "", 400, "InvalidTag");
    assert_eq!(elements(&lab.good("GET /data?tagging", "", ""), "Key"), ["a", "b"]);
    assert_eq!(lab.good("DELETE /data?tagging", "", "").0, 204);
    assert!(!lab.good("GET /data?tagging", "", "").2.contains("<Key>"));
    lab.running.end();
}

#[test]
fn a_page_may_see_what_its_rule_allows() {
    let lab = lab();
    let site = format!("OPTIONS {SITE} /data");
    let ask = "Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n";
    let answer = lab.send(&site, ask, "");
    assert_eq!((answer.0, element(&answer, "Code")), (403, "AccessForbidden"));
    lab.refused("GET /?cors", "", "", 404, "NoSuchCORSConfiguration");
    let rules = "<CORSConfiguration><CORSRule><AllowedOrigin>https://*.example</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>\
                 <AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>9</MaxAgeSeconds></CORSRule>\
                 <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>";
    lab.good("PUT /?cors", "", rules);
    let answer = lab.send(&site, &format!("{ask}Access-Control-Request-Headers: X-Amz-Date\r\n"), "");
    for (name, value) in [
        ("access-control-allow-origin", "https://a.example"),
        ("access-control-allow-methods", "put"),
        ("access-control-allow-headers", "x-amz-date"),
        ("access-control-expose-headers", "etag"),
        ("access-control-max-age", "9"),
        ("access-control-allow-credentials", "true"),
    ] {
        assert_eq!((answer.0, header(&answer, name)), (200, Some(value)), "{answer:?}");
    }
    for (head, status) in [
        ("Origin: https://a.other\r\nAccess-Control-Request-Method: PUT\r\n", 403),
        ("Origin: https://a.example\r\nAccess-Control-Request-Method: DELETE\r\n", 403),
        (
            "Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-own\r\n",
            403,
        ),
        ("Origin: https://a.example\r\nAccess-Control-Request-Method: WALK\r\n", 400),
        ("Access-Control-Request-Method: PUT\r\n", 400),
    ] {
        assert_eq!(lab.send(&site, head, "").0, status, "{head}");
    }
    let answer = lab.good("GET /data", "Origin: https://z.other\r\n", "");
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"));
    assert_eq!(header(&lab.good("GET /data", "", ""), "access-control-allow-origin"), None);
    assert_eq!(header(&lab.good("HEAD /data", "Origin: https://z.other\r\n", ""), "access-control-allow-origin"), None);
    assert_eq!(elements(&lab.good("GET /?cors", "", ""), "AllowedMethod"), ["PUT", "GET"]);
    let wrong = rules.replace("PUT", "WALK");
    lab.refused("PUT /?cors", "", &wrong, 400, "InvalidRequest");
    lab.good("DELETE /?cors", "", "");
    lab.refused("GET /?cors", "", "", 404, "NoSuchCORSConfiguration");
    lab.running.end();
}

#[test]
fn a_policy_is_kept_as_it_was_written() {
    let lab = lab();
    let policy = |resource: &str| {
        format!(
            "{{ \"Version\": \"2012-10-17\",\n \"Statement\": [{{ \"Effect\": \"Allow\", \"Principal\": {{ \"AWS\": \"{OTHER}\" }}, \
             \"Action\": \"s3:GetObject\", \"Resource\": \"{resource}\" }}] }}"
        )
    };
    let own = policy("arn:aws:s3:::site/*");
    lab.refused("GET /?policy", "", "", 404, "NoSuchBucketPolicy");
    for text in [own.replace("site/*", "site*"), own.replace("s3:GetObject", "s3:*"), own.replace("s3:GetObject", "*")]
    {
        lab.good("PUT /?policy", "", &text);
    }
    assert_eq!(lab.good("PUT /?policy", "", &own).0, 204);
    assert_eq!(lab.good("GET /?policy", "", "").2, own);
    assert_eq!(element(&lab.good("GET /?policyStatus", "", ""), "IsPublic"), "false");
    for resource in ["arn:aws:s3:::other/*", "arn:aws:s3:::sites", "*", "arn:aws:s3:::*"] {
        lab.refused("PUT /?policy", "", &policy(resource), 400, "MalformedPolicy");
    }
    let mistaken = [
        (own.replace("s3:GetObject", "ec2:RunInstances"), "Policy has invalid action"),
        (own.replace("s3:GetObject", "s3:ListBucket"), "Action does not apply to any resource(s) in statement"),
        (own.replace("site/*", "site"), "Action does not apply to any resource(s) in statement"),
    ];
    for (text, message) in mistaken {
        let answer = lab.refused("PUT /?policy", "", &text, 400, "MalformedPolicy");
        assert!(element(&answer, "Message").starts_with(message), "{answer:?}");
    }
    let answer = lab.refused("PUT /?policy", "", "{\n  \"Version\": ,", 400, "MalformedPolicy");
    assert!(element(&answer, "Message").contains("line 2, column 14"), "{answer:?}");
    let long = own.replace("\n", &"\n".repeat(20_481));
    lab.refused("PUT /?policy", "", &long, 400, "MalformedPolicy");
    assert_eq!(lab.good("GET /?policy", "", "").2, own, "what was refused changes nothing");
    assert_eq!(lab.good("DELETE /?policy", "", "").0, 204);
    lab.refused("GET /?policy", "", "", 404, "NoSuchBucketPolicy");
    lab.running.end();
}

#[test]
fn a_new_bucket_has_what_s3_gives_it() {
    let lab = lab();
    assert_eq!(lab.send(&format!("PUT {ANYWHERE} /made"), "", "").0, 200);
    let get = |what: &str| lab.get(ANYWHERE, &format!("/made?{what}"));
    assert_eq!(element(&get("encryption"), "SSEAlgorithm"), "AES256");
    assert_eq!(element(&get("ownershipControls"), "ObjectOwnership"), "BucketOwnerEnforced");
    assert_eq!(element(&get("requestPayment"), "Payer"), "BucketOwner");
    assert_eq!(elements(&get("acl"), "Permission"), ["FULL_CONTROL"]);
    assert_eq!(element(&get("publicAccessBlock"), "BlockPublicPolicy"), "true");
    let public = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\
                  \"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::made/*\"}]}";
    let put = || lab.send(&format!("PUT {ANYWHERE} /made?policy"), "", public);
    let answer = put();
    assert_eq!((answer.0, element(&answer, "Code")), (403, "AccessDenied"));
    assert!(element(&answer, "Message").contains("BlockPublicPolicy"), "{answer:?}");
    assert_eq!(lab.send(&format!("DELETE {ANYWHERE} /made?publicAccessBlock"), "", "").0, 204);
    assert_eq!((get("publicAccessBlock").0, put().0), (404, 204));
    assert_eq!(element(&get("policyStatus"), "IsPublic"), "true");
    for acl in ["public-read", "aws-exec-read"] {
        lab.refused("PUT /k", &format!("x-amz-acl: {acl}\r\n"), "x", 400, "AccessControlListNotSupported");
        lab.refused("PUT /?acl", &format!("x-amz-acl: {acl}\r\n"), "", 400, "AccessControlListNotSupported");
    }
    lab.good("PUT /k", "x-amz-acl: bucket-owner-full-control\r\n", "x");
    lab.good("PUT /?acl", "x-amz-acl: private\r\n", "");
    lab.refused("PUT /k", "x-amz-grant-read: id=1\r\n", "x", 400, "AccessControlListNotSupported");
    lab.refused("PUT /k", "x-amz-server-side-encryption: aws:kms\r\n", "x", 501, "NotImplemented");
    lab.refused("PUT /k", "x-amz-object-lock-mode: GOVERNANCE\r\n", "x", 400, "InvalidRequest");
    lab.running.end();
}
