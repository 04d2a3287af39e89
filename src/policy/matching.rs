//! Whether a statement is about a request, element by element.

use super::document::Document;
use super::facts::Facts;
use super::principals::{Reach, Reading};
use super::statement::Statement;

/// What a document says to a request: numbers of statements.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    /// The first that denies.
    pub(super) deny: Option<usize>,
    /// The one that allows and names the principal most closely; the first of those.
    pub(super) allow: Option<(usize, Reach)>,
}

impl Document {
    /// Asks each statement.
    pub(super) fn says(&self, facts: &Facts<'_>, reading: Reading) -> Said {
        let mut said = Said::default();
        for (index, statement) in self.statements().iter().enumerate() {
            let settled = match statement.allows {
                true => said.allow.is_some_and(|(_, reach)| reach == Reach::Itself),
                false => said.deny.is_some(),
            };
            if settled {
                continue;
            }
            let Some(reach) = statement.applies(facts, reading) else { continue };
            if !statement.allows {
                said.deny = Some(index);
            } else if said.allow.is_none_or(|(_, before)| before < reach) {
                said.allow = Some((index, reach));
            }
        }
        said
    }
}

impl Statement {
    /// How it names the principal, when it is about the request. An identity policy means whom it hangs on.
    fn applies(&self, facts: &Facts<'_>, reading: Reading) -> Option<Reach> {
        if !self.has_action(facts) || !self.has_resource(facts) {
            return None;
        }
        let reach = self.reach(facts, reading)?;
        self.conditions.iter().all(|it| it.holds(facts)).then_some(reach)
    }

    pub(super) fn has_action(&self, facts: &Facts<'_>) -> bool {
        self.actions.patterns.iter().any(|it| it.matches_plainly(&facts.action)) != self.actions.not
    }

    /// A pattern whose variable has no value matches nothing: a `NotResource` with it then means every resource.
    pub(super) fn has_resource(&self, facts: &Facts<'_>) -> bool {
        let Some(resources) = &self.resources else { return true };
        resources.patterns.iter().any(|it| it.matches(&facts.request.resource, facts)) != resources.not
    }

    pub(super) fn reach(&self, facts: &Facts<'_>, reading: Reading) -> Option<Reach> {
        match &self.principals {
            None => Some(Reach::Itself),
            Some(principals) => principals.reach(&facts.request.principal, facts.arn.as_deref(), reading),
        }
    }
}
