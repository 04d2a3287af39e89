//! The store beside naive references, and after deaths.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use md5::{Digest, Md5};
use proptest::prelude::*;

use super::super::incoming::hex;
use super::buckets::{Settings, Versioning};
use super::listing::Query;
use super::rows::{NULL_VERSION, Piece};
use super::versions::NewVersion;
use super::*;

const BUCKET: &str = "site";

fn open(folder: &Path) -> Store {
    let store = Store::open(folder, Kept::GoesWithLab).unwrap();
    if store.bucket(BUCKET).is_none() {
        store
            .write_now(|change| change.create_bucket(BUCKET, "111122223333", "us-east-1", Settings::default()))
            .unwrap();
    }
    store
}

/// Puts an object as a request does: bytes first, then the index.
fn put(store: &Store, key: &str, bytes: &[u8]) -> String {
    let (body, mut file) = store.bodies().create(store.body_name()).unwrap();
    file.write_all(bytes).unwrap();
    store.bodies().finish(&body, file).unwrap();
    let new = NewVersion {
        key: key.to_owned(),
        size: bytes.len() as u64,
        etag: hex(&Md5::digest(bytes)),
        pieces: vec![Piece { body: body.name().to_owned(), start: 0, size: bytes.len() as u64 }],
        ..NewVersion::default()
    };
    let version_id = store.write_now(|change| Ok(change.put(&change.bucket(BUCKET)?, new)?.1)).unwrap();
    body.keep();
    version_id
}

fn content(store: &Store, key: &str, version_id: Option<&str>) -> Option<(Vec<u8>, String)> {
    let reader = store.reader().unwrap();
    let bucket = store.bucket(BUCKET).unwrap().id;
    let opened = read::open(store, &reader, bucket, key, version_id).unwrap()?;
    if opened.version.marker {
        return None;
    }
    let mut bytes = Vec::new();
    opened.read(&(0..opened.version.size), |some| bytes.extend_from_slice(some)).unwrap();
    Some((bytes, opened.version.etag))
}

fn files(folder: &Path) -> usize {
    let parts = fs::read_dir(folder.join("bodies")).unwrap();
    parts.map(|part| fs::read_dir(part.unwrap().path()).unwrap().count()).sum()
}

/// Short keys of few letters, so that prefixes and delimiters meet.
fn any_key() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof!["a", "b", "/", "ä", "\u{10ffff}", "-"], 1..6).prop_map(|parts| parts.concat())
}

/// What S3 says a listing is: keys behind the marker in order, gathered, cut off.
fn naive(keys: &BTreeSet<String>, query: &Query) -> (Vec<String>, Vec<String>, bool) {
    let (mut entries, mut gathered): (Vec<String>, Vec<String>) = Default::default();
    let after = query.after.clone().unwrap_or_default();
    for key in keys.iter().filter(|key| key.starts_with(&query.prefix) && **key > after) {
        let rest = &key[query.prefix.len()..];
        let cut = query.delimiter.as_ref().and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len()));
        let common = cut.map(|cut| key[..query.prefix.len() + cut].to_owned());
        if common.as_ref().is_some_and(|common| gathered.contains(common) || after.starts_with(common)) {
            continue;
        }
        if entries.len() + gathered.len() == query.most {
            return (entries, gathered, query.most > 0);
        }
        match common {
            Some(common) => gathered.push(common),
            None => entries.push(key.clone()),
        }
    }
    (entries, gathered, false)
}

/// What is done to a bucket.
#[derive(Clone, Debug)]
enum Step {
    Put(u8),
    Delete(u8),
    /// One of the versions that there are, by its place.
    DeleteVersion(u8, usize),
    Copy(u8, u8),
    Set(bool),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..3).prop_map(Step::Put),
        2 => (0u8..3).prop_map(Step::Delete),
        3 => (0u8..3, any::<usize>()).prop_map(|(key, place)| Step::DeleteVersion(key, place)),
        2 => (0u8..3, 0u8..3).prop_map(|(from, to)| Step::Copy(from, to)),
        1 => any::<bool>().prop_map(Step::Set),
    ]
}

/// Versions of each key, the oldest first: id and bytes, `None` for a marker.
type Model = BTreeMap<u8, Vec<(String, Option<Vec<u8>>)>>;

fn add(model: &mut Model, key: u8, version_id: String, bytes: Option<Vec<u8>>) {
    let versions = model.entry(key).or_default();
    versions.retain(|(id, _)| *id != version_id);
    versions.push((version_id, bytes));
}

fn set(store: &Store, versioning: Versioning) {
    store
        .write_now(|change| {
            let mut facts = change.bucket(BUCKET)?;
            facts.settings.versioning = versioning;
            change.update_bucket(facts)
        })
        .unwrap();
}

fn copy(store: &Store, from: &str, to: &str) -> Option<String> {
    store
        .write_now(|change| {
            let bucket = change.bucket(BUCKET)?;
            let source = versions::find(&change.tx, bucket.id, from, None)?.filter(|version| !version.marker);
            let Some(source) = source else { return Ok(None) };
            let pieces = versions::pieces(&change.tx, source.content.unwrap())?;
            let new = NewVersion {
                key: to.to_owned(),
                size: source.size,
                etag: source.etag,
                pieces,
                ..NewVersion::default()
            };
            Ok(Some(change.put(&bucket, new)?.1))
        })
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_listing_is_what_s3_says(
        keys in proptest::collection::btree_set(any_key(), 0..40),
        queries in proptest::collection::vec(
            (
                prop_oneof![Just(String::new()), any_key()],
                proptest::option::of(prop_oneof!["/", "a/", "ä", "-"]),
                proptest::option::of(any_key()),
                0usize..8,
            ),
            12,
        ),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        set(&store, Versioning::Enabled);
        for key in &keys {
            put(&store, key, b"1");
            put(&store, key, b"2");
        }
        // Keys whose last version is a marker are in no listing.
        for key in ["a", "b/a", "ä", "ab", "/"].into_iter().filter(|key| !keys.contains(*key)) {
            put(&store, key, b"1");
            store.write_now(|change| change.delete(&change.bucket(BUCKET)?, key)).unwrap();
        }
        let reader = store.reader().unwrap();
        let bucket = store.bucket(BUCKET).unwrap().id;
        for (prefix, delimiter, after, most) in queries {
            let mut query = Query { prefix, delimiter: delimiter.map(|it| it.to_string()), after, after_id: None, most };
            let page = listing::current(&reader, bucket, &query).unwrap();
            let found: Vec<String> = page.entries.iter().map(|version| version.key.clone()).collect();
            prop_assert_eq!((found, page.common_prefixes, page.truncated), naive(&keys, &query), "{:?}", query);

            // Page by page it is the same as at once.
            query.most = most.max(1);
            let (mut entries, mut gathered) = (Vec::new(), Vec::new());
            let all = Query { most: usize::MAX, ..query.clone() };
            loop {
                let page = listing::current(&reader, bucket, &query).unwrap();
                entries.extend(page.entries.into_iter().map(|version| version.key));
                gathered.extend(page.common_prefixes);
                if !page.truncated {
                    break;
                }
                query.after = page.last;
            }
            let (all_entries, all_gathered, _) = naive(&keys, &all);
            prop_assert_eq!((entries, gathered), (all_entries, all_gathered));
        }
    }

    #[test]
    fn versions_are_as_in_a_model(steps in proptest::collection::vec(any_step(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let mut model = Model::new();
        let mut versioning = Versioning::Off;
        for (number, step) in steps.into_iter().enumerate() {
            let bytes = number.to_string().into_bytes();
            match step {
                Step::Set(on) => {
                    versioning = if on { Versioning::Enabled } else { Versioning::Suspended };
                    set(&store, versioning);
                }
                Step::Put(key) => {
                    let version_id = put(&store, &key.to_string(), &bytes);
                    prop_assert_eq!(version_id != NULL_VERSION, versioning == Versioning::Enabled);
                    add(&mut model, key, version_id, Some(bytes));
                }
                Step::Copy(from, to) => {
                    let expected = model.get(&from).and_then(|versions| versions.last()?.1.clone());
                    let made = copy(&store, &from.to_string(), &to.to_string());
                    prop_assert_eq!(made.is_some(), expected.is_some());
                    if let Some(version_id) = made {
                        add(&mut model, to, version_id, expected);
                    }
                }
                Step::Delete(key) => {
                    let done = store
                        .write_now(|change| change.delete(&change.bucket(BUCKET)?, &key.to_string()))
                        .unwrap();
                    match done.version_id {
                        Some(version_id) => add(&mut model, key, version_id, None),
                        None => model.entry(key).or_default().clear(),
                    }
                }
                Step::DeleteVersion(key, place) => {
                    let versions = model.entry(key).or_default();
                    if versions.is_empty() {
                        continue;
                    }
                    let (version_id, bytes) = versions.remove(place % versions.len());
                    let done = store
                        .write_now(|change| change.delete_version(&change.bucket(BUCKET)?, &key.to_string(), &version_id))
                        .unwrap();
                    prop_assert_eq!(done.marker, bytes.is_none());
                }
            }
        }
        let mut bytes = 0;
        for (key, versions) in &model {
            let key = key.to_string();
            for (version_id, expected) in versions {
                let found = content(&store, &key, Some(version_id)).map(|(bytes, _)| bytes);
                prop_assert_eq!(&found, expected);
                bytes += usize::from(expected.is_some());
            }
            let current = versions.last().and_then(|(_, bytes)| bytes.clone());
            prop_assert_eq!(content(&store, &key, None).map(|(bytes, _)| bytes), current);
        }
        let reader = store.reader().unwrap();
        let query = Query { most: usize::MAX, ..Query::default() };
        let listed = listing::all_versions(&reader, store.bucket(BUCKET).unwrap().id, &query).unwrap().entries;
        let listed: Vec<_> = listed.into_iter().map(|version| (version.key, version.version_id, version.latest)).collect();
        let expected: Vec<_> = model
            .iter()
            .flat_map(|(key, versions)| {
                let newest_first = versions.iter().rev().enumerate();
                newest_first.map(|(place, (version_id, _))| (key.to_string(), version_id.clone(), place == 0))
            })
            .collect();
        prop_assert_eq!(listed, expected);
        // Copies share files, so there are never more files than versions with bytes, and none is left without one.
        prop_assert!(files(folder.path()) <= bytes);
        prop_assert_eq!(files(folder.path()) == 0, bytes == 0);
    }
}

/// Not a test by itself: the process that the next one kills. Without its folder it has nothing to do.
#[test]
fn writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os("VPCLAB_TEST_KILLED") else { return };
    let store = open(Path::new(&folder));
    for number in 0u64.. {
        let bytes = number.to_string().repeat(100_000);
        put(&store, &format!("key-{}", number % 7), bytes.as_bytes());
        println!("put {number}");
    }
}

#[test]
fn kill_9_leaves_whole_objects_and_nothing_else() {
    for round in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "services::s3::store::tests::writes_until_it_is_killed", "--nocapture"])
            .env("VPCLAB_TEST_KILLED", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let puts = lines.filter(|line| line.as_ref().unwrap().contains("put "));
        assert_eq!(puts.take(10 + round).count(), 10 + round);
        // It is in the middle of a later one.
        child.kill().unwrap();
        child.wait().unwrap();
        let store = open(folder.path());
        for number in 0..7 {
            let (bytes, etag) = content(&store, &format!("key-{number}"), None).expect("each was put");
            assert_eq!(hex(&Md5::digest(&bytes)), etag);
            assert!(!bytes.is_empty());
        }
        assert_eq!(files(folder.path()), 7);
    }
}

/// A process that dies between its file and its transaction.
#[test]
fn a_file_without_an_object_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    put(&store, "key", b"old");
    let (body, mut file) = store.bodies().create(store.body_name()).unwrap();
    file.write_all(b"new").unwrap();
    store.bodies().finish(&body, file).unwrap();
    // As if killed: nothing is dropped in order.
    std::mem::forget(body);
    drop(store);
    assert_eq!(files(folder.path()), 2);
    let store = open(folder.path());
    assert_eq!(files(folder.path()), 1);
    assert_eq!(content(&store, "key", None).unwrap().0, b"old");
}

#[test]
fn a_damaged_file_is_an_error_never_other_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    put(&store, "key", b"whole");
    for part in fs::read_dir(folder.path().join("bodies")).unwrap() {
        for file in fs::read_dir(part.unwrap().path()).unwrap() {
            fs::write(file.unwrap().path(), "who").unwrap();
        }
    }
    let reader = store.reader().unwrap();
    let bucket = store.bucket(BUCKET).unwrap().id;
    let opened = read::open(&store, &reader, bucket, "key", None).unwrap().unwrap();
    let error = opened.read(&(0..5), |_| {}).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn an_index_of_a_later_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let index = Connection::open(folder.path().join("index.sqlite")).unwrap();
    index.pragma_update(None, "user_version", FORMAT + 1).unwrap();
    drop(index);
    let error = format!("{:#}", Store::open(folder.path(), Kept::GoesWithLab).unwrap_err());
    assert!(error.contains("a later vpclab wrote it"), "{error}");
}
