//! Wildcards, variables and ARNs.

use proptest::prelude::*;

use super::*;
use crate::policy::arn::ArnPattern;
use crate::policy::facts::Facts;
use crate::policy::pattern::{Meaning, Pattern};

const WILD: Meaning = Meaning { wildcards: true, variables: false };
const BOTH: Meaning = Meaning { wildcards: true, variables: true };

fn fits(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern, WILD).matches_plainly(text)
}

#[test]
fn wildcards() {
    let rows: &[(&str, &str, bool)] = &[
        ("", "", true),
        ("", "a", false),
        ("a", "", false),
        ("a", "a", true),
        ("a", "A", false),
        ("a", "ab", false),
        ("ab", "a", false),
        ("*", "", true),
        ("*", "anything / at : all", true),
        ("**", "", true),
        ("**", "ab", true),
        ("***", "x", true),
        ("?", "", false),
        ("?", "a", true),
        ("?", "ab", false),
        ("?", "é", true),
        ("??", "é", false),
        ("?*", "", false),
        ("?*", "a", true),
        ("*?", "", false),
        ("*?", "abc", true),
        ("a*", "a", true),
        ("a*", "abc", true),
        ("a*", "ba", false),
        ("*a", "a", true),
        ("*a", "cba", true),
        ("*a", "ab", false),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("a*a", "aba", true),
        ("ab*ba", "aba", false),
        ("ab*ba", "abba", true),
        ("a*b*c", "abc", true),
        ("a*b*c", "a1b2c", true),
        ("a*b*c", "acb", false),
        ("a*b*c", "abcbc", true),
        ("*ab*ab*", "abab", true),
        ("*ab*ab*", "aba", false),
        ("*aab", "aaab", true),
        ("*a?b*", "aab", true),
        ("*a?b*", "xaxbx", true),
        ("*a?b*", "aaab", true),
        ("*a?b*", "ab", false),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("a?c", "abbc", false),
        ("Get*", "GetObject", true),
        ("*Object", "GetObject", true),
        ("G?tO*t", "GetObject", true),
        ("logs/202?-*", "logs/2026-11-25/x", true),
        ("[a-z]", "b", false),
        ("a.c", "abc", false),
        ("a\\*", "ab", false),
        ("*.txt", "a/b/c.txt", true),
        ("*.txt", "a.txt.gz", false),
    ];
    for (pattern, text, expected) in rows {
        assert_eq!(fits(pattern, text), *expected, "{pattern:?} on {text:?}");
    }
}

#[test]
fn variables() {
    let mut asked = request(user());
    asked.context.set("aws:PrincipalTag/team", "blue");
    asked.context.set("aws:PrincipalTag/star", "*");
    asked.context.set("aws:PrincipalTag/odd", "${aws:username}");
    asked.context.set_all("aws:TagKeys", vec!["a".to_owned(), "b".to_owned()]);
    let facts = Facts::of(&asked);
    let rows: &[(&str, &str, bool)] = &[
        ("home/${aws:username}/*", "home/ann/x", true),
        ("home/${aws:username}/*", "home/bob/x", false),
        ("home/${AWS:UserName}/*", "home/ann/x", true),
        ("${ aws:username }", "ann", true),
        ("${aws:username}${aws:PrincipalTag/team}", "annblue", true),
        ("${aws:userid}", "AIDAEXAMPLEEXAMPLE12", true),
        ("${aws:PrincipalTag/Team}/*", "blue/x", true),
        ("${aws:PrincipalTag/none}/*", "/x", false),
        ("${aws:PrincipalTag/none}*", "${aws:PrincipalTag/none}", false),
        ("${aws:PrincipalTag/none, 'all'}/*", "all/x", true),
        ("${aws:PrincipalTag/team, 'all'}/*", "blue/x", true),
        ("${aws:PrincipalTag/none,'*'}", "x", false),
        ("${aws:PrincipalTag/none,'*'}", "*", true),
        ("${aws:PrincipalTag/none, ''}x", "x", true),
        // A value is text: its characters never mean anything.
        ("${aws:PrincipalTag/star}", "anything", false),
        ("${aws:PrincipalTag/star}", "*", true),
        ("${aws:PrincipalTag/odd}", "ann", false),
        ("${aws:PrincipalTag/odd}", "${aws:username}", true),
        // Several values are no value.
        ("${aws:TagKeys}", "a", false),
        ("${aws:TagKeys, 'c'}", "c", true),
        ("${*}", "*", true),
        ("${*}", "x", false),
        ("${?}", "?", true),
        ("${?}", "x", false),
        ("${$}{aws:username}", "${aws:username}", true),
        ("a${*}*", "a*b", true),
        // What is not closed, or has no name, is text.
        ("${aws:username", "${aws:username", true),
        ("${}", "${}", true),
        ("$x", "$x", true),
        ("$", "$", true),
    ];
    for (pattern, text, expected) in rows {
        assert_eq!(Pattern::new(pattern, BOTH).matches(text, &facts), *expected, "{pattern:?} on {text:?}");
    }
    // Version 2008-10-17 knows none of it.
    assert!(Pattern::new("${aws:username}", WILD).matches("${aws:username}", &facts));
    assert!(!Pattern::new("${aws:username}", WILD).matches("ann", &facts));
}

#[test]
fn resources() {
    let asked = request(user());
    let facts = Facts::of(&asked);
    let rows: &[(&str, &str, bool)] = &[
        ("*", "arn:aws:s3:::b/k", true),
        ("*", "*", true),
        ("arn:aws:s3:::b/k", "arn:aws:s3:::b/k", true),
        ("arn:aws:s3:::b/k", "arn:aws:s3:::b/K", false),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k", true),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b", false),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::bb/k", false),
        ("arn:aws:s3:::b*", "arn:aws:s3:::b/a/b/c", true),
        ("arn:aws:s3:::*", "arn:aws:s3:::b/a:b/c", true),
        ("arn:aws:s3:::*", "*", false),
        ("arn:aws:s3:::b/*/x", "arn:aws:s3:::b/1/2/x", true),
        ("arn:aws:s3:::b/?", "arn:aws:s3:::b//", true),
        ("arn:*:s3:::b", "arn:aws-cn:s3:::b", true),
        ("arn:aws:s?:::b", "arn:aws:s3:::b", true),
        // A wildcard stays within its component.
        ("arn:aws:s3*b", "arn:aws:s3:::b", false),
        ("arn:aws:dynamodb:*:table/t", "arn:aws:dynamodb:eu-west-1:111122223333:table/t", false),
        ("arn:aws:dynamodb:*:*:table/t", "arn:aws:dynamodb:eu-west-1:111122223333:table/t", true),
        ("arn:aws:dynamodb:eu-*:111122223333:table/*", "arn:aws:dynamodb:eu-west-1:111122223333:table/t/index/i", true),
        ("arn:aws:dynamodb:us-*:111122223333:table/*", "arn:aws:dynamodb:eu-west-1:111122223333:table/t", false),
        ("arn:aws:sns:*:*:t:*", "arn:aws:sns:eu-west-1:111122223333:t:sub:1", true),
        // Left out components are all.
        ("arn:aws:dynamodb", "arn:aws:dynamodb:eu-west-1:111122223333:table/t", true),
        ("arn:aws:s3", "arn:aws:dynamodb:eu-west-1:111122223333:table/t", false),
        ("arn:aws:dynamodb:eu-west-1", "arn:aws:dynamodb:eu-west-1:111122223333:table/t", true),
        ("arn:aws:dynamodb:eu-west-1", "arn:aws:dynamodb:eu-west-2:111122223333:table/t", false),
        ("arn:aws:s3:::", "arn:aws:s3:::b", false),
        // Colons in a variable's name part nothing.
        ("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/ann/x", true),
        ("arn:aws:dynamodb:*:${aws:PrincipalAccount}:table/*", "arn:aws:dynamodb:r:111122223333:table/t", true),
        ("arn:aws:dynamodb:*:${aws:PrincipalAccount}:table/*", "arn:aws:dynamodb:r:444455556666:table/t", false),
    ];
    for (pattern, arn, expected) in rows {
        assert_eq!(ArnPattern::new(pattern, true).completed().matches(arn, &facts), *expected, "{pattern} on {arn}");
    }
}

#[test]
fn actions_know_no_case() {
    let rows: &[(&str, &str, bool)] = &[
        ("*", "s3:GetObject", true),
        ("s3:*", "s3:GetObject", true),
        ("s3:Get*", "s3:GetObject", true),
        ("S3:GETOBJECT", "s3:GetObject", true),
        ("s3:getobject", "S3:GetObject", true),
        ("s3:GetObject", "s3:GetObjectVersion", false),
        ("s3:GetObject?ersion", "s3:GetObjectVersion", true),
        ("s3:*Object", "s3:PutObject", true),
        ("s3:*Object", "s3:PutObjectAcl", false),
        ("*:GetObject", "s3:GetObject", true),
        ("*:*", "dynamodb:Query", true),
        ("dynamodb:*", "s3:GetObject", false),
        ("s3*:*", "s3:GetObject", false),
    ];
    for (written, asked, expected) in rows {
        let document =
            json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": written, "Resource": "*"}});
        // Wildcards in a part of a vendor's name are refused.
        let Ok(document) = Document::from_json(&document, Kind::Identity) else {
            assert!(!expected, "{written}");
            continue;
        };
        let allows = Policy { document, ..policy(Kind::Identity, &allow()) };
        let asked = Request { action: (*asked).to_owned(), ..request(user()) };
        let decision = Set::default().with(allows).decide(&asked);
        assert_eq!(decision.effect == Effect::Allowed, *expected, "{written} on {}", asked.action);
    }
}

/// What wildcards mean, slowly.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, _) => text.is_empty(),
        (Some(('*', rest)), _) => (0..=text.len()).any(|skipped| naive(rest, &text[skipped..])),
        (Some(('?', rest)), Some((_, others))) => naive(rest, others),
        (Some((wanted, rest)), Some((letter, others))) => wanted == letter && naive(rest, others),
        (Some(_), None) => false,
    }
}

proptest! {
    #[test]
    fn matching_is_what_the_naive_way_says(pattern in "[ab*?é]{0,9}", text in "[abé]{0,12}") {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        prop_assert_eq!(fits(&pattern, &text), naive(&letters(&pattern), &letters(&text)));
    }
}

/// Exponential matching would need the age of the universe, quadratic in the number of `*` a minute.
#[test]
#[allow(clippy::disallowed_methods, reason = "measures")]
fn a_long_key_takes_no_time() {
    let patterns =
        [format!("{}b", "*a".repeat(5_000)), format!("{}b", "*a?".repeat(3_000)), format!("{}b", "*".repeat(10_000))];
    let key = "a".repeat(1_024);
    let started = std::time::Instant::now();
    for pattern in &patterns {
        let pattern = Pattern::new(pattern, WILD);
        for _ in 0..50 {
            assert!(!pattern.matches_plainly(&key));
        }
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(1), "{:?}", started.elapsed());
}
