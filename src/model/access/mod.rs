//! Who may do what: the reading side of IAM for whatever decides about a request.
//!
//! [`Directory`] is a snapshot of a world's keys, roles and policies; [`Way`] is what a request's path tells; together with an
//! [`Ask`] they become a decision. Services decide live requests with it, `policy` and `expect: call` decide imagined ones.

mod call;
mod directory;
mod gather;
mod implied;
mod judge;
mod report;
mod root_key;
mod signer;
mod way;

pub use call::{Call, CallTarget, bucket_of};
pub use directory::{AccessKey, BucketFacts, Directory, InstanceRole, RoleFacts, TableFacts};
pub use implied::needs_no_permission;
pub use judge::{Ask, Judged};
pub use report::AccessReport;
pub use root_key::root_key;
pub use way::Way;
