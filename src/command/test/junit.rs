//! The outcome of a test as JUnit XML: a test case for each expectation, for CI systems to show.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::report::{Outcome, Verdict, explanation};

/// Writes the file.
pub fn write(file: &Path, lab: &str, outcomes: &[Outcome]) -> Result<()> {
    let shown = file.display();
    let writer = File::create(file).with_context(|| format!("creating `{shown}`"))?;
    document(lab, outcomes).serialize(writer).with_context(|| format!("writing `{shown}`"))
}

fn document(lab: &str, outcomes: &[Outcome]) -> Report {
    let mut suite = TestSuite::new(lab);
    suite.add_test_cases(outcomes.iter().map(test_case));
    let took: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    suite.set_time(took);
    let mut report = Report::new("vpclab test");
    report.set_time(took);
    report.add_test_suite(suite);
    report
}

fn test_case(outcome: &Outcome) -> TestCase {
    let status = match &outcome.verdict {
        Verdict::Holds => TestCaseStatus::success(),
        Verdict::Skipped(why) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(why.as_str());
            status
        }
        Verdict::Fails(failure) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(failure.reason.as_str()).set_description(explanation(failure));
            status
        }
    };
    let span = &outcome.expectation.span;
    let mut case = TestCase::new(outcome.expectation.title.as_str(), status);
    case.set_classname(span.file.name.as_ref()).set_time(outcome.took);
    if let Some(note) = &outcome.note {
        case.set_system_out(note.as_str());
    }
    case.extra.insert("file".into(), span.file.name.as_ref().into());
    case.extra.insert("line".into(), span.line.to_string().into());
    case
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::test::report::tests::outcomes;

    #[test]
    fn each_expectation_is_a_test_case() {
        let (_scene, expectations) = crate::command::test::report::tests::expectations();
        let xml = document("first", &outcomes(&expectations)).to_string().unwrap();
        for part in [
            r#"<testsuite name="first" tests="3" skipped="1" errors="0" failures="1""#,
            r#"<testcase name="app &gt; internet drop NO_ROUTE_TO_DESTINATION" classname="first.test.yaml""#,
            r#"line="3""#,
            r#"<failure message="it is &lt;delivered&gt;""#,
            "decided by route table first/Routes: 0.0.0.0/0 to igw-1  [first.yaml:7]",
            r#"<skipped message="a command needs a lab""#,
            "<system-out>3 packets</system-out>",
        ] {
            assert!(xml.contains(part), "{part} is not in {xml}");
        }
    }
}
