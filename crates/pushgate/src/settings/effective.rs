use std::fmt;

/// The settings that are in force, secrets redacted, as TOML in the order of reading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effective {
    values: Vec<Line>,
    tables: Vec<(String, Content)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Line {
    Set(String, toml::Value),
    TakenOver(String, toml::Value),
    Unset(String),
    Remark(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Content {
    Table(Effective),
    List(Vec<Effective>),
}

impl Effective {
    /// A key and its value.
    pub(super) fn set(&mut self, key: &str, value: toml::Value) {
        self.values.push(Line::Set(key.to_owned(), value));
    }

    /// A key that is not given, and the value that holds instead.
    pub(super) fn take_over(&mut self, key: &str, value: toml::Value) {
        self.values.push(Line::TakenOver(key.to_owned(), value));
    }

    /// A line for people.
    pub(super) fn remark(&mut self, text: &str) {
        self.values.push(Line::Remark(text.replace(char::is_control, "\u{fffd}")));
    }

    /// A line for people in the place of a key.
    pub(super) fn remark_on(&mut self, key: &str, text: &str) {
        self.values.retain(|line| !matches!(line, Line::Set(set, _) if set == key));
        self.remark(text);
    }

    /// A key that has no default and is not given.
    pub(super) fn unset(&mut self, key: &str) {
        self.values.push(Line::Unset(key.to_owned()));
    }

    /// A section.
    pub(super) fn table(&mut self, key: &str, table: Self) {
        self.tables.push((key.to_owned(), Content::Table(table)));
    }

    /// A list of sections.
    pub(super) fn list(&mut self, key: &str, list: Vec<Self>) {
        self.tables.push((key.to_owned(), Content::List(list)));
    }

    /// What is given here and in the tables below, as JSON.
    pub(super) fn given(&self) -> serde_json::Map<String, serde_json::Value> {
        let values = self.values.iter().filter_map(|line| match line {
            Line::Set(key, value) => Some((key.clone(), json(value))),
            Line::TakenOver(..) | Line::Unset(_) | Line::Remark(_) => None,
        });
        let tables = self.tables.iter().filter_map(|(key, content)| match content {
            Content::Table(table) => Some((key.clone(), table.given().into())),
            Content::List(_) => None,
        });
        values.chain(tables).collect()
    }

    /// Path and value of every key that has a value here and does not have the same one there, or the reverse; lists are
    /// not looked at. In the order of reading.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let (ours, theirs) = (self.leaves(""), other.leaves(""));
        let changed = ours.iter().filter(|(path, value)| !theirs.contains(&(path.clone(), *value)));
        let is_ours = |path: &String| ours.iter().any(|(ours, _)| ours == path);
        let new = theirs.iter().filter(|(path, _)| !is_ours(path));
        changed.chain(new).map(|(path, _)| path.clone()).collect()
    }

    fn leaves(&self, above: &str) -> Vec<(String, &toml::Value)> {
        let path_of = |key: &str| if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") };
        let values = self.values.iter().filter_map(|line| match line {
            Line::Set(key, value) | Line::TakenOver(key, value) => Some((path_of(key), value)),
            Line::Unset(_) | Line::Remark(_) => None,
        });
        let tables = self.tables.iter().flat_map(|(key, content)| match content {
            Content::Table(table) => table.leaves(&path_of(key)),
            Content::List(_) => Vec::new(),
        });
        values.chain(tables).collect()
    }

    /// Without its lists, which may be long.
    pub(crate) fn without_lists(&self) -> Self {
        let tables = self.tables.iter().filter(|(_, content)| matches!(content, Content::Table(_)));
        Self { values: self.values.clone(), tables: tables.cloned().collect() }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, path: &str) -> fmt::Result {
        for line in &self.values {
            match line {
                Line::Set(key, value) | Line::TakenOver(key, value) => {
                    writeln!(f, "{} = {value}", bare_or_quoted(key))?;
                }
                Line::Unset(key) => writeln!(f, "# {} is not set", bare_or_quoted(key))?,
                Line::Remark(text) => writeln!(f, "# {text}")?,
            }
        }
        for (key, content) in &self.tables {
            let key = bare_or_quoted(key);
            let path = if path.is_empty() { key } else { format!("{path}.{key}") };
            match content {
                Content::Table(table) => {
                    writeln!(f, "\n[{path}]")?;
                    table.write(f, &path)?;
                }
                Content::List(list) => {
                    for table in list {
                        writeln!(f, "\n[[{path}]]")?;
                        table.write(f, &path)?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "")
    }
}

fn json(value: &toml::Value) -> serde_json::Value {
    serde_json::to_value(value).expect("the keys of a TOML value are texts")
}

/// A key as TOML wants it.
fn bare_or_quoted(key: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !key.is_empty() && key.bytes().all(bare) {
        return key.to_owned();
    }
    let mut quoted = String::from('"');
    for c in key.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.extend(format!("\\u{:04X}", u32::from(c)).chars()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_toml_that_says_the_same() {
        let mut inner = Effective::default();
        inner.set("a\"b\\ \n.c", "multi\nline \"quoted\"".into());
        let mut effective = Effective::default();
        effective.list("list", vec![inner.clone(), inner.clone()]);
        effective.table("odd key", inner);
        effective.set("secret", toml::Value::Table([("env".to_owned(), "NAME".into())].into_iter().collect()));
        effective.unset("ca_file");
        effective.remark("two\nlines");
        let text = effective.to_string();
        let read: toml::Table = text.parse().unwrap();
        assert_eq!(read["secret"]["env"].as_str(), Some("NAME"));
        for table in [&read["list"][1], &read["odd key"]] {
            assert_eq!(table["a\"b\\ \n.c"].as_str(), Some("multi\nline \"quoted\""));
        }
        assert!(text.contains("# ca_file is not set\n"));
        assert_eq!(read.len(), 3);
    }

    #[test]
    fn what_is_given_is_told_apart_from_what_is_taken_over() {
        let mut headers = Effective::default();
        headers.set("X", "***".into());
        let mut effective = Effective::default();
        effective.set("enabled", true.into());
        effective.take_over("ack", "stored".into());
        effective.unset("url");
        effective.remark("a");
        effective.table("headers", headers);
        let given = serde_json::Value::from(effective.given());
        assert_eq!(given, serde_json::json!({ "enabled": true, "headers": { "X": "***" } }));
    }

    #[test]
    fn differences_are_found_on_every_level_and_in_both_directions() {
        let section = |keys: &[(&str, i64)]| {
            let mut section = Effective::default();
            for (key, value) in keys {
                section.set(key, (*value).into());
            }
            section
        };
        let root = |top: &[(&str, i64)], below: &[(&str, i64)], tenants: i64| {
            let mut root = section(top);
            root.table("server", section(below));
            root.list("tenants", vec![section(&[("id", tenants)])]);
            root
        };
        let old = root(&[("a", 1), ("b", 1)], &[("bind", 1), ("workers", 1)], 1);
        let new = root(&[("a", 1), ("c", 1)], &[("bind", 2), ("workers", 1)], 2);
        assert_eq!(new.differences(&old), ["c", "server.bind", "b"]);
        assert_eq!(new.differences(&new), [""; 0]);
        assert_eq!(new.without_lists().differences(&new), [""; 0]);
    }
}
