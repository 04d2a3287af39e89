//! Why a change was refused, with AWS's error code.

use std::fmt;

/// A refused change. The world is as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// AWS's error code, such as `InvalidSubnet.Conflict`.
    pub code: &'static str,
    /// AWS's message where it is known, ours in its style otherwise.
    pub message: String,
    /// What to do about it; ours.
    pub help: Option<String>,
}

impl Refusal {
    /// A refusal without advice.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refusal {}
