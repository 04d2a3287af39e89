//! Ids that look like AWS's and stay the same from one `up` to the next.
//!
//! AWS draws ids at random. A lab that did so would give every `up` other ids, and nothing that people note down
//! (captures, policies with `aws:SourceVpce`, bookmarked outputs) would outlive a restart. So ids are digests: an object
//! that a request makes is digested from the request's account, Region, stack and logical id, and its kind; what is born
//! with it (main route table, network interfaces, …) from its id and what tells it apart from its siblings.
//!
//! Not done: ids that say nothing about their origin. Whoever knows the template can compute them; labs keep no secrets
//! in ids.

use sha2::{Digest as _, Sha256};

use super::change::Request;

/// A digest from which the characters of an id are drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    /// Digests parts; their lengths count, so that `["ab", "c"]` and `["a", "bc"]` differ.
    pub(super) fn of(parts: &[&str]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        Self(hasher.finalize().into())
    }

    /// The first `digits` lower-case hex digits, at most 64.
    pub(super) fn hex(&self, digits: usize) -> String {
        let all: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        all.chars().take(digits).collect()
    }

    /// `count` capital letters and digits from 2 to 7, at most 32, as IAM's unique ids have them.
    pub(super) fn base32(&self, count: usize) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        self.0.iter().take(count).map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
    }

    /// `count` lower-case letters and digits, at most 32.
    pub(super) fn alphanumerics(&self, count: usize) -> String {
        const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        self.0.iter().take(count).map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
    }
}

/// `PREFIX-` and 17 hex digits of what makes the object unlike any other.
pub(super) fn derived(prefix: &str, parts: &[&str]) -> String {
    let mut all = vec![prefix];
    all.extend_from_slice(parts);
    format!("{prefix}-{}", Digest::of(&all).hex(17))
}

/// The id of the object that `request` makes. `taken` says whether another object has it already: two requests without a
/// logical id look alike, so the second takes the next in line.
pub(super) fn for_request(request: &Request, prefix: &str, taken: impl Fn(&str) -> bool) -> String {
    first_free(|attempt| derived(prefix, &request_parts(request, &attempt)), taken)
}

/// The first candidate that is not taken.
fn first_free(candidate: impl Fn(String) -> String, taken: impl Fn(&str) -> bool) -> String {
    (0u32..)
        .map(|attempt| candidate(attempt.to_string()))
        .find(|id| !taken(id))
        .expect("a world holds fewer objects than there are attempts")
}

fn request_parts<'a>(request: &'a Request, attempt: &'a str) -> Vec<&'a str> {
    vec![
        &request.account,
        &request.region,
        request.stack.as_deref().unwrap_or_default(),
        request.logical_id.as_deref().unwrap_or_default(),
        attempt,
    ]
}

/// Whether `id` is `PREFIX-` with 17 hex digits, or 8 as old objects and AWS's prefix lists have.
pub fn is_well_formed(prefix: &str, id: &str) -> bool {
    id.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')).is_some_and(|digits| {
        matches!(digits.len(), 8 | 17) && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// A name as CloudFormation makes it for a resource without one: `STACK-LOGICALID-RANDOM`, cut to `longest`.
pub(super) fn free_generated_name(
    request: &Request,
    kind: &str,
    longest: usize,
    taken: impl Fn(&str) -> bool,
) -> String {
    first_free(|attempt| generated_name(request, kind, longest, &attempt), taken)
}

fn generated_name(request: &Request, kind: &str, longest: usize, attempt: &str) -> String {
    const RANDOM: usize = 12;
    let mut digested = vec![kind];
    digested.extend(request_parts(request, attempt));
    let random = Digest::of(&digested).alphanumerics(RANDOM);
    let parts: Vec<&str> = [request.stack.as_deref(), request.logical_id.as_deref()].into_iter().flatten().collect();
    let room = longest.saturating_sub(RANDOM + parts.len());
    let each = room.checked_div(parts.len()).unwrap_or(0);
    let mut name: String = parts.iter().map(|part| part.chars().take(each).collect::<String>() + "-").collect();
    name.push_str(&random);
    name
}
