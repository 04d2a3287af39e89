//! Which keys can be objects.
//!
//! Every string of 1 to 1,024 bytes in UTF-8, with two exceptions: steps `..` that lead out of the bucket, which S3 refuses
//! (its naming guidelines: of relative steps there are never more than of others before them), and NUL, which no listing in
//! XML can show. Nothing that a key says reaches the file system, so these rules are S3's, not ours.

use s3s::{S3Result, s3_error};

/// Goes on when the key can be an object.
pub(super) fn check_key(key: &str) -> S3Result<()> {
    if key.is_empty() {
        return Err(s3_error!(InvalidArgument, "The object key must not be empty"));
    }
    if key.len() > 1024 {
        return Err(s3_error!(KeyTooLongError, "Your key is too long"));
    }
    if key.contains('\0') || leads_out(key) { Err(s3_error!(InvalidURI)) } else { Ok(()) }
}

/// Has more steps up than down somewhere.
pub(super) fn leads_out(key: &str) -> bool {
    let mut depth = 0i32;
    key.split('/').any(|step| {
        depth += match step {
            ".." => -1,
            "." | "" => 0,
            _ => 1,
        };
        depth < 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_a_key() {
        let longest = "k".repeat(1024);
        for key in
            ["a", "/", "//", "a/", "a//b", "./a", "a/./b", "a/..", "a/b/../../c", "ä", "%2e%2e", "a b", "\n", &longest]
        {
            assert!(check_key(key).is_ok(), "{key:?}");
        }
        let longer = "k".repeat(1025);
        for key in ["", "..", "../a", "a/../..", "a/../../b", "/..", "a\0b", &longer] {
            assert!(check_key(key).is_err(), "{key:?}");
        }
    }
}
