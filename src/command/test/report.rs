//! The outcome of a test for people: a line for each expectation, what decided where one fails, and a summary.

use std::fmt::Write as _;
use std::time::Duration;

use crate::expect::{Expectation, Failure};

/// What became of an expectation.
#[derive(Debug)]
pub struct Outcome<'e> {
    /// Which.
    pub expectation: &'e Expectation,
    /// Whether it holds.
    pub verdict: Verdict,
    /// How long it took to find out.
    pub took: Duration,
    /// What was counted, for people to see that something was.
    pub note: Option<String>,
}

/// Whether an expectation holds.
#[derive(Debug)]
pub enum Verdict {
    /// It does.
    Holds,
    /// It does not.
    Fails(Failure),
    /// It was not looked at, because …
    Skipped(String),
}

/// The report.
pub fn text(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for Outcome { expectation, verdict, note, .. } in outcomes {
        let title = &expectation.title;
        let span = &expectation.span;
        let note = note.as_ref().map(|note| format!("  ({note})")).unwrap_or_default();
        let _ = match verdict {
            Verdict::Holds => writeln!(text, "ok       {title}{note}"),
            Verdict::Skipped(why) => writeln!(text, "skipped  {title}  ({why})"),
            Verdict::Fails(failure) => {
                let _ = writeln!(text, "FAILED   {title}  [{}:{}]", span.file.name, span.line);
                writeln!(text, "{}", indented(&explanation(failure)))
            }
        };
    }
    text + &summary(outcomes)
}

/// Why it fails, and what decided: several lines.
pub fn explanation(failure: &Failure) -> String {
    let mut lines = vec![failure.reason.clone()];
    lines.extend(failure.details.iter().map(|detail| format!("  {detail}")));
    lines.extend(failure.decider.as_ref().map(|decider| format!("decided by {decider}")));
    lines.join("\n")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("           {line}")).collect::<Vec<_>>().join("\n")
}

fn summary(outcomes: &[Outcome]) -> String {
    let count = |is: fn(&Verdict) -> bool| outcomes.iter().filter(|outcome| is(&outcome.verdict)).count();
    let (holds, skipped) = (count(|it| matches!(it, Verdict::Holds)), count(|it| matches!(it, Verdict::Skipped(_))));
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    format!("{holds} of {} expectations hold{skipped}\n", outcomes.len())
}

#[cfg(test)]
pub mod tests {
    use std::path::Path;

    use super::*;
    use crate::expect::{Decider, Scene, read, source};
    use crate::template::{Files, LoadOptions, ReadError, load};

    struct First;

    impl Files for First {
        fn read(&self, path: &Path) -> Result<String, ReadError> {
            match path.to_str() {
                Some("first.yaml") => Ok(include_str!("../../../examples/first.yaml").into()),
                Some("first.test.yaml") => Ok("expect:
  - {from: app, to: s3.us-east-1.amazonaws.com, via: S3}
  - {from: app, to: internet, drop: NO_ROUTE_TO_DESTINATION}
  - {from: app, run: ./smoke.sh, only: [S3]}
"
                .into()),
                _ => Err(ReadError::NotFound),
            }
        }
    }

    /// Three expectations, for the formats' tests.
    pub fn expectations() -> (Scene, Vec<Expectation>) {
        let lab = load(&First, Path::new("first.yaml"), &LoadOptions::default()).unwrap();
        let scene = Scene::new(&lab);
        let expectations = scene.mean(&read(&source(&First, &lab).unwrap()).unwrap()).unwrap();
        (scene, expectations)
    }

    /// One of each verdict.
    pub fn outcomes(expectations: &[Expectation]) -> Vec<Outcome<'_>> {
        let decider = Decider {
            text: "route table first/Routes: 0.0.0.0/0 to igw-1".into(),
            source: Some("first.yaml:7".into()),
        };
        let verdicts = [
            Verdict::Holds,
            Verdict::Fails(Failure::new("it is <delivered>".into(), Some(decider))),
            Verdict::Skipped("a command needs a lab".into()),
        ];
        let outcome = |(expectation, verdict)| Outcome {
            expectation,
            verdict,
            took: Duration::from_millis(5),
            note: Some("3 packets".into()),
        };
        expectations.iter().zip(verdicts).map(outcome).collect()
    }

    #[test]
    fn a_line_for_each_expectation() {
        let (_scene, expectations) = expectations();
        assert_eq!(
            text(&outcomes(&expectations)),
            "ok       app > s3.us-east-1.amazonaws.com via S3  (3 packets)
FAILED   app > internet drop NO_ROUTE_TO_DESTINATION  [first.test.yaml:3]
           it is <delivered>
           decided by route table first/Routes: 0.0.0.0/0 to igw-1  [first.yaml:7]
skipped  app runs ./smoke.sh: only S3  (a command needs a lab)
1 of 3 expectations hold, 1 skipped
"
        );
    }
}
