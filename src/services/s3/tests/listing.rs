//! Listings over HTTP; the law that they are right is tested at the store.

use super::*;

/// `site` with these keys and no others.
fn with_keys(keys: &[&str]) -> Lab {
    let lab = lab();
    for key in ["index.html", "css/a%20b.css", "data"].iter().chain(keys) {
        let method = if keys.contains(key) { "PUT" } else { "DELETE" };
        lab.good(&format!("{method} /{key}"), "", "");
    }
    lab
}

#[test]
fn a_listing_gathers_and_goes_on() {
    let lab = with_keys(&["a/1", "a/2", "b", "c/1", "d"]);
    let answer = lab.good("GET /?list-type=2&delimiter=/", "", "");
    assert_eq!(header(&answer, "x-amz-bucket-region"), Some("us-east-1"));
    assert_eq!((elements(&answer, "Key"), elements(&answer, "Prefix")), (vec!["b", "d"], vec!["", "a/", "c/"]));
    assert_eq!((element(&answer, "KeyCount"), element(&answer, "IsTruncated")), ("4", "false"));
    let mut found = Vec::new();
    let mut token = String::new();
    loop {
        let answer = lab.good(&format!("GET /?list-type=2&delimiter=/&max-keys=1{token}"), "", "");
        assert_eq!(element(&answer, "KeyCount"), "1");
        found.extend(elements(&answer, "Key").into_iter().chain(elements(&answer, "Prefix")).map(str::to_owned));
        if element(&answer, "IsTruncated") == "false" {
            break;
        }
        token = format!("&continuation-token={}", element(&answer, "NextContinuationToken"));
    }
    found.retain(|name| !name.is_empty());
    assert_eq!(found, ["a/", "b", "c/", "d"]);
    let answer = lab.good("GET /?delimiter=/&max-keys=3", "", "");
    assert_eq!((element(&answer, "NextMarker"), element(&answer, "IsTruncated")), ("c/", "true"));
    let answer = lab.good("GET /?delimiter=/&marker=c/", "", "");
    assert_eq!((elements(&answer, "Key"), answer.2.contains("<CommonPrefixes>")), (vec!["d"], false));
    let answer = lab.good("GET /?list-type=2&start-after=a/1&prefix=a", "", "");
    assert_eq!(elements(&answer, "Key"), ["a/2"]);
    let answer = lab.good("GET /?list-type=2&max-keys=0", "", "");
    assert_eq!((element(&answer, "KeyCount"), element(&answer, "IsTruncated")), ("0", "false"));
    lab.refused("GET /?list-type=2&max-keys=-1", "", "", 400, "InvalidArgument");
    lab.refused("GET /?list-type=2&continuation-token=!", "", "", 400, "InvalidArgument");
    lab.refused("GET /?list-type=2&encoding-type=rot13", "", "", 400, "InvalidArgument");
    lab.running.end();
}

#[test]
fn owners_are_told_where_they_are_asked_for() {
    let lab = with_keys(&["a"]);
    assert!(!lab.good("GET /?list-type=2", "", "").2.contains("<Owner>"));
    let answer = lab.good("GET /?list-type=2&fetch-owner=true", "", "");
    assert_eq!(element(&answer, "ID").len(), 64);
    assert_eq!(element(&lab.good("GET /", "", ""), "ID"), element(&answer, "ID"));
    lab.running.end();
}

#[test]
fn keys_that_xml_can_not_show_are_encoded() {
    let lab = with_keys(&["a%01b", "c%20d%2Be/%C3%A4"]);
    let answer = lab.good("GET /?list-type=2&encoding-type=url&delimiter=%25&prefix=", "", "");
    assert_eq!(elements(&answer, "Key"), ["a%01b", "c%20d%2Be/%C3%A4"]);
    assert_eq!((element(&answer, "Delimiter"), element(&answer, "EncodingType")), ("%25", "url"));
    lab.running.end();
}
