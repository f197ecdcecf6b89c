use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use secrecy::SecretString;

use crate::failure::Failure;

/// Where a token may be given beside a file.
const VARIABLE: &str = "PUSHGATE_TOKEN";
/// The largest file that is looked at for a token, in bytes: gateways take far shorter ones.
const MAX_FILE: u64 = 64 << 10;

/// Who asks.
#[derive(Debug)]
pub(super) enum Access {
    /// Nobody in particular.
    Anonymous,
    /// Who holds this token.
    Token(SecretString),
    /// Who holds the token of this file, which may be exchanged at any time.
    File(PathBuf),
}

impl Access {
    /// By the file, else by the environment.
    pub(super) fn find(file: Option<PathBuf>, env: &[(String, String)]) -> Result<Self, Failure> {
        let variable = env.iter().find(|(name, value)| name == VARIABLE && !value.trim().is_empty());
        match (file, variable) {
            (Some(_), Some(_)) => Err(Failure::Usage(format!("--token-file and {VARIABLE}: give one of them"))),
            (Some(file), None) => Ok(Self::File(file)),
            (None, Some((_, token))) => Ok(Self::Token(token.trim().into())),
            (None, None) => Ok(Self::Anonymous),
        }
    }

    /// The token for the next connect.
    pub(super) fn token(&self) -> Result<Option<SecretString>, Failure> {
        match self {
            Self::Anonymous => Ok(None),
            Self::Token(token) => Ok(Some(token.clone())),
            Self::File(file) => {
                read(file).map(Some).map_err(|what| Failure::Usage(format!("--token-file {}: {what}", file.display())))
            }
        }
    }
}

fn read(file: &Path) -> Result<SecretString, String> {
    let mut text = String::new();
    let read = File::open(file).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text));
    read.map_err(|error| error.to_string())?;
    let token = text.trim();
    if token.is_empty() { Err("is empty".to_owned()) } else { Ok(token.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn env(value: &str) -> Vec<(String, String)> {
        vec![("PATH".to_owned(), "/bin".to_owned()), (VARIABLE.to_owned(), value.to_owned())]
    }

    fn text(access: &Access) -> Option<String> {
        access.token().unwrap().map(|token| token.expose_secret().to_owned())
    }

    #[test]
    fn a_token_comes_from_the_environment_or_from_a_file() {
        assert_eq!(text(&Access::find(None, &[]).unwrap()), None);
        assert_eq!(text(&Access::find(None, &env(" ")).unwrap()), None);
        assert_eq!(text(&Access::find(None, &env("one")).unwrap()).as_deref(), Some("one"));
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"two\n").unwrap();
        let access = Access::find(Some(file.path().to_owned()), &env("")).unwrap();
        assert_eq!(text(&access).as_deref(), Some("two"));
        std::fs::write(file.path(), "three").unwrap();
        assert_eq!(text(&access).as_deref(), Some("three"), "it was exchanged");
    }

    #[test]
    fn what_gives_no_token_is_wrong_usage() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let empty = Access::find(Some(file.path().to_owned()), &[]).unwrap();
        assert!(matches!(empty.token(), Err(Failure::Usage(_))));
        let missing = Access::find(Some(file.path().join("no")), &[]).unwrap();
        assert!(matches!(missing.token(), Err(Failure::Usage(_))));
        let both = Access::find(Some(file.path().to_owned()), &env("one"));
        assert!(matches!(both, Err(Failure::Usage(_))));
    }
}
