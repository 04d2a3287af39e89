//! exec
use libtest_mimic::Trial;
pub fn trials() -> Vec<Trial> {
    Vec::new()
}
pub fn play(_: &[&str]) -> ! {
    std::process::exit(99)
}
