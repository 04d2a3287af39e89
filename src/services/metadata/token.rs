//! Session tokens of IMDSv2: for whom and until when, under a key. Nothing is kept of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::services::front::signature::canonical::{equal, hexadecimal, hmac};

/// A token of an instance's that is good until that Unix second.
pub fn make(key: &[u8; 32], instance_id: &str, expires: u64) -> String {
    let expires = expires.to_be_bytes();
    STANDARD.encode([&expires[..], &tag(key, instance_id, expires)].concat())
}

/// Whether a token is the instance's, and not over.
pub fn is_good(key: &[u8; 32], instance_id: &str, token: &str, now: u64) -> bool {
    let Ok(token) = STANDARD.decode(token) else { return false };
    let Some((expires, given)) = token.split_first_chunk::<8>() else { return false };
    equal(&hexadecimal(given), &hexadecimal(&tag(key, instance_id, *expires))) && u64::from_be_bytes(*expires) > now
}

fn tag(key: &[u8; 32], instance_id: &str, expires: [u8; 8]) -> Vec<u8> {
    hmac(key, &[b"imds ", instance_id.as_bytes(), &expires].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_instances_until_its_end() {
        let key = [7; 32];
        let token = make(&key, "i-1", 100);
        assert!(is_good(&key, "i-1", &token, 99));
        assert!(!is_good(&key, "i-1", &token, 100));
        assert!(!is_good(&key, "i-2", &token, 99));
        assert!(!is_good(&[8; 32], "i-1", &token, 99));
        for other in ["", "AAAA", "!", &token[1..], &format!("{token}AAAA")] {
            assert!(!is_good(&key, "i-1", other, 0), "{other}");
        }
    }
}
