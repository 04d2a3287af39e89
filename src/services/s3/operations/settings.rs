//! What can be set on a bucket besides policy, CORS and tags: versioning, public access, and the settings that have one
//! value here because S3 gives every new bucket that value: ACLs (none), encryption (AES256), ownership (the bucket's).

use s3s::s3_error;

use super::super::gate::Visit;
use super::super::store::buckets::{PublicAccessBlock, Versioning};
use super::list::{canonical_id, owner};
use super::write::refuse_acl;
use super::*;

impl Operations {
    pub(super) async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:GetBucketVersioning")?;
        let status = match visit.bucket.settings.versioning {
            Versioning::Off => None,
            Versioning::Enabled => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED)),
            Versioning::Suspended => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::SUSPENDED)),
        };
        Ok(S3Response::new(GetBucketVersioningOutput { mfa_delete: None, status }))
    }

    pub(super) async fn put_bucket_versioning(
        &self,
        request: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:PutBucketVersioning")?;
        let configuration = request.input.versioning_configuration;
        if configuration.mfa_delete.is_some_and(|mfa| mfa.as_str() == MFADelete::ENABLED) {
            return Err(s3_error!(NotImplemented, "vpclab's S3 has no MFA delete."));
        }
        let versioning = match configuration.status.as_ref().map(BucketVersioningStatus::as_str) {
            Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
            Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
            Some(_) => return Err(s3_error!(MalformedXML)),
            None => {
                let message = "The Versioning element must be specified";
                return Err(s3_error!(IllegalVersioningConfigurationException, "{message}"));
            }
        };
        self.store.set(&visit.bucket.name, move |settings| settings.versioning = versioning).await?;
        Ok(S3Response::new(PutBucketVersioningOutput::default()))
    }

    pub(super) async fn get_public_access_block(
        &self,
        request: S3Request<GetPublicAccessBlockInput>,
    ) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:GetBucketPublicAccessBlock")?;
        let block = visit.bucket.settings.public_access_block.ok_or_else(|| {
            let message = "The public access block configuration was not found";
            super::read::named("NoSuchPublicAccessBlockConfiguration", http::StatusCode::NOT_FOUND, message)
        })?;
        let configuration = PublicAccessBlockConfiguration {
            block_public_acls: Some(block.block_public_acls),
            block_public_policy: Some(block.block_public_policy),
            ignore_public_acls: Some(block.ignore_public_acls),
            restrict_public_buckets: Some(block.restrict_public_buckets),
        };
        Ok(S3Response::new(GetPublicAccessBlockOutput { public_access_block_configuration: Some(configuration) }))
    }

    pub(super) async fn put_public_access_block(
        &self,
        request: S3Request<PutPublicAccessBlockInput>,
    ) -> S3Result<S3Response<PutPublicAccessBlockOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:PutBucketPublicAccessBlock")?;
        let said = request.input.public_access_block_configuration;
        let block = PublicAccessBlock {
            block_public_acls: said.block_public_acls == Some(true),
            ignore_public_acls: said.ignore_public_acls == Some(true),
            block_public_policy: said.block_public_policy == Some(true),
            restrict_public_buckets: said.restrict_public_buckets == Some(true),
        };
        self.store.set(&visit.bucket.name, move |settings| settings.public_access_block = Some(block)).await?;
        Ok(S3Response::new(PutPublicAccessBlockOutput::default()))
    }

    pub(super) async fn delete_public_access_block(
        &self,
        request: S3Request<DeletePublicAccessBlockInput>,
    ) -> S3Result<S3Response<DeletePublicAccessBlockOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:PutBucketPublicAccessBlock")?;
        self.store.set(&visit.bucket.name, |settings| settings.public_access_block = None).await?;
        Ok(S3Response::new(DeletePublicAccessBlockOutput::default()))
    }

    pub(super) async fn get_bucket_acl(
        &self,
        request: S3Request<GetBucketAclInput>,
    ) -> S3Result<S3Response<GetBucketAclOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:GetBucketAcl")?;
        let account = &visit.bucket.account;
        Ok(S3Response::new(GetBucketAclOutput { grants: Some(own_grant(account)), owner: Some(owner(account)) }))
    }

    pub(super) async fn put_bucket_acl(
        &self,
        request: S3Request<PutBucketAclInput>,
    ) -> S3Result<S3Response<PutBucketAclOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask_with("s3:PutBucketAcl", None, |_| {})?;
        refuse_acl(&request.headers)?;
        own_acl_only(request.input.access_control_policy.as_ref(), &visit.bucket.account)?;
        Ok(S3Response::new(PutBucketAclOutput::default()))
    }

    pub(super) async fn get_object_acl(
        &self,
        request: S3Request<GetObjectAclInput>,
    ) -> S3Result<S3Response<GetObjectAclOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let input = &request.input;
        let actions = ["s3:GetObjectAcl", "s3:GetObjectVersionAcl"];
        self.open_for(&visit, &input.key, input.version_id.as_deref(), actions).await?;
        let account = &visit.bucket.account;
        let output =
            GetObjectAclOutput { grants: Some(own_grant(account)), owner: Some(owner(account)), request_charged: None };
        Ok(S3Response::new(output))
    }

    pub(super) async fn put_object_acl(
        &self,
        request: S3Request<PutObjectAclInput>,
    ) -> S3Result<S3Response<PutObjectAclOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let input = &request.input;
        let actions = ["s3:PutObjectAcl", "s3:PutObjectVersionAcl"];
        self.open_for(&visit, &input.key, input.version_id.as_deref(), actions).await?;
        refuse_acl(&request.headers)?;
        own_acl_only(input.access_control_policy.as_ref(), &visit.bucket.account)?;
        Ok(S3Response::new(PutObjectAclOutput::default()))
    }

    pub(super) async fn get_bucket_encryption(
        &self,
        request: S3Request<GetBucketEncryptionInput>,
    ) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:GetEncryptionConfiguration")?;
        let default = ServerSideEncryptionByDefault {
            kms_master_key_id: None,
            sse_algorithm: ServerSideEncryption::from_static(ServerSideEncryption::AES256),
        };
        let rule = ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(default),
            bucket_key_enabled: Some(false),
        };
        let configuration = ServerSideEncryptionConfiguration { rules: vec![rule] };
        let output = GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) };
        Ok(S3Response::new(output))
    }

    pub(super) async fn put_bucket_encryption(
        &self,
        request: S3Request<PutBucketEncryptionInput>,
    ) -> S3Result<S3Response<PutBucketEncryptionOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:PutEncryptionConfiguration")?;
        let rules = request.input.server_side_encryption_configuration.rules;
        let mut defaults = rules.iter().filter_map(|rule| rule.apply_server_side_encryption_by_default.as_ref());
        if defaults.any(|default| default.sse_algorithm.as_str() != ServerSideEncryption::AES256) {
            return Err(s3_error!(
                NotImplemented,
                "vpclab's S3 has no encryption with KMS yet: objects are kept as they are."
            ));
        }
        Ok(S3Response::new(PutBucketEncryptionOutput::default()))
    }

    pub(super) async fn get_bucket_ownership_controls(
        &self,
        request: S3Request<GetBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<GetBucketOwnershipControlsOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:GetBucketOwnershipControls")?;
        let object_ownership = ObjectOwnership::from_static(ObjectOwnership::BUCKET_OWNER_ENFORCED);
        let controls = OwnershipControls { rules: vec![OwnershipControlsRule { object_ownership }] };
        Ok(S3Response::new(GetBucketOwnershipControlsOutput { ownership_controls: Some(controls) }))
    }

    pub(super) async fn put_bucket_ownership_controls(
        &self,
        request: S3Request<PutBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<PutBucketOwnershipControlsOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:PutBucketOwnershipControls")?;
        let mut rules = request.input.ownership_controls.rules.iter();
        if rules.any(|rule| rule.object_ownership.as_str() != ObjectOwnership::BUCKET_OWNER_ENFORCED) {
            return Err(s3_error!(NotImplemented, "vpclab's S3 has no ACLs: every bucket is BucketOwnerEnforced."));
        }
        Ok(S3Response::new(PutBucketOwnershipControlsOutput::default()))
    }

    pub(super) async fn get_bucket_request_payment(
        &self,
        request: S3Request<GetBucketRequestPaymentInput>,
    ) -> S3Result<S3Response<GetBucketRequestPaymentOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:GetBucketRequestPayment")?;
        let payer = if visit.bucket.settings.requester_pays { Payer::REQUESTER } else { Payer::BUCKET_OWNER };
        Ok(S3Response::new(GetBucketRequestPaymentOutput { payer: Some(Payer::from_static(payer)) }))
    }

    pub(super) async fn put_bucket_request_payment(
        &self,
        request: S3Request<PutBucketRequestPaymentInput>,
    ) -> S3Result<S3Response<PutBucketRequestPaymentOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:PutBucketRequestPayment")?;
        let pays = match request.input.request_payment_configuration.payer.as_str() {
            Payer::REQUESTER => true,
            Payer::BUCKET_OWNER => false,
            _ => return Err(s3_error!(MalformedXML)),
        };
        self.store.set(&visit.bucket.name, move |settings| settings.requester_pays = pays).await?;
        Ok(S3Response::new(PutBucketRequestPaymentOutput::default()))
    }
}

/// What stands in the place of an ACL: everything to the owner.
fn own_grant(account: &str) -> Vec<Grant> {
    let grantee = Grantee {
        display_name: None,
        email_address: None,
        id: Some(canonical_id(account)),
        type_: Type::from_static(Type::CANONICAL_USER),
        uri: None,
    };
    vec![Grant { grantee: Some(grantee), permission: Some(Permission::from_static(Permission::FULL_CONTROL)) }]
}

/// A document may say what is so anyway.
fn own_acl_only(policy: Option<&AccessControlPolicy>, account: &str) -> S3Result<()> {
    let grants = policy.and_then(|policy| policy.grants.as_ref());
    let is_own = |grant: &Grant| {
        let id = grant.grantee.as_ref().and_then(|grantee| grantee.id.as_deref());
        id == Some(canonical_id(account).as_str())
    };
    if grants.is_some_and(|grants| !grants.iter().all(is_own)) {
        return Err(s3_error!(AccessControlListNotSupported, "The bucket does not allow ACLs"));
    }
    Ok(())
}
