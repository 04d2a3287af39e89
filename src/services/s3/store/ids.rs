//! Names that nobody can guess and that never come twice: of files, versions and uploads.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Makes them: a secret of this start and a counter, hashed together.
#[derive(Debug)]
pub(in super::super) struct Ids {
    secret: [u8; 32],
    made: AtomicU64,
}

impl Ids {
    pub fn new() -> std::io::Result<Self> {
        let mut secret = [0; 32];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut secret)?;
        Ok(Self { secret, made: AtomicU64::new(0) })
    }

    fn next(&self) -> [u8; 32] {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Sha256::digest([self.secret.as_slice(), &number.to_be_bytes()].concat()).into()
    }

    /// A file's name: 32 hexadecimal digits.
    pub fn body(&self) -> String {
        self.next()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A version id: 32 characters, as S3's are.
    pub fn version(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.next()[..24])
    }

    /// An upload id: 86 characters.
    pub fn upload(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.next(), self.next()].concat())
    }
}
