//! The services that AWS itself offers as interface endpoints, with the names that private DNS gives them.
//!
//! Most answer to `SERVICE.REGION.amazonaws.com`; the table lists the others. A service that is missing here is refused
//! as AWS refuses a misspelt one. Not done: FIPS variants, services of single Regions, the differing list of each Region.

use super::region::dns_suffix;

/// Services with `SERVICE.REGION.amazonaws.com`, and those with other names (`None`: no private DNS name at all).
/// In a name, `{}` stands for the Region.
#[rustfmt::skip]
const SERVICES: &[(&str, Option<&[&str]>)] = &[
    ("access-analyzer", USUAL), ("acm-pca", USUAL), ("airflow.api", Some(&["api.airflow.{}"])),
    ("airflow.env", Some(&["env.airflow.{}"])), ("appconfig", USUAL), ("appconfigdata", USUAL),
    ("application-autoscaling", USUAL), ("appmesh-envoy-management", USUAL), ("aps", USUAL), ("aps-workspaces", USUAL),
    ("athena", USUAL), ("autoscaling", USUAL), ("autoscaling-plans", USUAL), ("backup", USUAL), ("batch", USUAL),
    ("bedrock", USUAL), ("bedrock-agent", USUAL), ("bedrock-agent-runtime", USUAL), ("bedrock-runtime", USUAL),
    ("cassandra", USUAL), ("cloudformation", USUAL), ("cloudhsmv2", USUAL), ("cloudtrail", USUAL),
    ("codeartifact.api", Some(&["codeartifact.{}"])), ("codeartifact.repositories", Some(&["*.d.codeartifact.{}"])),
    ("codebuild", USUAL), ("codecommit", USUAL), ("codedeploy", USUAL), ("codedeploy-commands-secure", USUAL),
    ("codepipeline", USUAL), ("comprehend", USUAL), ("config", USUAL), ("connect-campaigns", USUAL), ("databrew", USUAL),
    ("datasync", USUAL), ("dms", USUAL), ("dynamodb", None), ("ebs", USUAL), ("ec2", USUAL), ("ec2messages", USUAL),
    ("ecr.api", Some(&["api.ecr.{}"])), ("ecr.dkr", Some(&["*.dkr.ecr.{}"])), ("ecs", USUAL), ("ecs-agent", USUAL),
    ("ecs-telemetry", USUAL), ("eks", USUAL), ("eks-auth", USUAL), ("elasticache", USUAL),
    ("elasticbeanstalk", USUAL), ("elasticfilesystem", USUAL), ("elasticloadbalancing", USUAL),
    ("elasticmapreduce", USUAL), ("email-smtp", USUAL), ("emr-containers", USUAL), ("emr-serverless", USUAL),
    ("events", USUAL), ("execute-api", Some(&["*.execute-api.{}"])), ("fis", USUAL), ("fsx", USUAL),
    ("git-codecommit", USUAL), ("glue", USUAL), ("grafana", USUAL), ("guardduty-data", USUAL), ("imagebuilder", USUAL),
    ("inspector2", USUAL), ("kafka", USUAL), ("kendra", USUAL), ("kinesis-firehose", Some(&["firehose.{}"])),
    ("kinesis-streams", Some(&["kinesis.{}"])), ("kms", USUAL), ("lakeformation", USUAL), ("lambda", USUAL),
    ("license-manager", USUAL), ("logs", USUAL), ("macie2", USUAL), ("mgn", USUAL), ("monitoring", USUAL),
    ("network-firewall", USUAL), ("pipes", USUAL), ("polly", USUAL),
    ("rds", USUAL), ("rds-data", USUAL), ("redshift", USUAL), ("redshift-data", USUAL), ("rekognition", USUAL),
    ("rolesanywhere", USUAL),
    ("s3", Some(&["s3.{}", "*.s3.{}", "s3-accesspoint.{}", "*.s3-accesspoint.{}", "s3-control.{}", "*.s3-control.{}"])),
    ("sagemaker.api", Some(&["api.sagemaker.{}"])),
    ("sagemaker.featurestore-runtime", Some(&["featurestore-runtime.sagemaker.{}"])),
    ("sagemaker.runtime", Some(&["runtime.sagemaker.{}"])), ("scheduler", USUAL), ("secretsmanager", USUAL),
    ("securityhub", USUAL), ("servicecatalog", USUAL), ("servicediscovery", USUAL), ("sns", USUAL), ("sqs", USUAL),
    ("ssm", USUAL), ("ssm-contacts", USUAL), ("ssm-incidents", USUAL), ("ssmmessages", USUAL), ("states", USUAL),
    ("storagegateway", USUAL), ("sts", USUAL), ("swf", USUAL), ("sync-states", USUAL), ("synthetics", USUAL),
    ("textract", USUAL), ("transcribe", USUAL), ("transfer", USUAL),
    ("translate", USUAL), ("wafv2", USUAL), ("workspaces", USUAL), ("xray", USUAL),
];

const USUAL: Option<&[&str]> = Some(&[]);

/// Service names that AWS offers as interface endpoints in every Region: the part after `com.amazonaws.REGION.`.
pub fn aws_services() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|(name, _)| *name)
}

/// The names that private DNS gives an interface endpoint of an AWS service: a leading `*.` is a wildcard, an empty list
/// means that the service has none. `None` for a service that AWS does not offer.
pub fn private_dns_names(service: &str, region: &str) -> Option<Vec<String>> {
    let (name, names) = SERVICES.iter().find(|(name, _)| *name == service)?;
    let suffix = dns_suffix(region);
    Some(match *names {
        None => Vec::new(),
        Some([]) => vec![format!("{name}.{region}.{suffix}")],
        Some(names) => names.iter().map(|form| format!("{}.{suffix}", form.replace("{}", region))).collect(),
    })
}

/// The short name in `com.amazonaws.REGION.SERVICE`; `None` when the name is of another form or Region.
pub fn short_service_name<'a>(service_name: &'a str, region: &str) -> Option<&'a str> {
    service_name.strip_prefix("com.amazonaws.")?.strip_prefix(region)?.strip_prefix('.')
}
