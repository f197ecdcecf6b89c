use std::fmt;

/// Where a value comes from.
///
/// `config` keeps one text beside each value; [`Origin::encode`] makes it and [`Origin::decode`] reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Built in.
    Default,
    /// A request to the admin API.
    Request,
    /// An environment variable.
    Env(String),
    /// A line of a file, counted from 1.
    File {
        /// As given on the command line.
        path: String,
        /// Where the value stands.
        line: usize,
    },
}

impl Origin {
    /// The text that `config` keeps.
    pub(super) fn encode(&self) -> String {
        match self {
            Self::Default => "default".to_owned(),
            Self::Request => "request".to_owned(),
            Self::Env(name) => format!("env {name}"),
            Self::File { path, line } => format!("file {line} {path}"),
        }
    }

    /// The origin of a text made by [`encode`](Self::encode).
    pub(super) fn decode(text: &str) -> Self {
        match text.split_once(' ') {
            Some(("env", name)) => Self::Env(name.to_owned()),
            Some(("file", rest)) => {
                let (line, path) = rest.split_once(' ').unwrap_or(("0", rest));
                Self::File { path: path.to_owned(), line: line.parse().unwrap_or(0) }
            }
            None if text == "request" => Self::Request,
            _ => Self::Default,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("built-in default"),
            Self::Request => f.write_str("the request"),
            Self::Env(name) => f.write_str(name),
            Self::File { path, line: 0 } => f.write_str(path),
            Self::File { path, line } => write!(f, "{path}:{line}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for origin in [
            Origin::Default,
            Origin::Request,
            Origin::Env("PUSHGATE__SERVER__BIND".to_owned()),
            Origin::File { path: "a folder/env file.toml".to_owned(), line: 12 },
        ] {
            assert_eq!(Origin::decode(&origin.encode()), origin);
        }
    }
}
