//! S3 buckets with their policies, and SSM parameters (for the lab's templates only: there is no SSM service).

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::Change;
use crate::policy;

pub(super) fn bucket(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let change = Change::CreateBucket { bucket: properties.text("BucketName") };
    maker.make(properties, tags, change)
}

pub(super) fn bucket_policy(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let bucket = properties.required_text("Bucket");
    let policy = properties.required_policy("PolicyDocument", policy::Kind::Resource);
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
