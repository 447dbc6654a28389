//! `scomo package`: list, show, verify.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Client, Connection, Failure, Output};
use crate::infra::depot::{Depot, Loaded, Settings};

/// What to do with delivery packages.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the catalogue
    #[command(after_help = "Example:\n  scomo package list")]
    List(List),
    /// Show one package: all its versions, or one in full
    #[command(after_help = "Example:\n  scomo package show org.example.player 2.1.0")]
    Show(Name),
    /// Check packages in a directory: manifests, sizes, digests; needs no server
    #[command(
        after_help = "Example:\n  scomo package verify packages\n  scomo package verify packages/org.example.player/2.1.0"
    )]
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Name {
    /// The package
    id: String,
    /// Its version
    version: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// A catalogue, a package in it, or one version of a package
    directory: PathBuf,
}

impl Command {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        match self {
            Self::List(list) => list_of(&Client::new(list.connection)?.get(&["packages"], &[]).await?, output),
            Self::Show(Name { id, version: None, connection }) => {
                list_of(&Client::new(connection)?.get(&["packages", &id], &[]).await?, output)
            }
            Self::Show(Name { id, version: Some(version), connection }) => {
                show(&Client::new(connection)?.get(&["packages", &id, &version], &[]).await?, output)
            }
            Self::Verify(verify) => verify.run(output).await,
        }
    }
}

fn list_of(answer: &Value, output: Output) -> Result<(), Failure> {
    let columns = [("PACKAGE", "/id"), ("VERSION", "/version"), ("NAME", "/name"), ("BYTES", "/size")];
    output.list(answer, "packages", &columns, "No packages.")
}

fn show(package: &Value, output: Output) -> Result<(), Failure> {
    let members = [
        ("package", "/id"),
        ("version", "/version"),
        ("name", "/name"),
        ("description", "/description"),
        ("vendor", "/vendor"),
        ("payload", "/payload"),
        ("type", "/pkg_type"),
        ("bytes", "/size"),
        ("sha256", "/sha256"),
        ("applies when", "/when"),
        ("delivery", "/delivery"),
        ("on request", "/on_request"),
        ("components", "/components"),
    ];
    output.record(package, &members)
}

impl Verify {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let (root, below) = catalogue(&self.directory)?;
        let url = root.to_str().with_context(|| format!("{} is no text", root.display()))?.to_owned();
        let loaded = Depot::open(&Settings { url }).context("cannot open the directory")?.load().await;
        let mut loaded = loaded.context("cannot read the directory")?;
        loaded.packages.retain(|found| found.file.starts_with(&below));
        loaded.refused.retain(|refused| refused.file.starts_with(&below));
        report(&loaded, output)?;
        match (loaded.packages.len(), loaded.refused.len()) {
            (0, 0) => Err(Failure::Work(format!("no manifest.toml in {}", self.directory.display()))),
            (_, 0) => Ok(()),
            (_, refused) => Err(Failure::Work(format!("{refused} of the packages cannot be taken"))),
        }
    }
}

fn report(loaded: &Loaded, output: Output) -> Result<(), Failure> {
    if output.json() {
        let sound = loaded.packages.iter().map(|found| json!({ "file": found.file, "manifest": found.manifest }));
        let refused = loaded.refused.iter().map(|no| json!({ "file": no.file, "reasons": no.reasons }));
        return output.value(&json!({ "packages": sound.collect::<Vec<_>>(), "refused": refused.collect::<Vec<_>>() }));
    }
    for found in &loaded.packages {
        output.line(&format!("ok       {}  {} bytes", found.manifest.package(), found.manifest.size))?;
    }
    for refused in &loaded.refused {
        output.line(&format!("refused  {}\n  {}", refused.file, refused.reasons.join("\n  ")))?;
    }
    Ok(())
}

/// The catalogue that a directory is or is in, and the directory's place there: a package stands in a folder of its version in
/// a folder of its name, and these names are checked too.
fn catalogue(directory: &Path) -> Result<(PathBuf, String), Failure> {
    let unreadable = |e| Failure::Usage(format!("cannot read {}: {e}", directory.display()));
    let mut root = directory.canonicalize().map_err(unreadable)?;
    let is_package = |path: &Path| path.join("manifest.toml").is_file();
    let mut folders = fs::read_dir(&root).map_err(unreadable)?;
    let levels = if is_package(&root) {
        2
    } else {
        usize::from(folders.any(|folder| folder.is_ok_and(|folder| is_package(&folder.path()))))
    };
    let mut below = String::new();
    for _ in 0..levels {
        let name = root.file_name().map(|name| name.to_string_lossy().into_owned());
        if let Some(name) = name.filter(|_| root.pop()) {
            below = format!("{name}/{below}");
        }
    }
    Ok((root, below))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::model::digest::Digest;

    fn packages(size: u64) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (version, size) in [("1.0.0", 5), ("2.0.0", size)] {
            let folder = dir.path().join("org.example.hello").join(version);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("hello.txt"), "hello").unwrap();
            let manifest = format!(
                "format = 1\nid = \"org.example.hello\"\nversion = \"{version}\"\nname = \"Hello\"\npayload = \"hello.txt\"\n\
                 size = {size}\nsha256 = \"{}\"\n[[components]]\nid = \"hello\"\nversion = \"{version}\"\n",
                Digest::of(b"hello")
            );
            fs::write(folder.join("manifest.toml"), manifest).unwrap();
        }
        dir
    }

    async fn verify(directory: &Path) -> Result<(), Failure> {
        Verify { directory: directory.to_owned() }.run(Output::new(true)).await
    }

    #[tokio::test]
    async fn a_package_is_checked_wherever_one_stands() {
        let dir = packages(5);
        for place in ["", "org.example.hello", "org.example.hello/1.0.0"] {
            verify(&dir.path().join(place)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn only_what_was_asked_for_decides() {
        let dir = packages(6);
        verify(&dir.path().join("org.example.hello/1.0.0")).await.unwrap();
        assert_eq!(verify(&dir.path().join("org.example.hello/2.0.0")).await.unwrap_err().code(), 1);
        assert_eq!(verify(dir.path()).await.unwrap_err().code(), 1);
    }

    #[tokio::test]
    async fn nothing_is_not_fine() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(verify(dir.path()).await.unwrap_err().code(), 1);
        assert_eq!(verify(&dir.path().join("nowhere")).await.unwrap_err().code(), 2);
    }
}
