//! `promqltest [--floats] [--verbose] PATH...`: runs `.test` scripts; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    promqltest::command(&args, &mut std::io::stdout().lock()).into()
}
