//! The parts of the proof: a description of labs ([`lab`]), random ones ([`generate`]) as templates ([`template`]), packets
//! worth sending ([`packets`]), the naive reference ([`reference`]), what sends and receives inside of guests ([`helper`]),
//! who tells what became of packets ([`witnesses`]), and the comparison ([`compare`]).

pub mod compare;
pub mod generate;
pub mod helper;
pub mod lab;
pub mod learn;
pub mod packets;
pub mod published;
pub mod random;
pub mod reference;
pub mod template;
pub mod witnesses;

use anyhow::{Result, ensure};

/// What is shown, under its name.
pub type ProofTrial = (&'static str, fn() -> Result<()>);

pub const TRIALS: [ProofTrial; 3] = [
    ("a_seed_makes_one_lab", a_seed_makes_one_lab),
    ("a_lie_is_noticed", compare::a_lie_is_noticed),
    ("trace_sockets_and_reference_agree", compare::all_agree),
];

fn a_seed_makes_one_lab() -> Result<()> {
    let make = |seed, number| generate::lab(seed, number, generate::Features::all());
    for number in 0..50 {
        ensure!(make(7, number) == make(7, number), "lab {number}");
    }
    ensure!(make(7, 0) != make(8, 0) && make(7, 0) != make(7, 1));
    Ok(())
}
