//! Writes the seeds of every target, and what was once found, into folders: `cargo run -p gridbook-fuzz --example seeds -- DIR`.

use std::fs;
use std::io;
use std::path::Path;

use gridbook_fuzz::{campaign, targets};

fn main() -> io::Result<()> {
    let dir = std::env::args().nth(1).ok_or_else(|| io::Error::other("say into which directory"))?;
    for target in targets() {
        let dir = Path::new(&dir).join(target.name);
        fs::create_dir_all(&dir)?;
        let seeds = (target.seeds)().into_iter().chain(campaign::found(target.name));
        for (number, seed) in seeds.enumerate() {
            fs::write(dir.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
