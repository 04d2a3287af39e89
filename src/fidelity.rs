//! docs/FIDELITY.md as a test: the list of facts stays whole, and what it says works is shown by tests that exist.
//!
//! A list that people read to decide whether to trust a lab must not rot: a renamed test, a lost row or a number given twice
//! fails here. What it can't see is whether a test shows its fact; that is read in review.

use std::collections::BTreeMap;
use std::path::Path;

/// Facts of the frozen list.
const FACTS: usize = 273;
/// As many work, and never fewer again; 260 are 95 %.
const WORKING: usize = 263;

/// One row of a table of facts.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    /// `B1.3`.
    section: String,
    /// `7`, or a letter for what is not counted.
    number: String,
    status: Status,
    /// Paths of tests.
    tests: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Works,
    Differs,
    NotEmulated,
    NotYet,
}

/// A source file: the path of its module, and its text.
struct Source {
    module: String,
    text: String,
}

impl Row {
    fn read(line: &str) -> Result<Self, String> {
        let wrong = |what: &str| Err(format!("{what}: {line}"));
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", number, fact, status, tests, ""] = cells[..] else {
            return wrong("not four cells, number, fact, status, shown by");
        };
        let Some((section, number)) = number.split_once('-') else { return wrong("not a number like B1.3-7") };
        if fact.is_empty() {
            return wrong("no fact");
        }
        let status = match status {
            "works" => Status::Works,
            "differs" => Status::Differs,
            "not emulated" => Status::NotEmulated,
            "not yet" => Status::NotYet,
            _ => return wrong("the status is none of works, differs, not emulated, not yet"),
        };
        let tests = tests.split(',').map(|test| test.trim().trim_matches('`').to_owned());
        let tests = tests.filter(|test| !test.is_empty()).collect();
        Ok(Self { section: section.to_owned(), number: number.to_owned(), status, tests })
    }

    fn is_counted(&self) -> bool {
        self.number.parse::<usize>().is_ok()
    }

    fn name(&self) -> String {
        format!("{}-{}", self.section, self.number)
    }
}

/// The rows of all tables of facts; other tables start otherwise.
fn rows(document: &str) -> Result<Vec<Row>, String> {
    let is_fact =
        |line: &&str| line.strip_prefix("| B").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    document.lines().filter(is_fact).map(Row::read).collect()
}

/// Paths of tests anywhere in the document, in the tables of facts or outside.
fn named_anywhere(document: &str) -> impl Iterator<Item = &str> {
    document.split('`').skip(1).step_by(2).filter(|code| code.contains("tests::"))
}

/// `B1.3` as numbers, so that B11 comes after B2.
fn place(section: &str) -> Option<Vec<usize>> {
    section.strip_prefix('B')?.split('.').map(|part| part.parse().ok()).collect()
}

/// What is wrong with the numbers: sections ascend, and each counts 1, 2, 3, …, then a, b, c, … without a gap.
fn misnumbered(rows: &[Row]) -> Vec<String> {
    let mut found = Vec::new();
    let mut section = "";
    let mut facts = 0;
    let mut letters = 0;
    for row in rows {
        if row.section != section {
            if place(&row.section).is_none_or(|new| place(section).is_some_and(|old| new <= old)) {
                found.push(format!("section {} does not come after {section}", row.section));
            }
            (section, facts, letters) = (&row.section, 0, 0);
        }
        let expected = match row.is_counted() || !row.number.bytes().all(|it| it.is_ascii_lowercase()) {
            true if letters > 0 => "no number after letters".to_owned(),
            true => {
                facts += 1;
                facts.to_string()
            }
            false => {
                letters += 1;
                char::from(b'a' + (letters - 1) % 26).to_string()
            }
        };
        if row.number != expected {
            found.push(format!("{}: expected {expected}", row.name()));
        }
    }
    found
}

/// What is wrong with the tests that rows name.
fn unproved(rows: &[Row], sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for row in rows {
        if row.status == Status::Works && row.tests.is_empty() {
            found.push(format!("{} works, and no test shows it", row.name()));
        }
        let missing = row.tests.iter().filter(|test| !sources.iter().any(|source| source.has_test(test)));
        found.extend(missing.map(|test| format!("{}: there is no test `{test}`", row.name())));
    }
    found
}

impl Source {
    /// Whether a test of that path stands in this file, maybe in a module inside it.
    fn has_test(&self, path: &str) -> bool {
        let Some((module, name)) = path.rsplit_once("::") else { return false };
        let inside = module.strip_prefix(&*self.module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        let head = format!("fn {name}(");
        inside
            && self.text.match_indices(&head).any(|(at, _)| {
                // Stories on real kernels are listed by name in their program; all others bear an attribute.
                let listed = self.module.starts_with("netns-tests") && self.text.matches(name).count() > 1;
                listed || is_test(&self.text[..at])
            })
    }
}

/// Whether the attributes and comments just before a function make it a test.
fn is_test(before: &str) -> bool {
    let above = before.rsplit_once('\n').map_or("", |(above, _)| above);
    let attached = |line: &&str| line.starts_with("#[") || line.starts_with("//");
    above.lines().rev().map(str::trim).take_while(attached).any(|line| matches!(line, "#[test]" | "#[tokio::test]"))
}

/// All sources below a folder of the crate, by module path.
fn read_sources(folder: &Path, module: &str, found: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).expect("the folder is readable").flatten() {
        let path = entry.path();
        let stem = path.file_stem().expect("an entry has a name").to_string_lossy().into_owned();
        let inner = [module, &stem].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("::");
        if path.is_dir() {
            read_sources(&path, &inner, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let module = if matches!(&*stem, "mod" | "lib") { module.to_owned() } else { inner };
            found.push(Source { module, text: std::fs::read_to_string(&path).expect("a source file") });
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    read_sources(&root.join("src"), "", &mut found);
    read_sources(&root.join("netns-tests"), "netns-tests", &mut found);
    found
}

#[test]
fn every_fact_has_its_number_and_what_works_its_test() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FIDELITY.md");
    let document = std::fs::read_to_string(file).expect("docs/FIDELITY.md");
    let rows = rows(&document).unwrap_or_else(|error| panic!("{error}"));
    let mut found = misnumbered(&rows);
    let sources = sources();
    found.extend(unproved(&rows, &sources));
    let missing = named_anywhere(&document).filter(|test| !sources.iter().any(|source| source.has_test(test)));
    found.extend(missing.map(|test| format!("there is no test `{test}`")));
    assert!(found.is_empty(), "docs/FIDELITY.md:\n{}", found.join("\n"));

    let counted = || rows.iter().filter(|row| row.is_counted());
    assert_eq!(counted().count(), FACTS, "the list is frozen");
    assert!(document.contains(&format!("**{FACTS} facts**")), "the introduction says how many");
    let mut sections: BTreeMap<Vec<usize>, [usize; 2]> = BTreeMap::new();
    for row in counted() {
        let [works, all] = sections.entry(place(&row.section).expect("checked above")).or_default();
        *works += usize::from(row.status == Status::Works);
        *all += 1;
    }
    for (section, [works, all]) in &sections {
        let section = section.iter().map(usize::to_string).collect::<Vec<_>>().join(".");
        println!("B{section:<4} {works:>3} of {all:>3}");
    }
    let of = |status| counted().filter(|row| row.status == status).count();
    let (works, differs) = (of(Status::Works), of(Status::Differs));
    let (absent, to_come) = (of(Status::NotEmulated), of(Status::NotYet));
    let percent = 100.0 * works as f64 / FACTS as f64;
    println!("{percent:.1} % works: {works} of {FACTS}; {differs} differ, {absent} not emulated, {to_come} not yet");
    assert!(works >= WORKING, "{works} facts work, {WORKING} did");
}

/// The check itself is tested: planted mistakes are found, a good list is not.
#[test]
fn planted_mistakes_are_found() {
    let text = "#[test]\n/// Why.\nfn good() {}\n\nfn helper() {}\n\n    #[test]\n    fn law(a in 0..9) {}\n\n#[tokio::test]\nasync fn waits() {}\n";
    let sources = [
        Source { module: "room::tests".to_owned(), text: text.to_owned() },
        Source { module: "netns-tests::lab".to_owned(), text: "[(\"story\", story)]\nfn story(\nfn lone(".to_owned() },
    ];
    let wrong = |document: &str| -> Vec<String> {
        match rows(document) {
            Ok(rows) => misnumbered(&rows).into_iter().chain(unproved(&rows, &sources)).collect(),
            Err(error) => vec![error],
        }
    };
    let good = "text\n| number | fact | status | shown by |\n|---|---|---|---|\n\
                | B1.1-1 | f | works | `room::tests::good`, `netns-tests::lab::story` |\n\
                | B1.1-2 | f | not yet | |\n| B1.1-a | f | works | `room::tests::inner::law`, `room::tests::waits` |\n\
                | B2-1 | f | differs |  |\n| B11-1 | f | not emulated |  |\n";
    assert_eq!(wrong(good), Vec::<String>::new());
    let planted = [
        ("| B1.1-2 | f | not yet | |", "expected 1"),
        ("| B1.1-1 | f | not yet | |\n| B1.1-1 | f | not yet | |", "expected 2"),
        ("| B1.1-b | f | not yet | |", "expected a"),
        ("| B1.1-a | f | not yet | |\n| B1.1-1 | f | not yet | |", "no number after letters"),
        ("| B1.1-1b | f | not yet | |", "expected 1"),
        ("| B11-1 | f | not yet | |\n| B2-1 | f | not yet | |", "section B2 does not come after B11"),
        ("| B1.x-1 | f | not yet | |", "section B1.x"),
        ("| B2-1 | f | soon | |", "the status is none of"),
        ("| B2-1 | f | works | |", "no test shows it"),
        ("| B2-1 | f | works | `room::tests::gone` |", "there is no test `room::tests::gone`"),
        ("| B2-1 | f | works | `room::tests::helper` |", "there is no test"),
        ("| B2-1 | f | works | `other::tests::good` |", "there is no test"),
        ("| B2-1 | f | works | `netns-tests::lab::lone` |", "there is no test"),
        ("| B2-1 | f | not yet | `good` |", "there is no test"),
        ("| B2-1 | a | b | not yet | |", "not four cells"),
    ];
    for (document, expected) in planted {
        let found = wrong(document);
        assert!(found.iter().any(|it| it.contains(expected)), "{document}: {found:?}");
    }
}
