//! A bucket's CORS configuration; [`super::super::cors`] acts on it.

use s3s::s3_error;

use super::super::gate::Visit;
use super::super::store::buckets::CorsRule;
use super::*;

/// Rules of a configuration.
const MOST: usize = 100;
/// Methods that a rule can allow.
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];

impl Operations {
    pub(super) async fn get_bucket_cors(
        &self,
        request: S3Request<GetBucketCorsInput>,
    ) -> S3Result<S3Response<GetBucketCorsOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:GetBucketCORS")?;
        let rules = &visit.bucket.settings.cors;
        if rules.is_empty() {
            return Err(s3_error!(NoSuchCORSConfiguration, "The CORS configuration does not exist"));
        }
        let shown = rules.iter().map(|rule| CORSRule {
            allowed_headers: Some(rule.allowed_headers.clone()).filter(|headers| !headers.is_empty()),
            allowed_methods: rule.allowed_methods.clone(),
            allowed_origins: rule.allowed_origins.clone(),
            expose_headers: Some(rule.expose_headers.clone()).filter(|headers| !headers.is_empty()),
            id: rule.id.clone(),
            max_age_seconds: rule.max_age_seconds,
        });
        Ok(S3Response::new(GetBucketCorsOutput { cors_rules: Some(shown.collect()) }))
    }

    pub(super) async fn put_bucket_cors(
        &self,
        request: S3Request<PutBucketCorsInput>,
    ) -> S3Result<S3Response<PutBucketCorsOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:PutBucketCORS")?;
        let said = request.input.cors_configuration.cors_rules;
        if said.is_empty() || said.len() > MOST {
            return Err(s3_error!(MalformedXML));
        }
        let rules = said.into_iter().map(|rule| CorsRule {
            id: rule.id,
            allowed_origins: rule.allowed_origins,
            allowed_methods: rule.allowed_methods,
            allowed_headers: rule.allowed_headers.unwrap_or_default(),
            expose_headers: rule.expose_headers.unwrap_or_default(),
            max_age_seconds: rule.max_age_seconds,
        });
        let rules: Vec<CorsRule> = rules.collect();
        rules.iter().try_for_each(check)?;
        self.store.set(&visit.bucket.name, move |settings| settings.cors = rules).await?;
        Ok(S3Response::new(PutBucketCorsOutput::default()))
    }

    pub(super) async fn delete_bucket_cors(
        &self,
        request: S3Request<DeleteBucketCorsInput>,
    ) -> S3Result<S3Response<DeleteBucketCorsOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:PutBucketCORS")?;
        self.store.set(&visit.bucket.name, |settings| settings.cors.clear()).await?;
        Ok(S3Response::new(DeleteBucketCorsOutput::default()))
    }
}

fn check(rule: &CorsRule) -> S3Result<()> {
    if rule.allowed_origins.is_empty() || rule.allowed_methods.is_empty() {
        return Err(s3_error!(MalformedXML));
    }
    if let Some(method) = rule.allowed_methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
        return Err(s3_error!(
            InvalidRequest,
            "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
        ));
    }
    if let Some(origin) = rule.allowed_origins.iter().find(|origin| origin.matches('*').count() > 1) {
        return Err(s3_error!(InvalidRequest, "AllowedOrigin \"{origin}\" can not have more than one wildcard."));
    }
    if let Some(header) = rule.allowed_headers.iter().find(|header| header.matches('*').count() > 1) {
        return Err(s3_error!(InvalidRequest, "AllowedHeader \"{header}\" can not have more than one wildcard."));
    }
    if let Some(header) = rule.expose_headers.iter().find(|header| header.contains('*')) {
        return Err(s3_error!(
            InvalidRequest,
            "ExposeHeader \"{header}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
        ));
    }
    Ok(())
}
