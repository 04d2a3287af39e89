//! The thin binary: parse the command line, run one command, print one error.

fn main() {}
