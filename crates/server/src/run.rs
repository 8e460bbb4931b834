//! The program from its arguments to its exit code.

use std::io::Write;
use std::process::ExitCode;

use telemetry::logging;

use crate::environment::Environment;
use crate::flags::{Command, parse};
use crate::identity;
use crate::limits;
use crate::monitor;
use crate::not_built;
use crate::settings::Settings;

/// Runs the server with the arguments after the program's name.
pub fn run(arguments: &[String]) -> ExitCode {
    let flags = match parse(arguments, &identity::version_text("prometheus")) {
        Ok(Command::Run(flags)) => flags,
        Ok(Command::Print(text)) => {
            write_out(&text);
            return ExitCode::SUCCESS;
        }
        Err(usage) => {
            write_out(&usage.stdout);
            write_err(&usage.stderr);
            return ExitCode::from(usage.code);
        }
    };
    let settings = match Settings::new(flags, &Environment::of_process()) {
        Ok(settings) => settings,
        Err(err) => {
            write_err(&err.text);
            return ExitCode::from(err.code);
        }
    };
    logging::init(settings.log_level, settings.log_format);
    if let Some(sentence) = not_built::refusal(&settings) {
        tracing::error!(err = %sentence, "Cannot start with these flags");
        return ExitCode::FAILURE;
    }
    let config = match monitor::load_config(&settings) {
        Ok(config) => config,
        Err(err) => {
            let file = settings.flags.text("config.file");
            let path = std::path::absolute(file).unwrap_or_else(|_| file.into());
            tracing::error!(
                config.file = file,
                file = %path.display(),
                err = %err,
                "Error loading config"
            );
            return ExitCode::from(2);
        }
    };
    not_built::warn(&settings);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(limits::network_threads(settings.worker_threads))
        .thread_name("async")
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(err) => {
            tracing::error!(err = %err, "Could not start the async runtime");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(monitor::run(settings, config)) {
        Ok(()) => {
            tracing::info!("See you next time!");
            ExitCode::SUCCESS
        }
        Err(err) => {
            // With everything that led to it, in one line.
            tracing::error!(err = %format_args!("{err:#}"), "Fatal error");
            ExitCode::FAILURE
        }
    }
}

/// Nobody is left to tell when the standard streams are closed, so failures are let go.
fn write_out(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn write_err(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
