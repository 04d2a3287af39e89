//! Whether a request is allowed, and who says so.
//!
//! The order is AWS's: an explicit deny anywhere ends it; then whatever must allow is asked, and the first that does not is
//! the one reported. <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use std::collections::BTreeSet;
use std::sync::Arc;

use super::condition::Condition;
use super::facts::Facts;
use super::matching::Said;
use super::nearest::{nearest, plain};
use super::principals::{Reach, Reading};
use super::request::{Principal, Request};
use super::statement::Statement;
use super::{Kind, Policy};

/// All policies that have a say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    /// Of the principal: its own, its groups', its role's.
    pub identity: &'a [Arc<Policy>],
    /// Its permissions boundary.
    pub boundary: Option<&'a Policy>,
    /// Of its session; none restricts when empty.
    pub session: &'a [Arc<Policy>],
    /// Of the resource; a role's trust policy where somebody wants to assume it.
    pub resource: Option<&'a Policy>,
    /// Of the endpoint that the request came through.
    pub endpoint: Option<&'a Policy>,
    /// Whether that is a gateway endpoint: in its policy an account means its root user alone, and users and roles mean
    /// nobody (B5).
    pub gateway_endpoint: bool,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Everything that must allow does.
    Allowed,
    /// A statement denies.
    ExplicitDeny,
    /// Something that must allow does not.
    ImplicitDeny,
}

/// A statement in people's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementName {
    /// The policy's name.
    pub policy: String,
    /// AWS's id, ARN or name of what the policy hangs on.
    pub owner: String,
    /// Its Sid, or `statement 2`, counted from 1.
    pub statement: String,
    /// `file:line`, where known.
    pub place: Option<String>,
}

/// The statement that came nearest to allowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// Which.
    pub statement: StatementName,
    /// In what it differs from the request, as a sentence.
    pub differs: String,
}

/// What was decided, by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// How it ends.
    pub effect: Effect,
    /// The kind of policy that decided; `None` where an account's root user needed none.
    pub kind: Option<Kind>,
    /// AWS's id, ARN or name of what that policy hangs on, or would hang on: for an identity policy that is missing, the
    /// principal's ARN; `None` where nobody knows, such as for a resource without a policy.
    pub owner: Option<String>,
    /// The statement that decided; none when nothing allowed.
    pub statement: Option<StatementName>,
    /// For an implicit denial.
    pub nearest: Option<Nearest>,
    /// For an implicit denial, what did not allow, as people say it: `no statement of bucket b`, `no identity policy of Ann`.
    pub lacking: Option<String>,
    /// What was asked, such as `s3:GetObject`.
    pub action: String,
}

/// Decides.
pub fn evaluate(policies: &Policies<'_>, request: &Request) -> Decision {
    Evaluation::new(policies, request).decide()
}

/// Keys of any service that a client's own headers give, in lower case.
const OF_CLIENTS: [&str; 2] = ["aws:useragent", "aws:referer"];

/// The service's own condition keys, and those of clients' headers, that statements about this action and resource look at, and that the request does not have: a
/// live one might have them, and then decide otherwise.
pub fn open_keys(policies: &Policies<'_>, request: &Request) -> BTreeSet<String> {
    let facts = Facts::of(request);
    let service = request.action.split(':').next().unwrap_or_default();
    let single = [policies.boundary, policies.resource, policies.endpoint].into_iter().flatten();
    let all = policies.identity.iter().chain(policies.session).map(|it| it.as_ref()).chain(single);
    let about_it = |statement: &&Statement| statement.has_action(&facts) && statement.has_resource(&facts);
    let conditions =
        all.flat_map(|policy| policy.document.statements().iter().filter(about_it)).flat_map(|it| &it.conditions);
    let is_open = |condition: &&Condition| {
        let (prefix, _) = condition.key.split_once(':').unwrap_or_default();
        let of_request = prefix.eq_ignore_ascii_case(service) || OF_CLIENTS.contains(&condition.key.as_str());
        of_request && facts.values(&condition.key).is_none()
    };
    conditions.filter(is_open).map(|condition| condition.key_name.clone()).collect()
}

/// Each policy asked once.
pub(super) struct Evaluation<'a> {
    pub(super) policies: &'a Policies<'a>,
    pub(super) facts: Facts<'a>,
    /// Of the endpoint's policy.
    reading: Reading,
    identity: Vec<Said>,
    boundary: Option<Said>,
    session: Vec<Said>,
    resource: Option<Said>,
    endpoint: Option<Said>,
}

impl<'a> Evaluation<'a> {
    fn new(policies: &'a Policies<'a>, request: &'a Request) -> Self {
        let facts = Facts::of(request);
        let ask = |policy: &Policy| policy.document.says(&facts, Reading::default());
        // Nobody and services have no identity whose policies could count.
        let has_identity = matches!(request.principal, Principal::User { .. } | Principal::Session { .. });
        let own = if has_identity {
            *policies
        } else {
            Policies { identity: &[], boundary: None, session: &[], ..*policies }
        };
        let reading = Reading { gateway: policies.gateway_endpoint, bounded: own.boundary.is_some() };
        Self {
            identity: own.identity.iter().map(|it| ask(it)).collect(),
            boundary: own.boundary.map(ask),
            session: own.session.iter().map(|it| ask(it)).collect(),
            resource: policies.resource.map(|it| it.document.says(&facts, Reading { gateway: false, ..reading })),
            endpoint: policies.endpoint.map(|it| it.document.says(&facts, reading)),
            reading,
            policies,
            facts,
        }
    }

    fn decide(&self) -> Decision {
        self.denied().unwrap_or_else(|| self.granted())
    }

    /// One policy is named, of several that deny.
    fn denied(&self) -> Option<Decision> {
        let one = |policy: Option<&'a Policy>, said: Option<Said>| Some((policy?, said?.deny?));
        let of = |policies: &'a [Arc<Policy>], said: &[Said]| {
            policies.iter().zip(said).find_map(|(policy, said)| Some((policy.as_ref(), said.deny?)))
        };
        let (policy, index) = one(self.policies.endpoint, self.endpoint)
            .or_else(|| one(self.policies.resource, self.resource))
            .or_else(|| of(self.policies.identity, &self.identity))
            .or_else(|| one(self.policies.boundary, self.boundary))
            .or_else(|| of(self.policies.session, &self.session))?;
        Some(self.by_statement(Effect::ExplicitDeny, policy, index))
    }

    /// Asks what must allow.
    fn granted(&self) -> Decision {
        if let Some(said) = self.endpoint
            && said.allow.is_none()
        {
            return self.implicit(Kind::Endpoint);
        }
        let request = self.facts.request;
        match &request.principal {
            Principal::Anonymous | Principal::Service { .. } => match self.by_resource() {
                Some((decision, _)) => decision,
                None => self.implicit(self.resource_kind()),
            },
            Principal::Root { .. } if self.same_account() && !self.is_trust() => {
                self.by_resource().map_or_else(|| self.unasked(), |(decision, _)| decision)
            }
            // Root may do all that identity policies could allow: only the other account has to.
            Principal::Root { .. } => match self.by_resource() {
                Some((decision, _)) => decision,
                None => self.implicit(self.resource_kind()),
            },
            _ if self.same_account() => self.within_account(),
            _ => self.across_accounts(),
        }
    }

    /// Identity or resource policy: which suffices depends on how closely the resource policy names the principal.
    ///
    /// A user's ARN, a session's ARN and `*` grant to itself, whatever identity policies, boundary and session policies lack.
    /// A role's ARN grants to the role: boundary and session policies must allow. An account leaves it to identity policies.
    /// A trust policy must allow in any case.
    fn within_account(&self) -> Decision {
        match self.by_resource() {
            Some((decision, Reach::Itself)) => decision,
            Some((decision, Reach::Role)) => self.limit().map_or(decision, |kind| self.implicit(kind)),
            None if self.is_trust() => self.implicit(Kind::Trust),
            Some((_, Reach::Account)) | None => match self.by_identity() {
                Some(decision) => self.limit().map_or(decision, |kind| self.implicit(kind)),
                None => self.implicit(Kind::Identity),
            },
        }
    }

    /// Both sides must allow.
    fn across_accounts(&self) -> Decision {
        let Some(decision) = self.by_identity() else { return self.implicit(Kind::Identity) };
        if let Some(kind) = self.limit() {
            return self.implicit(kind);
        }
        if self.by_resource().is_none() { self.implicit(self.resource_kind()) } else { decision }
    }

    /// What bounds the principal and does not allow.
    fn limit(&self) -> Option<Kind> {
        if self.boundary.is_some_and(|said| said.allow.is_none()) {
            return Some(Kind::Boundary);
        }
        let is_restricted = !self.session.is_empty() && self.session.iter().all(|said| said.allow.is_none());
        is_restricted.then_some(Kind::Session)
    }

    fn by_identity(&self) -> Option<Decision> {
        let mut all = self.policies.identity.iter().zip(&self.identity);
        let (policy, index) = all.find_map(|(policy, said)| Some((policy, said.allow?.0)))?;
        Some(self.by_statement(Effect::Allowed, policy, index))
    }

    fn by_resource(&self) -> Option<(Decision, Reach)> {
        let (index, reach) = self.resource?.allow?;
        Some((self.by_statement(Effect::Allowed, self.policies.resource?, index), reach))
    }

    pub(super) fn is_trust(&self) -> bool {
        self.resource_kind() == Kind::Trust
    }

    fn resource_kind(&self) -> Kind {
        self.policies.resource.map_or(Kind::Resource, |policy| policy.kind)
    }

    /// How a policy of a kind reads names.
    pub(super) fn reading(&self, kind: Kind) -> Reading {
        Reading { gateway: self.reading.gateway && kind == Kind::Endpoint, ..self.reading }
    }

    /// A resource whose owner nobody knows belongs to the principal's account: so do actions without a resource.
    pub(super) fn same_account(&self) -> bool {
        same_account(self.facts.request)
    }

    fn by_statement(&self, effect: Effect, policy: &Policy, index: usize) -> Decision {
        Decision {
            effect,
            kind: Some(policy.kind),
            owner: Some(policy.owner.clone()),
            statement: Some(policy.statement_name(index)),
            nearest: None,
            lacking: None,
            action: self.facts.request.action.clone(),
        }
    }

    /// An account's root user in its own account.
    fn unasked(&self) -> Decision {
        Decision {
            effect: Effect::Allowed,
            kind: None,
            owner: None,
            statement: None,
            nearest: None,
            lacking: None,
            action: self.facts.request.action.clone(),
        }
    }

    fn implicit(&self, kind: Kind) -> Decision {
        let policies = self.of_kind(kind);
        let principal = &self.facts.request.principal;
        let owner = match (kind, policies.first()) {
            (Kind::Identity, _) => principal.principal_arn(),
            (_, first) => first.map(|policy| policy.owner.clone()),
        };
        let lacking = match (kind, policies.as_slice()) {
            (Kind::Identity, []) => format!("{} has no identity policy: nothing", principal.name()),
            (Kind::Identity, _) => format!("no identity policy of {}", principal.name()),
            (Kind::Session, _) => format!("no session policy of {}", principal.name()),
            (_, []) => format!("{} has no policy: nothing", plain(&self.facts.request.resource)),
            (_, [policy, ..]) => format!("no statement of {}", policy.name),
        };
        Decision {
            effect: Effect::ImplicitDeny,
            kind: Some(kind),
            owner,
            statement: None,
            nearest: nearest(self, kind),
            lacking: Some(lacking),
            action: self.facts.request.action.clone(),
        }
    }

    /// The policies of a kind that were asked.
    pub(super) fn of_kind(&self, kind: Kind) -> Vec<&'a Policy> {
        let policies = self.policies;
        match kind {
            Kind::Identity => policies.identity.iter().map(|it| it.as_ref()).take(self.identity.len()).collect(),
            Kind::Session => policies.session.iter().map(|it| it.as_ref()).take(self.session.len()).collect(),
            Kind::Boundary => policies.boundary.into_iter().collect(),
            Kind::Resource | Kind::Trust => policies.resource.into_iter().collect(),
            Kind::Endpoint => policies.endpoint.into_iter().collect(),
        }
    }
}

/// Whether a request stays within the principal's account.
pub(super) fn same_account(request: &Request) -> bool {
    match (request.principal.account(), &request.resource_account) {
        (Some(own), Some(owner)) => own == owner,
        (_, None) => true,
        (None, Some(_)) => false,
    }
}

impl Policy {
    /// Its statements as decisions name them: a Sid, or `statement 2`, counted from 1.
    pub fn statement_ids(&self) -> impl Iterator<Item = String> {
        (0..self.document.statements().len()).map(|index| self.statement_name(index).statement)
    }

    pub(super) fn statement_name(&self, index: usize) -> StatementName {
        let sid = self.document.statements().get(index).and_then(|it| it.sid.clone());
        StatementName {
            policy: self.name.clone(),
            owner: self.owner.clone(),
            statement: sid.unwrap_or_else(|| format!("statement {}", index + 1)),
            place: self.places.get(index).filter(|it| !it.is_empty()).cloned(),
        }
    }
}
