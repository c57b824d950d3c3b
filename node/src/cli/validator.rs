//! `gridbook validator`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::{Overrides, ValidatorConfig};

/// Run a validator.
#[derive(Args, Debug)]
#[command(after_help = "\
The settings file is made by `gridbook init`, with a comment for every setting. It runs until SIGTERM or Ctrl-C, and then ends cleanly;
kill -9 loses nothing that was acknowledged either. The admin port serves /metrics, /livez and /readyz.

  gridbook validator --config net/validator-0/validator.toml
  curl http://127.0.0.1:7302/readyz")]
pub(crate) struct ValidatorArgs {
    /// The settings file.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_CONFIG")]
    config: PathBuf,
    /// Instead of the file's `key_file`.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_KEY_FILE")]
    key_file: Option<PathBuf>,
    /// Instead of the file's `genesis_file`.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_GENESIS_FILE")]
    genesis_file: Option<PathBuf>,
    /// Instead of the file's `data_dir`.
    #[arg(long, value_name = "DIR", env = "GRIDBOOK_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Instead of the file's `listen.validators`.
    #[arg(long, value_name = "ADDRESS", env = "GRIDBOOK_LISTEN_VALIDATORS")]
    listen_validators: Option<SocketAddr>,
    /// Instead of the file's `listen.meters`.
    #[arg(long, value_name = "ADDRESS", env = "GRIDBOOK_LISTEN_METERS")]
    listen_meters: Option<SocketAddr>,
    /// Instead of the file's `listen.admin`.
    #[arg(long, value_name = "ADDRESS", env = "GRIDBOOK_LISTEN_ADMIN")]
    listen_admin: Option<SocketAddr>,
    /// Write the first safety record, before anything else: for a key that has never signed anything, made by `gridbook keys generate`. Never
    /// for a disk that was replaced or restored: without a record the validator follows, and signs again from the next epoch on.
    #[arg(long)]
    first_start: bool,
    /// Print the settings as they would be used, and stop.
    #[arg(long)]
    print_config: bool,
    /// End when standard input does: whoever started it holds the other end, and takes it along.
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
    /// Run on a clock that is wrong by so many milliseconds, for tests.
    #[arg(long, hide = true, default_value_t = 0, allow_negative_numbers = true)]
    clock_offset_ms: i64,
}

impl ValidatorArgs {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let overrides = Overrides {
            key_file: self.key_file,
            genesis_file: self.genesis_file,
            data_dir: self.data_dir,
            listen_validators: self.listen_validators,
            listen_meters: self.listen_meters,
            listen_admin: self.listen_admin,
        };
        let config = ValidatorConfig::load(&self.config, &overrides)?;
        if self.print_config {
            print!("{}", config.to_commented_toml());
            return Ok(());
        }
        if self.first_start {
            crate::validator::give_birth(&config)?;
        }
        if self.stop_with_stdin {
            stop_with_stdin();
        }
        crate::validator::run_with_clock(&config, self.clock_offset_ms)
    }
}

/// How long a clean end may take once standard input has ended. Wide: a last checkpoint is written, on a machine that may be busy.
const GRACE: Duration = Duration::from_secs(60);

/// Asks this process to end, as SIGTERM does, when standard input ends; ends it without asking if that takes too long.
fn stop_with_stdin() {
    std::thread::spawn(|| {
        // Whatever comes is not for us; an error is as good as the end.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
        std::thread::sleep(GRACE);
        std::process::exit(1);
    });
}
