//! The binary: by its own name or its first argument it is the server, promtool, alertmanager or
//! amtool. Nothing but that choice happens here.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Many small allocations of different lifetimes are what this program does.
#[global_allocator]
static ALLOCATOR: memory::Allocator = memory::Allocator;

/// What to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Server,
    Promtool,
    NotBuilt(&'static str),
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let mut rest: Vec<OsString> = arguments.collect();
    let program = choose(&name, &mut rest);
    // Fails only if a provider is installed already, which nobody else does.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match program {
        Program::Server => {
            // Where an argument is no text, what stands for it is refused like any wrong value.
            let text = |argument: &OsString| argument.to_string_lossy().into_owned();
            server::run(&rest.iter().map(text).collect::<Vec<String>>())
        }
        Program::Promtool => {
            let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
            let code = promtool::run(rest, &mut out, &mut err);
            ExitCode::from(u8::try_from(code).unwrap_or(1))
        }
        Program::NotBuilt(name) => not_built(name),
    }
}

fn not_built(name: &str) -> ExitCode {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr(), "{name} is not built yet in this version");
    ExitCode::FAILURE
}

/// By the name we were called, or by the first argument, which is then taken away.
fn choose(name: &OsString, rest: &mut Vec<OsString>) -> Program {
    let known = |name: &str| match name {
        "prometheus" => Some(Program::Server),
        "promtool" => Some(Program::Promtool),
        "alertmanager" => Some(Program::NotBuilt("alertmanager")),
        "amtool" => Some(Program::NotBuilt("amtool")),
        _ => None,
    };
    let file_name = Path::new(name)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    if let Some(program) = known(&file_name) {
        return program;
    }
    let first = rest
        .first()
        .map(|first| first.to_string_lossy().into_owned())
        .unwrap_or_default();
    match known(&first).filter(|program| *program != Program::Server) {
        Some(program) => {
            rest.remove(0);
            program
        }
        None => Program::Server,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_first_argument_choose() {
        let check = |name: &str, arguments: &[&str], program: Program, left: &[&str]| {
            let mut rest: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            assert_eq!(
                choose(&OsString::from(name), &mut rest),
                program,
                "{name} {arguments:?}"
            );
            assert_eq!(rest, left);
        };
        check(
            "/usr/bin/prometheus",
            &["--version"],
            Program::Server,
            &["--version"],
        );
        check(
            "promtool",
            &["check", "config"],
            Program::Promtool,
            &["check", "config"],
        );
        check(
            "ferula",
            &["promtool", "check"],
            Program::Promtool,
            &["check"],
        );
        check("ferula", &["amtool"], Program::NotBuilt("amtool"), &[]);
        check("ferula", &["--agent"], Program::Server, &["--agent"]);
        check("ferula", &[], Program::Server, &[]);
    }
}
