//! Log lines in logfmt or JSON, shaped as the reference prints them.
//!
//! The shape is that of Go's `log/slog` handlers with the reference's replacements: `time` in UTC,
//! `level` in capitals, `source` as file name and line, `msg`, then the fields in the order they
//! were written. One line is one write; lines are cut at [`LINE_BYTES_MAX`].

use std::fmt::{Debug, Write as _};
use std::io::Write;
use std::str::FromStr;
use std::time::SystemTime;

use jiff::Timestamp;
use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Longest line printed; the rest of a longer one is dropped.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Least important events that are printed, as `--log.level` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What an operator may want to know.
    #[default]
    Info,
    /// Degraded service.
    Warn,
    /// An operator must act.
    Error,
}

/// The text is no log level.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownLevel(String);

impl std::fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unrecognized log level {}", self.0)
    }
}

impl std::error::Error for UnknownLevel {}

impl FromStr for LogLevel {
    type Err = UnknownLevel;

    /// Letter case does not matter.
    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        match text.to_ascii_lowercase().as_str() {
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" => Ok(Self::Warn),
            "error" => Ok(Self::Error),
            _ => Err(UnknownLevel(text.to_owned())),
        }
    }
}

/// How a line is written, as `--log.format` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `key=value` pairs.
    #[default]
    Logfmt,
    /// One JSON object a line.
    Json,
}

/// The text is no log format.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownFormat(String);

impl std::fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unrecognized log format {}", self.0)
    }
}

impl std::error::Error for UnknownFormat {}

impl FromStr for LogFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "logfmt" => Ok(Self::Logfmt),
            "json" => Ok(Self::Json),
            _ => Err(UnknownFormat(text.to_owned())),
        }
    }
}

/// A layer that prints events to a writer.
pub struct LogLayer<W> {
    format: LogFormat,
    level: Level,
    now: fn() -> SystemTime,
    writer: Mutex<W>,
}

impl<W: Write + Send + 'static> LogLayer<W> {
    /// A layer printing events of at least `level` to `writer`.
    pub fn new(level: LogLevel, format: LogFormat, writer: W) -> Self {
        let level = match level {
            LogLevel::Debug => Level::DEBUG,
            LogLevel::Info => Level::INFO,
            LogLevel::Warn => Level::WARN,
            LogLevel::Error => Level::ERROR,
        };
        Self {
            format,
            level,
            now: SystemTime::now,
            writer: Mutex::new(writer),
        }
    }
}

/// Prints this process's events to standard error from now on. A second call changes nothing.
pub fn init(level: LogLevel, format: LogFormat) {
    let layer = LogLayer::new(level, format, std::io::stderr());
    let subscriber = tracing_subscriber::registry().with(layer);
    // Fails only if a subscriber is set already, by a test or by an earlier call.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Crates whose own events are of no interest below a warning.
const CHATTY: &[&str] = &[
    "hyper", "rustls", "tokio", "mio", "notify", "inotify", "h2", "tower",
];

impl<S: Subscriber, W: Write + Send + 'static> Layer<S> for LogLayer<W> {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let target = metadata.target();
        let is_chatty = CHATTY.iter().any(|name| target.starts_with(name));
        let least = if is_chatty {
            self.level.min(Level::WARN)
        } else {
            self.level
        };
        *metadata.level() <= least
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level.into())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields {
            json: self.format == LogFormat::Json,
            ..Fields::default()
        };
        event.record(&mut fields);
        let mut line = match self.format {
            LogFormat::Logfmt => logfmt_line(event.metadata(), &fields, (self.now)()),
            LogFormat::Json => json_line(event.metadata(), &fields, (self.now)()),
        };
        if line.len() > LINE_BYTES_MAX {
            line.truncate(line.floor_char_boundary(LINE_BYTES_MAX));
        }
        line.push('\n');
        // Nobody is left to tell if standard error is gone.
        let _ = self.writer.lock().write_all(line.as_bytes());
    }
}

/// What an event carries: its message, and its fields already written in the line's format.
#[derive(Default)]
struct Fields {
    json: bool,
    message: String,
    rest: String,
}

impl Fields {
    fn text(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else if self.json {
            self.raw(field, &json_string(value));
        } else {
            let value = logfmt_value(value);
            self.raw(field, &value);
        }
    }

    /// Adds a value that needs no quoting.
    fn raw(&mut self, field: &Field, value: &str) {
        let name = field.name();
        let _ = if self.json {
            write!(self.rest, ",{}:{value}", json_string(name))
        } else {
            write!(self.rest, " {name}={value}")
        };
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.raw(field, itoa::Buffer::new().format(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.raw(field, itoa::Buffer::new().format(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.raw(field, if value { "true" } else { "false" });
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let text = gocompat::float::format_g(value);
        if self.json && !value.is_finite() {
            self.text(field, &text);
        } else {
            self.raw(field, &text);
        }
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

/// File name without its folders, and line.
fn source(metadata: &Metadata<'_>) -> String {
    let file = metadata.file().unwrap_or("unknown");
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    format!("{name}:{}", metadata.line().unwrap_or(0))
}

/// Seconds to the nanosecond where the clock gives as much; unrepresentable times are the epoch.
fn utc(now: SystemTime) -> Timestamp {
    Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn logfmt_line(metadata: &Metadata<'_>, fields: &Fields, now: SystemTime) -> String {
    format!(
        "time={} level={} source={} msg={}{}",
        utc(now).strftime("%Y-%m-%dT%H:%M:%S.%3fZ"),
        level_name(*metadata.level()),
        logfmt_value(&source(metadata)),
        logfmt_value(&fields.message),
        fields.rest,
    )
}

fn json_line(metadata: &Metadata<'_>, fields: &Fields, now: SystemTime) -> String {
    format!(
        "{{\"time\":\"{}\",\"level\":\"{}\",\"source\":{},\"msg\":{}{}}}",
        utc(now),
        level_name(*metadata.level()),
        json_string(&source(metadata)),
        json_string(&fields.message),
        fields.rest,
    )
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Quotes a value as slog's text handler does: when empty, or when it holds a blank, `=`, a double
/// quote or anything that does not print.
fn logfmt_value(text: &str) -> String {
    let needs_quotes = text.is_empty()
        || text.chars().any(|c| {
            matches!(c, ' ' | '=' | '"' | '\u{fffd}')
                || (c.is_ascii() && c < ' ')
                || (!c.is_ascii() && !gocompat::quote::is_print(c))
        });
    if needs_quotes {
        gocompat::quote::quote(text)
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests;
