use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use super::{
    given::{Given, Shown},
    mistake::Mistake,
    origin::Origin,
};

/// What all sections share while the settings are read: the mistakes so far, what was given where, the environment.
pub(super) struct Report<'e> {
    /// The environment, for secrets.
    env: &'e [(String, String)],
    mistakes: RefCell<Vec<Mistake>>,
    /// Origin and text of each valid key that is no secret, by its path.
    given: RefCell<HashMap<String, (Origin, String)>>,
    /// Whether a file could not be read, so that what is absent may stand there.
    incomplete: Cell<bool>,
}

impl<'e> Report<'e> {
    pub(super) fn new(env: &'e [(String, String)]) -> Self {
        Self { env, mistakes: RefCell::default(), given: RefCell::default(), incomplete: Cell::default() }
    }

    /// The value of an environment variable.
    pub(super) fn env(&self, name: &str) -> Option<&'e str> {
        self.env.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All environment variables.
    pub(super) fn all_env(&self) -> &'e [(String, String)] {
        self.env
    }

    /// A file that can't be used.
    pub(super) fn broken_file(&self, path: &str, line: usize, what: String) {
        self.incomplete.set(true);
        self.add(&Origin::File { path: path.to_owned(), line }, "", None, what);
    }

    /// A value that is not allowed.
    pub(super) fn wrong(&self, given: &Given, shown: Shown, allowed: impl Into<String>) {
        self.add(&given.origin, &given.path, given.shown(shown), allowed.into());
    }

    /// A place, and a key there or all of it, that is wrong for what is not in its value.
    pub(super) fn refuse(&self, origin: &Origin, path: &str, allowed: impl Into<String>) {
        self.add(origin, path, None, allowed.into());
    }

    /// A key that nobody reads. Its value is not shown: it may be a secret under a wrong name.
    pub(super) fn unknown(&self, origin: &Origin, path: &str, allowed: String) {
        self.add(origin, path, None, allowed);
    }

    /// A key that must be given and is not; `origin` is where its section stands.
    pub(super) fn missing(&self, origin: &Origin, path: &str, allowed: impl Into<String>) {
        if !self.incomplete.get() {
            self.add(origin, path, None, allowed.into());
        }
    }

    /// Remembers a valid value, for [`contradiction`](Self::contradiction).
    pub(super) fn note(&self, given: &Given, text: String) {
        self.given.borrow_mut().insert(given.path.clone(), (given.origin.clone(), text));
    }

    /// Values that are allowed each by itself, but not together. Listed at the first of `paths` that is no default.
    pub(super) fn contradiction(&self, paths: &[&str], allowed: impl Into<String>) {
        if self.incomplete.get() {
            return;
        }
        let given = self.given.borrow();
        let found: Vec<_> = paths.iter().filter_map(|path| Some((path, given.get(*path)?))).collect();
        let explicit = found.iter().find(|(_, (origin, _))| *origin != Origin::Default);
        if let Some((path, (origin, text))) = explicit.or(found.first()) {
            self.add(origin, path, Some(text.clone()), allowed.into());
        }
    }

    /// Whether a whole layer is missing.
    pub(super) fn is_incomplete(&self) -> bool {
        self.incomplete.get()
    }

    /// All mistakes.
    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        self.mistakes.into_inner()
    }

    fn add(&self, origin: &Origin, key: &str, given: Option<String>, allowed: String) {
        let mistake = Mistake { place: origin.to_string(), key: key.to_owned(), given, allowed };
        self.mistakes.borrow_mut().push(mistake);
    }
}
