//! The proof that `vpclab trace --json` tells the truth.
//!
//! Random labs are started; in each, packets are sent by real clients to real receivers, `trace` is asked about the same
//! packets, and a naive reference, written from the description of AWS's behaviour alone, judges them as well. All three
//! must agree on each: whether it arrives, where, with which source address, whether the answer comes back, and, where AWS
//! has a code for it, why not.
//!
//! `VPCLAB_PROOF_SEED` is another seed than today's, `VPCLAB_PROOF_LABS` another number of labs, `VPCLAB_PROOF_LAB` one
//! lab alone, `VPCLAB_PROOF_FEATURES` what may occur in them (`groups,acls,internet,nat,peering,vpn`; all without it).
//! Mismatches are printed with the lab's templates, or without them under `VPCLAB_PROOF_QUIET`.

#![allow(clippy::disallowed_methods, reason = "the bans are the pure rooms'")]

#[path = "lab_harness.rs"]
#[allow(dead_code, reason = "the stories of labs use all of it")]
mod harness;
#[path = "proof/mod.rs"]
mod proof;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|arg| arg == "--role") {
        return proof::helper::play();
    }
    let trials = proof::TRIALS.into_iter().map(|(name, trial)| {
        Trial::test(name, move || trial().map_err(|error| libtest_mimic::Failed::from(format!("{error:#}"))))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
