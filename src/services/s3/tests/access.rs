//! Who may do what: the actions that are asked for, the keys that go along, and the answers.

use super::*;

/// A user of the buckets' account with no policies of her own.
const ANN: &str = "user:ann";
const ANN_ARN: &str = "arn:aws:iam::111122223333:user/ann";

impl Lab {
    /// Puts a bucket policy of these statements on `site`.
    fn policy(&self, statements: &[&str]) {
        let text = format!("{{\"Version\": \"2012-10-17\", \"Statement\": [{}]}}", statements.join(", "));
        self.good("PUT /?policy", "", &text);
    }

    /// Sends to `site` as somebody.
    fn send_as(&self, who: &str, request: &str, head: &str, body: &str) -> Answer {
        let (method, path) = request.split_once(' ').unwrap();
        self.send(&format!("{method} {SITE} {path}"), &format!("X-Test-Who: {who}\r\n{head}"), body)
    }
}

/// A statement about `site` and everything in it.
fn statement(effect: &str, principal: &str, actions: &[&str], condition: &str) -> String {
    let condition = if condition.is_empty() { String::new() } else { format!(", \"Condition\": {condition}") };
    format!(
        "{{\"Effect\": \"{effect}\", \"Principal\": {principal}, \"Action\": {actions:?}, \
         \"Resource\": [\"arn:aws:s3:::site\", \"arn:aws:s3:::site/*\"]{condition}}}"
    )
}

fn ann(actions: &[&str], condition: &str) -> String {
    statement("Allow", &format!("{{\"AWS\": \"{ANN_ARN}\"}}"), actions, condition)
}

/// Each operation with all the actions that it needs: with them it works, and without any one of them it is denied.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>
#[test]
fn operations_ask_for_their_actions() {
    let lab = lab();
    lab.good("PUT /?versioning", "", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
    lab.good("PUT /t", "x-amz-tagging: a=1\r\n", "x");
    let upload = element(&lab.good("POST /big?uploads", "", ""), "UploadId").to_owned();
    let with_upload = |request: &str| request.replace("ID", &upload);
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
    let cors = "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>\
                </CORSConfiguration>";
    let versioning = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    let block = "<PublicAccessBlockConfiguration/>";
    let payer = "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>";
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("GET /data", "", "", &["s3:GetObject"]),
        ("HEAD /data", "", "", &["s3:GetObject"]),
        ("GET /data?versionId=null", "", "", &["s3:GetObjectVersion"]),
        ("GET /data?attributes", "x-amz-object-attributes: ETag\r\n", "", &["s3:GetObject", "s3:GetObjectAttributes"]),
        ("GET /none", "", "", &["s3:GetObject", "s3:ListBucket"]),
        ("GET /data?tagging", "", "", &["s3:GetObjectTagging"]),
        ("PUT /data?tagging", "", tags, &["s3:PutObjectTagging"]),
        ("DELETE /data?tagging", "", "", &["s3:DeleteObjectTagging"]),
        ("GET /data?acl", "", "", &["s3:GetObjectAcl"]),
        ("PUT /data?acl", "x-amz-acl: private\r\n", "", &["s3:PutObjectAcl"]),
        ("PUT /new", "", "x", &["s3:PutObject"]),
        ("PUT /new", "x-amz-tagging: a=1\r\n", "x", &["s3:PutObject", "s3:PutObjectTagging"]),
        ("PUT /new", "x-amz-acl: private\r\n", "x", &["s3:PutObject", "s3:PutObjectAcl"]),
        ("PUT /new", "x-amz-copy-source: site/data\r\n", "", &["s3:GetObject", "s3:PutObject"]),
        (
            "PUT /new",
            "x-amz-copy-source: site/t\r\n",
            "",
            &["s3:GetObject", "s3:GetObjectTagging", "s3:PutObject", "s3:PutObjectTagging"],
        ),
        ("DELETE /new", "", "", &["s3:DeleteObject"]),
        ("DELETE /new?versionId=null", "", "", &["s3:DeleteObjectVersion"]),
        ("GET /", "", "", &["s3:ListBucket"]),
        ("GET /?list-type=2", "", "", &["s3:ListBucket"]),
        ("HEAD /", "", "", &["s3:ListBucket"]),
        ("GET /?versions", "", "", &["s3:ListBucketVersions"]),
        ("GET /?uploads", "", "", &["s3:ListBucketMultipartUploads"]),
        ("POST /big?uploads", "", "", &["s3:PutObject"]),
        ("PUT /big?partNumber=1&uploadId=ID", "", "x", &["s3:PutObject"]),
        (
            "PUT /big?partNumber=2&uploadId=ID",
            "x-amz-copy-source: site/data\r\n",
            "",
            &["s3:GetObject", "s3:PutObject"],
        ),
        ("GET /big?uploadId=ID", "", "", &["s3:ListMultipartUploadParts"]),
        ("DELETE /big?uploadId=ID", "", "", &["s3:AbortMultipartUpload"]),
        ("GET /?location", "", "", &["s3:GetBucketLocation"]),
        ("GET /?versioning", "", "", &["s3:GetBucketVersioning"]),
        ("PUT /?versioning", "", versioning, &["s3:PutBucketVersioning"]),
        ("PUT /?tagging", "", tags, &["s3:PutBucketTagging"]),
        ("GET /?tagging", "", "", &["s3:GetBucketTagging"]),
        ("DELETE /?tagging", "", "", &["s3:PutBucketTagging"]),
        ("PUT /?cors", "", cors, &["s3:PutBucketCORS"]),
        ("GET /?cors", "", "", &["s3:GetBucketCORS"]),
        ("DELETE /?cors", "", "", &["s3:PutBucketCORS"]),
        ("GET /?acl", "", "", &["s3:GetBucketAcl"]),
        ("PUT /?acl", "x-amz-acl: private\r\n", "", &["s3:PutBucketAcl"]),
        ("GET /?encryption", "", "", &["s3:GetEncryptionConfiguration"]),
        ("GET /?ownershipControls", "", "", &["s3:GetBucketOwnershipControls"]),
        ("GET /?requestPayment", "", "", &["s3:GetBucketRequestPayment"]),
        ("PUT /?requestPayment", "", payer, &["s3:PutBucketRequestPayment"]),
        ("PUT /?publicAccessBlock", "", block, &["s3:PutBucketPublicAccessBlock"]),
        ("GET /?publicAccessBlock", "", "", &["s3:GetBucketPublicAccessBlock"]),
        ("DELETE /?publicAccessBlock", "", "", &["s3:PutBucketPublicAccessBlock"]),
        ("GET /?policyStatus", "", "", &["s3:GetBucketPolicyStatus"]),
        ("GET /?policy", "", "", &["s3:GetBucketPolicy"]),
        ("DELETE /?policy", "", "", &["s3:DeleteBucketPolicy"]),
        ("DELETE /", "", "", &["s3:DeleteBucket"]),
    ];
    for (request, head, body, actions) in cases {
        let request = with_upload(request);
        for missing in *actions {
            // A policy has an action at least; this one is of no use here.
            let others: Vec<&str> =
                actions.iter().filter(|action| *action != missing).copied().chain(["s3:ReplicateObject"]).collect();
            lab.policy(&[&ann(&others, "")]);
            let answer = lab.send_as(ANN, &request, head, body);
            assert_eq!(answer.0, 403, "{request} without {missing}: {answer:?}");
            if !answer.2.is_empty() {
                let expected = format!("User: {ANN_ARN} is not authorized to perform: {missing} on resource");
                assert!(element(&answer, "Message").starts_with(&expected), "{request}: {answer:?}");
            }
        }
        lab.policy(&[&ann(actions, "")]);
        let answer = lab.send_as(ANN, &request, head, body);
        let expected: &[u16] = match request.as_str() {
            "GET /none" => &[404],
            "DELETE /" => &[409],
            _ => &[200, 204],
        };
        assert!(expected.contains(&answer.0), "{request} with {actions:?}: {answer:?}");
    }
    lab.running.end();
}

#[test]
fn conditions_see_the_request() {
    let lab = lab();
    lab.good("PUT /red", "x-amz-tagging: color=red\r\n", "x");
    let cases: &[(&str, &str, &str, &str, bool)] = &[
        // action, condition, request, head, allowed
        ("s3:ListBucket", "{\"StringEquals\": {\"s3:prefix\": \"css/\"}}", "GET /?list-type=2&prefix=css/", "", true),
        ("s3:ListBucket", "{\"StringEquals\": {\"s3:prefix\": \"css/\"}}", "GET /?list-type=2&prefix=css", "", false),
        ("s3:ListBucket", "{\"StringEquals\": {\"s3:prefix\": \"css/\"}}", "GET /?list-type=2", "", false),
        ("s3:ListBucket", "{\"StringEquals\": {\"s3:delimiter\": \"/\"}}", "GET /?delimiter=/", "", true),
        ("s3:ListBucket", "{\"NumericLessThanEquals\": {\"s3:max-keys\": \"10\"}}", "GET /?max-keys=10", "", true),
        ("s3:ListBucket", "{\"NumericLessThanEquals\": {\"s3:max-keys\": \"10\"}}", "GET /?max-keys=11", "", false),
        ("s3:GetObject", "{\"StringEquals\": {\"s3:ExistingObjectTag/color\": \"red\"}}", "GET /red", "", true),
        ("s3:GetObject", "{\"StringEquals\": {\"s3:ExistingObjectTag/color\": \"red\"}}", "GET /data", "", false),
        ("s3:*", "{\"StringEquals\": {\"s3:RequestObjectTag/a\": \"1\"}}", "PUT /n", "x-amz-tagging: a=1\r\n", true),
        ("s3:*", "{\"StringEquals\": {\"s3:RequestObjectTag/a\": \"1\"}}", "PUT /n", "x-amz-tagging: a=2\r\n", false),
        (
            "s3:*",
            "{\"ForAllValues:StringEquals\": {\"s3:RequestObjectTagKeys\": [\"a\"]}}",
            "PUT /n",
            "x-amz-tagging: b=2\r\n",
            false,
        ),
        ("s3:PutObject", "{\"StringEquals\": {\"s3:x-amz-storage-class\": \"STANDARD_IA\"}}", "PUT /n", "", false),
        (
            "s3:PutObject",
            "{\"StringEquals\": {\"s3:x-amz-storage-class\": \"STANDARD_IA\"}}",
            "PUT /n",
            "x-amz-storage-class: STANDARD_IA\r\n",
            true,
        ),
        (
            "s3:PutObject",
            "{\"StringEquals\": {\"s3:x-amz-server-side-encryption\": \"AES256\"}}",
            "PUT /n",
            "x-amz-server-side-encryption: AES256\r\n",
            true,
        ),
        ("s3:PutObject", "{\"Null\": {\"s3:if-none-match\": \"false\"}}", "PUT /n2", "", false),
        ("s3:PutObject", "{\"Null\": {\"s3:if-none-match\": \"false\"}}", "PUT /n3", "If-None-Match: *\r\n", true),
        (
            "s3:GetObjectVersion",
            "{\"StringEquals\": {\"s3:VersionId\": \"null\"}}",
            "GET /data?versionId=null",
            "",
            true,
        ),
        (
            "s3:GetObject",
            "{\"StringLike\": {\"aws:UserAgent\": \"curl/*\"}}",
            "GET /data",
            "User-Agent: curl/8\r\n",
            true,
        ),
        (
            "s3:GetObject",
            "{\"StringLike\": {\"aws:UserAgent\": \"curl/*\"}}",
            "GET /data",
            "User-Agent: wget\r\n",
            false,
        ),
        (
            "s3:GetObject",
            "{\"StringLike\": {\"aws:Referer\": \"https://a/*\"}}",
            "GET /data",
            "Referer: https://a/b\r\n",
            true,
        ),
        ("s3:GetObject", "{\"StringEquals\": {\"aws:RequestedRegion\": \"us-east-1\"}}", "GET /data", "", true),
        ("s3:GetObject", "{\"StringEquals\": {\"s3:ResourceAccount\": \"111122223333\"}}", "GET /data", "", true),
        (
            "s3:GetObject",
            "{\"DateGreaterThan\": {\"aws:CurrentTime\": \"2020-01-01T00:00:00Z\"}}",
            "GET /data",
            "",
            true,
        ),
        ("s3:GetObject", "{\"DateLessThan\": {\"aws:CurrentTime\": \"2020-01-01T00:00:00Z\"}}", "GET /data", "", false),
        ("s3:GetObject", "{\"Bool\": {\"aws:SecureTransport\": \"true\"}}", "GET /data", "", false),
        ("s3:GetObject", "{\"IpAddress\": {\"aws:SourceIp\": \"127.0.0.0/8\"}}", "GET /data", "", true),
    ];
    for (action, condition, request, head, allowed) in cases {
        lab.policy(&[&ann(&[*action], condition)]);
        let answer = lab.send_as(ANN, request, head, "");
        assert_eq!(answer.0, if *allowed { 200 } else { 403 }, "{action} {condition} {request}: {answer:?}");
    }
    lab.running.end();
}

/// The case of the bucket that is only for an endpoint.
#[test]
fn a_bucket_is_only_for_its_endpoint() {
    let lab = lab();
    let elsewhere = "{\"StringNotEquals\": {\"aws:SourceVpce\": \"vpce-1\"}}";
    let deny = statement("Deny", "\"*\"", &["s3:GetObject"], elsewhere);
    lab.policy(&[&deny]);
    assert_eq!(lab.send_as(&format!("{OWNER} endpoint"), "GET /data", "", "").0, 200);
    let answer = lab.send_as(OWNER, "GET /data", "", "");
    assert_eq!((answer.0, element(&answer, "Code")), (403, "AccessDenied"));
    assert_eq!(
        element(&answer, "Message"),
        "User: arn:aws:iam::111122223333:root is not authorized to perform: s3:GetObject on resource: \
         \"arn:aws:s3:::site/data\" with an explicit deny in a resource-based policy"
    );
    lab.running.end();
}

#[test]
fn strangers_need_a_policy() {
    let lab = lab();
    for who in ["nobody", OTHER, ANN] {
        for request in
            ["GET /data", "GET /none", "GET /?list-type=2", "PUT /data", "DELETE /data", "PUT /?policy", "DELETE /"]
        {
            let answer = lab.send_as(who, request, "", "");
            assert_eq!((answer.0, element(&answer, "Code")), (403, "AccessDenied"), "{who} {request}");
            if who != ANN {
                assert_eq!(element(&answer, "Message"), "Access Denied");
            }
        }
        assert_eq!(lab.send_as(who, "HEAD /data", "", "").0, 403);
        let answer = lab.send_as(who, "HEAD /", "", "");
        assert_eq!((answer.0, header(&answer, "x-amz-bucket-region")), (403, Some("us-east-1")));
    }
    for request in ["GET", "PUT"] {
        let path = if request == "GET" { "/" } else { "/made" };
        let answer = lab.send(&format!("{request} {ANYWHERE} {path}"), "X-Test-Who: nobody\r\n", "");
        assert_eq!((answer.0, element(&answer, "Code")), (403, "AccessDenied"));
    }
    assert_eq!(lab.good("GET /data", "", "").2, "0123456789");
    // A bucket that is not there is nobody's secret.
    assert_eq!(lab.send("GET nobody.s3.amazonaws.com /", "X-Test-Who: nobody\r\n", "").0, 404);

    lab.policy(&[&statement("Allow", "\"*\"", &["s3:GetObject"], "")]);
    assert_eq!(lab.send_as("nobody", "GET /data", "", "").2, "0123456789");
    assert_eq!(lab.send_as(OTHER, "GET /data", "", "").0, 200, "the root user of another account has his side's leave");
    let answer = lab.send_as("nobody", "GET /none", "", "");
    assert_eq!(answer.0, 403, "whoever may not list does not learn what is missing: {answer:?}");
    let answer = lab.send_as("nobody", "GET /data?response-content-type=a/b", "", "");
    assert_eq!((answer.0, element(&answer, "Code")), (400, "InvalidRequest"));
    lab.policy(&[&statement("Allow", "\"*\"", &["s3:GetObject", "s3:ListBucket"], "")]);
    assert_eq!(lab.send_as("nobody", "GET /none", "", "").0, 404);

    // A public policy is worth nothing to strangers where the bucket restricts it.
    let block = "<PublicAccessBlockConfiguration><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    lab.good("PUT /?publicAccessBlock", "", block);
    assert_eq!(lab.send_as("nobody", "GET /data", "", "").0, 403);
    assert_eq!(lab.send_as(ANN, "GET /data", "", "").0, 200);
    lab.running.end();
}

#[test]
fn each_key_of_many_is_asked_for() {
    let lab = lab();
    let one = format!(
        "{{\"Effect\": \"Allow\", \"Principal\": {{\"AWS\": \"{ANN_ARN}\"}}, \"Action\": \"s3:DeleteObject\", \
         \"Resource\": \"arn:aws:s3:::site/data\"}}"
    );
    lab.policy(&[&one]);
    let delete = "<Delete><Object><Key>data</Key></Object><Object><Key>index.html</Key></Object></Delete>";
    let answer = lab.send_as(ANN, "POST /?delete", "", delete);
    assert_eq!(
        (answer.0, elements(&answer, "Key"), element(&answer, "Code")),
        (200, vec!["data", "index.html"], "AccessDenied")
    );
    assert!(element(&answer, "Message").contains("s3:DeleteObject on resource"), "{answer:?}");
    lab.refused("GET /data", "", "", 404, "NoSuchKey");
    lab.good("GET /index.html", "", "");
    lab.running.end();
}

/// Whoever has shut everybody out can open again.
#[test]
fn the_root_user_takes_back_any_policy() {
    let lab = lab();
    lab.policy(&[&statement("Deny", "\"*\"", &["s3:*"], "")]);
    lab.refused("GET /data", "", "", 403, "AccessDenied");
    lab.good("GET /?policy", "", "");
    lab.good("DELETE /?policy", "", "");
    lab.good("GET /data", "", "");
    // Others may be allowed to, and still it is not theirs.
    let policy = ann(&["s3:GetBucketPolicy"], "").replace(ANN_ARN, &format!("arn:aws:iam::{OTHER}:root"));
    lab.policy(&[&policy]);
    assert_eq!(lab.send_as(OTHER, "GET /?policy", "", "").0, 405);
    lab.running.end();
}

#[test]
fn owners_are_as_expected() {
    let lab = lab();
    lab.good("GET /data", &format!("x-amz-expected-bucket-owner: {OWNER}\r\n"), "");
    lab.refused("GET /data", &format!("x-amz-expected-bucket-owner: {OTHER}\r\n"), "", 403, "AccessDenied");
    lab.running.end();
}

/// Without the door's word nobody is anybody.
#[test]
fn without_a_session_nothing_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let s3 = S3::open(folder.path(), Kept::GoesWithLab, &[bucket("site", "us-east-1")]).unwrap();
    let running = start(Arc::new(s3), Limits::default());
    for request in ["GET /", "GET /site", "PUT /site/k", "DELETE /site"] {
        let head = format!("{request} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let answer = running.raw(head.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("<Code>AccessDenied</Code>"), "{answer}");
    }
    running.end();
}
