//! Failures as annotations of GitHub Actions: a mark on the template's line that decided.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message>

use std::fmt::Write as _;

use super::report::{Outcome, Verdict, explanation};

/// Whether this process is a step of a workflow.
pub fn is_wanted() -> bool {
    std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true")
}

/// A line for each failure, at the rule, route or object that decided; else where the expectation is written.
pub fn lines(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let Verdict::Fails(failure) = &outcome.verdict else { continue };
        let span = &outcome.expectation.span;
        let decided_at = failure.decider.as_ref().and_then(|decider| place(decider.source.as_deref()?));
        let (file, line) = decided_at.unwrap_or((&span.file.name, span.line));
        let title = property(&format!("expected: {}", outcome.expectation.title));
        let _ = writeln!(
            text,
            "::error file={},line={line},title={title}::{}",
            property(file),
            data(&explanation(failure))
        );
    }
    text
}

/// File and line of `file:line`.
fn place(source: &str) -> Option<(&str, usize)> {
    let (file, line) = source.rsplit_once(':')?;
    Some((file, line.parse().ok()?))
}

/// What stands after `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What stands between `file=` and the next comma.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::test::report::tests::{expectations, outcomes};

    #[test]
    fn the_mark_is_on_the_templates_line() {
        let (_scene, expectations) = expectations();
        let mut outcomes = outcomes(&expectations);
        assert_eq!(
            lines(&outcomes),
            "::error file=first.yaml,line=7,title=expected%3A app > internet drop NO_ROUTE_TO_DESTINATION::it is \
             <delivered>%0Adecided by route table first/Routes: 0.0.0.0/0 to igw-1  [first.yaml:7]\n"
        );
        let Verdict::Fails(failure) = &mut outcomes[1].verdict else { panic!("the second fails") };
        failure.decider = None;
        assert!(lines(&outcomes).starts_with("::error file=first.test.yaml,line=3,"), "{}", lines(&outcomes));
    }

    #[test]
    fn what_would_end_a_property_or_a_line_is_escaped() {
        assert_eq!(property("a:b,c%\n"), "a%3Ab%2Cc%25%0A");
    }
}
