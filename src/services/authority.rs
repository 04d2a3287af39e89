//! The lab's certificate authority: unmodified clients in guests trust it, so their TLS to emulated services just works.
//!
//! Purpose: a certificate for whatever name of AWS a client asks for (SNI), made on demand.
//! Identity: one authority per lab; a certificate is keyed by its name in lower case.
//! Life: key and certificate of the authority are made at the lab's first start and kept in its state folder (`ca.pem`,
//! `ca.key` with mode 0600); the servers' key lives as long as the process.
//! Time: the authority is valid for ten years, a server's certificate for [`LEAF_DAYS`], made anew at half of that.
//! Limits: [`CACHE`] certificates are kept; when full, the one unused for longest goes.
//! TLS 1.2 and 1.3, as the endpoints of AWS; the secrets of each connection go to [`super::tls_secrets`], which bounds them.
//! Not done, and why: no revocation, since nobody outside the lab trusts it. A name that the lab doesn't serve gets the
//! default certificate, as S3 does, so that the client's own message names the mismatch.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use sha2::{Digest, Sha256};

use super::tls_secrets::TlsSecrets;

/// File of the authority's certificate in the lab's state folder.
pub const CERTIFICATE_FILE: &str = "ca.pem";
/// File of its private key beside it.
const KEY_FILE: &str = "ca.key";
/// Certificates kept.
const CACHE: usize = 512;
/// Life of a server's certificate; clients refuse more than 398 days.
const LEAF_DAYS: u64 = 365;
/// What is shown to clients that name nobody, or somebody whom the lab doesn't serve.
const DEFAULT_NAME: &str = "s3.amazonaws.com";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Signs a certificate for each name that clients ask for.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    /// Key of all server certificates.
    server_key: KeyPair,
    signing_key: Arc<dyn SigningKey>,
    provider: Arc<CryptoProvider>,
    served: Box<dyn Fn(&str) -> bool + Send + Sync>,
    cache: Mutex<Cache>,
    secrets: Arc<TlsSecrets>,
}

#[derive(Default)]
struct Cache {
    entries: HashMap<String, Entry>,
    /// Uses so far: the clock of `Entry::used`.
    uses: u64,
}

struct Entry {
    certified: Arc<CertifiedKey>,
    made: Instant,
    used: u64,
}

impl CertificateAuthority {
    /// Reads `ca.pem` and `ca.key` of the lab's state folder, or makes both. Certificates are made for names that
    /// `served` accepts; see [`is_aws_name`].
    pub fn load_or_create(
        folder: &Path,
        served: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> anyhow::Result<Arc<Self>> {
        let (pem, key) = match load(folder)? {
            Some(kept) => kept,
            None => create(folder)?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server_key = KeyPair::generate().context("making the key of the lab's servers")?;
        let private_key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        let signing_key =
            provider.key_provider.load_private_key(private_key).context("loading the key of the lab's servers")?;
        let issuer = Issuer::new(authority_params(&key)?, key);
        let (served, cache, secrets) = (Box::new(served), Mutex::default(), TlsSecrets::new());
        Ok(Arc::new(Self { issuer, pem, server_key, signing_key, provider, served, cache, secrets }))
    }

    /// The authority's own certificate in PEM: what guests trust.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The secrets of all connections to servers that speak in this authority's name.
    pub fn tls_secrets(&self) -> &Arc<TlsSecrets> {
        &self.secrets
    }

    /// TLS settings of a server that speaks in this authority's name and offers `protocols` (ALPN), best first.
    pub fn server_config(self: &Arc<Self>, protocols: &[&str]) -> anyhow::Result<Arc<rustls::ServerConfig>> {
        let mut config = self.configured(Arc::new(Resolver(self.clone())))?;
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// TLS settings of a load balancer's listener: a certificate for whatever name a client gives, since the names that lead
    /// to a listener are anybody's, and of `default_name` for who gives none.
    pub fn server_config_for(self: &Arc<Self>, default_name: &str) -> anyhow::Result<Arc<rustls::ServerConfig>> {
        let resolver = AnyName { authority: self.clone(), default_name: default_name.to_owned() };
        Ok(Arc::new(self.configured(Arc::new(resolver))?))
    }

    fn configured(&self, resolver: Arc<dyn ResolvesServerCert>) -> anyhow::Result<rustls::ServerConfig> {
        let mut config = rustls::ServerConfig::builder_with_provider(self.provider.clone())
            // What AWS's endpoints speak; they refuse 1.0 and 1.1.
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .context("choosing TLS versions")?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.key_log = self.secrets.clone();
        Ok(config)
    }

    /// The certificate for a name that a client gave, or the default one.
    fn certificate(&self, server_name: Option<&str>) -> anyhow::Result<Arc<CertifiedKey>> {
        let asked = server_name.map(str::to_ascii_lowercase);
        self.kept(asked.filter(|name| (self.served)(name)).unwrap_or_else(|| DEFAULT_NAME.to_owned()))
    }

    /// The certificate for a name in lower case, made if need be.
    fn kept(&self, name: String) -> anyhow::Result<Arc<CertifiedKey>> {
        if let Some(certified) = self.cache.lock().get(&name) {
            return Ok(certified);
        }
        // Not under the lock: two clients at once may both sign, and the later certificate stays.
        let certified = Arc::new(self.issue(&name).with_context(|| format!("making a certificate for {name}"))?);
        self.cache.lock().insert(name, certified.clone());
        Ok(certified)
    }

    fn issue(&self, name: &str) -> anyhow::Result<CertifiedKey> {
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        // RFC 5280 appendix A: a common name has at most 64 characters; clients read the alternative name anyway.
        if name.len() <= 64 {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = (SystemTime::now() - DAY).into();
        params.not_after = (SystemTime::now() + DAY * LEAF_DAYS as u32).into();
        // Random: rcgen derives it from the key, which all certificates share, and clients refuse a serial seen twice.
        let mut serial = [0; 16];
        self.provider.secure_random.fill(&mut serial).map_err(|_| anyhow::anyhow!("no random numbers"))?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let certificate = params.signed_by(&self.server_key, &self.issuer)?;
        Ok(CertifiedKey::new(vec![certificate.into()], self.signing_key.clone()))
    }
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateAuthority").finish_non_exhaustive()
    }
}

impl Cache {
    fn get(&mut self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.uses += 1;
        let entry = self.entries.get_mut(name).filter(|entry| entry.made.elapsed() < DAY * (LEAF_DAYS / 2) as u32)?;
        entry.used = self.uses;
        Some(entry.certified.clone())
    }

    fn insert(&mut self, name: String, certified: Arc<CertifiedKey>) {
        if self.entries.len() >= CACHE && !self.entries.contains_key(&name) {
            // A scan of a few hundred entries, beside a signature that takes far longer.
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(name, _)| name.clone());
            oldest.and_then(|name| self.entries.remove(&name));
        }
        self.entries.insert(name, Entry { certified, made: Instant::now(), used: self.uses });
    }
}

/// The authority as rustls asks it.
#[derive(Debug)]
struct Resolver(Arc<CertificateAuthority>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certified = self.0.certificate(hello.server_name());
        certified.inspect_err(|error| tracing::error!("{error:#}")).ok()
    }
}

/// The authority as rustls asks it for a load balancer.
#[derive(Debug)]
struct AnyName {
    authority: Arc<CertificateAuthority>,
    default_name: String,
}

impl ResolvesServerCert for AnyName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or(&self.default_name).to_ascii_lowercase();
        self.authority.kept(name).inspect_err(|error| tracing::error!("{error:#}")).ok()
    }
}

/// Names of AWS services: `amazonaws.com` and everything under it.
pub fn is_aws_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "amazonaws.com" || name.ends_with(".amazonaws.com")
}

/// What the authority's certificate says; the same for the same key, so it need not be read back from `ca.pem`.
fn authority_params(key: &KeyPair) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new([])?;
    // Part of the key in the name: several labs' authorities can stand in one browser.
    let fingerprint = Sha256::digest(key.public_key_raw());
    let name = format!(
        "vpclab lab CA {:02x}{:02x}{:02x}{:02x}",
        fingerprint[0], fingerprint[1], fingerprint[2], fingerprint[3]
    );
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = (SystemTime::now() - DAY).into();
    params.not_after = (SystemTime::now() + DAY * 3650).into();
    Ok(params)
}

/// The kept certificate and key; `None` when there is none yet.
fn load(folder: &Path) -> anyhow::Result<Option<(String, KeyPair)>> {
    let (pem_path, key_path) = (folder.join(CERTIFICATE_FILE), folder.join(KEY_FILE));
    if !pem_path.exists() || !key_path.exists() {
        return Ok(None);
    }
    let pem = fs::read_to_string(&pem_path).with_context(|| format!("reading {}", pem_path.display()))?;
    let key = fs::read_to_string(&key_path).with_context(|| format!("reading {}", key_path.display()))?;
    let help = || format!("delete {} and {} to make new ones", pem_path.display(), key_path.display());
    let key = KeyPair::from_pem(&key).with_context(|| format!("{} holds no key: {}", key_path.display(), help()))?;
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| anyhow::anyhow!("{} holds no certificate ({error}): {}", pem_path.display(), help()))?;
    let public_key = key.public_key_raw();
    if !certificate.windows(public_key.len()).any(|window| window == public_key) {
        bail!("{} is not the certificate of {}: {}", pem_path.display(), key_path.display(), help());
    }
    Ok(Some((pem, key)))
}

fn create(folder: &Path) -> anyhow::Result<(String, KeyPair)> {
    let key = KeyPair::generate().context("making the key of the lab's certificate authority")?;
    let certificate = authority_params(&key)?.self_signed(&key).context("signing the lab's certificate authority")?;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    // The key first: without `ca.pem` a half-written pair is made anew.
    write(&folder.join(KEY_FILE), &key.serialize_pem(), 0o600)?;
    write(&folder.join(CERTIFICATE_FILE), &certificate.pem(), 0o644)?;
    Ok((certificate.pem(), key))
}

/// Writes a file whole or not at all, never readable by more than `mode` says.
fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let unfinished = path.with_extension("new");
    let _ = fs::remove_file(&unfinished);
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&unfinished, path))
        .with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests;
