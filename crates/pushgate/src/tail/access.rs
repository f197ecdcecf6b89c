use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::minter::Minter;
use crate::{failure::Failure, settings::secret_of_file};

/// Where a token may be given beside a file.
const VARIABLE: &str = "PUSHGATE_TOKEN";

/// Who asks.
#[derive(Debug)]
pub(super) enum Access {
    /// Nobody in particular.
    Anonymous,
    /// Who holds this token.
    Token(SecretString),
    /// Who holds the token of this file, which may be exchanged at any time.
    File(PathBuf),
    /// Who has the gateway's own secret.
    Own(Minter),
}

impl Access {
    /// By the file, by the environment, else by the gateway's own secret.
    pub(super) fn find(file: Option<PathBuf>, env: &[(String, String)], own: Option<Minter>) -> Result<Self, Failure> {
        let variable = env.iter().find(|(name, value)| name == VARIABLE && !value.trim().is_empty());
        match (file, variable) {
            (Some(_), Some(_)) => Err(Failure::Usage(format!("--token-file and {VARIABLE}: give one of them"))),
            (Some(file), None) => Ok(Self::File(file)),
            (None, Some((_, token))) => Ok(Self::Token(token.trim().into())),
            (None, None) => Ok(own.map_or(Self::Anonymous, Self::Own)),
        }
    }

    /// The token for the next connect.
    pub(super) fn token(&self) -> Result<Option<SecretString>, Failure> {
        match self {
            Self::Anonymous => Ok(None),
            Self::Token(token) => Ok(Some(token.clone())),
            Self::Own(minter) => Ok(Some(minter.token())),
            Self::File(file) => read(file).map(Some).map_err(|what| Failure::Usage(format!("--token-file: {what}"))),
        }
    }
}

fn read(file: &Path) -> Result<SecretString, String> {
    let text = secret_of_file(file)?;
    let token = text.expose_secret().trim();
    if token.is_empty() { Err(format!("the file {} is empty", file.display())) } else { Ok(token.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn env(value: &str) -> Vec<(String, String)> {
        vec![("PATH".to_owned(), "/bin".to_owned()), (VARIABLE.to_owned(), value.to_owned())]
    }

    fn text(access: &Access) -> Option<String> {
        access.token().unwrap().map(|token| token.expose_secret().to_owned())
    }

    #[test]
    fn a_token_comes_from_the_environment_or_from_a_file() {
        assert_eq!(text(&Access::find(None, &[], None).unwrap()), None);
        assert_eq!(text(&Access::find(None, &env(" "), None).unwrap()), None);
        assert_eq!(text(&Access::find(None, &env("one"), None).unwrap()).as_deref(), Some("one"));
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"two\n").unwrap();
        let access = Access::find(Some(file.path().to_owned()), &env(""), None).unwrap();
        assert_eq!(text(&access).as_deref(), Some("two"));
        std::fs::write(file.path(), "three").unwrap();
        assert_eq!(text(&access).as_deref(), Some("three"), "it was exchanged");
    }

    #[test]
    fn what_gives_no_token_is_wrong_usage() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let empty = Access::find(Some(file.path().to_owned()), &[], None).unwrap();
        assert!(matches!(empty.token(), Err(Failure::Usage(_))));
        let missing = Access::find(Some(file.path().join("no")), &[], None).unwrap();
        assert!(matches!(missing.token(), Err(Failure::Usage(_))));
        let both = Access::find(Some(file.path().to_owned()), &env("one"), None);
        assert!(matches!(both, Err(Failure::Usage(_))));
    }
}
