//! What comes in is what was meant: lengths, digests, and what is left when it is not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use super::super::checksum::{ALGORITHMS, Algorithm, Hasher};
use super::*;

#[test]
fn a_digest_that_does_not_fit_stores_nothing() {
    let lab = lab();
    let md5 = STANDARD.encode(Md5::digest("right"));
    lab.good("PUT /k", &format!("Content-MD5: {md5}\r\n"), "right");
    lab.refused("PUT /k", &format!("Content-MD5: {md5}\r\n"), "wrong", 400, "BadDigest");
    // A document that nobody could mean is too long, and no mistake of the server's.
    let huge = format!("<Delete>{}</Delete>", " ".repeat(9 << 20));
    lab.refused("POST /?delete", "", &huge, 400, "MaxMessageLengthExceeded");
    lab.refused("PUT /k", "Content-MD5: abc\r\n", "right", 400, "InvalidDigest");
    for algorithm in ALGORITHMS {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(b"right");
        let (name, value) = (algorithm.header(), hasher.finish());
        let line = format!("{name}: {value}\r\n");
        let answer = lab.good("PUT /k", &line, "right");
        assert_eq!(header(&answer, name), Some(value.to_ascii_lowercase().as_str()));
        lab.refused("PUT /k", &line, "wrong", 400, "BadDigest");
        lab.refused("PUT /k", &format!("{name}: abcd\r\n"), "right", 400, "InvalidRequest");
        let answer = lab.good("HEAD /k", "x-amz-checksum-mode: ENABLED\r\n", "");
        assert_eq!(header(&answer, name), Some(value.to_ascii_lowercase().as_str()));
        assert_eq!(header(&answer, "x-amz-checksum-type"), Some("full_object"));
        assert_eq!(header(&lab.good("HEAD /k", "", ""), name), None);
    }
    assert_eq!(lab.good("GET /k", "", "").2, "right");
    assert_eq!(lab.files(), 4);
    // Whoever gives none gets S3's own.
    lab.good("PUT /k", "", "123456789");
    let answer = lab.good("HEAD /k", "x-amz-checksum-mode: ENABLED\r\n", "");
    let crc = STANDARD.encode(0xae8b_1486_0a79_9888_u64.to_be_bytes()).to_ascii_lowercase();
    assert_eq!(header(&answer, "x-amz-checksum-crc64nvme"), Some(crc.as_str()));
    lab.running.end();
}

/// The client goes away in the middle: the object stays what it was, and nothing is left.
#[test]
fn half_a_body_is_no_object() {
    let lab = lab();
    for sent in [0, 1, 300_000] {
        let mut stream = std::net::TcpStream::connect(lab.running.plain).unwrap();
        let head = format!("PUT /data HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: 1000000\r\n\r\n");
        std::io::Write::write_all(&mut stream, (head + &"x".repeat(sent)).as_bytes()).unwrap();
        drop(stream);
    }
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while lab.files() != 3 {
        assert!(std::time::Instant::now() < end, "{} files", lab.files());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(lab.good("GET /data", "", "").2, "0123456789");
    lab.running.end();
}

#[test]
fn a_body_says_how_long_it_is() {
    let lab = lab();
    let chunked = format!(
        "PUT /k HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    );
    let answer = lab.running.raw(chunked.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 411") && answer.contains("<Code>MissingContentLength</Code>"), "{answer}");
    let head = format!("PUT /k HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\nContent-Length: 5368709121\r\n\r\n");
    let answer = lab.running.raw(head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("<Code>EntityTooLarge</Code>"), "{answer}");
    lab.refused("GET /k", "", "", 404, "NoSuchKey");
    lab.running.end();
}

/// A reader keeps what it reads, whatever is done to the object meanwhile.
#[test]
fn a_download_goes_on_when_its_object_is_gone() {
    let lab = lab();
    let text = "0123456789abcdef".repeat(1 << 18);
    lab.good("PUT /large", "", &text);
    let mut stream = std::net::TcpStream::connect(lab.running.plain).unwrap();
    let request = format!("GET /large HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n");
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut got = vec![0; 1000];
    std::io::Read::read_exact(&mut stream, &mut got).unwrap();
    lab.good("DELETE /large", "", "");
    lab.refused("GET /large", "", "", 404, "NoSuchKey");
    std::io::Read::read_to_end(&mut stream, &mut got).unwrap();
    assert!(got.ends_with(text.as_bytes()));
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while lab.files() != 3 {
        assert!(std::time::Instant::now() < end, "the file stays");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    lab.running.end();
}

/// An object much larger than what may be held goes in and out; the client here holds none of it either. In a process of
/// its own, as tests beside it would count.
#[test]
fn large_objects_are_never_in_memory() {
    const SIZE: usize = 200 << 20;
    if std::env::var_os("VPCLAB_TEST_ALONE").is_none() {
        let alone = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "services::s3::tests::integrity::large_objects_are_never_in_memory"])
            .env("VPCLAB_TEST_ALONE", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&alone.stdout);
        assert!(alone.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let lab = lab();
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
    };
    let before = resident();
    let piece = vec![b'x'; 1 << 20];
    let mut stream = std::net::TcpStream::connect(lab.running.plain).unwrap();
    let head = format!("PUT /huge HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: {SIZE}\r\n\r\n");
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let mut most = 0;
    for _ in 0..SIZE >> 20 {
        std::io::Write::write_all(&mut stream, &piece).unwrap();
        most = most.max(resident());
    }
    let mut answer = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let mut stream = std::net::TcpStream::connect(lab.running.plain).unwrap();
    let request = format!("GET /huge HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n");
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let (mut got, mut buffer) = (0, vec![0; 1 << 20]);
    loop {
        let read = std::io::Read::read(&mut stream, &mut buffer).unwrap();
        if read == 0 {
            break;
        }
        got += read;
        most = most.max(resident());
    }
    assert!(got > SIZE, "{got}");
    assert!(most < before + (48 << 20), "{} MiB more", (most - before) >> 20);
    lab.running.end();
}

/// Documents have digests, too.
#[test]
fn a_document_is_what_its_digest_says() {
    let lab = lab();
    let delete = "<Delete><Object><Key>data</Key></Object></Delete>";
    let mut hasher = Hasher::new(Algorithm::Crc32);
    hasher.update(delete.as_bytes());
    let (md5, crc32) = (STANDARD.encode(Md5::digest(delete)), hasher.finish());
    let wrong = delete.replace("data", "date");
    for line in [format!("Content-MD5: {md5}\r\n"), format!("x-amz-checksum-crc32: {crc32}\r\n")] {
        lab.refused("POST /?delete", &line, &wrong, 400, "BadDigest");
        lab.good("GET /data", "", "");
        lab.good("POST /?delete", &line, delete);
        lab.refused("GET /data", "", "", 404, "NoSuchKey");
        lab.good("PUT /data", "", "again");
    }
    lab.running.end();
}

/// SDKs compute a checksum while they send, and say it behind the body.
#[test]
fn a_checksum_may_come_behind() {
    let lab = lab();
    let mut hasher = Hasher::new(Algorithm::Crc32);
    hasher.update(b"right");
    let crc32 = hasher.finish();
    let with = |value: &str| {
        format!("x-amz-trailer: x-amz-checksum-crc32\r\nx-test-trailer: x-amz-checksum-crc32 {value}\r\n")
    };
    let answer = lab.good("PUT /k", &with(&crc32), "right");
    assert_eq!(header(&answer, "x-amz-checksum-crc32"), Some(crc32.to_ascii_lowercase().as_str()));
    lab.refused("PUT /k", &with(&crc32), "wrong", 400, "BadDigest");
    lab.refused("PUT /k", &with("abc"), "right", 400, "InvalidRequest");
    lab.refused("PUT /k", "x-amz-trailer: x-amz-checksum-crc32\r\n", "right", 400, "InvalidRequest");
    assert_eq!(lab.good("GET /k", "", "").2, "right");
    let upload =
        element(&lab.good("POST /big?uploads", "x-amz-checksum-algorithm: CRC32\r\n", ""), "UploadId").to_owned();
    let part = format!("PUT /big?partNumber=1&uploadId={upload}");
    lab.good(&part, &with(&crc32), "right");
    lab.refused(&part, &with(&crc32), "wrong", 400, "BadDigest");
    lab.running.end();
}
