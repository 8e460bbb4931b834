//! Reads a command line against the table.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{FLAGS, Flag, Kind, Mode};
use super::{Command, Flags, UsageError, Value, help, units};

/// Messages accepted by `--web.remote-write-receiver.accepted-protobuf-messages`.
const PROTOBUF_MESSAGES: &[&str] = &["prometheus.WriteRequest", "io.prometheus.write.v2.Request"];

/// One flag of the command line with its value, if it takes one.
struct Occurrence {
    flag: &'static Flag,
    /// For a boolean: `--x` or `--no-x`.
    positive: bool,
    value: String,
}

/// Follows the arguments (without the program's name). `version` is the text that `--version`
/// prints.
pub fn parse(arguments: &[String], version: &str) -> Result<Command, UsageError> {
    let mut seen = Vec::new();
    let read = expand_files(arguments).and_then(|arguments| read_all(&arguments, &mut seen));
    // What asks for a text is obeyed even if the rest of the line is wrong.
    for occurrence in seen.iter().filter(|occurrence| occurrence.positive) {
        match occurrence.flag.name {
            "help" => return Ok(Command::Print(help(false))),
            "help-long" => return Ok(Command::Print(help(true))),
            "help-man" => return Ok(Command::Print(help::man_page(version))),
            "completion-script-bash" => return Ok(Command::Print(help::bash_completion())),
            "completion-script-zsh" => return Ok(Command::Print(help::zsh_completion())),
            "completion-bash" => return Ok(Command::Print(help::completion_words())),
            "version" => return Ok(Command::Print(version.to_owned())),
            _ => {}
        }
    }
    read.map_err(|text| UsageError {
        stdout: String::new(),
        stderr: format!(
            "Error parsing command line arguments: {text}\nprometheus: error: {text}\n"
        ),
        code: 1,
    })?;
    let flags = assign(&seen).map_err(|text| UsageError {
        stdout: help(false),
        stderr: format!("Error parsing command line arguments: {text}\n"),
        code: 2,
    })?;
    if flags.is_on("write-documentation") {
        return Ok(Command::Print(help::markdown()));
    }
    check_mode(&flags)?;
    Ok(Command::Run(flags))
}

/// Replaces each `@file` before a `--` by the file's lines; lines that start with `#` are left out.
fn expand_files(arguments: &[String]) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    let mut only_arguments = false;
    for argument in arguments {
        only_arguments |= argument == "--";
        match argument.strip_prefix('@') {
            Some(path) if !only_arguments && !path.is_empty() => {
                let text = std::fs::read_to_string(path).map_err(|err| {
                    format!(
                        "failed to open arguments file \"{path}\": {}",
                        open_error(path, &err)
                    )
                })?;
                out.extend(
                    text.lines()
                        .filter(|line| !line.starts_with('#'))
                        .map(str::to_owned),
                );
            }
            _ => out.push(argument.clone()),
        }
    }
    Ok(out)
}

/// A failure to open a file as the reference's runtime words it.
fn open_error(path: &str, err: &std::io::Error) -> String {
    match err.kind() {
        std::io::ErrorKind::NotFound => format!("open {path}: no such file or directory"),
        std::io::ErrorKind::PermissionDenied => format!("open {path}: permission denied"),
        _ => format!("open {path}: {err}"),
    }
}

/// First pass: which flags are there, do they exist, do they have an argument if they need one.
fn read_all(arguments: &[String], seen: &mut Vec<Occurrence>) -> Result<(), String> {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            return rest
                .next()
                .map_or(Ok(()), |extra| Err(format!("unexpected {extra}")));
        }
        let (written, flag, positive, attached) = if let Some(long) = argument.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let (flag, positive) =
                find(name).ok_or_else(|| format!("unknown long flag '--{name}'"))?;
            (format!("--{name}"), flag, positive, value)
        } else if let Some(short) = argument.strip_prefix('-') {
            let Some(letter) = short.chars().next() else {
                return Err("unexpected ".to_owned());
            };
            let help = FLAGS
                .iter()
                .find(|flag| flag.name == "help" && letter == 'h');
            let flag = help.ok_or_else(|| format!("unknown short flag '-{letter}'"))?;
            if let Some(next) = short.chars().nth(1) {
                return Err(format!("unknown short flag '-{next}'"));
            }
            ("-h".to_owned(), flag, true, None)
        } else {
            return Err(format!("unexpected {argument}"));
        };
        let value = match (flag.kind == Kind::Bool, attached) {
            (true, Some(value)) => return Err(format!("unexpected {value}")),
            (true, None) => String::new(),
            (false, Some(value)) => value,
            (false, None) => match rest.next() {
                Some(value) if !value.starts_with('-') => value.clone(),
                _ => return Err(format!("expected argument for flag '{written}'")),
            },
        };
        seen.push(Occurrence {
            flag,
            positive,
            value,
        });
    }
    Ok(())
}

/// The flag of this name, and whether it is asked for or, as `no-name`, refused.
fn find(name: &str) -> Option<(&'static Flag, bool)> {
    let by_name = |name: &str| FLAGS.iter().find(|flag| flag.name == name);
    if let Some(flag) = by_name(name) {
        return Some((flag, true));
    }
    let flag = by_name(name.strip_prefix("no-")?)?;
    (flag.kind == Kind::Bool).then_some((flag, false))
}

/// Second pass: values.
fn assign(seen: &[Occurrence]) -> Result<Flags, String> {
    let mut values = BTreeMap::new();
    let mut given = BTreeSet::new();
    for Occurrence {
        flag,
        positive,
        value,
    } in seen
    {
        let again = !given.insert(flag.name);
        if again && !flag.repeatable {
            return Err(format!("flag '{}' cannot be repeated", flag.name));
        }
        if flag.repeatable {
            check_member(flag, value)?;
            let entry = values
                .entry(flag.name)
                .or_insert_with(|| Value::List(Vec::new()));
            if let Value::List(list) = entry {
                list.push(value.clone());
            }
            continue;
        }
        let value = if flag.kind == Kind::Bool {
            Value::Bool(*positive)
        } else {
            read(flag, value)?
        };
        values.insert(flag.name, value);
    }
    for flag in FLAGS {
        values
            .entry(flag.name)
            .or_insert_with(|| default_value(flag));
    }
    Ok(Flags { values, given })
}

/// Checks one value of a repeatable flag.
fn check_member(flag: &Flag, value: &str) -> Result<(), String> {
    if flag.kind == Kind::ProtobufMessage && !PROTOBUF_MESSAGES.contains(&value) {
        return Err(format!(
            "unknown remote write protobuf message {value}, supported: {}",
            PROTOBUF_MESSAGES.join(", ")
        ));
    }
    Ok(())
}

/// The value of a flag that is not on the command line.
pub(super) fn default_value(flag: &Flag) -> Value {
    if flag.repeatable {
        let values = flag.default.split(',').filter(|value| !value.is_empty());
        return Value::List(values.map(str::to_owned).collect());
    }
    if flag.kind == Kind::Bool {
        return Value::Bool(flag.default == "true");
    }
    // The table's own defaults are read in a test.
    read(flag, flag.default).unwrap_or_else(|_| Value::Text(flag.default.to_owned()))
}

fn read(flag: &Flag, text: &str) -> Result<Value, String> {
    match flag.kind {
        Kind::Bool => Ok(Value::Bool(text == "true")),
        Kind::Text | Kind::Url | Kind::ProtobufMessage => Ok(Value::Text(text.to_owned())),
        Kind::Int => read_number(text).map(|value| Value::Int(value as i64)),
        Kind::Float => read_number(text).map(Value::Float),
        Kind::Duration => model::duration::parse(text)
            .map(Value::DurationMs)
            .map_err(|err| err.to_string()),
        Kind::GoDuration => gocompat::duration::parse(text)
            .map(Value::DurationNs)
            .map_err(|err| err.to_string()),
        Kind::Bytes => units::parse_bytes(text).map(Value::Bytes),
        Kind::Enum(choices) => {
            if choices.contains(&text) {
                Ok(Value::Text(text.to_owned()))
            } else {
                Err(format!(
                    "enum value must be one of {}, got '{text}'",
                    choices.join(",")
                ))
            }
        }
        Kind::LogLevel => match text.parse::<telemetry::logging::LogLevel>() {
            Ok(_) => Ok(Value::Text(text.to_owned())),
            Err(err) => Err(err.to_string()),
        },
        Kind::LogFormat => match text.parse::<telemetry::logging::LogFormat>() {
            Ok(_) => Ok(Value::Text(text.to_owned())),
            Err(err) => Err(err.to_string()),
        },
    }
}

/// Whole numbers too are read as floats and cut, as the reference's library does.
fn read_number(text: &str) -> Result<f64, String> {
    gocompat::float::parse(text).map_err(|err| err.to_string())
}

/// Refuses flags of the mode that is not chosen.
fn check_mode(flags: &Flags) -> Result<(), UsageError> {
    let agent = flags.is_on("agent");
    let (other, rule) = if agent {
        (Mode::Server, "can not be used in agent mode")
    } else {
        (Mode::Agent, "can only be used in agent mode")
    };
    let wrong: Vec<String> = FLAGS
        .iter()
        .filter(|flag| flag.mode == other && flags.is_given(flag.name))
        .map(|flag| format!("\"--{}\"", flag.name))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(UsageError {
        stdout: String::new(),
        stderr: format!("The following flag(s) {rule}: [{}]", wrong.join(" ")),
        code: 3,
    })
}
