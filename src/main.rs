//! The `appointd` binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    appointd::cli::main(std::env::args_os())
}
