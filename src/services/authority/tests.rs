//! What a client would check: the chain, the name, the dates; and what the state folder keeps.

use std::os::unix::fs::PermissionsExt;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, ProtocolVersion, RootCertStore,
    ServerConnection, SupportedProtocolVersion,
};

use super::*;
use crate::services::tls_secrets::TlsSecrets;

fn authority(folder: &Path) -> Arc<CertificateAuthority> {
    CertificateAuthority::load_or_create(folder, is_aws_name).unwrap()
}

/// Verifies as a client that trusts `pem` and asked for `name`, so many days from now.
fn verify(pem: &str, certified: &CertifiedKey, name: &str, days: u64) -> Result<(), Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let now = UnixTime::since_unix_epoch(
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + DAY * days as u32,
    );
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier.verify_server_cert(&certified.cert[0], &[], &name, &[], now).map(|_| ())
}

#[test]
fn any_depth_of_name_gets_its_own_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    let names = [
        "s3.us-east-1.amazonaws.com",
        "my.dotted.bucket.s3.us-east-1.amazonaws.com",
        "b.bucket.vpce-0fe5b17a0707d6abc-29p5708s.s3.us-east-1.vpce.amazonaws.com",
    ];
    for name in names {
        let certified = authority.certificate(Some(&name.to_ascii_uppercase())).unwrap();
        assert_eq!(verify(authority.pem(), &certified, name, 0), Ok(()), "{name}");
        assert_eq!(verify(authority.pem(), &certified, name, 364), Ok(()));
        let expired = verify(authority.pem(), &certified, name, 366).unwrap_err();
        assert!(matches!(expired, Error::InvalidCertificate(CertificateError::ExpiredContext { .. })), "{expired:?}");
        assert!(verify(authority.pem(), &certified, "other.amazonaws.com", 0).is_err());
    }
}

#[test]
fn strangers_get_the_default_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    for name in [None, Some("example.com"), Some("evilamazonaws.com")] {
        let certified = authority.certificate(name).unwrap();
        assert_eq!(verify(authority.pem(), &certified, DEFAULT_NAME, 0), Ok(()));
    }
    assert_eq!(authority.cache.lock().entries.len(), 1);
}

#[test]
fn the_authority_is_kept_and_its_key_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let first = authority(folder.path());
    let mode = fs::metadata(folder.path().join(KEY_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = authority(folder.path());
    assert_eq!(first.pem(), second.pem());
    assert_eq!(fs::read_to_string(folder.path().join(CERTIFICATE_FILE)).unwrap(), second.pem());
    // Guests trust the certificate from the first start: what the second one signs must convince them.
    let certified = second.certificate(Some("s3.amazonaws.com")).unwrap();
    assert_eq!(verify(first.pem(), &certified, "s3.amazonaws.com", 0), Ok(()));
}

#[test]
fn another_lab_s_certificate_is_noticed() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    authority(ours.path());
    authority(theirs.path());
    fs::copy(theirs.path().join(CERTIFICATE_FILE), ours.path().join(CERTIFICATE_FILE)).unwrap();
    let error = CertificateAuthority::load_or_create(ours.path(), is_aws_name).unwrap_err().to_string();
    assert!(error.contains("is not the certificate of") && error.contains("delete"), "{error}");
    fs::write(ours.path().join(KEY_FILE), "noise").unwrap();
    let error = CertificateAuthority::load_or_create(ours.path(), is_aws_name).unwrap_err().to_string();
    assert!(error.contains("holds no key"), "{error}");
}

#[test]
fn the_cache_is_bounded_and_keeps_what_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    let used = authority.certificate(Some("used.amazonaws.com")).unwrap();
    for number in 0..2 * CACHE {
        authority.certificate(Some(&format!("n{number}.amazonaws.com"))).unwrap();
        let again = authority.certificate(Some("used.amazonaws.com")).unwrap();
        assert!(Arc::ptr_eq(&used, &again));
    }
    assert_eq!(authority.cache.lock().entries.len(), CACHE);
}

#[test]
fn serial_numbers_differ() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    let [one, two] = ["a.amazonaws.com", "b.amazonaws.com"].map(|name| authority.certificate(Some(name)).unwrap());
    // The serial follows the version within the first bytes; everything before it is the same.
    assert_ne!(one.cert[0][..36], two.cert[0][..36]);
}

/// A client that trusts the authority, speaks one version and keeps its own secrets.
fn client(
    authority: &CertificateAuthority,
    version: &'static SupportedProtocolVersion,
) -> (ClientConfig, Arc<TlsSecrets>) {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_protocol_versions(&[version]).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    let own = TlsSecrets::new();
    config.key_log = own.clone();
    (config, own)
}

/// Carries bytes between both until neither has more to say; the version that they agreed on.
fn shake_hands(config: &Arc<ClientConfig>, server: Arc<rustls::ServerConfig>) -> Option<ProtocolVersion> {
    let mut client = ClientConnection::new(config.clone(), ServerName::try_from("s3.amazonaws.com").unwrap()).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    while client.wants_write() || server.wants_write() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = &wire[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets().unwrap();
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = &wire[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    client.protocol_version()
}

#[test]
fn the_secrets_of_each_connection_are_those_of_its_client() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    let server = authority.server_config(&[]).unwrap();
    let mut kept = authority.tls_secrets().reader();
    let sorted = |lines: String| {
        let mut lines: Vec<String> = lines.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for (version, agreed, labels) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2, &["CLIENT_RANDOM"][..]),
        (
            &rustls::version::TLS13,
            ProtocolVersion::TLSv1_3,
            &[
                "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
                "CLIENT_TRAFFIC_SECRET_0",
                "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                "SERVER_TRAFFIC_SECRET_0",
            ],
        ),
    ] {
        let (config, own) = client(&authority, version);
        let (config, mut own) = (Arc::new(config), own.reader());
        // The second one is resumed.
        for _ in 0..2 {
            assert_eq!(shake_hands(&config, server.clone()), Some(agreed));
            let lines = sorted(kept.take());
            assert_eq!(lines, sorted(own.take()));
            let said: Vec<&str> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
            assert_eq!(said, labels);
        }
    }
}

/// A ClientHello as OpenSSL 1.0 would say it with that highest version (0x0302 for TLS 1.1), and what the server answers.
fn old_hello(server: Arc<rustls::ServerConfig>, version: [u8; 2]) -> (Result<(), Error>, Vec<u8>) {
    let hello = [
        &version[..],
        &[7; 32],
        &[0],
        // ECDHE-ECDSA with AES-128-GCM and with AES-128-CBC.
        &[0, 4, 0xc0, 0x2b, 0xc0, 0x09],
        &[1, 0],
        // Extensions: groups (P-256, X25519), point formats, signatures (ECDSA with P-256 and SHA-256).
        &[0, 24],
        &[0, 10, 0, 6, 0, 4, 0, 23, 0, 29],
        &[0, 11, 0, 2, 1, 0],
        &[0, 13, 0, 4, 0, 2, 4, 3],
    ]
    .concat();
    let mut record = vec![22, 3, 1, 0, hello.len() as u8 + 4, 1, 0, 0, hello.len() as u8];
    record.extend(hello);
    let mut server = ServerConnection::new(server).unwrap();
    server.read_tls(&mut &record[..]).unwrap();
    let answered = server.process_new_packets().map(|_| ());
    let mut answer = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut answer).unwrap();
    }
    (answered, answer)
}

#[test]
fn nothing_older_than_tls_1_2_is_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let server = authority(folder.path()).server_config(&[]).unwrap();
    let (answered, answer) = old_hello(server.clone(), [3, 3]);
    assert_eq!(answered, Ok(()), "the same hello with TLS 1.2");
    assert_eq!(answer[..1], [22], "a ServerHello");
    for version in [[3, 2], [3, 1], [3, 0]] {
        let (answered, answer) = old_hello(server.clone(), version);
        assert!(matches!(answered, Err(Error::PeerIncompatible(_))), "{version:?}: {answered:?}");
        let alert = u8::from(AlertDescription::ProtocolVersion);
        assert_eq!(answer, [21, 3, 3, 0, 2, 2, alert], "{version:?}: a fatal alert");
    }
}
