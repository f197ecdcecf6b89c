//! The layers: built-in defaults, each file in order, the environment.
//!
//! `config` merges them, table by table and key by key; a list in a later layer takes the place of the list before.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use config::{ConfigError, Environment, Map, Source, Value, ValueKind};

use super::{
    document::{self, DocumentError},
    origin::Origin,
    report::Report,
};

const DEFAULTS: &str = include_str!("defaults.toml");
/// The largest file, in bytes: room for some hundred thousand tenants, and a bound for a wrong path.
const MAX_FILE: u64 = 64 << 20;
const PREFIX: &str = "PUSHGATE";
const SEPARATOR: &str = "__";
/// Where the tree hangs while it is merged.
const ROOT: &str = "root";
/// The secrets outside of lists. A layer that gives one means it as a whole: `{ file = … }` must not be merged with an
/// `{ env = … }` of a layer before.
const SECRETS: [(&str, &str); 2] = [("admin", "token"), ("auth", "key")];

/// All layers as one tree, whose values tell their [`Origin`]. Files that can't be used are reported and left out.
pub(super) fn merge(files: &[PathBuf], report: &Report<'_>) -> Map<String, Value> {
    let defaults = document::parse(DEFAULTS, |_| Origin::Default).expect("the built-in defaults are TOML");
    let mut layers = vec![Layer::of_document(defaults)];
    layers.extend(files.iter().filter_map(|file| read_file(file, report)).map(Layer::of_document));
    layers.push(Layer::of_environment(report.all_env()));
    // A `ConfigBuilder` would merge all once more and forget the origins of tables.
    let mut merged: Value = Map::<String, Value>::new().into();
    for layer in layers {
        layer.collect_to(&mut merged).expect("every layer was parsed before");
    }
    match merged.kind {
        ValueKind::Table(mut root) => root.remove(ROOT).and_then(|tree| tree.into_table().ok()).unwrap_or_default(),
        _ => unreachable!("the root of a configuration is a table"),
    }
}

/// One file, or nothing when it can't be used.
fn read_file(path: &Path, report: &Report<'_>) -> Option<Map<String, Value>> {
    let broken = |errors: Vec<DocumentError>| {
        let name = path.display().to_string();
        for error in errors {
            report.broken_file(&name, error.line, error.message);
        }
    };
    document::read(path, MAX_FILE).map_err(broken).ok()
}

/// One layer: trees that are merged one after the other.
#[derive(Clone)]
struct Layer(Vec<Tree>);

/// A whole document, or the path to a single value. It is merged below one key, because `config` takes the keys at the
/// root for paths (`a.b[3]`), which no key of a file is meant to be.
#[derive(Clone)]
struct Tree(Value);

impl Layer {
    fn of_document(values: Map<String, Value>) -> Self {
        Self(vec![Tree(values.into())])
    }

    /// Long paths go first: should both `…__SERVER` and `…__SERVER__BIND` be set, then the former is seen to be wrong.
    fn of_environment(env: &[(String, String)]) -> Self {
        let environment = Environment::with_prefix(PREFIX).prefix_separator(SEPARATOR).separator(SEPARATOR);
        let source = environment.source(Some(env.iter().cloned().collect()));
        let mut values: Vec<_> = source.collect().expect("all texts are UTF-8").into_iter().collect();
        values.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        Self(values.into_iter().map(|(path, value)| Tree::of_variable(&path, value.kind)).collect())
    }
}

impl Tree {
    fn of_variable(path: &str, kind: ValueKind) -> Self {
        let name = format!("{PREFIX}{SEPARATOR}{}", path.replace('.', SEPARATOR).to_uppercase());
        let value = Value::new(Some(&Origin::Env(name).encode()), kind);
        let nest = |inner, key: &str| Map::from([(key.to_owned(), inner)]).into();
        Self(path.split('.').rev().fold(value, nest))
    }

    fn gives(&self, (section, key): (&str, &str)) -> bool {
        child(&self.0, section).and_then(|section| child(section, key)).is_some()
    }
}

fn child<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    match &value.kind {
        ValueKind::Table(table) => table.get(key),
        _ => None,
    }
}

fn child_mut<'v>(value: &'v mut Value, key: &str) -> Option<&'v mut Value> {
    match &mut value.kind {
        ValueKind::Table(table) => table.get_mut(key),
        _ => None,
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        let mut merged: Value = Map::<String, Value>::new().into();
        self.collect_to(&mut merged)?;
        merged.into_table()
    }

    fn collect_to(&self, cache: &mut Value) -> Result<(), ConfigError> {
        for secret in SECRETS {
            let (section, key) = secret;
            if self.0.iter().any(|tree| tree.gives(secret))
                && let Some(section) = child_mut(cache, ROOT).and_then(|root| child_mut(root, section))
                && let ValueKind::Table(section) = &mut section.kind
            {
                section.remove(key);
            }
        }
        for tree in &self.0 {
            tree.collect_to(cache)?;
            if let Some(root) = child_mut(cache, ROOT) {
                tell_origins(root, &tree.0);
            }
        }
        Ok(())
    }
}

/// Tables that `config` merges lose their origins: the last layer that has one tells.
fn tell_origins(merged: &mut Value, given: &Value) {
    let ValueKind::Table(given_table) = &given.kind else { return };
    for (key, given) in given_table {
        if let Some(inner) = child_mut(merged, key) {
            tell_origins(inner, given);
        }
    }
    if let (ValueKind::Table(_), Some(origin)) = (&merged.kind, given.origin()) {
        let kind = std::mem::take(&mut merged.kind);
        *merged = Value::new(Some(&origin.to_owned()), kind);
    }
}

impl Source for Tree {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(Map::from([(ROOT.to_owned(), self.0.clone())]))
    }
}

/// Values may be secrets, so none is shown.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tree")
    }
}
