use std::fmt;

/// One thing that is wrong in the settings. Never carries a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands: `file:line`, or the name of an environment variable.
    pub place: String,
    /// The path of the key, as `upstream.backoff.max`; empty when a whole file is meant.
    pub key: String,
    /// What was given, when it may be shown.
    pub given: Option<String>,
    /// What is wrong and what is allowed instead.
    pub allowed: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match (self.key.as_str(), &self.given) {
            ("", _) => f.write_str(&self.allowed),
            (key, Some(given)) => write!(f, "{key} = {given}: {}", self.allowed),
            (key, None) => write!(f, "{key}: {}", self.allowed),
        }
    }
}

/// Everything that is wrong in the settings, in the order of the sections.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "{} mistake{plural} in the configuration", self.0.len())?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}
