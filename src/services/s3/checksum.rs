//! S3's additional checksums: computed while bytes pass, compared, and put together for uploads in parts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use http::HeaderMap;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

/// What S3 knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// A checksum with what it is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sum {
    pub algorithm: Algorithm,
    /// Base 64; `-N` behind it when it is of the checksums of N parts.
    pub value: String,
    /// Of the parts' checksums, not of the bytes.
    pub composite: bool,
}

/// All of them with the names that headers have.
pub(super) const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme, Algorithm::Sha1, Algorithm::Sha256];

impl Algorithm {
    /// `CRC32` and so on.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// `x-amz-checksum-crc32` and so on.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        ALGORITHMS.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Bytes of a digest.
    fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Whether checksums of parts give that of the whole.
    pub fn is_crc(self) -> bool {
        matches!(self, Self::Crc32 | Self::Crc32c | Self::Crc64Nvme)
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }
}

/// A digest under way.
pub(super) enum Hasher {
    Crc32(Crc32),
    Crc32c(Crc32c),
    Crc64Nvme(Crc64Nvme),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32(Crc32::new()),
            Algorithm::Crc32c => Self::Crc32c(Crc32c::new()),
            Algorithm::Crc64Nvme => Self::Crc64Nvme(Crc64Nvme::new()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(hasher) => hasher.update(bytes),
            Self::Crc32c(hasher) => hasher.update(bytes),
            Self::Crc64Nvme(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// In base 64.
    pub fn finish(self) -> String {
        match self {
            Self::Crc32(hasher) => STANDARD.encode(hasher.finalize()),
            Self::Crc32c(hasher) => STANDARD.encode(hasher.finalize()),
            Self::Crc64Nvme(hasher) => STANDARD.encode(hasher.finalize()),
            Self::Sha1(hasher) => STANDARD.encode(hasher.finalize()),
            Self::Sha256(hasher) => STANDARD.encode(hasher.finalize()),
        }
    }
}

/// The checksum that headers give, if any; more than one, or one that can't be, is refused as S3 refuses it.
pub(super) fn given(headers: &HeaderMap) -> S3Result<Option<(Algorithm, String)>> {
    let mut found = ALGORITHMS.into_iter().filter_map(|algorithm| {
        let value = headers.get(algorithm.header())?;
        Some((algorithm, value.to_str().unwrap_or_default().to_owned()))
    });
    let Some((algorithm, value)) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        return Err(s3_error!(
            InvalidRequest,
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        ));
    }
    if !is_valid(algorithm, &value) {
        return Err(s3_error!(InvalidRequest, "Value for {} header is invalid.", algorithm.header()));
    }
    Ok(Some((algorithm, value)))
}

pub(super) fn is_valid(algorithm: Algorithm, value: &str) -> bool {
    STANDARD.decode(value).is_ok_and(|bytes| bytes.len() == algorithm.length())
}

/// The checksum of an upload's parts; each part with its checksum and size.
pub(super) fn of_parts(algorithm: Algorithm, composite: bool, parts: &[(String, u64)]) -> Option<Sum> {
    let decoded: Option<Vec<(Vec<u8>, u64)>> =
        parts.iter().map(|(value, size)| Some((STANDARD.decode(value).ok()?, *size))).collect();
    let decoded = decoded?;
    if composite {
        let mut hasher = Hasher::new(algorithm);
        decoded.iter().for_each(|(digest, _)| hasher.update(digest));
        let value = format!("{}-{}", hasher.finish(), decoded.len());
        return Some(Sum { algorithm, value, composite });
    }
    let crc = algorithm.crc()?;
    let number = |digest: &[u8]| digest.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    let mut all = decoded.iter();
    let (first, _) = all.next()?;
    let whole =
        all.fold(number(first), |whole, (digest, size)| crc_fast::checksum_combine(crc, whole, number(digest), *size));
    let bytes = whole.to_be_bytes();
    let value = STANDARD.encode(&bytes[bytes.len() - algorithm.length()..]);
    Some(Sum { algorithm, value, composite })
}

/// Puts a checksum into an output that has a member for each kind.
macro_rules! put_sum {
    ($output:expr, $sum:expr) => {
        if let Some(sum) = $sum {
            use $crate::services::s3::checksum::Algorithm;
            let value = Some(sum.value.clone());
            match sum.algorithm {
                Algorithm::Crc32 => $output.checksum_crc32 = value,
                Algorithm::Crc32c => $output.checksum_crc32c = value,
                Algorithm::Crc64Nvme => $output.checksum_crc64nvme = value,
                Algorithm::Sha1 => $output.checksum_sha1 = value,
                Algorithm::Sha256 => $output.checksum_sha256 = value,
            }
        }
    };
}
pub(super) use put_sum;

/// The checksum among an input's members.
macro_rules! sum_in {
    ($input:expr) => {{
        use $crate::services::s3::checksum::Algorithm;
        [
            (Algorithm::Crc32, &$input.checksum_crc32),
            (Algorithm::Crc32c, &$input.checksum_crc32c),
            (Algorithm::Crc64Nvme, &$input.checksum_crc64nvme),
            (Algorithm::Sha1, &$input.checksum_sha1),
            (Algorithm::Sha256, &$input.checksum_sha256),
        ]
        .into_iter()
        .find_map(|(algorithm, value)| Some((algorithm, value.clone()?)))
    }};
}
pub(super) use sum_in;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Values of the algorithms' own check string, from their registries.
    #[test]
    fn each_algorithm_gives_its_check_value() {
        assert_eq!(of(Algorithm::Crc32, b"123456789"), STANDARD.encode(0xcbf4_3926_u32.to_be_bytes()));
        assert_eq!(of(Algorithm::Crc32c, b"123456789"), STANDARD.encode(0xe306_9283_u32.to_be_bytes()));
        assert_eq!(of(Algorithm::Crc64Nvme, b"123456789"), STANDARD.encode(0xae8b_1486_0a79_9888_u64.to_be_bytes()));
        assert_eq!(of(Algorithm::Sha1, b"abc"), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
        assert_eq!(of(Algorithm::Sha256, b"abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }

    #[test]
    fn parts_make_the_whole() {
        let parts = [b"one part, ".as_slice(), b"another", b"", b" and the last one"];
        let whole = parts.concat();
        for algorithm in ALGORITHMS {
            let sums: Vec<(String, u64)> = parts.iter().map(|part| (of(algorithm, part), part.len() as u64)).collect();
            let full = of_parts(algorithm, false, &sums);
            assert_eq!(full.is_some(), algorithm.is_crc(), "{algorithm:?}");
            if let Some(full) = full {
                assert_eq!(full.value, of(algorithm, &whole), "{algorithm:?}");
            }
            let digests: Vec<u8> = sums.iter().flat_map(|(value, _)| STANDARD.decode(value).unwrap()).collect();
            let composite = of_parts(algorithm, true, &sums).unwrap();
            assert_eq!(composite.value, format!("{}-4", of(algorithm, &digests)));
        }
    }
}
