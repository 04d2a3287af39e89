//! An upstream between real sockets: what goes on, what comes back, and backends that misbehave.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::fake::*;
use super::*;

mod fake;
mod streams;
mod tables;

const OK: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: \"e\"\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive\r\n\r\nok";

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_ascii_lowercase).collect()
}

#[tokio::test]
async fn a_request_goes_on_as_it_came_and_signed_anew() {
    let (backend, mut heard) = answering(OK).await;
    let address = open("s3", backend).await;
    let answer = raw(
        address,
        b"PUT /a%2Fb/%7e+%20//c?x-id=PutObject&y=%2f HTTP/1.1\r\nHost: my.bkt.s3.eu-west-1.amazonaws.com\r\n\
          Content-Length: 5\r\nX-Amz-Date: 20200101T000000Z\r\nX-Amz-Meta-A: b  c\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\
          TE: trailers\r\nExpect: 100-continue\r\n\r\nhello",
    )
    .await;
    let request = heard.recv().await.unwrap();
    let all = lines(&request);
    assert!(request.starts_with("PUT /my.bkt/a%2Fb/%7e+%20//c?x-id=PutObject&y=%2f HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\nhello"), "{request}");
    for line in [
        &format!("host: {backend}"),
        "content-length: 5",
        "x-amz-meta-a: b  c",
        "x-amz-content-sha256: unsigned-payload",
        "x-amz-security-token: a-token",
    ] {
        assert!(all.iter().any(|it| it == line), "{line} in {request}");
    }
    let authorization = all.iter().find(|line| line.starts_with("authorization: ")).unwrap();
    assert!(
        authorization.contains("credential=akidbackend/20") && authorization.contains("/eu-west-1/s3/aws4_request")
    );
    for gone in ["x-hop", "te:", "expect", "connection", "x-amz-date: 20200101"] {
        assert!(!all.iter().any(|it| it.starts_with(gone)), "{gone} in {request}");
    }
    assert!(
        answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"),
        "{answer}"
    );
    assert!(answer.contains("etag: \"e\"") && !answer.to_lowercase().contains("keep-alive"), "{answer}");
}

#[tokio::test]
async fn without_credentials_nothing_is_signed() {
    let (backend, mut heard) = answering(OK).await;
    let backend = Backend { credentials: None, ..to(&format!("http://{backend}")) };
    let address = door(Upstream::new("s3", backend).unwrap(), session(FULL_ACCESS, root())).await;
    assert!(get(address).await.ends_with("ok"));
    assert!(!heard.recv().await.unwrap().to_lowercase().contains("authorization"));
}

#[tokio::test]
async fn policies_decide_before_the_backend_hears_of_it() {
    let (backend, mut heard) = answering(OK).await;
    let policy = "{Statement: [{Effect: Allow, Principal: '*', Action: ['s3:GetObject', 's3:DeleteObject'], \
                   Resource: ['arn:aws:s3:::bkt/open/*', 'arn:aws:s3:::declared/*']}]}";
    let upstream = Upstream::with_limits("s3", to(&format!("http://{backend}")), limits()).unwrap();
    let address = door(upstream, session(policy, root())).await;
    let ask = |line: &'static str, body: &'static str| async move {
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: s3.us-east-1.amazonaws.com\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        raw(address, request.as_bytes()).await
    };
    assert!(ask("GET /bkt/open/k", "").await.ends_with("ok"));
    heard.recv().await.unwrap();
    let both = "<Delete><Object><Key>open/a</Key></Object><Object><Key>shut/b</Key></Object></Delete>";
    for (line, body, status, says) in [
        ("PUT /bkt/open/k", "hello", 403, "no VPC endpoint policy allows the s3:PutObject action"),
        ("GET /bkt/shut/k", "", 403, "no VPC endpoint policy allows the s3:GetObject action"),
        ("DELETE /declared/k", "", 403, "with an explicit deny in a resource-based policy"),
        ("GET /bkt/open/../shut/k", "", 400, "another object"),
        ("POST /bkt?delete", "<Delete>", 400, "<Code>MalformedXML</Code>"),
        ("PATCH /bkt/open/k", "", 501, "does not know the IAM action"),
    ] {
        let answer = ask(line, body).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {head}");
        assert!(body.contains(says) && body.contains("<Error><Code>"), "{line}: {body}");
    }
    // Of several keys, each is decided by itself.
    let shut = ask("POST /bkt?delete", "<Delete><Object><Key>shut/b</Key></Object></Delete>").await;
    let error = "<Error><Code>AccessDenied</Code><Key>shut/b</Key><Message>User: arn:aws:iam::123456789012:root is not";
    assert!(shut.starts_with("HTTP/1.1 200 ") && shut.contains(error), "{shut}");
    let no_result = ask("POST /bkt?delete", both).await;
    assert!(no_result.starts_with("HTTP/1.1 502 ") && no_result.contains("no DeleteResult"), "{no_result}");
    let request = heard.recv().await.unwrap();
    assert!(request.ends_with("<Delete><Object><Key>open/a</Key></Object></Delete>"), "{request}");
    assert!(request.contains("content-length: 51\r\n") && request.contains("content-md5: "), "{request}");
    let opens = ask("POST /bkt?delete", "<Delete><Object><Key>open/a</Key></Object></Delete>").await;
    assert!(opens.ends_with("ok"), "{opens}");
    assert!(heard.recv().await.unwrap().ends_with("<Key>open/a</Key></Object></Delete>"));
    assert!(heard.try_recv().is_err(), "nothing that was refused went on");
}

#[tokio::test]
async fn json_services_are_decided_by_operation_and_resource() {
    let url = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (backend, _) = backend(move |mut stream, _| async move {
        let port = stream.local_addr().unwrap().port();
        while read_request(&mut stream).await.is_some() {
            let body = format!(r#"{{"QueueUrl":"http://127.0.0.1:{port}/123456789012/jobs"}}"#);
            stream.write_all(url).await.unwrap();
            stream.write_all(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes()).await.unwrap();
        }
    })
    .await;
    let policy = "{Statement: [{Effect: Allow, Principal: '*', Action: 'sqs:*', Resource: '*'}, {Effect: Deny, Principal: '*', \
                   Action: 'sqs:DeleteQueue', Resource: '*'}, {Effect: Deny, Principal: '*', Action: '*', Resource: 'arn:aws:sqs:*:*:secret'}]}";
    let upstream = Upstream::with_limits("sqs", to(&format!("http://{backend}")), limits()).unwrap();
    let address = door(upstream, session(policy, root())).await;
    let ask = |operation: &'static str, body: &'static str| async move {
        let length = body.len();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: sqs.us-east-1.amazonaws.com\r\nConnection: close\r\nX-Amz-Target: {operation}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        raw(address, request.as_bytes()).await
    };
    let made = ask("AmazonSQS.CreateQueue", r#"{"QueueName":"jobs"}"#).await;
    assert!(made.ends_with(r#"{"QueueUrl":"http://sqs.us-east-1.amazonaws.com/123456789012/jobs"}"#), "{made}");
    assert!(made.contains("content-length: 67\r\n"), "{made}");
    for (operation, body, says) in [
        (
            "AmazonSQS.DeleteQueue",
            r#"{"QueueUrl":"https://sqs/123456789012/jobs"}"#,
            "with an explicit deny in a VPC endpoint policy",
        ),
        (
            "AmazonSQS.SendMessage",
            r#"{"QueueUrl":"https://sqs/123456789012/secret"}"#,
            "with an explicit deny in a VPC endpoint policy",
        ),
        ("TrentService.CreateKey", "{}", "is an operation of kms"),
        ("AmazonSQS.SendMessage", r#"{"QueueUrl":"#, "is not JSON"),
    ] {
        let answer = ask(operation, body).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(says), "{operation}: {answer}");
    }
    let denied = ask("AmazonSQS.DeleteQueue", r#"{"QueueUrl":"https://sqs/123456789012/jobs"}"#).await;
    assert!(
        denied.contains("\"__type\":\"AccessDeniedException\"")
            && denied.contains("sqs:DeleteQueue on resource: arn:aws:sqs:us-east-1:123456789012:jobs"),
        "{denied}"
    );
}

/// What a backend that also reads the Query protocol could take for another operation does not reach it.
#[tokio::test]
async fn a_request_names_one_operation() {
    let (backend, mut heard) = answering(OK).await;
    let policy = "{Statement: [{Effect: Allow, Principal: '*', Action: '*', Resource: '*'}, {Effect: Deny, Principal: '*', Action: \
                  'sqs:DeleteQueue', Resource: '*'}]}";
    let upstream = Upstream::with_limits("sqs", to(&format!("http://{backend}")), limits()).unwrap();
    let address = door(upstream, session(policy, root())).await;
    let ask = |line: &'static str, head: &'static str, body: &'static str| async move {
        let request = format!(
            "{line} HTTP/1.1\r\nHost: sqs.us-east-1.amazonaws.com\r\nConnection: close\r\n{head}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        raw(address, request.as_bytes()).await
    };
    let list = "X-Amz-Target: AmazonSQS.ListQueues\r\n";
    for (line, head, says) in [
        ("POST /?Action=DeleteQueue", list, "names more than one operation"),
        ("POST /?%41ction=DeleteQueue", list, "names more than one operation"),
        (
            "POST /",
            "X-Amz-Target: AmazonSQS.ListQueues\r\nX-Amz-Target: AmazonSQS.DeleteQueue\r\n",
            "names more than one operation",
        ),
        ("GET /?Action=DeleteQueue", "", "with an explicit deny in a VPC endpoint policy"),
    ] {
        let answer = ask(line, head, if head.is_empty() { "" } else { "{}" }).await;
        assert!(answer.contains(says), "{line} {head}: {answer}");
        assert!(heard.try_recv().is_err(), "{line} {head} went on");
    }
    let form = "X-Amz-Target: AmazonSQS.ListQueues\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: X-Amz-Target\r\n";
    let answer = ask("POST /", form, r#"{"a":"&Action=DeleteQueue&"}"#).await;
    assert!(answer.ends_with("ok"), "{answer}");
    let request = heard.recv().await.unwrap().to_ascii_lowercase();
    assert!(request.contains("content-type: application/x-amz-json-1.0\r\n"), "{request}");
    assert!(request.contains("x-amz-target: amazonsqs.listqueues\r\n"), "{request}");
}

/// An operation that method and path do not name might be the one that is denied.
#[tokio::test]
async fn what_nobody_can_name_does_not_pass_a_denial() {
    for (deny, status) in [("xray:PutTraceSegments", 501), ("xray:*", 403), ("sqs:DeleteQueue", 200)] {
        let (backend, mut heard) = answering(OK).await;
        let policy = format!(
            "{{Statement: [{{Effect: Allow, Principal: '*', Action: '*', Resource: '*'}}, {{Effect: Deny, Principal: '*', Action: '{deny}', Resource: '*'}}]}}"
        );
        let upstream = Upstream::with_limits("xray", to(&format!("http://{backend}")), limits()).unwrap();
        let address = door(upstream, session(&policy, root())).await;
        let request = "POST /TraceSegments HTTP/1.1\r\nHost: xray.us-east-1.amazonaws.com\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
        let answer = raw(address, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{deny}: {answer}");
        assert_eq!(heard.try_recv().is_ok(), status == 200, "{deny}");
    }
}

/// A stranger does not become the backend's user, whoever owns what is asked for.
#[tokio::test]
async fn who_did_not_sign_is_not_signed_for() {
    let (backend, mut heard) = answering(OK).await;
    let upstream = Upstream::with_limits("sqs", to(&format!("http://{backend}")), limits()).unwrap();
    let address = door(upstream, session(FULL_ACCESS, crate::policy::Principal::Anonymous)).await;
    for account in ["111122223333", "999988887777"] {
        let body = format!(r#"{{"QueueUrl":"https://sqs/{account}/jobs"}}"#);
        let request = format!(
            "POST / HTTP/1.1\r\nHost: sqs.us-east-1.amazonaws.com\r\nConnection: close\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = raw(address, request.as_bytes()).await;
        assert!(answer.contains("AccessDeniedException"), "{answer}");
    }
    assert!(heard.try_recv().is_err());
}

#[tokio::test]
async fn failures_say_why() {
    let refused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let cases: [(&str, &'static [u8], &str); 6] = [
        ("closes", b"", "502 it closed the connection without an answer"),
        ("is no HTTP", b"220 mail.example ESMTP\r\n\r\n", "502 its answer is not HTTP"),
        (
            "switches",
            b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "502 it switched protocols unasked",
        ),
        ("ends in its head", b"HTTP/1.1 200 OK\r\nContent-", "502 it closed the connection without an answer"),
        ("has no status", b"HTTP/1.1 banana\r\n\r\n", "502 its answer is not HTTP"),
        (
            "has two lengths",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "502 its answer is not HTTP",
        ),
    ];
    for (what, answer, says) in cases {
        let (backend, _) = backend(move |mut stream, _| async move {
            read_request(&mut stream).await;
            stream.write_all(answer).await.unwrap();
        })
        .await;
        expect_failure(what, open("s3", backend).await, says).await;
    }
    expect_failure("is not there", open("s3", refused).await, "502 connection refused").await;
    let (resets, _) = backend(|mut stream, _| async move {
        read_request(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    expect_failure("resets", open("s3", resets).await, "502 it reset the connection").await;
    let (huge, _) = backend(|mut stream, _| async move {
        read_request(&mut stream).await;
        let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
        stream.write_all(head.as_bytes()).await.ok();
    })
    .await;
    expect_failure("has a huge head", open("s3", huge).await, "502 the head of its answer is too large").await;
    let (silent, _) = backend(|mut stream, _| async move {
        read_request(&mut stream).await;
        tokio::time::sleep(PATIENCE).await;
    })
    .await;
    expect_failure("is silent", open("s3", silent).await, "504 did not answer within 600ms").await;
    let nowhere = Upstream::with_limits("s3", to("http://no-such-host.invalid:9000"), limits()).unwrap();
    let nowhere = door(nowhere, session(FULL_ACCESS, root())).await;
    expect_failure("has no address", nowhere, "502 its name can't be resolved").await;
    let (plain, _) = backend(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        tokio::time::sleep(PATIENCE).await;
    })
    .await;
    for (what, address, says) in [
        ("speaks no TLS", plain, "502 TLS failed: received corrupt message"),
        ("begins no TLS", silent, "504 did not take a connection within 400ms"),
    ] {
        let tls = Upstream::with_limits("s3", to(&format!("https://{address}")), limits()).unwrap();
        expect_failure(what, door(tls, session(FULL_ACCESS, root())).await, says).await;
    }
}

/// `says` is the status and a part of the message.
async fn expect_failure(what: &str, address: std::net::SocketAddr, says: &str) {
    let answer = get(address).await;
    let (status, says) = says.split_once(' ').unwrap();
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer}");
    let code = if status == "502" { "BadGateway" } else { "GatewayTimeout" };
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    assert!(body.contains(&format!("<Code>{code}</Code><Message>vpclab's backend http")), "{what}: {body}");
    assert!(body.contains(says), "{what}: {body}");
}

/// A listen queue that is full drops SYNs, as a host that is off does.
#[tokio::test]
async fn a_connection_that_nobody_takes_is_given_up() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let backend = listener.local_addr().unwrap();
    let mut holders = Vec::new();
    while let Ok(holder) =
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(backend)).await
    {
        holders.push(holder.unwrap());
        assert!(holders.len() < 16, "the queue has room for one");
    }
    expect_failure("takes nobody", open("s3", backend).await, "504 did not take a connection within 400ms").await;
}

#[tokio::test]
async fn interim_answers_and_chunks_are_read() {
    let answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
        HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Trailer: 1\r\n\r\n";
    let (backend, _heard) = answering(answer).await;
    let answer = get(open("s3", backend).await).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("abc") && answer.contains("defg") && !answer.to_lowercase().contains("x-trailer"),
        "{answer}"
    );
}

/// Whatever ends early must not look whole.
#[tokio::test]
async fn an_answer_that_ends_early_is_cut_off_for_the_client_too() {
    let truncated: [&'static [u8]; 3] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
    ];
    for answer in truncated {
        let (backend, _) = backend(move |mut stream, _| async move {
            read_request(&mut stream).await;
            stream.write_all(answer).await.unwrap();
        })
        .await;
        let answer = get(open("s3", backend).await).await;
        let whole = answer.ends_with("0\r\n\r\n") || answer.contains("content-length: 4\r\n");
        assert!(answer.contains("half") && !whole, "{answer}");
    }
    let (stops, _) = backend(move |mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(truncated[0]).await.unwrap();
        tokio::time::sleep(PATIENCE).await;
    })
    .await;
    let begin = std::time::Instant::now();
    let answer = get(open("s3", stops).await).await;
    assert!(answer.ends_with("half") && begin.elapsed() < PATIENCE / 2, "{answer}");
}

#[tokio::test]
async fn connections_are_used_again_and_requests_never_sent_twice() {
    // Well kept: one connection for three requests.
    let (backend, count) = backend(|mut stream, _| async move {
        while read_request(&mut stream).await.is_some() {
            stream.write_all(OK).await.unwrap();
        }
    })
    .await;
    let address = open("s3", backend).await;
    for _ in 0..3 {
        assert!(get(address).await.ends_with("ok"));
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    // Closed while it was idle: the next request finds out and takes a new one.
    let (backend, count) = fake::backend(|mut stream, _| async move {
        read_request(&mut stream).await;
        stream.write_all(OK).await.unwrap();
    })
    .await;
    let address = open("s3", backend).await;
    for _ in 0..20 {
        assert!(get(address).await.ends_with("ok"), "a kept connection that had closed is no failure");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(count.load(Ordering::SeqCst), 20);
    // Closed on the second request: that one may have been carried out, so it is not sent again.
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let (backend, _) = fake::backend(move |mut stream, _| {
        let heard = heard.clone();
        async move {
            read_request(&mut stream).await;
            stream.write_all(OK).await.unwrap();
            if let Some(request) = read_request(&mut stream).await {
                heard.send(request).unwrap();
            }
        }
    })
    .await;
    let address = open("s3", backend).await;
    assert!(get(address).await.ends_with("ok"));
    let answer = get(address).await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("without an answer"), "{answer}");
    assert!(hears.recv().await.is_some() && hears.try_recv().is_err());
}

#[tokio::test]
async fn connections_are_bounded() {
    let (silent, count) = backend(|mut stream, _| async move {
        read_request(&mut stream).await;
        tokio::time::sleep(PATIENCE).await;
    })
    .await;
    let limits = Limits { connections: 1, head_time: Duration::from_secs(2), ..limits() };
    let upstream = Upstream::with_limits("s3", to(&format!("http://{silent}")), limits).unwrap();
    let address = door(upstream, session(FULL_ACCESS, root())).await;
    let (first, second) = tokio::join!(get(address), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        get(address).await
    });
    assert!(first.starts_with("HTTP/1.1 504 "), "{first}");
    assert!(second.starts_with("HTTP/1.1 503 ") && second.contains("<Code>SlowDown</Code>"), "{second}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn held_bodies_are_bounded() {
    let (backend, mut heard) = answering(OK).await;
    let limits = Limits { memory: 1 << 20, ..limits() };
    let upstream = Upstream::with_limits("kms", to(&format!("http://{backend}")), limits).unwrap();
    let address = door(upstream, session(FULL_ACCESS, root())).await;
    let ask = |length: usize| async move {
        let mut request = format!(
            "POST / HTTP/1.1\r\nHost: kms.us-east-1.amazonaws.com\r\nConnection: close\r\nX-Amz-Target: TrentService.Encrypt\r\n\
             Content-Length: {length}\r\n\r\n{{\"Plaintext\":\""
        );
        request.push_str(&"x".repeat(length - 16));
        request.push_str("\"}");
        raw(address, request.as_bytes()).await
    };
    let answer = ask(2 << 20).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 503 ") && answer.contains("ThrottlingException"),
        "{answer}"
    );
    assert!(ask(1 << 19).await.ends_with("ok"), "what was taken is given back");
    heard.recv().await.unwrap();
    assert!(heard.try_recv().is_err());
}

/// What nobody reads here, a backend might: the queue's name.
#[tokio::test]
async fn compressed_parameters_are_refused() {
    let (backend, mut heard) = answering(OK).await;
    let upstream = Upstream::with_limits("sqs", to(&format!("http://{backend}")), limits()).unwrap();
    let address = door(upstream, session(FULL_ACCESS, root())).await;
    let request =
        b"POST / HTTP/1.1\r\nHost: sqs.us-east-1.amazonaws.com\r\nConnection: close\r\nContent-Encoding: gzip\r\n\
        X-Amz-Target: AmazonSQS.SendMessage\r\nContent-Length: 2\r\n\r\n{}";
    let answer = raw(address, request).await;
    assert!(answer.starts_with("HTTP/1.1 415 ") && answer.contains("compressed"), "{answer}");
    assert!(heard.try_recv().is_err());
}

#[tokio::test]
async fn a_redirect_to_the_backend_leads_to_the_called_name() {
    let (backend, _) = backend(|mut stream, _| async move {
        let at = stream.local_addr().unwrap();
        read_request(&mut stream).await;
        let answer =
            format!("HTTP/1.1 307 Moved\r\nLocation: http://{at}/bkt/other?x=%20\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let answer = get(open("s3", backend).await).await;
    assert!(answer.contains("location: http://s3.us-east-1.amazonaws.com/bkt/other?x=%20\r\n"), "{answer}");
}

#[tokio::test]
async fn the_head_of_an_object_has_its_length_and_no_body() {
    let (backend, _heard) = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n").await;
    let address = open("s3", backend).await;
    let request = b"HEAD /bkt/k HTTP/1.1\r\nHost: s3.us-east-1.amazonaws.com\r\nConnection: close\r\n\r\n";
    let answer = raw(address, request).await;
    assert!(answer.contains("content-length: 5000000000\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

/// A wrong signature of a body shows at its end: what was sent until then must not look whole.
#[tokio::test]
async fn an_upload_that_breaks_off_is_never_complete_at_the_backend() {
    let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let (backend, _) = backend(move |mut stream, _| {
        let ended = ended.clone();
        async move {
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all).await;
            ended.send(String::from_utf8_lossy(&all).into_owned()).unwrap();
        }
    })
    .await;
    let upstream = Upstream::with_limits("s3", to(&format!("http://{backend}")), limits()).unwrap();
    for length in [Some("10"), None] {
        let pieces =
            [Ok(hyper::body::Frame::data(Bytes::from_static(b"hello"))), Err("a chunk's signature is wrong".into())];
        let body = http_body_util::StreamBody::new(futures::stream::iter(pieces)).boxed_unsync();
        let mut request = Request::put("/bkt/k").header("host", "s3.us-east-1.amazonaws.com");
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        let mut request = request.body(body).unwrap();
        request.extensions_mut().insert(session(FULL_ACCESS, root()));
        let answer = upstream.answer(request).await;
        assert_eq!(answer.status(), 400);
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&text).contains("a chunk's signature is wrong"));
        let seen = ends.recv().await.unwrap();
        assert!(!seen.contains("0\r\n\r\n") && !seen.contains("\r\n\r\nhellohello"), "{seen}");
    }
}

#[test]
fn a_backend_that_can_not_be_one_is_refused() {
    let error = |service, backend: Backend| format!("{:#}", Upstream::new(service, backend).unwrap_err());
    assert!(error("s3", to("minio:9000")).contains("http://"));
    assert!(error("no-such", to("http://a")).contains("no endpoints for a service `no-such`"));
    let missing = Backend { ca_file: Some("/no/such.pem".into()), ..to("https://a") };
    assert!(error("s3", missing).contains("/no/such.pem"));
    let debug = format!("{:?}", to("http://a"));
    assert!(!debug.contains("\"secret\"") && !debug.contains("a-token"), "{debug}");
}
