//! Attributes of Network Load Balancers and their target groups: which there are, what they may say, and what they mean.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html>,
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html>

use std::collections::BTreeMap;
use std::time::Duration;

use super::load_balancer::validation;
use super::*;

/// What an attribute may say.
#[derive(Clone, Copy, Debug)]
enum Values {
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number(u32, u32),
    /// The same, or `off`.
    NumberOrOff(u32, u32),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Anything.
    Text,
}

impl Values {
    fn take(self, written: &str) -> bool {
        let within = |first: u32, last: u32| written.parse().is_ok_and(|number| (first..=last).contains(&number));
        match self {
            Self::Flag => matches!(written, "true" | "false"),
            Self::Number(first, last) => within(first, last),
            Self::NumberOrOff(first, last) => written == "off" || within(first, last),
            Self::OneOf(words) => words.contains(&written),
            Self::Text => true,
        }
    }

    fn describe(self) -> String {
        match self {
            Self::Flag => "true or false".to_owned(),
            Self::Number(first, last) => format!("{first} to {last}"),
            Self::NumberOrOff(first, last) => format!("off, or {first} to {last}"),
            Self::OneOf(words) => words.join(", "),
            Self::Text => "any text".to_owned(),
        }
    }
}

/// Of target groups of a Network Load Balancer.
const TARGET_GROUP: &[(&str, Values)] = &[
    ("deregistration_delay.timeout_seconds", Values::Number(0, 3600)),
    ("deregistration_delay.connection_termination.enabled", Values::Flag),
    ("stickiness.enabled", Values::Flag),
    ("stickiness.type", Values::OneOf(&["source_ip"])),
    (CROSS_ZONE, Values::OneOf(&["true", "false", "use_load_balancer_configuration"])),
    ("target_group_health.dns_failover.minimum_healthy_targets.count", Values::NumberOrOff(1, 1000)),
    ("target_group_health.dns_failover.minimum_healthy_targets.percentage", Values::NumberOrOff(1, 100)),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", Values::Number(1, 1000)),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", Values::NumberOrOff(1, 100)),
    ("preserve_client_ip.enabled", Values::Flag),
    ("proxy_protocol_v2.enabled", Values::Flag),
    ("target_health_state.unhealthy.connection_termination.enabled", Values::Flag),
    ("target_health_state.unhealthy.draining_interval_seconds", Values::Number(0, 360_000)),
];

/// Of target groups of other load balancers: AWS knows them and refuses them here.
const OTHERS: &[&str] = &[
    "slow_start.duration_seconds",
    "load_balancing.algorithm.type",
    "load_balancing.algorithm.anomaly_mitigation",
    "stickiness.app_cookie.cookie_name",
    "stickiness.app_cookie.duration_seconds",
    "stickiness.lb_cookie.duration_seconds",
    "lambda.multi_value_headers.enabled",
    "target_failover.on_deregistration",
    "target_failover.on_unhealthy",
];

/// Of Network Load Balancers.
const LOAD_BALANCER: &[(&str, Values)] = &[
    ("deletion_protection.enabled", Values::Flag),
    (CROSS_ZONE, Values::Flag),
    ("access_logs.s3.enabled", Values::Flag),
    ("access_logs.s3.bucket", Values::Text),
    ("access_logs.s3.prefix", Values::Text),
    ("ipv6.deny_all_igw_traffic", Values::Flag),
    (
        "dns_record.client_routing_policy",
        Values::OneOf(&["any_availability_zone", "availability_zone_affinity", "partial_availability_zone_affinity"]),
    ),
    ("zonal_shift.config.enabled", Values::Flag),
    ("secondary_ips.auto_assigned.per_subnet", Values::Number(0, 7)),
    // A member of its own in AWS's API; kept here, where the other switches are.
    (GROUPS_JUDGE_PRIVATE_LINK, Values::OneOf(&["on", "off"])),
];

/// Of listeners of a Network Load Balancer: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ListenerAttribute.html>
const LISTENER: &[(&str, Values)] = &[(IDLE_TIMEOUT, Values::Number(60, 6000))];

/// How long a TCP listener remembers a flow that says nothing.
const IDLE_TIMEOUT: &str = "tcp.idle_timeout.seconds";

/// The switch that spares traffic of endpoints the load balancer's inbound rules; on unless said otherwise (B4).
pub const GROUPS_JUDGE_PRIVATE_LINK: &str = "enforce_security_group_inbound_rules_on_private_link_traffic";

const CROSS_ZONE: &str = "load_balancing.cross_zone.enabled";

/// Refuses what a Network Load Balancer's target group can't be told.
pub(super) fn check_target_group(attributes: &BTreeMap<String, String>) -> Result<(), Refusal> {
    for (key, value) in attributes {
        let known = TARGET_GROUP.iter().find(|(name, _)| name == key);
        if known.is_none() && OTHERS.contains(&key.as_str()) {
            let message = "The provided target group attribute is not supported";
            return Err(Refusal::new("InvalidConfigurationRequest", message)
                .help(format!("'{key}' belongs to other kinds of load balancers")));
        }
        check("Target group", key, value, known)?;
    }
    Ok(())
}

/// Refuses what a Network Load Balancer can't be told.
pub(super) fn check_load_balancer(attributes: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let known = |key: &str| LOAD_BALANCER.iter().find(|(name, _)| *name == key);
    attributes.iter().try_for_each(|(key, value)| check("Load balancer", key, value, known(key)))
}

/// Refuses what a listener of that protocol can't be told.
pub(super) fn check_listener(protocol: &str, attributes: &BTreeMap<String, String>) -> Result<(), Refusal> {
    for (key, value) in attributes {
        check("Listener", key, value, LISTENER.iter().find(|(name, _)| name == key))?;
        if protocol != "TCP" {
            let message = format!("Listener attribute key '{key}' is not supported for protocol '{protocol}'");
            return Err(validation(message).help("only TCP listeners have it: TLS keeps to 350 s, UDP to 120 s"));
        }
    }
    Ok(())
}

impl Listener {
    /// How long a TCP flow may be idle, if the listener says so.
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.attributes.get(IDLE_TIMEOUT).and_then(|value| value.parse().ok()).map(Duration::from_secs)
    }
}

/// Attributes that a lab knows, checks and does nothing about, with what they must say for that to make a difference.
const WITHOUT_EFFECT: &[(&str, &[&str])] = &[
    ("access_logs.s3.enabled", &["true"]),
    ("deletion_protection.enabled", &["true"]),
    ("dns_record.client_routing_policy", &["availability_zone_affinity", "partial_availability_zone_affinity"]),
    ("zonal_shift.config.enabled", &["true"]),
    ("secondary_ips.auto_assigned.per_subnet", &["1", "2", "3", "4", "5", "6", "7"]),
];

/// Whether an attribute asks for what a lab does not do.
pub fn attribute_without_effect(key: &str, value: &str) -> bool {
    WITHOUT_EFFECT.iter().any(|(name, values)| *name == key && values.contains(&value))
        || key == "target_health_state.unhealthy.draining_interval_seconds" && value != "0"
}

fn check(whose: &str, key: &str, value: &str, known: Option<&(&str, Values)>) -> Result<(), Refusal> {
    match known {
        None => Err(validation(format!("{whose} attribute key '{key}' is not recognized"))),
        Some((_, values)) if !values.take(value) => {
            Err(validation(format!("{whose} attribute value '{value}' is not valid for key '{key}'"))
                .help(format!("it may be {}", values.describe())))
        }
        Some(_) => Ok(()),
    }
}

/// How many of some targets must be healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinimumHealthy {
    /// At least so many; 0 where it is off.
    pub count: u32,
    /// At least so many of a hundred; 0 where it is off.
    pub percentage: u32,
}

impl MinimumHealthy {
    /// Unless said otherwise.
    pub const ONE: Self = Self { count: 1, percentage: 0 };

    /// So many of so many are enough.
    pub fn is_met(self, healthy: usize, all: usize) -> bool {
        healthy >= self.count as usize && healthy * 100 >= self.percentage as usize * all
    }
}

impl TargetGroup {
    fn flag(&self, key: &str, default: bool) -> bool {
        self.attributes.get(key).map_or(default, |value| value == "true")
    }

    fn number(&self, key: &str, default: u32) -> u32 {
        self.attributes.get(key).map_or(default, |value| value.parse().unwrap_or(0))
    }

    fn minimum(&self, what: &str) -> MinimumHealthy {
        let number = |unit: &str, default| {
            self.number(&format!("target_group_health.{what}.minimum_healthy_targets.{unit}"), default)
        };
        MinimumHealthy { count: number("count", 1), percentage: number("percentage", 0) }
    }

    /// What must be healthy of what a node may use, or it uses all of it.
    pub fn minimum_for_routing(&self) -> MinimumHealthy {
        self.minimum("unhealthy_state_routing")
    }

    /// What must be healthy of what a node may use, or its address leaves DNS.
    pub fn minimum_for_dns(&self) -> MinimumHealthy {
        self.minimum("dns_failover")
    }

    /// Targets see the client: instances unless said otherwise, addresses only when it is said; UDP always (B9).
    pub fn preserves_client_ip(&self) -> bool {
        let udp = matches!(self.protocol.as_str(), "UDP" | "TCP_UDP");
        udp || self.flag("preserve_client_ip.enabled", self.target_type == "instance")
    }

    /// Targets hear of the client by PROXY protocol v2.
    pub fn speaks_proxy_protocol(&self) -> bool {
        self.flag("proxy_protocol_v2.enabled", false)
    }

    /// A client's flows all go to one target.
    pub fn is_sticky(&self) -> bool {
        self.flag("stickiness.enabled", false)
    }

    /// Nodes use targets of other zones: the group's own word, or its load balancer's.
    pub fn crosses_zones(&self, balancer: &LoadBalancer) -> bool {
        let of = |attributes: &BTreeMap<String, String>| attributes.get(CROSS_ZONE).cloned();
        let own = of(&self.attributes).filter(|value| value != "use_load_balancer_configuration");
        own.or_else(|| of(&balancer.attributes)).is_some_and(|value| value == "true")
    }

    /// How long a deregistered target drains.
    pub fn deregistration_delay(&self) -> Duration {
        Duration::from_secs(self.number("deregistration_delay.timeout_seconds", 300).into())
    }

    /// What still stands then is cut: always for UDP.
    pub fn cuts_deregistered(&self) -> bool {
        self.protocol == "UDP" || self.flag("deregistration_delay.connection_termination.enabled", false)
    }

    /// Connections of a target that becomes unhealthy are cut.
    pub fn cuts_unhealthy(&self) -> bool {
        self.flag("target_health_state.unhealthy.connection_termination.enabled", true)
    }
}
