//! Every AWS service that vpclab does not emulate yet: it is there, TLS works, and it says plainly what is missing.
//!
//! What reaches it proves the way through the network; the answer is 501 in the error form of the service that was
//! called, so that SDKs print the message, with the caller and the endpoint that it came through. JSON also tells what IAM
//! would know of the way (`aws:SourceVpce` and others, B2.1). It never pretends that an operation worked.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};

use super::called::Called;
use super::failure::QUERY;
use super::front::{self, Body, Caller, Service};
use crate::model::Origin;

/// Answers 501 and says who called through which endpoint.
#[derive(Debug, Default)]
pub struct Placeholder;

impl Service for Placeholder {
    fn name(&self) -> &'static str {
        "placeholder"
    }

    fn http2(&self) -> bool {
        true
    }

    fn called(&self, _host: &str) -> Option<String> {
        None
    }

    fn answer(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        let service = Called::read(front::host(&request).unwrap_or_default()).service;
        let service = service.unwrap_or_else(|| "unknown".to_owned());
        let caller = request.extensions().get::<Caller>();
        let message = message(&service, caller);
        let (content_type, body) = form(&service, &message, caller.map(context));
        let mut answer = Response::new(front::full(body));
        *answer.status_mut() = StatusCode::NOT_IMPLEMENTED;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        answer.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static("NotImplemented"));
        std::future::ready(answer).boxed()
    }
}

fn message(service: &str, caller: Option<&Caller>) -> String {
    let origin = caller.and_then(|caller| caller.origin.as_deref());
    let whence = match origin {
        Some(origin) => {
            let way = origin.vpc_endpoint_id.as_deref().map_or(String::new(), |id| format!(" through {id}"));
            format!("{} ({}, account {}){way}", origin.name, origin.private_ip, origin.account)
        }
        None => {
            caller.map_or("an unknown caller".to_owned(), |caller| format!("{} over the internet", caller.peer.ip()))
        }
    };
    format!(
        "vpclab does not emulate the service {service} yet. The network let the request pass: it came from {whence}."
    )
}

/// The condition keys that tell of the network; those that a request does not have are left out, as IAM leaves them out:
/// behind an endpoint there is no `aws:SourceIp` (B2.1). A lab has no organization, so no key names one.
fn context(caller: &Caller) -> serde_json::Value {
    let mut keys = serde_json::Map::new();
    let mut add = |key: &str, value: String| keys.insert(key.to_owned(), value.into());
    match caller.origin.as_deref() {
        Some(origin @ Origin { vpc_endpoint_id: Some(id), .. }) => {
            add("aws:SourceVpce", id.clone());
            add("aws:VpcSourceIp", origin.private_ip.to_string());
            let of_endpoint = [
                ("aws:SourceVpc", &origin.endpoint_vpc_id),
                ("aws:SourceVpcArn", &origin.endpoint_vpc_arn),
                ("aws:VpceAccount", &origin.endpoint_account),
            ];
            for (key, value) in of_endpoint {
                value.as_ref().map(|value| add(key, value.clone()));
            }
        }
        _ => {
            add("aws:SourceIp", caller.peer.ip().to_string());
        }
    }
    keys.into()
}

/// The error in the words of the service's protocol.
fn form(service: &str, message: &str, context: Option<serde_json::Value>) -> (&'static str, Bytes) {
    let text = escaped(message);
    if service == "ec2" {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>NotImplemented</Code>\
             <Message>{text}</Message></Error></Errors><RequestID>vpclab</RequestID></Response>"
        );
        ("text/xml;charset=UTF-8", body.into())
    } else if QUERY.contains(&service) {
        let body = format!(
            "<ErrorResponse><Error><Type>Receiver</Type><Code>NotImplemented</Code><Message>{text}</Message></Error>\
             <RequestId>vpclab</RequestId></ErrorResponse>"
        );
        ("text/xml", body.into())
    } else {
        let body = serde_json::json!({ "__type": "NotImplemented", "message": message, "context": context });
        ("application/x-amz-json-1.1", format!("{body}\n").into())
    }
}

/// The three characters that must not stand in XML text.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_names_service_caller_and_endpoint() {
        let running = front::tests::start(std::sync::Arc::new(Placeholder), front::Limits::default());
        let ask = |host: &str| {
            running.raw(format!("POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
        };
        let answer = ask("ssm.us-east-1.amazonaws.com");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 501") && head.contains("application/x-amz-json-1.1"), "{head}");
        let document: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            document["message"],
            "vpclab does not emulate the service ssm yet. The network let the request pass: it came from app \
             (10.0.1.10, account 111122223333) through vpce-1."
        );
        assert_eq!(
            document["context"],
            serde_json::json!({
                "aws:SourceVpce": "vpce-1", "aws:SourceVpc": "vpc-1", "aws:VpcSourceIp": "10.0.1.10",
                "aws:VpceAccount": "111122223333",
                "aws:SourceVpcArn": "arn:aws:ec2:us-east-1:111122223333:vpc/vpc-1",
            })
        );
        let answer = ask("vpce-1-h.ec2.us-east-1.vpce.amazonaws.com");
        assert!(answer.contains("<Message>vpclab does not emulate the service ec2 yet."), "{answer}");
        running.end();
    }

    /// Without an endpoint IAM knows the public address, and nothing of VPCs.
    #[test]
    fn over_the_internet_there_is_a_public_address() {
        let (peer, local) = ("203.0.113.1:40000".parse().unwrap(), "192.0.2.10:443".parse().unwrap());
        let caller = Caller { peer, local, origin: None, tls: Some(front::Tls::V1_3) };
        assert_eq!(context(&caller), serde_json::json!({ "aws:SourceIp": "203.0.113.1" }));
        assert!(message("ssm", Some(&caller)).ends_with("it came from 203.0.113.1 over the internet."));
    }

    #[test]
    fn each_protocol_has_its_form() {
        assert!(form("ec2", "a<b", None).1.starts_with(b"<?xml"));
        assert!(String::from_utf8_lossy(&form("ec2", "a<b", None).1).contains("<Message>a&lt;b</Message>"));
        assert!(form("sts", "m", None).1.starts_with(b"<ErrorResponse>"));
        let json: serde_json::Value = serde_json::from_slice(&form("ssm", "say \"no\"", None).1).unwrap();
        assert_eq!(json["message"], "say \"no\"");
    }
}
