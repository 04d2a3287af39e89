//! Which IAM actions an S3 request needs, told from its head alone, before a backend sees it.
//!
//! AWS: "Required permissions for Amazon S3 API operations" and the service authorization reference. Operation and action
//! differ often: HEAD needs `s3:GetObject`, a listing `s3:ListBucket`, a copy two actions. DeleteObjects alone needs the
//! body ([`deleted`]). What is not in the tables is refused, never guessed: a request that nobody named, nobody decided.
//!
//! Not done, and why: what depends on the backend's state (`s3:GetObjectTagging` of a copy whose source has tags,
//! `s3:ExistingObjectTag`); browser forms, whose key stands in a body of any size; S3 Express and access points.

use std::borrow::Cow;

use http::header::HeaderMap;
use http::{Method, Request};
use percent_encoding::percent_decode_str;
use s3s::dto::Delete;
use s3s::xml::{Deserialize, Deserializer};

/// Keys that one DeleteObjects may name.
const MOST_KEYS: usize = 1000;

/// One thing that a request does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Access {
    /// IAM action.
    pub action: &'static str,
    /// Bucket; `None` for the list of all.
    pub bucket: Option<String>,
    /// Key, for actions on objects.
    pub key: Option<String>,
}

impl Access {
    fn new(action: &'static str, bucket: &str, key: Option<&str>) -> Self {
        Self { action, bucket: Some(bucket.to_owned()), key: key.map(str::to_owned) }
    }

    /// The ARN of what is done something to.
    pub fn resource(&self) -> String {
        let bucket = self.bucket.as_deref().unwrap_or("*");
        match &self.key {
            Some(key) => format!("arn:aws:s3:::{bucket}/{key}"),
            None => format!("arn:aws:s3:::{bucket}"),
        }
    }
}

/// What a request's head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// All of it. Empty for a CORS preflight, which nobody signs and no policy decides.
    Accesses(Vec<Access>),
    /// The body names keys of this bucket: see [`deleted`].
    Deletes(String),
}

/// Why a request is not passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unnamed {
    /// Its address or its copy source is none that two programs would read alike.
    Invalid(String),
    /// Its action is not known.
    Unknown(String),
    /// Its body is no document of DeleteObjects.
    Malformed(String),
}

type Table = &'static [(&'static str, [&'static str; 3])];

/// Sub-resources of buckets: the actions of GET, PUT and DELETE; empty where there is no such operation.
#[rustfmt::skip]
const OF_BUCKETS: Table = &[
    ("accelerate", ["s3:GetAccelerateConfiguration", "s3:PutAccelerateConfiguration", ""]),
    ("acl", ["s3:GetBucketAcl", "s3:PutBucketAcl", ""]),
    ("analytics", ["s3:GetAnalyticsConfiguration", "s3:PutAnalyticsConfiguration", "s3:PutAnalyticsConfiguration"]),
    ("cors", ["s3:GetBucketCORS", "s3:PutBucketCORS", "s3:PutBucketCORS"]),
    ("encryption", ["s3:GetEncryptionConfiguration", "s3:PutEncryptionConfiguration", "s3:PutEncryptionConfiguration"]),
    ("intelligent-tiering", ["s3:GetIntelligentTieringConfiguration", "s3:PutIntelligentTieringConfiguration", "s3:PutIntelligentTieringConfiguration"]),
    ("inventory", ["s3:GetInventoryConfiguration", "s3:PutInventoryConfiguration", "s3:PutInventoryConfiguration"]),
    ("lifecycle", ["s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration", "s3:PutLifecycleConfiguration"]),
    ("location", ["s3:GetBucketLocation", "", ""]),
    ("logging", ["s3:GetBucketLogging", "s3:PutBucketLogging", ""]),
    ("metrics", ["s3:GetMetricsConfiguration", "s3:PutMetricsConfiguration", "s3:PutMetricsConfiguration"]),
    ("notification", ["s3:GetBucketNotification", "s3:PutBucketNotification", ""]),
    ("object-lock", ["s3:GetBucketObjectLockConfiguration", "s3:PutBucketObjectLockConfiguration", ""]),
    ("ownershipControls", ["s3:GetBucketOwnershipControls", "s3:PutBucketOwnershipControls", "s3:PutBucketOwnershipControls"]),
    ("policy", ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"]),
    ("policyStatus", ["s3:GetBucketPolicyStatus", "", ""]),
    ("publicAccessBlock", ["s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock"]),
    ("replication", ["s3:GetReplicationConfiguration", "s3:PutReplicationConfiguration", "s3:PutReplicationConfiguration"]),
    ("requestPayment", ["s3:GetBucketRequestPayment", "s3:PutBucketRequestPayment", ""]),
    ("tagging", ["s3:GetBucketTagging", "s3:PutBucketTagging", "s3:PutBucketTagging"]),
    ("uploads", ["s3:ListBucketMultipartUploads", "", ""]),
    ("versioning", ["s3:GetBucketVersioning", "s3:PutBucketVersioning", ""]),
    ("versions", ["s3:ListBucketVersions", "", ""]),
    ("website", ["s3:GetBucketWebsite", "s3:PutBucketWebsite", "s3:DeleteBucketWebsite"]),
];

/// Sub-resources of objects, likewise.
#[rustfmt::skip]
const OF_OBJECTS: Table = &[
    ("acl", ["s3:GetObjectAcl", "s3:PutObjectAcl", ""]),
    ("attributes", ["s3:GetObjectAttributes", "", ""]),
    ("legal-hold", ["s3:GetObjectLegalHold", "s3:PutObjectLegalHold", ""]),
    ("retention", ["s3:GetObjectRetention", "s3:PutObjectRetention", ""]),
    ("tagging", ["s3:GetObjectTagging", "s3:PutObjectTagging", "s3:DeleteObjectTagging"]),
    ("torrent", ["s3:GetObjectTorrent", "", ""]),
];

/// The same actions on one version of an object.
#[rustfmt::skip]
const OF_VERSIONS: &[(&str, &str)] = &[
    ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    ("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"),
    ("s3:GetObject", "s3:GetObjectVersion"),
    ("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
    ("s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"),
    ("s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
    ("s3:GetObjectTorrent", "s3:GetObjectVersionTorrent"),
    ("s3:PutObjectAcl", "s3:PutObjectVersionAcl"),
    ("s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
];

/// Sub-resources that [`of_bucket`] and [`of_object`] treat one by one.
const OTHERS: [&str; 6] = ["delete", "restore", "select", "session", "renameObject", "append"];

/// Names a request; `bucket` is that of its host name, if that holds one.
///
/// # Errors
/// Why it can't be named.
pub(super) fn name<B>(request: &Request<B>, bucket: Option<&str>) -> Result<Named, Unnamed> {
    let path = request.uri().path().strip_prefix('/').unwrap_or_default();
    let (bucket, key) = match bucket {
        Some(bucket) => (Cow::Borrowed(bucket), path),
        None => {
            let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
            (decoded(bucket)?.into(), key)
        }
    };
    let key = decoded(key)?;
    if request.method() == Method::OPTIONS {
        return Ok(Named::Accesses(Vec::new()));
    }
    let query = Query::new(request.uri().query().unwrap_or_default());
    if bucket.is_empty() {
        return match (request.method(), key.is_empty()) {
            (&Method::GET, true) => {
                Ok(Named::Accesses(vec![Access { action: "s3:ListAllMyBuckets", bucket: None, key: None }]))
            }
            _ => Err(Unnamed::Unknown(format!("{} without a bucket", request.method()))),
        };
    }
    if !is_bucket(&bucket) {
        return Err(Unnamed::Invalid(format!("`{bucket}` is no bucket's name")));
    }
    match key.is_empty() {
        true => of_bucket(request.method(), &bucket, &query),
        false => of_object(request.method(), &bucket, &key, &query, request.headers()).map(Named::Accesses),
    }
}

fn of_bucket(method: &Method, bucket: &str, query: &Query) -> Result<Named, Unnamed> {
    let action = match (method, query.sub_resource(OF_BUCKETS)?) {
        (&Method::POST, Some("delete")) => return Ok(Named::Deletes(bucket.to_owned())),
        (_, Some(sub_resource)) => by_table(OF_BUCKETS, sub_resource, method),
        (&Method::GET | &Method::HEAD, None) => Some("s3:ListBucket"),
        (&Method::PUT, None) => Some("s3:CreateBucket"),
        (&Method::DELETE, None) => Some("s3:DeleteBucket"),
        _ => None,
    };
    let action = action.ok_or_else(|| Unnamed::Unknown(format!("{method} of a bucket with `?{}`", query.text)))?;
    Ok(Named::Accesses(vec![Access::new(action, bucket, None)]))
}

fn of_object(
    method: &Method,
    bucket: &str,
    key: &str,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Vec<Access>, Unnamed> {
    let (upload, one_version) = (query.has("uploadId"), query.has("versionId"));
    let mut actions: Vec<&'static str> = match (method, query.sub_resource(OF_OBJECTS)?) {
        (&Method::GET, Some("attributes")) => vec!["s3:GetObject", "s3:GetObjectAttributes"],
        (&Method::POST, Some("restore")) => vec!["s3:RestoreObject"],
        (&Method::POST, Some("select")) => vec!["s3:GetObject"],
        (_, Some(sub_resource)) => by_table(OF_OBJECTS, sub_resource, method).into_iter().collect(),
        (&Method::GET, None) if upload => vec!["s3:ListMultipartUploadParts"],
        (&Method::GET | &Method::HEAD, None) => vec!["s3:GetObject"],
        (&Method::PUT, None) => written(headers),
        (&Method::POST, None) if query.has("uploads") => written(headers),
        (&Method::POST, None) if upload => vec!["s3:PutObject"],
        (&Method::DELETE, None) if upload => vec!["s3:AbortMultipartUpload"],
        (&Method::DELETE, None) => vec!["s3:DeleteObject"],
        _ => Vec::new(),
    };
    if actions.is_empty() {
        return Err(Unnamed::Unknown(format!("{method} of an object with `?{}`", query.text)));
    }
    if one_version {
        actions.iter_mut().for_each(|action| *action = of_version(action));
    }
    if headers.contains_key("x-amz-bypass-governance-retention") {
        actions.push("s3:BypassGovernanceRetention");
    }
    let mut accesses: Vec<Access> = actions.into_iter().map(|action| Access::new(action, bucket, Some(key))).collect();
    if let Some(source) = headers.get("x-amz-copy-source").filter(|_| method == Method::PUT) {
        accesses.push(copied(source.as_bytes())?);
    }
    Ok(accesses)
}

/// What a new object needs: its headers may set what has actions of its own.
fn written(headers: &HeaderMap) -> Vec<&'static str> {
    let has = |name: &str| headers.contains_key(name);
    let grants = headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"));
    let mut actions = vec!["s3:PutObject"];
    let more = [
        (has("x-amz-acl") || grants, "s3:PutObjectAcl"),
        (has("x-amz-tagging"), "s3:PutObjectTagging"),
        (has("x-amz-object-lock-mode") || has("x-amz-object-lock-retain-until-date"), "s3:PutObjectRetention"),
        (has("x-amz-object-lock-legal-hold"), "s3:PutObjectLegalHold"),
    ];
    actions.extend(more.into_iter().filter(|(needed, _)| *needed).map(|(_, action)| action));
    actions
}

/// Reads `x-amz-copy-source`: `[/]BUCKET/KEY[?versionId=…]`, encoded.
fn copied(source: &[u8]) -> Result<Access, Unnamed> {
    let invalid = || Unnamed::Invalid("x-amz-copy-source is not BUCKET/KEY".to_owned());
    let source = std::str::from_utf8(source).map_err(|_| invalid())?;
    let (path, version) = source.split_once("?versionId=").map_or((source, None), |(path, id)| (path, Some(id)));
    // The slash between bucket and key may be encoded as well.
    let path = decoded(path)?;
    let (bucket, key) = path.strip_prefix('/').unwrap_or(&path).split_once('/').ok_or_else(invalid)?;
    if !is_bucket(bucket) || key.is_empty() {
        return Err(invalid());
    }
    check_segments(key)?;
    let action = if version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    Ok(Access::new(action, bucket, Some(key)))
}

/// The accesses of a DeleteObjects: one for each key of its body.
///
/// # Errors
/// When the body is none, or names too many.
pub(super) fn deleted(bucket: &str, bypass: bool, body: &[u8]) -> Result<Vec<Access>, Unnamed> {
    let malformed = |why: String| Unnamed::Malformed(why);
    let mut document = Deserializer::new(body);
    let delete = Delete::deserialize(&mut document).map_err(|error| malformed(error.to_string()))?;
    document.expect_eof().map_err(|error| malformed(error.to_string()))?;
    if delete.objects.is_empty() || delete.objects.len() > MOST_KEYS {
        return Err(malformed(format!("{} keys, and 1 to {MOST_KEYS} may be deleted at once", delete.objects.len())));
    }
    let mut accesses = Vec::with_capacity(delete.objects.len());
    for object in &delete.objects {
        check_segments(&object.key)?;
        let action = if object.version_id.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
        accesses.push(Access::new(action, bucket, Some(&object.key)));
        if bypass {
            accesses.push(Access::new("s3:BypassGovernanceRetention", bucket, Some(&object.key)));
        }
    }
    Ok(accesses)
}

fn by_table(table: Table, sub_resource: &str, method: &Method) -> Option<&'static str> {
    let (_, actions) = table.iter().find(|(name, _)| *name == sub_resource)?;
    let action = match *method {
        Method::GET | Method::HEAD => actions[0],
        Method::PUT => actions[1],
        Method::DELETE => actions[2],
        _ => "",
    };
    Some(action).filter(|action| !action.is_empty())
}

fn of_version(action: &'static str) -> &'static str {
    OF_VERSIONS.iter().find(|(name, _)| *name == action).map_or(action, |(_, of_version)| of_version)
}

/// Names that the tables know.
struct Query<'a> {
    text: &'a str,
    names: Vec<Cow<'a, str>>,
}

impl<'a> Query<'a> {
    fn new(text: &'a str) -> Self {
        let parts = text.split('&').map(|part| part.split_once('=').map_or(part, |(name, _)| name));
        Self { text, names: parts.map(|name| percent_decode_str(name).decode_utf8_lossy()).collect() }
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|it| it == name)
    }

    /// The one sub-resource that it asks for. Of two, a backend might take the other one.
    fn sub_resource(&self, table: Table) -> Result<Option<&'static str>, Unnamed> {
        let known = OF_BUCKETS.iter().chain(OF_OBJECTS).map(|(name, _)| *name).chain(OTHERS);
        let mut asked: Vec<&'static str> = known.filter(|name| self.has(name)).collect();
        asked.sort_unstable();
        asked.dedup();
        // Beside an object's key it begins an upload, which is no sub-resource of an object.
        if std::ptr::eq(table, OF_OBJECTS) {
            asked.retain(|name| *name != "uploads");
        }
        match asked.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            several => Err(Unnamed::Unknown(format!("a request for {} at once", several.join(" and ")))),
        }
    }
}

/// A part of a path, decoded. What two programs would read in two ways is refused: a backend must not find another object
/// under a name than the policies did.
fn decoded(text: &str) -> Result<String, Unnamed> {
    let text = percent_decode_str(text).decode_utf8();
    let text = text.map_err(|_| Unnamed::Invalid("the path is not UTF-8".to_owned()))?.into_owned();
    check_segments(&text)?;
    Ok(text)
}

fn check_segments(key: &str) -> Result<(), Unnamed> {
    match key.split('/').any(|segment| matches!(segment, "." | "..")) || key.contains('\0') {
        true => Err(Unnamed::Invalid("a backend might read `.`, `..` or NUL in a path as another object".to_owned())),
        false => Ok(()),
    }
}

/// A name that a bucket can have, and that is no backend's own (MinIO's and moto's administration).
fn is_bucket(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (3..=63).contains(&name.len())
        && name.bytes().all(allowed)
        && name.as_bytes()[0].is_ascii_alphanumeric()
        && !matches!(name, "minio" | "moto-api")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(line: &str, headers: &[(&str, &str)]) -> Result<Named, Unnamed> {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        name(&request.body(()).unwrap(), None)
    }

    fn actions(line: &str, headers: &[(&str, &str)]) -> String {
        match named(line, headers) {
            Ok(Named::Accesses(accesses)) => {
                let words = accesses.iter().map(|access| format!("{} {}", access.action, access.resource()));
                words.collect::<Vec<_>>().join(", ")
            }
            other => format!("{other:?}"),
        }
    }

    /// AWS's own mapping, operation by operation.
    #[test]
    fn actions_of_operations() {
        let bucket = "arn:aws:s3:::bkt";
        let object = "arn:aws:s3:::bkt/a/k";
        #[rustfmt::skip]
        let cases = [
            ("GET /", "ListAllMyBuckets", "arn:aws:s3:::*"),
            ("GET /?max-buckets=2&x-id=ListBuckets", "ListAllMyBuckets", "arn:aws:s3:::*"),
            ("PUT /bkt", "CreateBucket", bucket),
            ("DELETE /bkt/", "DeleteBucket", bucket),
            ("HEAD /bkt", "ListBucket", bucket),
            ("GET /bkt", "ListBucket", bucket),
            ("GET /bkt?list-type=2&prefix=a%2F&delimiter=/", "ListBucket", bucket),
            ("GET /bkt?versions", "ListBucketVersions", bucket),
            ("GET /bkt?uploads", "ListBucketMultipartUploads", bucket),
            ("GET /bkt?location", "GetBucketLocation", bucket),
            ("GET /bkt?acl", "GetBucketAcl", bucket),
            ("PUT /bkt?acl", "PutBucketAcl", bucket),
            ("GET /bkt?policy", "GetBucketPolicy", bucket),
            ("PUT /bkt?policy", "PutBucketPolicy", bucket),
            ("DELETE /bkt?policy", "DeleteBucketPolicy", bucket),
            ("GET /bkt?policyStatus", "GetBucketPolicyStatus", bucket),
            ("GET /bkt?versioning", "GetBucketVersioning", bucket),
            ("PUT /bkt?versioning=", "PutBucketVersioning", bucket),
            ("GET /bkt?tagging", "GetBucketTagging", bucket),
            ("DELETE /bkt?tagging", "PutBucketTagging", bucket),
            ("PUT /bkt?cors", "PutBucketCORS", bucket),
            ("DELETE /bkt?cors", "PutBucketCORS", bucket),
            ("GET /bkt?lifecycle", "GetLifecycleConfiguration", bucket),
            ("DELETE /bkt?lifecycle", "PutLifecycleConfiguration", bucket),
            ("PUT /bkt?encryption", "PutEncryptionConfiguration", bucket),
            ("PUT /bkt?notification", "PutBucketNotification", bucket),
            ("PUT /bkt?object-lock", "PutBucketObjectLockConfiguration", bucket),
            ("PUT /bkt?publicAccessBlock", "PutBucketPublicAccessBlock", bucket),
            ("GET /bkt?inventory&id=1", "GetInventoryConfiguration", bucket),
            ("DELETE /bkt?website", "DeleteBucketWebsite", bucket),
            ("GET /bkt?%61cl", "GetBucketAcl", bucket),
            ("GET /bkt/a/k", "GetObject", object),
            ("GET /bkt/a/k?partNumber=1&response-content-type=x", "GetObject", object),
            ("HEAD /bkt/a%2Fk", "GetObject", object),
            ("GET /bkt/a/k?versionId=1", "GetObjectVersion", object),
            ("HEAD /bkt/a/k?versionId=1", "GetObjectVersion", object),
            ("PUT /bkt/a/k", "PutObject", object),
            ("PUT /bkt/a/k?partNumber=1&uploadId=u", "PutObject", object),
            ("POST /bkt/a/k?uploads", "PutObject", object),
            ("POST /bkt/a/k?uploadId=u", "PutObject", object),
            ("GET /bkt/a/k?uploadId=u", "ListMultipartUploadParts", object),
            ("DELETE /bkt/a/k?uploadId=u", "AbortMultipartUpload", object),
            ("DELETE /bkt/a/k", "DeleteObject", object),
            ("DELETE /bkt/a/k?versionId=1", "DeleteObjectVersion", object),
            ("GET /bkt/a/k?acl", "GetObjectAcl", object),
            ("PUT /bkt/a/k?acl&versionId=1", "PutObjectVersionAcl", object),
            ("GET /bkt/a/k?tagging", "GetObjectTagging", object),
            ("GET /bkt/a/k?tagging&versionId=1", "GetObjectVersionTagging", object),
            ("PUT /bkt/a/k?tagging", "PutObjectTagging", object),
            ("DELETE /bkt/a/k?tagging", "DeleteObjectTagging", object),
            ("GET /bkt/a/k?retention", "GetObjectRetention", object),
            ("PUT /bkt/a/k?legal-hold", "PutObjectLegalHold", object),
            ("POST /bkt/a/k?restore", "RestoreObject", object),
            ("POST /bkt/a/k?select&select-type=2", "GetObject", object),
        ];
        for (line, action, resource) in cases {
            assert_eq!(actions(line, &[]), format!("s3:{action} {resource}"), "{line}");
        }
    }

    #[test]
    fn several_actions_of_one_request() {
        let source = |value| [("x-amz-copy-source", value)];
        type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], &'c str);
        let cases: [Case<'_>; 10] = [
            ("PUT /bkt/k", &source("/other/a%20b"), "s3:PutObject bkt/k, s3:GetObject other/a b"),
            ("PUT /bkt/k", &source("other%2Fa"), "s3:PutObject bkt/k, s3:GetObject other/a"),
            ("PUT /bkt/k", &source("other/a?versionId=1"), "s3:PutObject bkt/k, s3:GetObjectVersion other/a"),
            ("PUT /bkt/k?partNumber=2&uploadId=u", &source("other/a"), "s3:PutObject bkt/k, s3:GetObject other/a"),
            ("PUT /bkt/k", &[("x-amz-acl", "private")], "s3:PutObject bkt/k, s3:PutObjectAcl bkt/k"),
            ("POST /bkt/k?uploads", &[("x-amz-grant-read", "id=1")], "s3:PutObject bkt/k, s3:PutObjectAcl bkt/k"),
            ("PUT /bkt/k", &[("x-amz-tagging", "a=b")], "s3:PutObject bkt/k, s3:PutObjectTagging bkt/k"),
            (
                "PUT /bkt/k",
                &[("x-amz-object-lock-mode", "GOVERNANCE"), ("x-amz-object-lock-legal-hold", "ON")],
                "s3:PutObject bkt/k, s3:PutObjectRetention bkt/k, s3:PutObjectLegalHold bkt/k",
            ),
            (
                "DELETE /bkt/k?versionId=1",
                &[("x-amz-bypass-governance-retention", "true")],
                "s3:DeleteObjectVersion bkt/k, s3:BypassGovernanceRetention bkt/k",
            ),
            (
                "GET /bkt/k?attributes&versionId=1",
                &[],
                "s3:GetObjectVersion bkt/k, s3:GetObjectVersionAttributes bkt/k",
            ),
        ];
        for (line, headers, expected) in cases {
            assert_eq!(actions(line, headers).replace("arn:aws:s3:::", ""), expected, "{line} {headers:?}");
        }
        assert_eq!(named("OPTIONS /bkt/k", &[]), Ok(Named::Accesses(vec![])), "a preflight has no sender");
        assert_eq!(named("POST /bkt?delete", &[]), Ok(Named::Deletes("bkt".to_owned())));
    }

    #[test]
    fn a_bucket_in_the_host_name() {
        let request = Request::get("/a/k?acl").body(()).unwrap();
        let expected = Access::new("s3:GetObjectAcl", "my.bkt", Some("a/k"));
        assert_eq!(name(&request, Some("my.bkt")), Ok(Named::Accesses(vec![expected])));
        let request = Request::get("/").body(()).unwrap();
        let expected = Access::new("s3:ListBucket", "bkt", None);
        assert_eq!(name(&request, Some("bkt")), Ok(Named::Accesses(vec![expected])));
    }

    #[test]
    fn what_has_no_name_is_refused() {
        let unknown = [
            "POST /",
            "POST /bkt",
            "PATCH /bkt/k",
            "POST /bkt/k",
            "PUT /bkt?location",
            "GET /bkt?acl&policy",
            "GET /bkt/k?acl&tagging",
            "PUT /bkt?session",
            "DELETE /bkt/k?acl",
            "POST /bkt?acl",
            "GET /bkt?delete",
            "PUT /bkt/k?renameObject",
        ];
        for line in unknown {
            assert!(matches!(named(line, &[]), Err(Unnamed::Unknown(_))), "{line}: {:?}", named(line, &[]));
        }
        let invalid = [
            "GET /bkt/../other/k",
            "GET /bkt/%2e%2e/k",
            "GET /bkt/a/.%2E",
            "GET /bkt/./k",
            "GET /bkt/%00",
            "GET /bkt/%ff",
            "GET /%2e%2e/k",
            "PUT /minio/admin/v3/add-user",
            "POST /moto-api/reset",
            "GET /a/k",
            "GET /_localstack/health",
        ];
        for line in invalid {
            assert!(matches!(named(line, &[]), Err(Unnamed::Invalid(_))), "{line}: {:?}", named(line, &[]));
        }
        for source in ["bkt", "bkt/", "/bkt/../k", "bkt%2F..%2Fk", "%ff/k", ""] {
            let named = named("PUT /bkt/k", &[("x-amz-copy-source", source)]);
            assert!(matches!(named, Err(Unnamed::Invalid(_))), "{source}: {named:?}");
        }
    }

    #[test]
    fn each_deleted_key_is_asked_for() {
        let body = "<?xml version=\"1.0\"?><Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>\
            <Object><Key>a&amp;b</Key></Object><Object><Key>c</Key><VersionId>1</VersionId></Object></Delete>";
        let found = deleted("bkt", false, body.as_bytes()).unwrap();
        let expected = [("s3:DeleteObject", "a&b"), ("s3:DeleteObjectVersion", "c")];
        assert_eq!(found, expected.map(|(action, key)| Access::new(action, "bkt", Some(key))));
        assert_eq!(deleted("bkt", true, body.as_bytes()).unwrap().len(), 4);
        let keys = |count: usize| format!("<Delete>{}</Delete>", "<Object><Key>k</Key></Object>".repeat(count));
        assert_eq!(deleted("bkt", false, keys(1000).as_bytes()).unwrap().len(), 1000);
        let twice = keys(1).repeat(2);
        let traversal = "<Delete><Object><Key>../k</Key></Object></Delete>".to_owned();
        for bad in [keys(1001), keys(0), twice, "no XML".to_owned(), String::new(), traversal] {
            let short: String = bad.chars().take(40).collect();
            assert!(deleted("bkt", false, bad.as_bytes()).is_err(), "{short}");
        }
    }
}
