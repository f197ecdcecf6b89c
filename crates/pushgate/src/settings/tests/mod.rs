//! All of the settings together: layers, mistakes, secrets, and the files that come with Pushgate.

use std::path::PathBuf;

use tempfile::TempDir;

use super::{Mistake, Mistakes, Settings};

mod auth;
mod files;
mod folder;
mod layers;
mod mistakes;
mod reader;
mod secrets;
mod server;
mod tenants;
mod values;

/// A certificate and its key, made for these tests and known to nobody who asks for one.
const IDENTITY: &str = include_str!("identity.pem");

/// A set with one key of HS256, of which everybody knows.
const JWKS: &str =
    r#"{"keys":[{"kty":"oct","kid":"a","alg":"HS256","k":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"}]}"#;

/// Files in a folder that is gone afterwards.
struct Files {
    folder: TempDir,
    paths: Vec<PathBuf>,
}

impl Files {
    /// One file for each text: `0.toml`, `1.toml` …
    fn new(texts: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = (0..texts.len()).map(|index| folder.path().join(format!("{index}.toml"))).collect();
        let files = Self { folder, paths };
        for (path, text) in files.paths.iter().zip(texts) {
            std::fs::write(path, text).unwrap();
        }
        files
    }

    fn load(&self, env: &[(&str, &str)]) -> Result<Settings, Mistakes> {
        let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::load(&self.paths, &env)
    }
}

fn load(text: &str) -> Result<Settings, Mistakes> {
    Files::new(&[text]).load(&[])
}

/// Place and key of each mistake, without the folder.
fn places(result: Result<Settings, Mistakes>) -> Vec<(String, String)> {
    let place = |mistake: Mistake| {
        let place = mistake.place.rsplit('/').next().unwrap_or_default().to_owned();
        (place, mistake.key)
    };
    result.expect_err("there are mistakes").0.into_iter().map(place).collect()
}
