//! s3s-fs with a lab's facts: who owns a bucket and where, which keys a folder can't hold, and AWS's answers where
//! files behave unlike objects.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use parking_lot::RwLock;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::condition::conditions;
use super::credentials::credentials;
use super::seed::DEFAULT_CONTENT_TYPE;

/// Bytes of an object read at once.
const PIECE: usize = 256 << 10;

/// The store; clones are the same store.
#[derive(Clone)]
pub(super) struct Store(Arc<Inner>);

struct Inner {
    files: FileSystem,
    folder: PathBuf,
    buckets: RwLock<BTreeMap<String, super::Bucket>>,
    /// Access key id to account and secret.
    keys: HashMap<String, (String, SecretKey)>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("folder", &self.0.folder).finish_non_exhaustive()
    }
}

impl Store {
    pub fn open(folder: &Path, buckets: &[super::Bucket], accounts: &[String]) -> anyhow::Result<Self> {
        for bucket in buckets {
            let path = folder.join(&bucket.name);
            fs::create_dir_all(&path)
                .with_context(|| format!("making the folder of bucket {}: {}", bucket.name, path.display()))?;
        }
        fs::create_dir_all(folder).with_context(|| format!("making the folder of S3, {}", folder.display()))?;
        let files = FileSystem::new(folder)
            .map_err(|error| anyhow::anyhow!("opening the folder of S3, {}: {error:?}", folder.display()))?;
        let buckets = buckets.iter().map(|bucket| (bucket.name.clone(), bucket.clone())).collect();
        let keys = accounts.iter().map(|account| {
            let key = credentials(account);
            (key.access_key_id, (account.clone(), SecretKey::from(key.secret_access_key)))
        });
        let keys = keys.collect();
        Ok(Self(Arc::new(Inner { files, folder: folder.to_owned(), buckets: RwLock::new(buckets), keys })))
    }

    /// A bucket of the lab.
    pub fn bucket(&self, name: &str) -> Option<super::Bucket> {
        self.0.buckets.read().get(name).cloned()
    }

    /// Account of a request's signature; `None` is anonymous.
    fn account<T>(&self, request: &S3Request<T>) -> Option<String> {
        let key = request.credentials.as_ref()?;
        self.0.keys.get(&key.access_key).map(|(account, _)| account.clone())
    }

    /// The path is a folder that other keys made: S3 has no object of that name.
    async fn is_folder(&self, bucket: &str, key: &str) -> bool {
        let path = self.0.folder.join(bucket).join(key);
        tokio::fs::metadata(path).await.is_ok_and(|metadata| metadata.is_dir())
    }

    fn region_header<T>(&self, bucket: &str, mut response: S3Response<T>) -> S3Response<T> {
        let region = self.bucket(bucket).and_then(|bucket| http::HeaderValue::from_str(&bucket.region).ok());
        if let Some(region) = region {
            response.headers.insert("x-amz-bucket-region", region);
        }
        response
    }
}

/// Why a key can't be kept as a file, if so.
///
/// The key is the file's path under its bucket, and the object's metadata is a file named after bucket and key, so keys
/// are shorter than S3's 1,024 bytes, and path steps that mean something to a file system are none.
pub(super) fn key_problem(bucket: &str, key: &str) -> Option<String> {
    let segments = key.strip_suffix('/').unwrap_or(key).split('/');
    for segment in segments {
        if matches!(segment, "" | "." | "..") || segment.contains('\0') {
            return Some(format!(
                "vpclab's S3 keeps objects as files, so a key has no step `{}`",
                segment.escape_default()
            ));
        }
        if segment.len() > 255 {
            return Some("vpclab's S3 keeps objects as files, so a step of a key has at most 255 bytes".to_owned());
        }
    }
    // The longest sidecar: `.bucket-B.object-K.upload-UUID.metadata.json`, B and K in base 64 without padding.
    let base64 = |length: usize| (length * 4).div_ceil(3);
    let sidecar = 8 + base64(bucket.len()) + 8 + base64(key.len()) + 8 + 36 + 14;
    (sidecar > 255).then(|| {
        let most = (255 - (sidecar - base64(key.len()))) * 3 / 4;
        format!("vpclab's S3 keeps objects as files, so a key in {bucket} has at most {most} bytes")
    })
}

#[async_trait::async_trait]
impl S3Auth for Store {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        self.0.keys.get(access_key).map(|(_, secret)| secret.clone()).ok_or_else(|| s3_error!(InvalidAccessKeyId))
    }
}

#[async_trait::async_trait]
impl S3Access for Store {
    /// What holds for every operation: its bucket exists and its key can be kept. Who may do what is not asked yet.
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = cx.s3_op().name();
        if operation == "ListBuckets" && cx.credentials().is_none() {
            return Err(s3_error!(AccessDenied));
        }
        let path = cx.s3_path();
        let Some(bucket) = path.get_bucket_name() else { return Ok(()) };
        if operation != "CreateBucket" && self.bucket(bucket).is_none() {
            return Err(s3_error!(NoSuchBucket));
        }
        match path.get_object_key().and_then(|key| key_problem(bucket, key)) {
            Some(problem) => Err(s3_error!(InvalidArgument, "{problem}")),
            None => Ok(()),
        }
    }
}

/// `impl S3`: the operations that s3s-fs does whole, then our own.
macro_rules! store {
    (as_is { $($operation:ident: $input:ty => $output:ty,)* } ours { $($ours:tt)* }) => {
        #[async_trait::async_trait]
        impl S3 for Store {
            $(async fn $operation(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                self.0.files.$operation(request).await
            })*
            $($ours)*
        }
    };
}

store! {
    as_is {
        abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput,
        complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput,
        create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput,
        list_parts: ListPartsInput => ListPartsOutput,
        put_object: PutObjectInput => PutObjectOutput,
        upload_part: UploadPartInput => UploadPartOutput,
    }
    ours {
        async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
            self.check_source(&request.input.copy_source)?;
            self.0.files.copy_object(request).await
        }

        async fn upload_part_copy(
            &self,
            request: S3Request<UploadPartCopyInput>,
        ) -> S3Result<S3Response<UploadPartCopyOutput>> {
            self.check_source(&request.input.copy_source)?;
            self.0.files.upload_part_copy(request).await
        }

        async fn create_bucket(
            &self,
            request: S3Request<CreateBucketInput>,
        ) -> S3Result<S3Response<CreateBucketOutput>> {
            let name = request.input.bucket.clone();
            let account = self.account(&request).ok_or_else(|| s3_error!(AccessDenied))?;
            let known = self.bucket(&name);
            if known.as_ref().is_some_and(|bucket| bucket.account == account) {
                let message = "Your previous request to create the named bucket succeeded and you already own it.";
                return Err(s3_error!(BucketAlreadyOwnedByYou, "{message}"));
            }
            if known.is_some() {
                return Err(s3_error!(BucketAlreadyExists));
            }
            let asked = request.input.create_bucket_configuration.as_ref();
            let asked = asked.and_then(|asked| asked.location_constraint.as_ref()).map(|region| region.as_str().to_owned());
            let region = asked.unwrap_or_else(|| "us-east-1".to_owned());
            let mut response = self.0.files.create_bucket(request).await?;
            response.output.location = Some(format!("/{name}"));
            self.0.buckets.write().insert(name.clone(), super::Bucket { name, region, account });
            Ok(response)
        }

        async fn delete_bucket(
            &self,
            request: S3Request<DeleteBucketInput>,
        ) -> S3Result<S3Response<DeleteBucketOutput>> {
            let name = request.input.bucket.clone();
            let list = ListObjectsV2Input { bucket: name.clone(), max_keys: Some(1), ..Default::default() };
            let listed = self.0.files.list_objects_v2(beside(&request, list)).await?;
            if listed.output.contents.is_some_and(|contents| !contents.is_empty()) {
                return Err(s3_error!(BucketNotEmpty));
            }
            let response = self.0.files.delete_bucket(request).await?;
            self.0.buckets.write().remove(&name);
            Ok(response)
        }

        async fn delete_object(
            &self,
            request: S3Request<DeleteObjectInput>,
        ) -> S3Result<S3Response<DeleteObjectOutput>> {
            // A folder under other keys is no object, and deleting what is not there succeeds.
            if !request.input.key.ends_with('/') && self.is_folder(&request.input.bucket, &request.input.key).await {
                return Ok(S3Response::new(DeleteObjectOutput::default()));
            }
            self.0.files.delete_object(request).await
        }

        async fn delete_objects(
            &self,
            mut request: S3Request<DeleteObjectsInput>,
        ) -> S3Result<S3Response<DeleteObjectsOutput>> {
            let bucket = request.input.bucket.clone();
            let mut errors = Vec::new();
            let mut kept = Vec::new();
            for object in std::mem::take(&mut request.input.delete.objects) {
                match key_problem(&bucket, &object.key) {
                    Some(problem) => errors.push(Error {
                        code: Some("InvalidArgument".to_owned()),
                        key: Some(object.key),
                        message: Some(problem),
                        version_id: None,
                    }),
                    None if self.is_folder(&bucket, &object.key).await && !object.key.ends_with('/') => {}
                    None => kept.push(object),
                }
            }
            request.input.delete.objects = kept;
            let mut response = self.0.files.delete_objects(request).await?;
            response.output.errors = Some(errors).filter(|errors| !errors.is_empty());
            Ok(response)
        }

        async fn get_bucket_location(
            &self,
            request: S3Request<GetBucketLocationInput>,
        ) -> S3Result<S3Response<GetBucketLocationOutput>> {
            let bucket = self.bucket(&request.input.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
            // us-east-1 is null, for ever.
            let location_constraint =
                (bucket.region != "us-east-1").then(|| BucketLocationConstraint::from(bucket.region));
            Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
        }

        async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
            if self.is_folder(&request.input.bucket, &request.input.key).await {
                return Err(s3_error!(NoSuchKey));
            }
            let path = self.0.folder.join(&request.input.bucket).join(&request.input.key);
            let range = request.input.range;
            let conditions = conditions!(request.input);
            let mut response = self.0.files.get_object(request).await?;
            let output = &mut response.output;
            conditions.check(output.e_tag.as_ref(), output.last_modified.as_ref())?;
            if let Some(body) = large_reads(&path, range, output).await {
                output.body = Some(body);
            }
            output.accept_ranges = Some("bytes".to_owned());
            output.content_type.get_or_insert_with(|| DEFAULT_CONTENT_TYPE.to_owned());
            output.server_side_encryption = Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256));
            Ok(response)
        }

        async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
            if self.is_folder(&request.input.bucket, &request.input.key).await {
                return Err(s3_error!(NoSuchKey));
            }
            let conditions = conditions!(request.input);
            let mut response = self.0.files.head_object(request).await?;
            let output = &mut response.output;
            conditions.check(output.e_tag.as_ref(), output.last_modified.as_ref())?;
            output.accept_ranges = Some("bytes".to_owned());
            output.content_type.get_or_insert_with(|| DEFAULT_CONTENT_TYPE.to_owned());
            output.server_side_encryption = Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256));
            Ok(response)
        }

        async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
            let bucket = request.input.bucket.clone();
            Ok(self.region_header(&bucket, self.0.files.head_bucket(request).await?))
        }

        async fn list_objects(&self, request: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
            let bucket = request.input.bucket.clone();
            Ok(self.region_header(&bucket, self.0.files.list_objects(request).await?))
        }

        async fn list_objects_v2(
            &self,
            request: S3Request<ListObjectsV2Input>,
        ) -> S3Result<S3Response<ListObjectsV2Output>> {
            let bucket = request.input.bucket.clone();
            Ok(self.region_header(&bucket, self.0.files.list_objects_v2(request).await?))
        }

        async fn list_buckets(&self, request: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
            let account = self.account(&request).ok_or_else(|| s3_error!(AccessDenied))?;
            let mut response = self.0.files.list_buckets(request).await?;
            let known = self.0.buckets.read();
            let listed = response.output.buckets.take().unwrap_or_default().into_iter().filter_map(|mut listed| {
                let bucket = known.get(listed.name.as_deref()?).filter(|bucket| bucket.account == account)?;
                listed.bucket_region = Some(bucket.region.clone());
                Some(listed)
            });
            response.output.buckets = Some(listed.collect());
            response.output.owner = Some(Owner { display_name: None, id: Some(account) });
            Ok(response)
        }
    }
}

impl Store {
    /// The source of a copy stands in a header, which [`S3Access::check`] doesn't see.
    fn check_source(&self, source: &CopySource) -> S3Result<()> {
        let CopySource::Bucket { bucket, key, .. } = source else { return Err(s3_error!(NotImplemented)) };
        if self.bucket(bucket).is_none() {
            return Err(s3_error!(NoSuchBucket));
        }
        key_problem(bucket, key).map_or(Ok(()), |problem| Err(s3_error!(InvalidArgument, "{problem}")))
    }
}

/// The same bytes of the same file as `output`'s body, read in large pieces; s3s-fs reads 4 KiB at a time, each of them on
/// another thread. `None` when the body is small, or the file has changed since it was opened.
async fn large_reads(path: &Path, range: Option<Range>, output: &GetObjectOutput) -> Option<StreamingBlob> {
    let length = u64::try_from(output.content_length?).ok().filter(|length| *length > PIECE as u64 / 4)?;
    let mut file = tokio::fs::File::open(path).await.ok()?;
    let metadata = file.metadata().await.ok()?;
    let whole = 0..metadata.len();
    let bytes = range.map_or(Ok(whole), |range| range.check(metadata.len())).ok()?;
    let modified = Timestamp::from(metadata.modified().ok()?);
    if bytes.end - bytes.start != length || output.last_modified.as_ref() != Some(&modified) {
        return None;
    }
    file.seek(std::io::SeekFrom::Start(bytes.start)).await.ok()?;
    Some(StreamingBlob::wrap(ReaderStream::with_capacity(file.take(length), PIECE)))
}

/// A second request in the name of the first.
fn beside<T, U>(request: &S3Request<T>, input: U) -> S3Request<U> {
    S3Request {
        input,
        method: request.method.clone(),
        uri: request.uri.clone(),
        headers: request.headers.clone(),
        extensions: request.extensions.clone(),
        credentials: request.credentials.clone(),
        region: request.region.clone(),
        service: request.service.clone(),
        trailing_headers: None,
    }
}
