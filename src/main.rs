//! The thin binary: parse the command line, run one command, print one error.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    vpclab::command::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("error: a lab needs Linux: its guests are network namespaces");
    std::process::ExitCode::from(3)
}
