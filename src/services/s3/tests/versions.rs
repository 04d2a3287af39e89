//! Versioning: what deletes and overwrites keep.

use super::*;

fn set(lab: &Lab, status: &str) {
    let body = format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
    lab.good("PUT /?versioning", "", &body);
}

/// Version ids keep their case, which [`header`] does not.
fn put(lab: &Lab, body: &str) -> String {
    lab.good("PUT /v", "", body);
    let listed = lab.good("GET /?versions&prefix=v", "", "");
    elements(&listed, "VersionId")[0].to_owned()
}

#[test]
fn versions_are_kept_and_found() {
    let lab = lab();
    assert!(!lab.good("GET /?versioning", "", "").2.contains("Status"));
    let answer = lab.good("PUT /v", "", "before");
    assert_eq!(header(&answer, "x-amz-version-id"), None);
    set(&lab, "Enabled");
    assert_eq!(element(&lab.good("GET /?versioning", "", ""), "Status"), "Enabled");
    let [one, two] = ["one", "two"].map(|body| put(&lab, body));
    assert_eq!((one.len(), two.len()), (32, 32));
    assert_eq!(lab.good("GET /v", "", "").2, "two");
    assert_eq!(lab.good(&format!("GET /v?versionId={one}"), "", "").2, "one");
    assert_eq!(lab.good("GET /v?versionId=null", "", "").2, "before");
    lab.refused("GET /v?versionId=short", "", "", 400, "InvalidArgument");
    lab.refused(&format!("GET /v?versionId={}", "x".repeat(32)), "", "", 404, "NoSuchVersion");

    let answer = lab.good("DELETE /v", "", "");
    assert_eq!((answer.0, header(&answer, "x-amz-delete-marker")), (204, Some("true")));
    let answer = lab.refused("GET /v", "", "", 404, "NoSuchKey");
    assert_eq!(header(&answer, "x-amz-delete-marker"), Some("true"));
    let listed = lab.good("GET /?versions&prefix=v", "", "");
    let marker = element(&listed, "VersionId").to_owned();
    let marker = elements(&listed, "VersionId")
        .into_iter()
        .find(|id| ![&one, &two].contains(&&(*id).to_owned()) && *id != "null")
        .map_or(marker, str::to_owned);
    assert_eq!(elements(&listed, "IsLatest").iter().filter(|latest| **latest == "true").count(), 1);
    let answer = lab.refused(&format!("GET /v?versionId={marker}"), "", "", 405, "MethodNotAllowed");
    assert_eq!((header(&answer, "allow"), header(&answer, "x-amz-delete-marker")), (Some("delete"), Some("true")));
    assert!(!lab.good("GET /?list-type=2", "", "").2.contains("<Key>v</Key>"));
    lab.good("PUT /old?x-id=CopyObject", &format!("x-amz-copy-source: site/v?versionId={one}\r\n"), "");
    assert_eq!(lab.good("GET /old", "", "").2, "one");

    // Without the marker the object is back; without its last version it is the one before.
    let answer = lab.good(&format!("DELETE /v?versionId={marker}"), "", "");
    assert_eq!(header(&answer, "x-amz-delete-marker"), Some("true"));
    assert_eq!(lab.good("GET /v", "", "").2, "two");
    lab.good(&format!("DELETE /v?versionId={two}"), "", "");
    assert_eq!(lab.good("GET /v", "", "").2, "one");
    lab.good(&format!("DELETE /v?versionId={two}"), "", "");

    // Suspended: what is put takes the place of the null version, the others stay.
    set(&lab, "Suspended");
    let answer = lab.good("PUT /v", "", "null");
    assert_eq!(header(&answer, "x-amz-version-id"), Some("null"));
    assert_eq!(lab.good("GET /v?versionId=null", "", "").2, "null");
    assert_eq!(lab.good(&format!("GET /v?versionId={one}"), "", "").2, "one");
    let answer = lab.good("DELETE /v", "", "");
    assert_eq!(header(&answer, "x-amz-version-id"), Some("null"));
    let listed = lab.good("GET /?versions&prefix=v", "", "");
    assert_eq!(elements(&listed, "VersionId").len(), 2, "{listed:?}");
    lab.refused("DELETE /", "", "", 409, "BucketNotEmpty");
    lab.refused("PUT /?versioning", "", "<VersioningConfiguration/>", 400, "IllegalVersioningConfigurationException");
    lab.running.end();
}

#[test]
fn versions_are_listed_page_by_page() {
    let lab = lab();
    set(&lab, "Enabled");
    for key in ["p/a", "p/b", "p/c/d"] {
        for body in ["1", "2"] {
            lab.good(&format!("PUT /{key}"), "", body);
        }
        lab.good(&format!("DELETE /{key}"), "", "");
    }
    let mut seen = Vec::new();
    let mut marker = String::new();
    loop {
        let answer = lab.good(&format!("GET /?versions&prefix=p/&max-keys=2{marker}"), "", "");
        seen.extend(elements(&answer, "VersionId").into_iter().map(str::to_owned));
        if element(&answer, "IsTruncated") == "false" {
            break;
        }
        let (key, id) = (element(&answer, "NextKeyMarker"), element(&answer, "NextVersionIdMarker"));
        marker = format!("&key-marker={key}&version-id-marker={id}");
    }
    assert_eq!(seen.len(), 9);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 9, "each once");
    let answer = lab.good("GET /?versions&prefix=p/&delimiter=/", "", "");
    assert!(elements(&answer, "Prefix").contains(&"p/c/"));
    lab.refused("GET /?versions&version-id-marker=a", "", "", 400, "InvalidArgument");
    lab.running.end();
}
