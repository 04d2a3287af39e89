//! S3 buckets with their policies, and SSM parameters (for the lab's templates only: there is no SSM service).

use serde_json::{Map, Value, json};

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::{Change, PublicAccessBlock};
use crate::policy;

pub(super) fn bucket(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let change = Change::CreateBucket { bucket: properties.text("BucketName") };
    let versioning = properties.object("VersioningConfiguration", |inner| inner.required_text("Status"));
    let cors = cors(&mut properties);
    let block = properties.object("PublicAccessBlockConfiguration", |block| {
        let mut is_on = |name: &str| block.boolean(name) == Some(true);
        PublicAccessBlock {
            block_public_acls: is_on("BlockPublicAcls"),
            ignore_public_acls: is_on("IgnorePublicAcls"),
            block_public_policy: is_on("BlockPublicPolicy"),
            restrict_public_buckets: is_on("RestrictPublicBuckets"),
        }
    });
    without_effect(&mut properties);
    let made = maker.make(properties, tags, change)?;
    let bucket = || made.reference.clone();
    if let Some(status) = versioning {
        maker.apply(Default::default(), Change::PutBucketVersioning { bucket: bucket(), status })?;
    }
    if let Some(cors_configuration) = cors {
        maker.apply(Default::default(), Change::PutBucketCors { bucket: bucket(), cors_configuration })?;
    }
    if let Some(public_access_block) = block {
        let change = Change::PutPublicAccessBlock { bucket: bucket(), public_access_block };
        maker.apply(Default::default(), change)?;
    }
    Ok(made)
}

/// `CorsConfiguration` with the member names of S3's API, which differ from CloudFormation's.
fn cors(properties: &mut Properties) -> Option<Value> {
    let rules = properties.object("CorsConfiguration", |inner| {
        inner.objects("CorsRules", |rule| {
            let mut shape = Map::new();
            shape.extend(rule.text("Id").map(|id| ("ID".to_owned(), id.into())));
            for (name, api_name) in [
                ("AllowedHeaders", "AllowedHeaders"),
                ("AllowedMethods", "AllowedMethods"),
                ("AllowedOrigins", "AllowedOrigins"),
                ("ExposedHeaders", "ExposeHeaders"),
            ] {
                if rule.has(name) {
                    shape.insert(api_name.to_owned(), rule.texts(name).into());
                }
            }
            shape.extend(rule.integer::<u32>("MaxAge").map(|age| ("MaxAgeSeconds".to_owned(), age.into())));
            Value::Object(shape)
        })
    });
    rules.map(|rules| json!({ "CORSRules": rules }))
}

/// What a lab's buckets are like anyway, and what they can't be.
fn without_effect(properties: &mut Properties) {
    let ownership = properties.object("OwnershipControls", |controls| {
        controls.objects("Rules", |rule| rule.text("ObjectOwnership").unwrap_or_default())
    });
    if ownership.is_some_and(|rules| rules.iter().any(|rule| rule != "BucketOwnerEnforced")) {
        properties.ignored("OwnershipControls", "ownership by ACLs (the bucket's owner owns every object)");
    }
    if properties.text("AccessControl").is_some_and(|acl| acl != "Private") {
        properties.ignored("AccessControl", "the ACL");
    }
    let encryption = properties.object("BucketEncryption", |encryption| {
        encryption.objects("ServerSideEncryptionConfiguration", |rule| {
            rule.known("BucketKeyEnabled");
            rule.object("ServerSideEncryptionByDefault", |default| {
                default.known("KMSMasterKeyID");
                default.text("SSEAlgorithm").unwrap_or_default()
            })
        })
    });
    if encryption.is_some_and(|rules| rules.iter().flatten().any(|algorithm| algorithm != "AES256")) {
        properties.ignored("BucketEncryption", "encryption with KMS");
    }
}

pub(super) fn bucket_policy(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let bucket = properties.required_text("Bucket");
    let policy = properties.required_policy("PolicyDocument", policy::Kind::Resource);
    // Refused here and not by the model, because here it is known where each member is written.
    let read = policy::Document::from_json(&policy.value, policy::Kind::Resource);
    if maker.site.world.buckets.contains_key(&bucket)
        && let Ok(Err(error)) = read.map(|document| document.check_bucket(&bucket))
    {
        properties.policy_error("PolicyDocument", &error);
    }
    maker.finish(properties)?;
    maker.apply(Default::default(), Change::PutBucketPolicy { bucket: bucket.clone(), policy })?;
    Ok(Made { reference: bucket, ..Made::default() })
}

/// Bytes of an advanced parameter (SSM PutParameter).
const MAXIMUM_VALUE: usize = 8192;

pub(super) fn ssm_parameter(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let name = properties
        .text("Name")
        .unwrap_or_else(|| format!("CFN-{}-{}", maker.stack.name, maker.resource.logical_id.text));
    let value = properties.required_text("Value");
    let kind = properties.required_text("Type");
    if !matches!(kind.as_str(), "String" | "StringList" | "") {
        properties.error(
            "Type",
            format!("`{kind}` is not a type that CloudFormation makes"),
            Some("write String or StringList"),
        );
    }
    if value.len() > MAXIMUM_VALUE {
        properties.error("Value", format!("the value has {} bytes, and SSM takes {MAXIMUM_VALUE}", value.len()), None);
    }
    properties.tags();
    properties.text("Description");
    maker.finish(properties)?;
    let key = (maker.stack.account.clone(), maker.stack.region.clone(), name.clone());
    maker.site.ssm.insert(key, value.clone());
    Ok(Made {
        reference: name.clone(),
        object: None,
        attributes: [("Name", name), ("Type", kind), ("Value", value)].into(),
    })
}
