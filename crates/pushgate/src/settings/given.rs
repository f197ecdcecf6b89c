use config::{Value, ValueKind};

use super::origin::Origin;

/// The longest piece of a value that is shown, in characters.
const SHOWN: usize = 80;

/// One value as it was given.
#[derive(Clone)]
pub(super) struct Given {
    /// The path of its key.
    pub(super) path: String,
    /// Where it comes from.
    pub(super) origin: Origin,
    /// What it is.
    pub(super) kind: ValueKind,
}

/// How much of a value a mistake may show.
#[derive(Clone, Copy)]
pub(super) enum Shown {
    /// All of it.
    Value,
    /// Whether it is a text, a number, a table: it may be a secret, or hold one.
    Kind,
    /// Nothing.
    Nothing,
}

impl Given {
    pub(super) fn new(path: String, value: Value) -> Self {
        Self { path, origin: origin_of(&value), kind: value.kind }
    }

    /// The text, when it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            ValueKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, when it is one. The environment knows only texts.
    pub(super) fn integer(&self) -> Option<i64> {
        match (&self.kind, &self.origin) {
            (ValueKind::I64(number), _) => Some(*number),
            (ValueKind::String(text), Origin::Env(_)) => text.parse().ok(),
            _ => None,
        }
    }

    /// The truth value, when it is one. The environment knows only texts.
    pub(super) fn boolean(&self) -> Option<bool> {
        match (&self.kind, &self.origin) {
            (ValueKind::Boolean(value), _) => Some(*value),
            (ValueKind::String(text), Origin::Env(_)) => text.parse().ok(),
            _ => None,
        }
    }

    /// The items, each under a path of its own, when it is a list of at most `max`. In the environment a text is one.
    pub(super) fn items(&self, max: usize) -> Option<Vec<Self>> {
        let item = |(index, kind, origin)| Self { path: format!("{}[{index}]", self.path), origin, kind };
        let items: Vec<_> = match (&self.kind, &self.origin) {
            (ValueKind::Array(values), _) => {
                let values = values.iter().take(max + 1).enumerate();
                values.map(|(index, value)| item((index, value.kind.clone(), origin_of(value)))).collect()
            }
            (ValueKind::String(text), Origin::Env(_)) => {
                let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty()).take(max + 1).enumerate();
                texts.map(|(index, text)| item((index, text.into(), self.origin.clone()))).collect()
            }
            _ => return None,
        };
        Some(items).filter(|items| items.len() <= max)
    }

    /// What a mistake shows of it.
    pub(super) fn shown(&self, shown: Shown) -> Option<String> {
        match shown {
            Shown::Value => Some(self.value()),
            Shown::Kind => Some(self.kind_name().to_owned()),
            Shown::Nothing => None,
        }
    }

    fn value(&self) -> String {
        match &self.kind {
            ValueKind::String(text) if text.chars().count() > SHOWN => {
                format!("{:?}…", text.chars().take(SHOWN).collect::<String>())
            }
            ValueKind::String(text) => format!("{text:?}"),
            ValueKind::I64(number) => number.to_string(),
            ValueKind::Float(number) => number.to_string(),
            ValueKind::Boolean(value) => value.to_string(),
            _ => self.kind_name().to_owned(),
        }
    }

    fn kind_name(&self) -> &'static str {
        match self.kind {
            ValueKind::Nil => "nothing",
            ValueKind::Boolean(_) => "a boolean",
            ValueKind::String(_) => "a string",
            ValueKind::Table(_) => "a table",
            ValueKind::Array(_) => "a list",
            _ => "a number",
        }
    }
}

/// Where a value comes from. A table that was merged has no origin of its own: the first of its keys tells.
pub(super) fn origin_of(value: &Value) -> Origin {
    if let Some(text) = value.origin() {
        return Origin::decode(text);
    }
    match &value.kind {
        ValueKind::Table(table) => {
            let first = table.iter().min_by_key(|(key, _)| key.as_str());
            first.map_or(Origin::Default, |(_, value)| origin_of(value))
        }
        _ => Origin::Default,
    }
}
