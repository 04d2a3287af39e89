//! S3's operations, one file per family; what is not among them answers NotImplemented.
//!
//! Each comes to its bucket through the [gate](super::gate), asks for its action, and only then looks at the object.

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

pub(super) use self::write::Expires;
use super::store::Store;

mod buckets;
mod complete;
mod copy;
mod cors;
mod delete;
mod list;
mod multipart;
mod policy;
mod read;
mod settings;
mod tagging;
mod write;

/// The operations on a store.
#[derive(Clone, Debug)]
pub(super) struct Operations {
    pub store: Store,
}

/// `impl S3`: each operation by its function of the same name.
macro_rules! operations {
    ($($operation:ident: $input:ty => $output:ty,)*) => {
        #[async_trait::async_trait]
        impl S3 for Operations {
            $(async fn $operation(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                Operations::$operation(self, request).await
            })*
        }
    };
}

operations! {
    list_buckets: ListBucketsInput => ListBucketsOutput,
    create_bucket: CreateBucketInput => CreateBucketOutput,
    delete_bucket: DeleteBucketInput => DeleteBucketOutput,
    head_bucket: HeadBucketInput => HeadBucketOutput,
    get_bucket_location: GetBucketLocationInput => GetBucketLocationOutput,
    get_object: GetObjectInput => GetObjectOutput,
    head_object: HeadObjectInput => HeadObjectOutput,
    get_object_attributes: GetObjectAttributesInput => GetObjectAttributesOutput,
    put_object: PutObjectInput => PutObjectOutput,
    delete_object: DeleteObjectInput => DeleteObjectOutput,
    delete_objects: DeleteObjectsInput => DeleteObjectsOutput,
    copy_object: CopyObjectInput => CopyObjectOutput,
    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput,
    upload_part: UploadPartInput => UploadPartOutput,
    upload_part_copy: UploadPartCopyInput => UploadPartCopyOutput,
    complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput,
    abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput,
    list_parts: ListPartsInput => ListPartsOutput,
    list_multipart_uploads: ListMultipartUploadsInput => ListMultipartUploadsOutput,
    list_objects: ListObjectsInput => ListObjectsOutput,
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output,
    list_object_versions: ListObjectVersionsInput => ListObjectVersionsOutput,
    get_object_tagging: GetObjectTaggingInput => GetObjectTaggingOutput,
    put_object_tagging: PutObjectTaggingInput => PutObjectTaggingOutput,
    delete_object_tagging: DeleteObjectTaggingInput => DeleteObjectTaggingOutput,
    get_bucket_tagging: GetBucketTaggingInput => GetBucketTaggingOutput,
    put_bucket_tagging: PutBucketTaggingInput => PutBucketTaggingOutput,
    delete_bucket_tagging: DeleteBucketTaggingInput => DeleteBucketTaggingOutput,
    get_bucket_versioning: GetBucketVersioningInput => GetBucketVersioningOutput,
    put_bucket_versioning: PutBucketVersioningInput => PutBucketVersioningOutput,
    get_bucket_policy: GetBucketPolicyInput => GetBucketPolicyOutput,
    put_bucket_policy: PutBucketPolicyInput => PutBucketPolicyOutput,
    delete_bucket_policy: DeleteBucketPolicyInput => DeleteBucketPolicyOutput,
    get_bucket_policy_status: GetBucketPolicyStatusInput => GetBucketPolicyStatusOutput,
    get_bucket_cors: GetBucketCorsInput => GetBucketCorsOutput,
    put_bucket_cors: PutBucketCorsInput => PutBucketCorsOutput,
    delete_bucket_cors: DeleteBucketCorsInput => DeleteBucketCorsOutput,
    get_bucket_acl: GetBucketAclInput => GetBucketAclOutput,
    put_bucket_acl: PutBucketAclInput => PutBucketAclOutput,
    get_object_acl: GetObjectAclInput => GetObjectAclOutput,
    put_object_acl: PutObjectAclInput => PutObjectAclOutput,
    get_public_access_block: GetPublicAccessBlockInput => GetPublicAccessBlockOutput,
    put_public_access_block: PutPublicAccessBlockInput => PutPublicAccessBlockOutput,
    delete_public_access_block: DeletePublicAccessBlockInput => DeletePublicAccessBlockOutput,
    get_bucket_encryption: GetBucketEncryptionInput => GetBucketEncryptionOutput,
    put_bucket_encryption: PutBucketEncryptionInput => PutBucketEncryptionOutput,
    get_bucket_ownership_controls: GetBucketOwnershipControlsInput => GetBucketOwnershipControlsOutput,
    put_bucket_ownership_controls: PutBucketOwnershipControlsInput => PutBucketOwnershipControlsOutput,
    get_bucket_request_payment: GetBucketRequestPaymentInput => GetBucketRequestPaymentOutput,
    put_bucket_request_payment: PutBucketRequestPaymentInput => PutBucketRequestPaymentOutput,
}
