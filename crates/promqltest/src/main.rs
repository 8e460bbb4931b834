//! `promqltest [--floats] [--verbose] PATH...`: runs `.test` scripts. `promqltest random [--seed N]
//! [--count N]`: writes random expressions for the conformance kit. See the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    promqltest::command(&args, &mut std::io::stdout().lock()).into()
}
