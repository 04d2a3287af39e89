//! The IAM action of a request to a JSON, Query or REST service, and the names that a service has elsewhere.

use http::{Method, Request};

use super::parameters::Parameters;
use crate::services::failure::{Form, names_action};

/// Endpoint names whose service signs or is called otherwise: endpoint, credential scope, prefix of IAM actions.
const NAMES: [(&str, &str, &str); 18] = [
    ("airflow.api", "airflow", "airflow"),
    ("airflow.env", "airflow", "airflow"),
    ("appconfigdata", "appconfig", "appconfig"),
    ("appmesh-envoy-management", "appmesh", "appmesh"),
    ("aps-workspaces", "aps", "aps"),
    ("bedrock-agent", "bedrock", "bedrock"),
    ("bedrock-agent-runtime", "bedrock", "bedrock"),
    ("bedrock-runtime", "bedrock", "bedrock"),
    ("ecr.api", "ecr", "ecr"),
    ("ecs-agent", "ecs", "ecs"),
    ("ecs-telemetry", "ecs", "ecs"),
    ("kinesis-firehose", "firehose", "firehose"),
    ("kinesis-streams", "kinesis", "kinesis"),
    ("monitoring", "monitoring", "cloudwatch"),
    ("sagemaker.api", "sagemaker", "sagemaker"),
    ("sagemaker.featurestore-runtime", "sagemaker", "sagemaker"),
    ("sagemaker.runtime", "sagemaker", "sagemaker"),
    ("sync-states", "states", "states"),
];

/// What stands before the operation in `X-Amz-Target`, where a backend of several services tells them apart by it.
const TARGETS: [(&str, &str); 12] = [
    ("AmazonEC2ContainerRegistry_V20150921", "ecr"),
    ("AmazonSQS", "sqs"),
    ("AmazonSSM", "ssm"),
    ("AWSEvents", "events"),
    ("AWSStepFunctions", "states"),
    ("DynamoDB_20120810", "dynamodb"),
    ("Firehose_20150804", "firehose"),
    ("GraniteServiceVersion20100801", "cloudwatch"),
    ("Kinesis_20131202", "kinesis"),
    ("Logs_20140328", "logs"),
    ("secretsmanager", "secretsmanager"),
    ("TrentService", "kms"),
];

/// The service in a credential scope.
pub(super) fn signing_name(service: &str) -> &str {
    NAMES.iter().find(|(name, _, _)| *name == service).map_or(service, |(_, signing, _)| signing)
}

/// What stands before the colon of an action.
pub(super) fn prefix(service: &str) -> &str {
    NAMES.iter().find(|(name, _, _)| *name == service).map_or(service, |(_, _, prefix)| prefix)
}

/// The actions of a request. Where nothing names one, all of the service's are asked for, as `SERVICE:*`.
///
/// # Errors
/// When the request names an operation of another service, or none that can be one.
pub(super) fn actions<B>(
    service: &str,
    form: Form,
    request: &Request<B>,
    parameters: &Parameters,
) -> Result<Vec<String>, String> {
    let prefix = prefix(service);
    let mut targets = request.headers().get_all("x-amz-target").iter();
    let target = targets.next().map(|target| target.to_str().unwrap_or_default());
    // Of two, a backend might take the other one.
    if target.is_some() && (targets.next().is_some() || names_action(request)) {
        return Err("the request names more than one operation".to_owned());
    }
    let operation = match (target, form) {
        (Some(target), _) => {
            let (whose, operation) = target.rsplit_once('.').unwrap_or(("", target));
            if let Some((_, other)) = TARGETS.iter().find(|(name, it)| *name == whose && *it != prefix) {
                return Err(format!("{target} is an operation of {other}, not of {prefix}"));
            }
            Some(operation)
        }
        (None, Form::Query | Form::Ec2) => parameters.text("Action"),
        _ => rest(service, request.method(), request.uri().path()),
    };
    let Some(operation) = operation else { return Ok(vec![format!("{prefix}:*")]) };
    if operation.is_empty() || !operation.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(format!("`{}` is no operation's name", operation.escape_debug()));
    }
    Ok(match (prefix, operation) {
        ("kms", "ReEncrypt") => vec!["kms:ReEncryptFrom".to_owned(), "kms:ReEncryptTo".to_owned()],
        ("secretsmanager", "BatchGetSecretValue") => {
            vec!["secretsmanager:BatchGetSecretValue".to_owned(), "secretsmanager:GetSecretValue".to_owned()]
        }
        ("sqs", batch @ ("SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch")) => {
            vec![format!("sqs:{}", batch.trim_end_matches("Batch"))]
        }
        ("sns", "PublishBatch") => vec!["sns:Publish".to_owned()],
        _ => vec![format!("{prefix}:{operation}")],
    })
}

/// Operations that method and path name.
fn rest<'p>(service: &str, method: &Method, path: &'p str) -> Option<&'p str> {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (service, method.as_str(), segments.as_slice()) {
        // Smithy's RPC with CBOR, as CloudWatch's newer clients speak it.
        (_, "POST", ["service", _, "operation", operation]) => Some(operation),
        ("execute-api", _, _) => Some("Invoke"),
        ("lambda", "POST", [_, "functions", _, "invocations" | "invoke-async" | "response-streaming-invocations"]) => {
            Some("InvokeFunction")
        }
        ("lambda", "GET", [_, "functions"] | [_, "functions", ""]) => Some("ListFunctions"),
        ("lambda", "POST", [_, "functions"] | [_, "functions", ""]) => Some("CreateFunction"),
        ("lambda", "GET", [_, "functions", _]) => Some("GetFunction"),
        ("lambda", "GET", [_, "functions", _, "configuration"]) => Some("GetFunctionConfiguration"),
        ("lambda", "PUT", [_, "functions", _, "configuration"]) => Some("UpdateFunctionConfiguration"),
        ("lambda", "PUT", [_, "functions", _, "code"]) => Some("UpdateFunctionCode"),
        ("lambda", "DELETE", [_, "functions", _]) => Some("DeleteFunction"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(service: &str, line: &str, target: Option<&str>, body: &str) -> String {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        if let Some(target) = target {
            request = request.header("x-amz-target", target);
        }
        if body.contains("Action=") {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        let request = request.body(()).unwrap();
        let form = Form::of(service, &request);
        let body = if form == Form::Query { body } else { "{}" };
        let parameters = Parameters::read(form, request.uri().query().unwrap_or_default(), body.as_bytes()).unwrap();
        actions(service, form, &request, &parameters).map_or_else(|error| error, |actions| actions.join(" "))
    }

    #[test]
    fn operations_become_actions() {
        let json = |service, target| named(service, "POST /", Some(target), "");
        assert_eq!(json("sqs", "AmazonSQS.DeleteQueue"), "sqs:DeleteQueue");
        assert_eq!(json("sqs", "AmazonSQS.SendMessageBatch"), "sqs:SendMessage");
        assert_eq!(json("kms", "TrentService.Decrypt"), "kms:Decrypt");
        assert_eq!(json("kms", "TrentService.ReEncrypt"), "kms:ReEncryptFrom kms:ReEncryptTo");
        assert_eq!(json("secretsmanager", "secretsmanager.GetSecretValue"), "secretsmanager:GetSecretValue");
        assert_eq!(json("kinesis-streams", "Kinesis_20131202.PutRecord"), "kinesis:PutRecord");
        assert_eq!(json("monitoring", "GraniteServiceVersion20100801.PutMetricData"), "cloudwatch:PutMetricData");
        assert_eq!(json("xray", "Unheard_Of.Thing"), "xray:Thing");
        assert_eq!(named("sns", "POST /", None, "Action=Publish&Version=1"), "sns:Publish");
        assert_eq!(named("sts", "GET /?Action=GetCallerIdentity&Version=1", None, ""), "sts:GetCallerIdentity");
        assert_eq!(named("lambda", "POST /2015-03-31/functions/f/invocations", None, ""), "lambda:InvokeFunction");
        let rpc = "POST /service/GraniteServiceVersion20100801/operation/PutMetricData";
        assert_eq!(named("logs", rpc, None, ""), "logs:PutMetricData");
        assert_eq!(named("xray", "POST /TraceSegments", None, ""), "xray:*");
    }

    /// A backend that is several services must not do another one's operation under our name.
    #[test]
    fn an_operation_of_another_service_is_refused() {
        let refused = named("sqs", "POST /", Some("TrentService.CreateKey"), "");
        assert_eq!(refused, "TrentService.CreateKey is an operation of kms, not of sqs");
        let two = named("sqs", "POST /?Action=DeleteQueue", Some("AmazonSQS.ListQueues"), "");
        assert_eq!(two, "the request names more than one operation");
        for target in ["AmazonSQS.", "AmazonSQS.*", "AmazonSQS.Send Message"] {
            assert!(named("sqs", "POST /", Some(target), "").ends_with("is no operation's name"), "{target}");
        }
    }

    #[test]
    fn services_by_their_other_names() {
        assert_eq!((signing_name("monitoring"), prefix("monitoring")), ("monitoring", "cloudwatch"));
        assert_eq!((signing_name("ecr.api"), prefix("sqs")), ("ecr", "sqs"));
    }
}
