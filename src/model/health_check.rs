//! How a target group's targets are checked: what AWS lets be asked for, its defaults and limits, and the words in which a
//! target's health is told (B9).
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html>
//!
//! Health itself is not the model's: the balancer sees it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::load_balancer::validation;
use super::*;

/// A lab's own tag on a target group: checks come every so many milliseconds, where AWS's shortest 5 s are long to wait for.
/// None then waits longer for its answer.
pub const HEALTH_CHECK_INTERVAL_TAG: &str = "vpclab:HealthCheckIntervalMilliseconds";

/// What a check asks of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthCheckProtocol {
    /// That it takes a connection.
    Tcp,
    /// That it answers a request by HTTP/1.1.
    Http,
    /// The same inside of TLS, whose certificate nobody looks at.
    Https,
}

impl HealthCheckProtocol {
    /// AWS's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }

    /// Seconds that an answer may take unless said otherwise.
    fn default_timeout(self) -> u32 {
        if self == Self::Http { 6 } else { 10 }
    }
}

/// A target group's health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked.
    pub protocol: HealthCheckProtocol,
    /// Where; `None` is `traffic-port`, the port that the target is registered with.
    pub port: Option<u16>,
    /// The path of the request; `None` for TCP.
    pub path: Option<String>,
    /// Seconds between two checks.
    pub interval_seconds: u32,
    /// Seconds that an answer may take.
    pub timeout_seconds: u32,
    /// Passes in a row that make an unhealthy target healthy.
    pub healthy_threshold: u32,
    /// Failures in a row that make it unhealthy.
    pub unhealthy_threshold: u32,
    /// The codes that pass, as written; `None` for TCP.
    pub matcher: Option<String>,
    /// The lab's own tag.
    pub interval_milliseconds: Option<u32>,
}

impl HealthCheck {
    /// Seconds between two checks.
    const INTERVAL: RangeInclusive<u32> = 5..=300;
    /// Seconds that an answer may take.
    const TIMEOUT: RangeInclusive<u32> = 2..=120;
    /// Results in a row.
    const THRESHOLD: RangeInclusive<u32> = 2..=10;
    /// Codes that a matcher of a Network Load Balancer may name.
    const CODES: RangeInclusive<u16> = 200..=599;
    /// What passes unless said otherwise.
    const MATCHER: &str = "200-399";
    /// What the lab's own tag may say.
    const MILLISECONDS: RangeInclusive<u32> = 50..=300_000;

    /// From members as written (`HealthCheckProtocol`, …) and the target group's tags.
    ///
    /// # Errors
    /// What AWS refuses.
    pub(super) fn of(members: &BTreeMap<String, String>, tags: &BTreeMap<String, String>) -> Result<Self, Refusal> {
        let text = |name: &str| members.get(name).map(String::as_str);
        if text("HealthCheckEnabled").is_some_and(|enabled| !enabled.eq_ignore_ascii_case("true")) {
            return Err(configuration(
                "Health check enabled must be true for target groups with target type 'instance'",
            )
            .help("the same holds for target type ip: only lambda targets go without"));
        }
        let protocol = match text("HealthCheckProtocol").unwrap_or("TCP") {
            "TCP" => HealthCheckProtocol::Tcp,
            "HTTP" => HealthCheckProtocol::Http,
            "HTTPS" => HealthCheckProtocol::Https,
            other => {
                return Err(validation(format!("Health check protocol '{other}' is not supported"))
                    .help("a Network Load Balancer checks by TCP, HTTP or HTTPS"));
            }
        };
        let number = |name, what, range, default| number(text(name), what, &range, default);
        let interval_seconds = number("HealthCheckIntervalSeconds", "interval", Self::INTERVAL, 30)?;
        let timeout_seconds =
            number("HealthCheckTimeoutSeconds", "timeout", Self::TIMEOUT, protocol.default_timeout())?;
        if timeout_seconds > interval_seconds {
            return Err(validation("Health check interval must be greater than the timeout.".to_owned())
                .help(format!("the timeout is {timeout_seconds} s, the interval {interval_seconds} s")));
        }
        let (path, matcher) = request(protocol, text("HealthCheckPath"), text("Matcher"))?;
        Ok(Self {
            protocol,
            port: port(text("HealthCheckPort"))?,
            path,
            interval_seconds,
            timeout_seconds,
            healthy_threshold: number("HealthyThresholdCount", "healthy threshold count", Self::THRESHOLD, 5)?,
            unhealthy_threshold: number("UnhealthyThresholdCount", "unhealthy threshold count", Self::THRESHOLD, 2)?,
            matcher,
            interval_milliseconds: milliseconds(tags)?,
        })
    }

    /// Between two checks of a target.
    pub fn interval(&self) -> Duration {
        let of_tag = self.interval_milliseconds.map(|milliseconds| Duration::from_millis(milliseconds.into()));
        of_tag.unwrap_or(Duration::from_secs(self.interval_seconds.into()))
    }

    /// How long an answer may take.
    pub fn timeout(&self) -> Duration {
        let timeout = Duration::from_secs(self.timeout_seconds.into());
        if self.interval_milliseconds.is_some() { timeout.min(self.interval()) } else { timeout }
    }

    /// Whether a response code passes.
    pub fn matches(&self, code: u16) -> bool {
        let matcher = self.matcher.as_deref().unwrap_or(Self::MATCHER);
        codes(matcher).is_some_and(|ranges| ranges.iter().any(|range| range.contains(&code)))
    }
}

/// A refusal of what can't be had together.
fn configuration(message: &str) -> Refusal {
    Refusal::new("InvalidConfigurationRequest", message)
}

fn number(written: Option<&str>, what: &str, range: &RangeInclusive<u32>, default: u32) -> Result<u32, Refusal> {
    let Some(written) = written else { return Ok(default) };
    written.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        let (first, last) = (range.start(), range.end());
        validation(format!("Health check {what} '{written}' must be between '{first}' and '{last}'"))
    })
}

fn port(written: Option<&str>) -> Result<Option<u16>, Refusal> {
    match written {
        None | Some("traffic-port") => Ok(None),
        Some(written) => match written.parse() {
            Ok(0) | Err(_) => Err(validation(format!(
                "Health check port '{written}' must be between '1' and '65535' or equal to 'traffic-port'"
            ))),
            Ok(port) => Ok(Some(port)),
        },
    }
}

/// Path and matcher of a request; a connection alone has neither.
fn request(
    protocol: HealthCheckProtocol,
    path: Option<&str>,
    matcher: Option<&str>,
) -> Result<(Option<String>, Option<String>), Refusal> {
    if protocol == HealthCheckProtocol::Tcp {
        return match (path, matcher) {
            (Some(_), _) => Err(configuration("Health check paths are not supported for TCP health checks")),
            (_, Some(_)) => Err(configuration("Health check matchers are not supported for TCP health checks")),
            (None, None) => Ok((None, None)),
        };
    }
    let path = path.unwrap_or("/");
    let good = path.starts_with('/') && path.len() <= 1024 && path.chars().all(|c| c.is_ascii_graphic());
    if !good {
        return Err(validation(format!("Health check path '{path}' must begin with a '/' character"))
            .help("at most 1,024 visible ASCII characters, without a space"));
    }
    let code = match matcher {
        None => HealthCheck::MATCHER.to_owned(),
        Some(written) => http_code(written)?,
    };
    if codes(&code).is_none() {
        let (first, last) = HealthCheck::CODES.into_inner();
        return Err(validation(format!("Health check matcher HTTP code '{code}' must be within '{first}-{last}'"))
            .help("such as 200, 200,202 or 200-299"));
    }
    Ok((Some(path.to_owned()), Some(code)))
}

/// `HttpCode` of a matcher, which is written as an object.
fn http_code(matcher: &str) -> Result<String, Refusal> {
    let refuse = || validation("A health check matcher must have an HttpCode".to_owned());
    let matcher: serde_json::Value = serde_json::from_str(matcher).map_err(|_| refuse())?;
    match &matcher["HttpCode"] {
        serde_json::Value::String(code) => Ok(code.clone()),
        serde_json::Value::Number(code) => Ok(code.to_string()),
        _ => Err(refuse()),
    }
}

/// `200`, `200,202` or `200-299`; `None` for anything else.
fn codes(matcher: &str) -> Option<Vec<RangeInclusive<u16>>> {
    let code = |text: &str| text.trim().parse::<u16>().ok().filter(|code| HealthCheck::CODES.contains(code));
    let range = |part: &str| match part.split_once('-') {
        None => code(part).map(|code| code..=code),
        Some((first, last)) => {
            let (first, last) = (code(first)?, code(last)?);
            (first <= last).then_some(first..=last)
        }
    };
    matcher.split(',').map(range).collect()
}

fn milliseconds(tags: &BTreeMap<String, String>) -> Result<Option<u32>, Refusal> {
    let Some(written) = tags.get(HEALTH_CHECK_INTERVAL_TAG) else { return Ok(None) };
    let range = HealthCheck::MILLISECONDS;
    match written.parse::<u32>() {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ => Err(Refusal::new(
            "InvalidParameterValue",
            format!(
                "The tag {HEALTH_CHECK_INTERVAL_TAG} is '{written}', which is not between {} and {} milliseconds",
                range.start(),
                range.end()
            ),
        )),
    }
}

/// DescribeTargetHealth's `State`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetHealthState {
    /// No check has passed, and too few failed.
    Initial,
    /// New connections come here.
    Healthy,
    /// They do not, while another target is healthy.
    Unhealthy,
    /// Nobody sends it anything.
    Unused,
    /// It is no longer registered, and its connections have time to end.
    Draining,
}

impl TargetHealthState {
    /// AWS's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Unused => "unused",
            Self::Draining => "draining",
        }
    }
}

/// DescribeTargetHealth's `TargetHealth`: a state, and why it is not healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetHealth {
    /// State.
    pub state: TargetHealthState,
    /// AWS's reason code; none for a healthy target.
    pub reason: Option<&'static str>,
    /// The same as a sentence.
    pub description: Option<String>,
}

impl TargetHealth {
    fn because(state: TargetHealthState, reason: &'static str, description: impl Into<String>) -> Self {
        Self { state, reason: Some(reason), description: Some(description.into()) }
    }

    /// Every check passes.
    pub fn healthy() -> Self {
        Self { state: TargetHealthState::Healthy, reason: None, description: None }
    }

    /// Being checked for the first time.
    pub fn initial() -> Self {
        Self::because(TargetHealthState::Initial, "Elb.InitialHealthChecking", "Initial health checks in progress")
    }

    /// It took no connection, or answered no HTTP.
    pub fn failed() -> Self {
        Self::because(TargetHealthState::Unhealthy, "Target.FailedHealthChecks", "Health checks failed")
    }

    /// It answered too late or never.
    pub fn timed_out() -> Self {
        Self::because(TargetHealthState::Unhealthy, "Target.Timeout", "Request timed out")
    }

    /// It answered with a code that does not pass.
    pub fn mismatched(code: u16) -> Self {
        let description = format!("Health checks failed with these codes: [{code}]");
        Self::because(TargetHealthState::Unhealthy, "Target.ResponseCodeMismatch", description)
    }

    /// No listener forwards to its group.
    pub fn not_in_use() -> Self {
        let description = "Target group is not configured to receive traffic from the load balancer";
        Self::because(TargetHealthState::Unused, "Target.NotInUse", description)
    }

    /// The load balancer has no node that would use it.
    pub fn zone_not_enabled() -> Self {
        let description = "Target is in an Availability Zone that is not enabled for the load balancer";
        Self::because(TargetHealthState::Unused, "Target.NotInUse", description)
    }

    /// No way leads to its address.
    pub fn unusable() -> Self {
        let description = "No network interface of the VPC has the target's address, which a lab needs to reach it";
        Self::because(TargetHealthState::Unused, "Target.IpUnusable", description)
    }

    /// It was deregistered, and its delay runs.
    pub fn draining() -> Self {
        let description = "Target deregistration is in progress";
        Self::because(TargetHealthState::Draining, "Target.DeregistrationInProgress", description)
    }

    /// Whether new connections may come here before any other target's turn.
    pub fn is_healthy(&self) -> bool {
        self.state == TargetHealthState::Healthy
    }
}
