//! The `gridbook` binary. Everything it does is in the library `gridbook_node`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gridbook_node::cli::main()
}
