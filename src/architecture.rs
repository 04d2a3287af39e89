//! Who may use whom, as a test. Reads the source, so a violation fails wherever it hides: in a `use`, a path, a macro.

use std::path::{Path, PathBuf};

/// Each room with the rooms it may use, itself left out.
const MAY_USE: &[(&str, &[&str])] = &[
    ("packet", &[]),
    ("dataplane", &["packet"]),
    ("policy", &[]),
    ("model", &["policy"]),
    ("template", &["model", "policy"]),
    ("dns", &[]),
    ("compile", &["model", "dataplane", "dns", "packet"]),
    ("expect", &["template", "model", "dataplane", "compile", "dns", "policy"]),
    ("host", &[]),
    ("services", &["policy", "dns", "model"]),
    ("run", &["host", "services", "compile", "model", "dataplane", "dns", "template", "packet", "policy"]),
    (
        "command",
        &["expect", "run", "template", "compile", "model", "host", "services", "dataplane", "packet", "policy"],
    ),
];

/// Rooms without I/O, clock, chance or `unsafe`.
const PURE: &[&str] = &["packet", "dataplane", "model", "template", "policy", "dns", "compile", "expect"];

/// What a pure room never names, and why.
const IMPURE: &[(&str, &str)] = &[
    ("tokio", "waits"),
    ("std::fs", "reads files"),
    ("std::env", "reads the environment"),
    ("std::process", "starts processes"),
    ("std::thread", "starts threads"),
    ("std::os::", "knows the operating system"),
    ("Instant", "asks the time"),
    ("SystemTime", "asks the time"),
    ("TcpStream", "opens sockets"),
    ("TcpListener", "opens sockets"),
    ("UdpSocket", "opens sockets"),
    ("nix::", "calls the kernel"),
    ("rand::", "throws dice"),
    ("thread_rng", "throws dice"),
];

/// What is wrong in a file of a room; `file` is relative to `src`.
fn violations(room: &str, file: &str, text: &str) -> Vec<String> {
    let code = without_comments(text);
    let mut found = Vec::new();
    for (other, _) in MAY_USE.iter().filter(|(other, _)| *other != room) {
        let allowed = MAY_USE.iter().any(|(name, may)| *name == room && may.contains(other));
        if !allowed && names_room(&code, other) {
            found.push(format!("{file}: `{room}` may not use `{other}`"));
        }
    }
    if PURE.contains(&room) {
        let named = IMPURE.iter().filter(|(word, _)| names(&code, word));
        found.extend(named.map(|(word, why)| format!("{file}: a pure room names `{word}`, which {why}")));
    }
    if names(&code, "unsafe") && file != "host/sys.rs" {
        found.push(format!("{file}: `unsafe` stands in host/sys.rs alone"));
    }
    found
}

/// `crate::ROOM`, or `ROOM` inside `use crate::{…}`.
fn names_room(code: &str, room: &str) -> bool {
    if names(code, &format!("crate::{room}")) {
        return true;
    }
    code.split("crate::{").skip(1).any(|group| names(group.split(';').next().unwrap_or(group), room))
}

/// The word stands there and is not a part of a longer one.
fn names(code: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(is_word);
        let after = code[at + word.len()..].chars().next().is_some_and(is_word);
        !(before || after && word.ends_with(is_word))
    })
}

/// Comments may speak of anything.
fn without_comments(text: &str) -> String {
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    text.lines().map(code).collect::<Vec<_>>().join("\n")
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("src is readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_room_uses_only_what_it_may() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut seen = 0;
    let mut found = Vec::new();
    for path in &files {
        let file = path.strip_prefix(&src).expect("under src").to_string_lossy().into_owned();
        let Some((room, rest)) = file.split_once('/') else { continue };
        assert!(MAY_USE.iter().any(|(name, _)| *name == room), "{file}: a room that the map does not know");
        seen += 1;
        // Tests may look across: what they use is not built into the room.
        if rest.split('/').any(|part| part == "tests" || part == "tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(path).expect("a source file");
        let body = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        found.extend(violations(room, &file, body));
    }
    assert!(seen > 50, "only {seen} files were looked at");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The rule itself is tested: planted violations are found, innocent text is not.
#[test]
fn planted_violations_are_found() {
    let planted = [
        ("dataplane", "use crate::model::World;", "may not use `model`"),
        ("packet", "use crate::{dataplane::Verdict, packet::parse};", "may not use `dataplane`"),
        ("model", "fn f() { crate::compile::compile(&world) }", "may not use `compile`"),
        ("dataplane", "let now = std::time::Instant::now();", "asks the time"),
        ("template", "std::fs::read(path)", "reads files"),
        ("dns", "use tokio::net::UdpSocket;", "waits"),
        ("run", "unsafe { close(fd) }", "host/sys.rs alone"),
        // Whoever allows it in a file of their own has silenced the lint, not this rule.
        ("run", "#![allow(unsafe_code)]\nunsafe { close(fd) }", "host/sys.rs alone"),
    ];
    for (room, text, expected) in planted {
        let found = violations(room, "planted.rs", text);
        assert!(found.iter().any(|it| it.contains(expected)), "{text}: {found:?}");
    }
    let innocent = [
        ("dataplane", "use crate::packet::{Mac, Packet}; // unlike crate::model, tokio and std::fs"),
        ("dns", "struct InstanceName; fn instant_of() {}"),
        ("compile", "use crate::model::World; use crate::dataplane::Tables;"),
    ];
    for (room, text) in innocent {
        assert_eq!(violations(room, "innocent.rs", text), Vec::<String>::new());
    }
}
