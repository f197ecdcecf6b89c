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
    Unset(String),
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

    fn write(&self, f: &mut fmt::Formatter<'_>, path: &str) -> fmt::Result {
        for line in &self.values {
            match line {
                Line::Set(key, value) => writeln!(f, "{} = {value}", bare_or_quoted(key))?,
                Line::Unset(key) => writeln!(f, "# {} is not set", bare_or_quoted(key))?,
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
        let text = effective.to_string();
        let read: toml::Table = text.parse().unwrap();
        assert_eq!(read["secret"]["env"].as_str(), Some("NAME"));
        for table in [&read["list"][1], &read["odd key"]] {
            assert_eq!(table["a\"b\\ \n.c"].as_str(), Some("multi\nline \"quoted\""));
        }
        assert!(text.contains("# ca_file is not set\n"));
        assert_eq!(read.len(), 3);
    }
}
