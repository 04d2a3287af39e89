//! A backend that misbehaves as told, and a door in front of an [`Upstream`]: both on loopback.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::*;
use crate::model::access::Directory;
use crate::model::{Origin, World};
use crate::policy::Principal;
use crate::services::front::Caller;
use crate::services::front::session::Ticket;
use crate::template::{Files, LoadOptions, ReadError, load};

/// Long enough on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Serves each connection as `play` says, which gets its number, from 0.
pub async fn backend<P, F>(play: P) -> (SocketAddr, Arc<AtomicUsize>)
where
    P: Fn(TcpStream, usize) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(play(stream, counted.fetch_add(1, Ordering::SeqCst)));
        }
    });
    (address, count)
}

/// A backend that answers each request of a connection with these bytes, and hands on the heads that it read.
pub async fn answering(answer: &'static [u8]) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let (heard, hears) = tokio::sync::mpsc::unbounded_channel();
    let (address, _) = backend(move |mut stream, _| {
        let heard = heard.clone();
        async move {
            while let Some(request) = read_request(&mut stream).await {
                heard.send(request).unwrap();
                stream.write_all(answer).await.unwrap();
            }
        }
    })
    .await;
    (address, hears)
}

/// Head and body of a request, whose length is told or none; `None` at the end.
pub async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    while bytes.len() < head + length.unwrap_or(0) {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The one file of a test.
struct OneFile<'t>(&'t str);

impl Files for OneFile<'_> {
    fn read(&self, path: &Path) -> Result<String, ReadError> {
        if path == Path::new("t.yaml") { Ok(self.0.to_owned()) } else { Err(ReadError::NotFound) }
    }
}

/// A VPC with an endpoint that has this policy.
fn world(policy: &str) -> World {
    let template = format!(
        "Resources:
  Vpc: {{Type: AWS::EC2::VPC, Properties: {{CidrBlock: 10.0.0.0/16}}}}
  Endpoint:
    Type: AWS::EC2::VPCEndpoint
    Properties: {{VpcId: !Ref Vpc, ServiceName: com.amazonaws.us-east-1.s3, PolicyDocument: {policy}}}
  Bucket:
    Type: AWS::S3::Bucket
    Properties: {{BucketName: declared}}
  BucketPolicy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument: {{Statement: [{{Effect: Deny, Principal: '*', Action: 's3:DeleteObject', Resource: 'arn:aws:s3:::declared/*'}}]}}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: declared
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{{AttributeName: id, AttributeType: S}}]
      KeySchema: [{{AttributeName: id, KeyType: HASH}}]
      ResourcePolicy:
        PolicyDocument: {{Statement: [{{Effect: Deny, Principal: '*', Action: 'dynamodb:Query', Resource: '*'}}]}}
"
    );
    let options = LoadOptions { region: Some("us-east-1".into()), ..LoadOptions::default() };
    load(&OneFile(&template), Path::new("t.yaml"), &options).unwrap_or_else(|error| panic!("{error}")).world
}

pub const FULL_ACCESS: &str = "{Statement: [{Effect: Allow, Principal: '*', Action: '*', Resource: '*'}]}";

/// Who sends the requests of a test.
pub fn session(policy: &str, principal: Principal) -> Session {
    let world = world(policy);
    let endpoint = world.vpc_endpoints.keys().next().expect("one").to_string();
    let origin = Origin {
        account: "111122223333".into(),
        region: "us-east-1".into(),
        vpc_id: "vpc-1".into(),
        network_interface_id: "eni-1".into(),
        instance_id: Some("i-1".into()),
        private_ip: std::net::Ipv4Addr::new(10, 0, 1, 10),
        vpc_endpoint_id: Some(endpoint),
        resolver_endpoint_id: None,
        endpoint_vpc_id: Some("vpc-1".into()),
        endpoint_vpc_arn: Some("arn:aws:ec2:us-east-1:111122223333:vpc/vpc-1".into()),
        endpoint_account: Some("111122223333".into()),
        name: "app".into(),
    };
    let local = "10.0.0.1:80".parse().unwrap();
    let caller = Caller { peer: "10.0.1.10:4000".parse().unwrap(), local, origin: Some(Arc::new(origin)), tls: None };
    Session {
        caller,
        principal,
        access_key_id: None,
        policies: Vec::new(),
        directory: Arc::new(Directory::of(&world)),
        ticket: Ticket::default(),
    }
}

pub fn root() -> Principal {
    Principal::Root { account: "123456789012".into() }
}

/// Bounds that a test can wait for.
pub fn limits() -> Limits {
    Limits {
        connect_time: Duration::from_millis(400),
        head_time: Duration::from_millis(600),
        body_time: Duration::from_millis(600),
        ..Limits::of("s3")
    }
}

pub fn to(url: &str) -> Backend {
    let credentials = Credentials {
        access_key_id: "AKIDBACKEND".into(),
        secret_access_key: "secret".into(),
        session_token: Some("a-token".into()),
    };
    Backend { url: url.into(), credentials: Some(credentials), region: None, path_style: true, ca_file: None }
}

/// A door before a service: says who calls, and checks nothing.
pub async fn door(service: Upstream, session: Session) -> SocketAddr {
    let service = Arc::new(service);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (service, session) = (service.clone(), session.clone());
            let answer = hyper::service::service_fn(move |mut request: Request<hyper::body::Incoming>| {
                let service = service.clone();
                request.extensions_mut().insert(session.clone());
                async move {
                    let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
                    Ok::<_, std::convert::Infallible>(service.answer(request).await)
                }
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
            tokio::spawn(async move { connection.await.ok() });
        }
    });
    address
}

/// A door to a backend with everything allowed.
pub async fn open(service: &str, backend: SocketAddr) -> SocketAddr {
    let upstream = Upstream::with_limits(service, to(&format!("http://{backend}")), limits()).unwrap();
    door(upstream, session(FULL_ACCESS, root())).await
}

/// Sends bytes on a connection of its own and reads until the other side closes.
pub async fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end in time");
    read.ok();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A GET of an S3 object.
pub async fn get(address: SocketAddr) -> String {
    raw(address, b"GET /bkt/k HTTP/1.1\r\nHost: s3.us-east-1.amazonaws.com\r\nConnection: close\r\n\r\n").await
}
