//! ListBuckets, CreateBucket, DeleteBucket, HeadBucket, GetBucketLocation.

use s3s::s3_error;

use super::super::condition::timestamp;
use super::super::gate::{Called, Visit, Visitor};
use super::super::store::buckets::{PublicAccessBlock, Settings};
use super::list::owner;
use super::write::refuse_acl;
use super::*;
use crate::model::region::{is_region, partition};

/// The Region of whoever says none.
const FIRST: &str = "us-east-1";
/// Buckets of one answer.
const MOST: usize = 10_000;

impl Operations {
    pub(super) async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let visitor = Visitor::of(&request)?;
        visitor.ask("s3:ListAllMyBuckets", "arn:aws:s3:::*", |_| {})?;
        let account = visitor.account().ok_or_else(|| s3_error!(AccessDenied))?;
        let input = request.input;
        let most = input.max_buckets.map_or(MOST, |most| usize::try_from(most).unwrap_or(0));
        if !(1..=MOST).contains(&most) {
            return Err(s3_error!(InvalidArgument, "Argument max-buckets must be an integer between 1 and 10000"));
        }
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let after = input.continuation_token.as_deref().unwrap_or_default();
        let all = self.store.buckets();
        let mut own = all.iter().filter(|bucket| {
            bucket.account == account
                && bucket.name.starts_with(prefix)
                && bucket.name.as_str() > after
                && input.bucket_region.as_ref().is_none_or(|region| *region == bucket.region)
        });
        let listed: Vec<_> = own.by_ref().take(most).collect();
        let continuation_token = own.next().and(listed.last()).map(|last| last.name.clone());
        let buckets = listed.iter().map(|bucket| Bucket {
            bucket_region: Some(bucket.region.clone()),
            creation_date: Some(timestamp(bucket.created)),
            name: Some(bucket.name.clone()),
        });
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets.collect()),
            continuation_token,
            owner: Some(owner(account)),
            prefix: input.prefix,
        }))
    }

    pub(super) async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let visitor = Visitor::of(&request)?;
        let input = request.input;
        let name = input.bucket;
        check_name(&name)?;
        let constraint = input.create_bucket_configuration.and_then(|configuration| configuration.location_constraint);
        let constraint = constraint.map(|constraint| constraint.as_str().to_owned()).filter(|it| !it.is_empty());
        let (called, resource) = (visitor.called.clone(), format!("arn:{}:s3:::{name}", partition(FIRST)));
        visitor.ask("s3:CreateBucket", &resource, |keys| {
            if let Some(constraint) = &constraint {
                keys.set("s3:LocationConstraint", constraint.clone());
            }
        })?;
        let account = visitor.account().ok_or_else(|| s3_error!(AccessDenied))?.to_owned();
        refuse_acl(&request.headers)?;
        if input.object_lock_enabled_for_bucket == Some(true) {
            return Err(s3_error!(NotImplemented, "vpclab's S3 has no Object Lock yet."));
        }
        if input.object_ownership.is_some_and(|ownership| ownership.as_str() != ObjectOwnership::BUCKET_OWNER_ENFORCED)
        {
            return Err(s3_error!(NotImplemented, "vpclab's S3 has no ACLs: every bucket is BucketOwnerEnforced."));
        }
        let region = region(&called, constraint.as_deref())?;
        let location = format!("/{name}");
        let settings = Settings { public_access_block: Some(PublicAccessBlock::ALL), ..Settings::default() };
        self.store
            .write(move |change| {
                let Some(known) = change.find_bucket(&name)? else {
                    return change.create_bucket(&name, &account, &region, settings);
                };
                if known.account != account {
                    return Err(s3_error!(BucketAlreadyExists).into());
                }
                // Only us-east-1 lets its owner make a bucket twice, for the sake of old programs.
                if known.region == FIRST && region == FIRST {
                    return Ok(());
                }
                let message = "Your previous request to create the named bucket succeeded and you already own it.";
                Err(s3_error!(BucketAlreadyOwnedByYou, "{message}").into())
            })
            .await?;
        Ok(S3Response::new(CreateBucketOutput { location: Some(location) }))
    }

    pub(super) async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:DeleteBucket")?;
        let name = visit.bucket.name.clone();
        self.store.write(move |change| change.delete_bucket(&name)).await?;
        Ok(S3Response::new(DeleteBucketOutput::default()))
    }

    pub(super) async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:ListBucket")?;
        let bucket_region = Some(visit.bucket.region.clone());
        let output = HeadBucketOutput { bucket_region, access_point_alias: Some(false), ..Default::default() };
        Ok(S3Response::new(output))
    }

    pub(super) async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        // The one operation that every Region answers for every bucket: clients learn from it where to go.
        let mut visitor = Visitor::of(&request)?;
        visitor.called = Called::Anywhere;
        let visit = visitor.enter(&self.store, &request.input.bucket)?;
        visit.ask("s3:GetBucketLocation")?;
        // us-east-1 is null, for ever.
        let region = Some(visit.bucket.region.clone()).filter(|region| region != FIRST);
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint: region.map(BucketLocationConstraint::from) }))
    }
}

/// Where a new bucket goes, by the Region that was called and the constraint that was given.
fn region(called: &Called, constraint: Option<&str>) -> S3Result<String> {
    let invalid = || s3_error!(InvalidLocationConstraint, "The specified location-constraint is not valid");
    let incompatible = |constraint: &str| {
        let message = format!(
            "The {constraint} location constraint is incompatible for the region specific endpoint this request was sent to."
        );
        s3s::S3Error::with_message(s3s::S3ErrorCode::IllegalLocationConstraintException, message)
    };
    // The name of Ireland before it had one.
    let meant = constraint.map(|constraint| if constraint == "EU" { "eu-west-1" } else { constraint });
    if meant.is_some_and(|meant| !is_region(meant)) {
        return Err(invalid());
    }
    match (called, meant) {
        (Called::Anywhere, meant) => Ok(meant.unwrap_or(FIRST).to_owned()),
        (Called::Region(called), None) if called != FIRST => Err(incompatible("unspecified")),
        (Called::Region(called), Some(meant)) if called != FIRST => {
            if called == meant {
                Ok(meant.to_owned())
            } else {
                Err(incompatible(meant))
            }
        }
        (_, Some(FIRST)) => Err(invalid()),
        (_, meant) => Ok(meant.unwrap_or(FIRST).to_owned()),
    }
}

/// S3's rules for names; what is left to s3s is the alphabet.
fn check_name(name: &str) -> S3Result<()> {
    let reserved_prefix = ["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix));
    let reserved_suffix =
        ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|suffix| name.ends_with(suffix));
    if reserved_prefix || reserved_suffix || !s3s::path::check_bucket_name(name) {
        return Err(s3_error!(InvalidBucketName));
    }
    Ok(())
}
