//! Client tokens: the same request twice makes one object (B6.1).

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::form::Form;
use super::{Asker, refused};
use crate::model::ObjectId;
use crate::services::failure::Failure;

/// Tokens that are remembered; then the oldest goes.
pub const MOST: usize = 1024;
/// Characters of a token.
const LONGEST: usize = 64;

/// Whose token, of which operation.
type Key = (String, String, &'static str, String);

/// What was made with which token.
#[derive(Default)]
pub struct ClientTokens {
    /// Held while something is made, so that two at once with one token make one thing.
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    by_token: HashMap<Key, ([u8; 32], ObjectId)>,
    order: VecDeque<Key>,
}

impl ClientTokens {
    /// Makes it, unless it was made with the form's token before.
    ///
    /// # Errors
    /// The token's or the maker's.
    pub fn once(
        &self,
        operation: &'static str,
        asker: &Asker,
        form: &Form,
        make: impl FnOnce() -> Result<ObjectId, Failure>,
    ) -> Result<ObjectId, Failure> {
        let Some(token) = form.text("ClientToken") else { return make() };
        if token.len() > LONGEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = format!("The client token is not valid: at most {LONGEST} visible ASCII characters");
            return Err(refused(400, "InvalidClientToken", message));
        }
        let key = (asker.account.clone(), asker.region.clone(), operation, token.to_owned());
        let digest = digest(form);
        let mut made = self.made.lock();
        if let Some((of, id)) = made.by_token.get(&key) {
            if *of == digest {
                return Ok(id.clone());
            }
            let message = format!("The client token '{token}' was used before with other parameters");
            return Err(refused(400, "IdempotentParameterMismatch", message));
        }
        let id = make()?;
        if made.order.len() >= MOST
            && let Some(oldest) = made.order.pop_front()
        {
            made.by_token.remove(&oldest);
        }
        made.order.push_back(key.clone());
        made.by_token.insert(key, (digest, id.clone()));
        Ok(id)
    }
}

/// Of all that is asked.
fn digest(form: &Form) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for (name, value) in form.pairs() {
        for text in [name, value] {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        }
    }
    hasher.finalize().into()
}
