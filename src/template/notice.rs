//! What a lab leaves out, said aloud: nothing is silently accepted as working.

use std::fmt;

use super::error::Span;
use crate::model::Source;

/// Something of a template that has no effect in the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Why it has none.
    pub kind: NoticeKind,
    /// What it is, such as ``AWS::IAM::Role `Admin` ``.
    pub subject: String,
    /// Where it is written.
    pub source: Option<Source>,
}

/// Why something has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// Not emulated.
    Ignored,
    /// Understood and kept, but nothing decides by it yet.
    NotEnforced,
    /// A value was made up, because the real one is not known and has no effect.
    Placeholder,
}

impl Notice {
    /// A notice about what is written at a place.
    pub fn at(kind: NoticeKind, span: &Span, subject: impl Into<String>) -> Self {
        Self { kind, subject: subject.into(), source: Some(span.source()) }
    }
}

impl NoticeKind {
    /// The words before the subject.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::NotEnforced => "parsed, not enforced yet",
            Self::Placeholder => "placeholder",
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.label(), self.subject)?;
        match &self.source {
            Some(source) => write!(f, " ({source})"),
            None => Ok(()),
        }
    }
}
