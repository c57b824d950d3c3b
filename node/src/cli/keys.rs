//! `gridbook keys`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use gridbook_ledger::crypto::SecretKey;
use serde_json::json;

use super::Global;
use crate::keyfile::{read_key, write_key};

/// Make and look at key files.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a new key. The file can be read by its owner only, and an existing file is never overwritten.
    #[command(after_help = "  gridbook keys generate --out alice.key
  gridbook keys generate --out alice.key --json")]
    Generate {
        /// The file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show the public key of a key file.
    #[command(after_help = "  gridbook keys show alice.key")]
    Show {
        /// The key file.
        file: PathBuf,
    },
}

impl Keys {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let (file, key) = match self {
            Self::Generate { out } => {
                let key = SecretKey::generate().context("the system gives no randomness")?;
                write_key(&out, &key)?;
                (out, key)
            }
            Self::Show { file } => {
                let key = read_key(&file)?;
                (file, key)
            }
        };
        let public = key.public().to_hex();
        global.print(&json!({"file": file, "public": public}), || public.clone())
    }
}
